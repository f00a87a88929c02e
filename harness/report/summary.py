"""Runs grouped into cases: one row for all that differ in nothing but seed and attempt, with medians and ranges."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.results.formats import BrokenRun
from harness.results.record import RunRecord, find_runs, read_record

VERDICTS = ("fail", "invalid", "incomplete", "unsupported", "pass")
"""The worst first."""


@dataclass(frozen=True)
class StoredRun:
    """A run directory; ``record`` is None and ``error`` says why where it has no readable run.json."""

    folder: Path
    record: RunRecord | None
    error: str | None = None

    @property
    def verdict(self) -> str:
        """Return the verdict, ``incomplete`` without a record."""
        return "incomplete" if self.record is None else self.record.verdict


@dataclass(frozen=True)
class Spread:
    """Median, least and greatest of a metric over the valid runs of a case."""

    median: float
    low: float
    high: float
    count: int

    def text(self, digits: int = 2) -> str:
        """Return ``median [low–high]``, or the value alone when there is only one."""
        middle = f"{self.median:.{digits}f}"
        return middle if self.count == 1 else f"{middle} [{self.low:.{digits}f}–{self.high:.{digits}f}]"


@dataclass(frozen=True)
class Case:
    """All runs of one scenario, endpoint and point of the matrix."""

    scenario: str
    endpoint: str
    values: dict[str, Any]
    runs: list[StoredRun]

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes two cases of different folders the same."""
        return self.scenario, self.endpoint, describe_values(self.values)

    @property
    def valid(self) -> list[RunRecord]:
        """Records whose numbers count."""
        return [run.record for run in self.runs if run.record is not None and run.verdict in ("pass", "fail")]

    @property
    def seeds(self) -> str:
        """Return the seeds: ``7``, ``7–9``, or a list."""
        seeds = sorted({run.record.seed for run in self.runs if run.record is not None})
        if len(seeds) > 2 and seeds == list(range(seeds[0], seeds[-1] + 1)):
            return f"{seeds[0]}–{seeds[-1]}"
        return ", ".join(map(str, seeds))

    @property
    def verdict(self) -> str:
        """Return what the case comes to: an invalid run is outweighed by a valid one, a failed one by nothing."""
        found = {run.verdict for run in self.runs}
        if "fail" not in found and "pass" in found:
            return "pass"
        return next(name for name in VERDICTS if name in found)

    @property
    def verdicts(self) -> str:
        """Return the verdict, or how often each occurred, the valid ones first."""
        if len(self.runs) == 1:
            return self.verdict
        counts = [
            (name, sum(run.verdict == name for run in self.runs))
            for name in ("pass", "fail", "invalid", "unsupported", "incomplete")
        ]
        return ", ".join(f"{count} {name}" for name, count in counts if count)

    def values_of(self, metric: str) -> list[float]:
        """Return a metric of the valid runs that have it, in their order."""
        found = [number_of(record, metric) for record in self.valid]
        return [value for value in found if value is not None]

    def spread(self, metric: str) -> Spread | None:
        """Return median and range of a metric, None when no valid run has it."""
        values = self.values_of(metric)
        return Spread(statistics.median(values), min(values), max(values), len(values)) if values else None


def number_of(record: RunRecord, metric: str) -> float | None:
    """Return a metric as a number; of ``recovery_s`` the longest one."""
    value = record.metrics.get(metric)
    if isinstance(value, dict):
        known = [inner for inner in value.values() if isinstance(inner, int | float)]
        return max(known) if known and len(known) == len(value) else None
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def describe_values(values: dict[str, Any]) -> str:
    """Return a point of the matrix in words: ``fault.kind = drop``."""
    return ", ".join(f"{key} = {value}" for key, value in values.items())


def read_runs(folders: Iterable[Path]) -> list[StoredRun]:
    """Read run directories, those without a readable run.json included."""
    runs = []
    for folder in folders:
        try:
            runs.append(StoredRun(folder, read_record(folder)))
        except BrokenRun as error:
            runs.append(StoredRun(folder, None, str(error)))
    return runs


def read_folder(folder: Path) -> list[StoredRun]:
    """Read every run at or below a folder, in the order in which they were started.

    Raises:
        BrokenRun: the folder does not exist, or holds no run.

    """
    runs = read_runs(find_runs(folder))
    if not runs:
        raise BrokenRun(f"{folder}: no run directories are there; `harness run … --out {folder}` makes some")
    return sorted(runs, key=lambda run: "" if run.record is None else run.record.started)


def group(runs: Sequence[StoredRun]) -> list[Case]:
    """Return the cases, in order of first appearance; runs without a record are cases by their scenario's folder."""
    cases: dict[tuple[str, str, str], Case] = {}
    for run in runs:
        record = run.record
        if record is None:
            case = Case(run.folder.parent.name, "?", {}, [])
        else:
            case = Case(record.scenario, record.endpoint, record.values, [])
        cases.setdefault(case.key, case).runs.append(run)
    return list(cases.values())
