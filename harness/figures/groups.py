"""Runs of a scenario in groups for a comparison: what they differ in, which numbers tell, where each is drawn."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.figures.series import Series

COLUMNS = 4
"""Panels that fit beside each other."""


@dataclass(frozen=True)
class Measure:
    """A number of run.json's ``metrics`` (dotted) that a comparison shows.

    ``label`` stands at its axis, ``name`` is how a sentence calls it, ``note`` how a panel writes it (None: not).
    """

    metric: str
    label: str
    name: str
    note: str | None = None
    digits: int = 2


GAP = Measure("longest_gap_s", "longest gap (s)", "longest gap", "longest gap {} s")
COMPLETION = Measure("completion_s", "completion (s)", "completion")
STEADY = Measure("goodput_steady_mbps", "steady goodput (Mbps)", "steady goodput", "goodput {} Mbps", 1)
DEVIATION = Measure(
    "goodput_steady_stdev_mbps", "deviation of its 0.1 s bins (Mbps)", "deviation", "deviation {} Mbps", 1
)
OBJECT_MEDIAN = Measure("object_ms.median", "object, median (ms)", "time of objects", "median {} ms", 0)
OBJECT_P95 = Measure(
    "object_ms.p95", "object, 95th percentile (ms)", "95th percentile of the objects", "95 %: {} ms", 0
)


@dataclass(frozen=True)
class Group:
    """Runs that differ in nothing but the seed and the attempt; ``point`` has what tells them from other groups."""

    endpoint: str
    point: dict[str, Any]
    runs: list[Series]

    @property
    def values(self) -> str:
        """What the group's panel says of the point: ``kind drop, mode backup``."""
        return describe(self.point)

    @property
    def name(self) -> str:
        """Endpoint and values."""
        return f"{self.endpoint}  {self.values}".strip()

    @property
    def valid(self) -> list[Series]:
        """Those whose numbers count."""
        return [run for run in self.runs if run.record.verdict in ("pass", "fail")]

    @property
    def unsupported(self) -> bool:
        """Whether the endpoint cannot do this at all, so that there is nothing to draw."""
        return all(run.record.verdict == "unsupported" for run in self.runs)

    def numbers(self, metric: str) -> list[float]:
        """Return a metric of the valid runs that completed and have it, sorted.

        The gap of a run that stalled is as long as the run's limit, which says nothing about the transport.
        """
        done = [run for run in self.valid if run.record.metrics.get("completion_s") is not None]
        return sorted(value for run in done if (value := _number(run, metric)) is not None)

    def typical(self, metric: str) -> Series | None:
        """Return the valid run whose ``metric`` is the (lower) median; one without it where none has it."""
        known = [(value, index) for index, run in enumerate(self.valid) if (value := _number(run, metric)) is not None]
        if not known:
            return self.valid[0] if self.valid else None
        return self.valid[sorted(known)[(len(known) - 1) // 2][1]]


def _number(run: Series, metric: str) -> float | None:
    value: Any = run.record.metrics
    for part in metric.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def describe(point: dict[str, Any]) -> str:
    """Return a point of the matrix in short: the last part of each key, and its value."""
    return ", ".join(f"{key.rpartition('.')[2].replace('_', ' ')} {value}" for key, value in point.items())


def grouped(series: Sequence[Series]) -> list[Group]:
    """Sort runs into groups, in order of first appearance of endpoints and of values."""
    varied = _varied(series)
    groups: dict[tuple[str, str], Group] = {}
    for run in series:
        point = {key: run.record.values[key] for key in varied if key in run.record.values}
        group = Group(run.record.endpoint, point, [])
        groups.setdefault((group.endpoint, group.values), group).runs.append(run)
    endpoints = list(dict.fromkeys(endpoint for endpoint, _ in groups))
    values = list(dict.fromkeys(value for _, value in groups))
    ordered = sorted(groups.items(), key=lambda item: (endpoints.index(item[0][0]), values.index(item[0][1])))
    return [group for _, group in ordered]


def _varied(series: Sequence[Series]) -> list[str]:
    """Return the keys of the matrix that have more than one value among the runs."""
    keys = list(dict.fromkeys(key for run in series for key in run.record.values))
    return [key for key in keys if len({str(run.record.values[key]) for run in series if key in run.record.values}) > 1]


def measures(groups: Sequence[Group]) -> tuple[Measure, Measure]:
    """Return the two numbers by which the runs of a scenario are compared.

    Objects are what a scenario with objects is about. Where something breaks or the client moves, it is how long
    nothing arrived; where nothing does, how much arrives and how evenly.
    """
    scenario = groups[0].runs[0].scenario
    if scenario.workload.kind == "objects":
        return OBJECT_MEDIAN, OBJECT_P95
    if scenario.multipath.migrate_at or any(fault.kind != "up" for fault in scenario.fault):
        return GAP, COMPLETION
    return STEADY, DEVIATION


@dataclass(frozen=True)
class Layout:
    """Where the groups are drawn: ``places`` has row and column of each, in their order."""

    rows: int
    columns: int
    places: list[tuple[int, int]]


def layout(groups: Sequence[Group]) -> Layout:
    """Lay out a panel for each group so that a column shows one thing done to every endpoint.

    One key's values are the columns: that of the key which most groups have, and which fits side by side. What else
    differs has a row for each endpoint. Where no key fits the panels follow each other, a row for each endpoint if
    possible.
    """
    key = _key_of_columns(groups)
    if key is None:
        values = len(dict.fromkeys(group.values for group in groups))
        fitting = [count for count in range(COLUMNS, 1, -1) if values > 1 and values % count == 0]
        columns = fitting[0] if fitting else min(COLUMNS, max(2, len(groups)))
        places = [divmod(index, columns) for index in range(len(groups))]
        return Layout(-(-len(groups) // columns), columns, places)
    columns_of = list(dict.fromkeys(str(group.point[key]) for group in groups if key in group.point))
    rows: list[tuple[str, str, bool]] = []
    places = []
    for group in groups:
        rest = describe({name: value for name, value in group.point.items() if name != key})
        row = (group.endpoint, rest, key in group.point)
        if row not in rows:
            rows.append(row)
        # A group without the key has a row to itself: its endpoint does not know the key.
        places.append((rows.index(row), columns_of.index(str(group.point[key])) if key in group.point else 0))
    return Layout(len(rows), len(columns_of), places)


def _key_of_columns(groups: Sequence[Group]) -> str | None:
    keys = list(dict.fromkeys(key for group in groups for key in group.point))
    counts = {
        key: sum(key in group.point for group in groups)
        for key in keys
        if 2 <= len({str(group.point[key]) for group in groups if key in group.point}) <= COLUMNS
    }
    return max(counts, key=lambda key: counts[key], default=None)
