"""run.json as a typed record, and finding and reading it. What is not known yet stands at its default."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.results import formats
from harness.results.formats import SCHEMA, BrokenRun
from harness.spec.scenario import Scenario
from harness.spec.topology import Topology

Verdict = Literal["pass", "fail", "unsupported", "invalid"]
Cause = Literal["machine", "harness", "network"]


_Model = TypeVar("_Model", bound=BaseModel)


class _Part(BaseModel):
    model_config = ConfigDict(extra="allow", populate_by_name=True)


class FaultMoment(_Part):
    """When a fault was planned to happen and when it did, in seconds; ``actual_s`` is None when it never did."""

    id: str
    kind: str
    path: str | None = None
    planned_s: float
    actual_s: float | None = None


class Phase(_Part):
    """A part of the run, in seconds on its clock (before the start: negative)."""

    name: str
    start_s: float
    end_s: float


class ProcessEnd(_Part):
    """How one endpoint process ended: ``model_validate(outcome, from_attributes=True)`` of the supervisor's outcome."""

    status: Literal["done", "unsupported", "failed", "hung", "killed"]
    exit_code: int | None = None
    signal: str | None = None
    seconds: float = 0.0
    message: str = ""
    log_end: list[str] = []


class Outcome(_Part):
    """How the endpoints ended.

    ``ended_by`` tells what ended the run, ``ended_s`` when on the run's clock. ``failure`` is a sentence when something
    else than an exit status shows that an endpoint failed: it could not be started, its event lines cannot be believed.
    ``lacking`` names what this machine does not have and the run needs.
    """

    client: ProcessEnd | None = None
    server: ProcessEnd | None = None
    ended_by: Literal["client", "server", "limit", "stall", "interrupt", "error"] = "client"
    ended_s: float = 0.0
    failure: str | None = None
    lacking: str | None = None


class Breach(_Part):
    """A threshold of validity that the run did not keep, and whose doing that was."""

    threshold: str
    cause: Cause
    measured: float | None = None
    limit: float | None = None
    reason: str


class Assessment(_Part):
    """One expectation as evaluated: ``measured`` and ``bound`` in the unit that ``reason`` names."""

    expectation: str
    kind: str
    measured: float | None = None
    bound: float | None = None
    passed: bool
    reason: str


class RunRecord(_Part):
    """run.json. Keys beyond these are kept as they are."""

    schema_version: int = Field(SCHEMA, alias="schema")
    run_id: str
    scenario: str
    topology: str
    endpoint: str
    seed: int
    attempt: int = 1
    element: str = ""
    values: dict[str, Any] = {}
    verdict: Verdict = "invalid"
    reasons: list[str] = ["the run has not been judged"]
    metrics: dict[str, Any] = {}
    validity: dict[str, Any] = {}
    expectations: list[Assessment] = []
    breaches: list[Breach] = []
    outcome: Outcome = Outcome()
    environment: dict[str, Any] = {}
    started: str = ""
    duration_s: float = 0.0
    clock_zero_ns: int = 0
    faults: list[FaultMoment] = []
    phases: list[Phase] = []
    figures: list[str] = []
    specification: dict[str, Any]

    def to_json(self) -> str:
        """Return the text of run.json."""
        return self.model_dump_json(by_alias=True, indent=2) + "\n"

    def read_scenario(self) -> Scenario:
        """Return the scenario as it was run, matrix values and overrides included.

        Raises:
            BrokenRun: the specification is not readable with this version.

        """
        return self._part("scenario", Scenario)

    def read_topology(self) -> Topology:
        """Return the topology as it was run.

        Raises:
            BrokenRun: the specification is not readable with this version.

        """
        return self._part("topology", Topology)

    def _part(self, name: str, model: type[_Model]) -> _Model:
        try:
            return model.model_validate(self.specification[name])
        except KeyError:
            raise BrokenRun(f"run {self.run_id}: run.json has no specification.{name}") from None
        except ValidationError as error:
            raise BrokenRun(f"run {self.run_id}: specification.{name} in run.json: {_first(error)}") from None

    @property
    def capabilities(self) -> frozenset[str]:
        """What the endpoint can do, from its definition in the specification."""
        definition = self.specification.get("endpoint")
        return frozenset(definition.get("capabilities", ())) if isinstance(definition, dict) else frozenset()


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg'].removeprefix('Value error, ')}"


def read_record(folder: Path) -> RunRecord:
    """Read run.json of a run directory.

    Raises:
        BrokenRun: there is none, it is broken, or it is of a format that this version does not know.

    """
    path = folder / formats.RUN
    try:
        value = formats.read_json(path)
    except OSError as error:
        raise BrokenRun(f"{path}: {error.strerror}") from None
    if value is None:
        if not folder.is_dir():
            raise BrokenRun(f"{folder}: there is no such run directory")
        raise BrokenRun(f"{folder}: no run.json: the run did not come to its end, or this is no run directory")
    if not isinstance(value, dict):
        raise BrokenRun(f"{path}: not a JSON object")
    version = value.get("schema")
    if version != SCHEMA:
        raise BrokenRun(f"{path}: schema is {version!r}; this version of the harness reads schema {SCHEMA}")
    try:
        return RunRecord.model_validate(value)
    except ValidationError as error:
        raise BrokenRun(f"{path}: {_first(error)}") from None


def find_runs(folder: Path) -> Iterator[Path]:
    """Yield the run directories at and below ``folder``, sorted, unfinished ones included.

    Raises:
        BrokenRun: the folder does not exist.

    """
    if not folder.is_dir():
        raise BrokenRun(f"{folder}: there is no such folder")
    for place, folders, files in os.walk(folder):
        folders.sort(key=_natural)
        if formats.RUN in files or any(name in files for name in formats.TRACES):
            folders.clear()
            yield Path(place)


def _natural(name: str) -> tuple[str, int]:
    """Sort ``id-10`` after ``id-9``."""
    stem, dash, number = name.rpartition("-")
    return (stem, int(number)) if dash and number.isdecimal() else (name, 1)
