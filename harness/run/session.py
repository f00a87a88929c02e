"""Planned runs carried out one after the other, each in a sandbox of its own, the invalid ones again."""

import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.results.formats import BrokenRun
from harness.results.record import Outcome, RunRecord, read_record
from harness.results.writer import RunDirectory
from harness.run import describe
from harness.run.order import Order, Progress
from harness.sandbox import Sandbox, launch, python_module, take_terminal
from harness.spec.loader import PROJECT
from harness.spec.plan import PlannedRun

ATTEMPTS = 3


@dataclass(frozen=True)
class Finished:
    """A run that has ended: where its data are, and its record."""

    directory: Path
    record: RunRecord


@dataclass
class Session:
    """Carries out runs.

    Attributes:
        results: folder under which run directories are made.
        attempts: how often a run is made at most while its measurement is invalid.
        pcap: capture packets.
        shell_on_fail: open a prompt inside the network when an expectation fails.
        progress: is told of the run's progress.

    """

    results: Path
    attempts: int = ATTEMPTS
    pcap: bool = False
    shell_on_fail: bool = False
    progress: Callable[[Progress], None] = lambda _progress: None
    interrupted: bool = field(default=False, init=False)
    _sandbox: Sandbox | None = field(default=None, init=False)
    _source: dict[str, Any] = field(default_factory=describe.source_state, init=False)

    def run(self, planned: PlannedRun) -> Iterator[Finished]:
        """Carry out a run until its measurement is valid, at most ``attempts`` times; yield every attempt.

        Raises:
            SandboxUnavailable: this machine allows no sandbox.
            OSError: the results cannot be written.

        """
        for attempt in range(1, self.attempts + 1):
            finished = self._attempt(planned, attempt)
            yield finished
            record = finished.record
            # What fails before the transfer (a refused setting, for one) would fail again.
            came_to_transfer = record.clock_zero_ns != 0
            if record.verdict != "invalid" or self.interrupted or not came_to_transfer:
                return

    def interrupt(self) -> None:
        """End the present run at once, keeping what was measured, and start no further one; twice: kill it."""
        self.interrupted = True
        if self._sandbox is not None:
            self._sandbox.interrupt()

    def _attempt(self, planned: PlannedRun, attempt: int) -> Finished:
        directory = RunDirectory.create(self.results, planned.scenario.name, planned.run_id)
        order = Order.of(
            planned,
            directory.path,
            attempt=attempt,
            pcap=self.pcap,
            shell_on_fail=self.shell_on_fail,
            environment={**self._source, "endpoint_folder": _recorded(planned.endpoint_folder)},
        )
        exit_code = self._carry_out(order)
        try:
            return Finished(directory.path, read_record(directory.path))
        except BrokenRun:
            record = unfinished(order, exit_code)
            directory.write(record)
            return Finished(directory.path, record)

    def _carry_out(self, order: Order) -> int:
        descriptor = order.to_descriptor()
        progress_read, progress_write = os.pipe()
        try:
            sandbox = launch(
                python_module("harness.run.inside", str(descriptor), str(progress_write)),
                stdin=None if self.shell_on_fail else subprocess.DEVNULL,
                stdout=None if self.shell_on_fail else subprocess.DEVNULL,
                pass_fds=[descriptor, progress_write],
                keep=[Path(order.directory)],
                terminal=self.shell_on_fail,
            )
        finally:
            os.close(descriptor)
            os.close(progress_write)
        with open(progress_read, encoding="utf-8") as lines, sandbox:
            self._sandbox = sandbox
            try:
                for line in lines:
                    progress = Progress.from_line(line)
                    if progress is not None:
                        self.progress(progress)
                return sandbox.wait()
            finally:
                self._sandbox = None
                if self.shell_on_fail:
                    take_terminal()


def _recorded(folder: Path) -> str:
    """Return how run.json names an endpoint's folder: a bundled one's relative to the project, wherever that is."""
    return str(folder.relative_to(PROJECT) if folder.is_relative_to(PROJECT) else folder)


def unfinished(order: Order, exit_code: int) -> RunRecord:
    """Return the record of a run that could not write its own: it was killed, or could not even start."""
    log = Path(order.directory) / "harness.log"
    said = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
    how = f"killed by signal {exit_code - 128}" if exit_code > 128 else f"ended with exit code {exit_code}"
    reason = f"the run did not come to its end: its process was {how}"
    return RunRecord(
        run_id=order.run_id,
        scenario=order.scenario.name,
        topology=order.topology.name,
        endpoint=order.endpoint.name,
        seed=order.specification["seed"],
        element=order.specification["element"],
        attempt=order.attempt,
        values=order.values,
        verdict="invalid",
        reasons=[reason, *said[-1:]],
        outcome=Outcome(ended_by="error", failure=reason),
        environment=dict(order.environment),
        specification=order.specification,
    )


def all_runs(session: Session, planned: Sequence[PlannedRun]) -> Iterator[Finished]:
    """Carry out all planned runs, every attempt of each, until one is interrupted."""
    for run in planned:
        if session.interrupted:
            return
        yield from session.run(run)
