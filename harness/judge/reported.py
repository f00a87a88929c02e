"""What the client's event lines tell beside arrivals: its moves from path to path, and the small objects it got."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from harness.judge.arrivals import Arrivals, percentile
from harness.results.data import RunData
from harness.results.record import RunRecord


@dataclass(frozen=True)
class Migration:
    """A move of the client to another path: ``path`` by its name, ``time_s`` on the run's clock."""

    path: str
    time_s: float


@dataclass(frozen=True)
class SmallObject:
    """An object that came beside the payload: when its last byte was there (run's clock), and how long it took."""

    time_s: float
    ms: float


def credible(events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the lines that can be computed with; a run in which others occur fails for that reason."""
    return [
        event
        for event in events
        if type(event.get("time")) is int
        and type(event.get("bytes", 0)) is int
        and type(event.get("connect_ms", 0)) in (int, float)
        and type(event.get("ms", 0)) in (int, float)
        and (event.get("event") != "received" or "bytes" in event)
        and (event.get("event") != "object" or "ms" in event)
    ]


def migrations_of(data: RunData, record: RunRecord) -> list[Migration]:
    """Return the moves that the client told of, in their order, with its addresses turned into names of paths."""
    addresses = record.environment.get("client_addresses")
    names = {address: name for name, address in addresses.items()} if isinstance(addresses, dict) else {}
    moves = [event for event in credible(data.client_events) if event.get("event") == "migrated"]
    return [
        Migration(str(names.get(event.get("path"), event.get("path"))), _seconds(event["time"], record))
        for event in moves
    ]


def objects_of(data: RunData, record: RunRecord) -> list[SmallObject]:
    """Return the objects that the client received, in their order."""
    return [
        SmallObject(_seconds(event["time"], record), float(event["ms"]))
        for event in credible(data.client_events)
        if event.get("event") == "object"
    ]


def migration_metrics(arrivals: Arrivals, moves: Sequence[Migration], round_trip: float) -> dict[str, Any]:
    """Return the number of moves, and the longest gap over one or beginning within a ``round_trip`` (s) of it."""
    near = [
        end - begin
        for begin, end in arrivals.gaps()
        if any(end > move.time_s and begin <= move.time_s + round_trip for move in moves)
    ]
    return {"migrations": len(moves), "migration_gap_s": round(max(near), 6) if near else None}


def object_metrics(objects: Sequence[SmallObject]) -> dict[str, Any]:
    """Return median, high percentiles (nearest rank) and maximum of the objects' times in ms, and their number."""
    times = [item.ms for item in objects]
    found = {
        "median": median(times) if times else None,
        "p95": percentile(times, 0.95),
        "p99": percentile(times, 0.99),
        "max": max(times, default=None),
    }
    return {**{name: None if value is None else round(value, 3) for name, value in found.items()}, "count": len(times)}


def _seconds(moment_ns: int, record: RunRecord) -> float:
    return (moment_ns - record.clock_zero_ns) / 1e9
