"""What the program outside asks the one in the sandbox to do, and what that one says of its progress."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.spec.endpoint import Endpoint
from harness.spec.plan import PlannedRun
from harness.spec.scenario import Scenario
from harness.spec.topology import Topology


@dataclass(frozen=True)
class Order:
    """One run, as it crosses the wall of the sandbox.

    Attributes:
        specification: as in run.json.
        values: point of the matrix and assignments of the command line.
        run_id: hash of the specification.
        attempt: 1, or more when earlier ones were invalid.
        endpoint_folder: folder that the endpoint's relative commands belong to.
        directory: the run directory, which exists.
        pcap: capture packets.
        shell_on_fail: open a prompt in the network when an expectation fails.
        environment: what only the program outside can know (the git commit, for one).

    """

    specification: dict[str, Any]
    values: dict[str, Any]
    run_id: str
    attempt: int
    endpoint_folder: str
    directory: str
    pcap: bool
    shell_on_fail: bool
    environment: dict[str, Any]

    @classmethod
    def of(
        cls,
        run: PlannedRun,
        directory: Path,
        *,
        attempt: int,
        pcap: bool,
        shell_on_fail: bool,
        environment: dict[str, Any],
    ) -> "Order":
        """Make the order of a planned run."""
        return cls(
            run.specification,
            run.values,
            run.run_id,
            attempt,
            str(run.endpoint_folder),
            str(directory.absolute()),
            pcap,
            shell_on_fail,
            environment,
        )

    @property
    def scenario(self) -> Scenario:
        """The scenario of the specification."""
        return Scenario.model_validate(self.specification["scenario"])

    @property
    def topology(self) -> Topology:
        """The topology of the specification."""
        return Topology.model_validate(self.specification["topology"])

    @property
    def endpoint(self) -> Endpoint:
        """The endpoint of the specification."""
        return Endpoint.model_validate(self.specification["endpoint"])

    def to_descriptor(self) -> int:
        """Write the order to a file without a name and return its descriptor, for the process that gets it."""
        descriptor = os.memfd_create("order")
        os.write(descriptor, json.dumps(asdict(self)).encode())
        os.lseek(descriptor, 0, os.SEEK_SET)
        return descriptor

    @classmethod
    def from_descriptor(cls, descriptor: int) -> "Order":
        """Read what ``to_descriptor`` wrote."""
        with os.fdopen(descriptor, "rb") as file:
            return cls(**json.loads(file.read()))


@dataclass(frozen=True)
class Progress:
    """A moment of a run, for the terminal.

    Attributes:
        phase: what is being done.
        elapsed_s: seconds since the client was started; None before.
        limit_s: seconds after which the run is ended.
        received: payload bytes that have arrived.
        expected: payload bytes in all.
        goodput_mbps: over the last half second.

    """

    phase: str
    elapsed_s: float | None = None
    limit_s: float | None = None
    received: int = 0
    expected: int = 0
    goodput_mbps: float | None = None

    def to_line(self) -> str:
        """Return the line that crosses the wall."""
        return json.dumps(asdict(self))

    @classmethod
    def from_line(cls, line: str) -> "Progress | None":
        """Read a line; None for one that something else printed."""
        try:
            return cls(**json.loads(line))
        except (ValueError, TypeError):
            return None
