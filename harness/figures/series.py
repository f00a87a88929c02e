"""From a run directory to what is drawn: bins, rates and the intervals of faults. Nothing here draws."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Self

from harness.faults.plan import plan
from harness.judge.arrivals import BIN_S, Arrivals
from harness.judge.capacity import payload_direction, profile
from harness.judge.metrics import Moment, moments_of, payload_arrivals
from harness.judge.reported import SmallObject, migrations_of, objects_of
from harness.results.data import RunData
from harness.results.formats import PathRow
from harness.results.record import RunRecord, read_record
from harness.spec.scenario import Scenario
from harness.spec.topology import Topology


@dataclass(frozen=True)
class FaultSpan:
    """A fault, or a move of the client (kind ``migration``), as drawn: from ``start_s`` to ``end_s``.

    An ``end_s`` of None says that it has no end, or lasts to the run's.
    """

    id: str
    kind: str
    path: str | None
    start_s: float
    end_s: float | None


@dataclass(frozen=True)
class Series:
    """Everything that a figure of one run needs."""

    record: RunRecord
    scenario: Scenario
    topology: Topology
    data: RunData
    arrivals: Arrivals
    faults: list[FaultSpan]
    moves: list[FaultSpan]
    objects: list[SmallObject]
    end_s: float

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read a run directory.

        Raises:
            BrokenRun: it cannot be read.

        """
        record = read_record(folder)
        scenario, topology = record.read_scenario(), record.read_topology()
        data = RunData.read(folder)
        arrivals = payload_arrivals(data, record, scenario)
        end = max([record.outcome.ended_s, arrivals.last or 0.0, BIN_S])
        faults, objects = _spans(data, record, scenario), objects_of(data, record)
        return cls(record, scenario, topology, data, arrivals, faults, _moves(data, record), objects, end)

    @property
    def marks(self) -> list[FaultSpan]:
        """Faults and moves in the order of their beginnings."""
        return sorted([*self.faults, *self.moves], key=lambda mark: mark.start_s)

    def goodput(self) -> tuple[list[float], list[float]]:
        """Return the rates (Mbit/s) of bins of 0.1 s from 0 on, and their edges: one more."""
        count = max(1, math.ceil(self.end_s / BIN_S - 1e-6))
        edges = [round(index * BIN_S, 6) for index in range(count + 1)]
        return self.arrivals.bins(0.0, edges[-1]), edges

    def throughput(self, path: str) -> tuple[list[float], list[float]]:
        """Return what crossed a path in the payload's direction (Mbit/s of whole frames), and the edges in time."""
        own = next(item for item in self.topology.path if item.name == path)
        direction = payload_direction(self.topology, own, self.scenario.workload.kind)
        rows = [row for row in self.data.paths if row.path == path and row.direction == direction]
        return _rates([row for row in rows if -0.15 < row.time_s <= self.end_s + 0.15])

    def capacity(self) -> tuple[list[float], list[float]]:
        """Return the payload rate that the network allows (Mbit/s) between its edges in time, for this endpoint.

        An endpoint with one path, or with the others as backup, has the fastest one. Empty where a rate is unlimited.
        """
        multipath = "multipath" in self.record.capabilities and self.scenario.multipath.mode == "active"
        values, edges = [], [0.0]
        for segment in profile(self.scenario, self.topology, seed=self.record.seed):
            if segment.start_s >= self.end_s:
                break
            values.append((segment.total if multipath else segment.best) / 1e6)
            edges.append(min(segment.end_s, self.end_s))
        return ([], []) if any(map(math.isinf, values)) else (values, edges)


def _rates(rows: Sequence[PathRow]) -> tuple[list[float], list[float]]:
    values, edges = [], [rows[0].time_s] if rows else []
    for before, after in pairwise(rows):
        if after.time_s > before.time_s:
            values.append((after.bytes - before.bytes) * 8e-6 / (after.time_s - before.time_s))
            edges.append(after.time_s)
    return values, edges


def _spans(data: RunData, record: RunRecord, scenario: Scenario) -> list[FaultSpan]:
    """Pair the beginnings that happened with their ends: as they happened, or as planned where nothing was written."""
    happened = {line["id"]: line.get("actual_s") for line in data.timeline}
    ends = {
        action.undoes: happened.get(action.id)
        for action in plan(scenario, seed=record.seed)
        if action.undoes is not None
    }
    return [_span(moment, ends.get(moment.id)) for moment in moments_of(data, record)]


def _span(moment: Moment, end: float | None) -> FaultSpan:
    return FaultSpan(moment.id, moment.kind, moment.path, moment.actual_s, end)


def _moves(data: RunData, record: RunRecord) -> list[FaultSpan]:
    moves = migrations_of(data, record)
    return [
        FaultSpan(f"migration#{number}", "migration", move.path, move.time_s, None)
        for number, move in enumerate(moves, 1)
    ]
