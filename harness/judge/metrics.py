"""A run's metrics from its files: times, goodput, gaps, recoveries, what each path carried, latency."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import Any

from harness.judge.arrivals import Arrivals, percentile
from harness.judge.capacity import payload_direction, payload_link
from harness.judge.reported import credible, migration_metrics, migrations_of, object_metrics, objects_of
from harness.results.data import RunData
from harness.results.record import RunRecord
from harness.spec.scenario import Scenario
from harness.spec.topology import Path, Topology

GOODPUT_BIN_S = 0.01
SETTLED_S = 1.0
"""Steady state begins this long after the last thing that disturbs it: long enough for slow start at 200 ms."""
BULK_BYTES = 65536
"""A socket that has carried less than this is not the transfer's: a probe, or an idle backup subflow."""


@dataclass(frozen=True)
class Moment:
    """When a fault happened: ``actual_s`` on the run's clock."""

    id: str
    kind: str
    path: str | None
    planned_s: float
    actual_s: float

    def belongs_to(self, fault: str) -> bool:
        """Tell whether this is an occurrence of the fault of that name (``outage`` and ``outage#2`` are)."""
        return self.id == fault or self.id.startswith(f"{fault}#")


@dataclass(frozen=True)
class Measured:
    """What expectations are evaluated on: the metrics of run.json, and what they were made of."""

    metrics: dict[str, Any]
    arrivals: Arrivals
    moments: list[Moment]
    busy: dict[str, list[float]] = field(default_factory=dict)
    """For each path the moments by which a sampling interval had carried payload."""

    def busy_after(self, path: str, moment: float) -> float | None:
        """Return the first moment after ``moment`` by which the path carried payload; None when it never did."""
        return next((time for time in self.busy.get(path, []) if time > moment), None)


def measure(
    data: RunData, record: RunRecord, scenario: Scenario, topology: Topology, expected_sha256: str | None
) -> Measured:
    """Compute the metrics of a run.

    ``expected_sha256`` is the payload's, in hexadecimal digits; None when the receiver's is not to be verified.
    """
    download = scenario.workload.receiver == "client"
    client_events = credible(data.client_events)
    events = client_events if download else credible(data.server_events)
    arrivals = payload_arrivals(data, record, scenario)
    moments = moments_of(data, record)
    busy = _busy_moments(data, scenario, topology)
    done = next((event for event in events if event.get("event") == "done"), None)
    received = arrivals.total if done is None else max(arrivals.total, int(done.get("bytes", 0)))
    complete = received >= scenario.workload.bytes
    metrics: dict[str, Any] = {
        "bytes_expected": scenario.workload.bytes,
        "bytes_received": received,
        "sha256_ok": _hash_ok(done, expected_sha256),
        "completion_s": _round(arrivals.last) if complete else None,
        **_setting_up(client_events, arrivals, record.clock_zero_ns),
    }
    metrics |= _gaps(arrivals, None if complete else record.outcome.ended_s)
    recovery = _recoveries(arrivals, moments, scenario, topology, complete)
    if recovery:
        metrics["recovery_s"] = recovery
    if scenario.multipath.migrate_at:
        _, full = _round_trips(scenario, topology)
        metrics |= migration_metrics(arrivals, migrations_of(data, record), full)
    if scenario.workload.kind == "objects":
        metrics["object_ms"] = object_metrics(objects_of(data, record))
    busy_by_path = {path.name: next(iter(busy[path.name]), None) for path in topology.access_paths}
    metrics |= _paths(data, scenario, topology, arrivals)
    metrics["path_busy_s"] = {name: _round(time) for name, time in busy_by_path.items()}
    all_busy = _all_busy(busy, topology.access_paths)
    metrics["all_paths_busy_s"] = _round(all_busy)
    metrics |= _goodput(arrivals, all_busy, moments)
    metrics |= _sockets(data, sender=topology.server.name if download else topology.client.name)
    latency = _latency(data)
    if latency:
        metrics["latency"] = latency
    return Measured(metrics, arrivals, moments, busy)


def _round(value: float | None, digits: int = 6) -> float | None:
    return None if value is None else round(value, digits)


def payload_arrivals(data: RunData, record: RunRecord, scenario: Scenario) -> Arrivals:
    """Return when payload arrived at the receiver.

    The receiver's own lines tell the last byte of each bin to the ns; where they are missing, goodput.csv has the bins.
    """
    zero_ns = record.clock_zero_ns
    events = credible(data.client_events if scenario.workload.receiver == "client" else data.server_events)
    lines = [event for event in events if event.get("event") == "received"]
    exact = [((event["time"] - zero_ns) / 1e9, event["bytes"]) for event in lines]
    if exact and zero_ns and sum(size for _, size in exact) >= sum(row.bytes for row in data.goodput):
        return Arrivals(exact, GOODPUT_BIN_S)
    bins: dict[float, int] = defaultdict(int)
    for row in data.goodput:
        bins[row.time_s] += row.bytes
    # A hair before the bin's end, so that it stays in the tenth of a second to which it belongs.
    return Arrivals(((time + 0.999 * GOODPUT_BIN_S, size) for time, size in bins.items()), GOODPUT_BIN_S)


def moments_of(data: RunData, record: RunRecord) -> list[Moment]:
    """Return the beginnings of faults that happened: no ends (``outage/undo``) and no further steps of ramps."""
    source = data.timeline or [fault.model_dump() for fault in record.faults]
    return [
        Moment(line["id"], line["kind"], line.get("path"), line["planned_s"], line["actual_s"])
        for line in source
        if "/" not in line["id"] and line.get("actual_s") is not None and line.get("ok", True)
    ]


def _hash_ok(done: dict[str, Any] | None, expected: str | None) -> bool | None:
    digest = None if done is None else done.get("sha256")
    return None if digest is None or expected is None else bool(digest == expected)


def _setting_up(events: Sequence[dict[str, Any]], arrivals: Arrivals, zero_ns: int) -> dict[str, float | None]:
    """Return connect_ms and first_byte_ms, from the call of connect() where the client tells how long that took.

    A client that does not is timed from the start of its process, which includes the start of its interpreter.
    """
    moments = {event.get("event"): event for event in reversed(events)}
    connected, first = moments.get("connected"), moments.get("first_byte")
    connect = began = None
    if connected is not None and zero_ns:
        began = zero_ns
        connect = connected.get("connect_ms")
        if connect is None:
            connect = (connected["time"] - zero_ns) / 1e6
        else:
            began = connected["time"] - round(connect * 1e6)
    byte = None
    if first is not None and zero_ns:
        byte = (first["time"] - (began or zero_ns)) / 1e6
    elif arrivals.first is not None and began is not None:
        byte = arrivals.first * 1e3 - (began - zero_ns) / 1e6
    return {"connect_ms": _round(connect, 3), "first_byte_ms": _round(byte, 3)}


def _gaps(arrivals: Arrivals, until: float | None) -> dict[str, float | None]:
    """An unfinished transfer's silence up to the run's end is a gap too: the longest one, if it stalled."""
    gap = arrivals.longest_gap(until)
    if gap is None:
        return {"longest_gap_s": None, "longest_gap_at_s": None}
    return {"longest_gap_s": _round(gap[1] - gap[0]), "longest_gap_at_s": _round(gap[0])}


def _round_trips(scenario: Scenario, topology: Topology) -> tuple[float, float]:
    """Return the smallest round trip without queues, and the largest with full ones, of the client's paths."""
    bare, full = [], []
    for path in topology.access_paths:
        queued = 0.0
        link = payload_link(topology, path, scenario.workload.kind)
        if link.rate is not None:
            queued = link.queue_bytes(path.round_trip) * 8 / link.rate
        bare.append(path.round_trip)
        full.append(path.round_trip + queued)
    return min(bare), max(full)


def _recoveries(
    arrivals: Arrivals, moments: Sequence[Moment], scenario: Scenario, topology: Topology, complete: bool
) -> dict[str, float | None]:
    """Return for each fault the time until payload arrives again after the interruption that it caused.

    What was under way still arrives after a fault, for at most one round trip with full queues: the interruption is the
    longest gap that lies over the fault or begins within that time. A gap of less than a bare round trip (and of less
    than three bins) is none: recovery 0. None: payload never arrived again. Faults after the end are left out.
    """
    bare, full = _round_trips(scenario, topology)
    least = max(bare, 3 * arrivals.resolution)
    found: dict[str, float | None] = {}
    last = arrivals.last
    gaps = arrivals.gaps()
    for moment in moments:
        at = moment.actual_s
        if last is None or (complete and at >= last):
            continue
        near = [gap for gap in gaps if gap[1] > at and gap[0] <= at + full]
        longest = max(near, key=lambda gap: gap[1] - gap[0], default=None)
        if not complete and last <= at + full:
            found[moment.id] = None
        elif longest is None or longest[1] - longest[0] < least:
            found[moment.id] = 0.0
        else:
            found[moment.id] = _round(longest[1] - at)
    return found


def _busy_threshold(topology: Topology, path: Path, scenario: Scenario, interval: float) -> float:
    """Bytes in one sampling interval that can only be payload.

    Ten full frames are a first congestion window; a handshake with certificates and ten probes stay below half of
    that. On slow paths, where ten frames take longer than the interval: a quarter of what the rate allows, but two
    frames at least.
    """
    frame = path.mtu + 14
    rate = payload_link(topology, path, scenario.workload.kind).rate
    if rate is None:
        return 10 * frame
    return min(10 * frame, max(2 * frame, 0.25 * rate / 8 * interval))


def _busy_moments(data: RunData, scenario: Scenario, topology: Topology) -> dict[str, list[float]]:
    """Return for each path the ends of the intervals in which it carried payload; exact where the endpoint tells."""
    busy: dict[str, list[float]] = {path.name: [] for path in topology.path}
    told = {row.path for row in data.goodput}
    for path in topology.path:
        if path.name in told:
            busy[path.name] = [row.time_s for row in data.goodput if row.path == path.name and row.bytes > 0]
            continue
        direction = payload_direction(topology, path, scenario.workload.kind)
        rows = [row for row in data.paths if row.path == path.name and row.direction == direction]
        for before, after in pairwise(rows):
            if before.time_s < 0:  # calibration
                continue
            threshold = _busy_threshold(topology, path, scenario, after.time_s - before.time_s)
            if after.bytes - before.bytes >= threshold:
                busy[path.name].append(after.time_s)
    return busy


def _all_busy(busy: dict[str, list[float]], paths: Sequence[Path]) -> float | None:
    """Return the first moment by which all of the client's paths carried payload at once; None for a single path.

    At once means within one sampling interval and a half, since endpoints tell in bins that need not fall together.
    """
    if len(paths) < 2:
        return None
    times = [busy[path.name] for path in paths]
    for moment in sorted({time for own in times for time in own}):
        places = [bisect_right(own, moment) for own in times]
        if all(place and moment - own[place - 1] < 0.15 for place, own in zip(places, times, strict=True)):
            return moment
    return None


def _goodput(arrivals: Arrivals, all_busy: float | None, moments: Sequence[Moment]) -> dict[str, float | None]:
    first, last = arrivals.first, arrivals.last
    names = (
        "goodput_mbps", "goodput_stdev_mbps", "goodput_all_paths_mbps", "goodput_steady_mbps",
        "goodput_steady_stdev_mbps",
    )  # fmt: skip
    if first is None or last is None:
        return dict.fromkeys(names)
    disturbances = [moment.actual_s for moment in moments if moment.actual_s < last]
    settled = max([first, first if all_busy is None else all_busy, *disturbances]) + SETTLED_S
    steady = last - settled >= SETTLED_S
    values = (
        arrivals.mean_mbps(),
        arrivals.deviation(first, last),
        None if all_busy is None else arrivals.mbps_between(all_busy, last),
        arrivals.mbps_between(settled, last) if steady else None,
        arrivals.deviation(settled, last) if steady else None,
    )
    return {name: _round(value, 4) for name, value in zip(names, values, strict=True)}


def _paths(data: RunData, scenario: Scenario, topology: Topology, arrivals: Arrivals) -> dict[str, Any]:
    """Return what each of the client's paths carried in the payload's direction during the run, and its share."""
    carried: dict[str, int] = {}
    drops: dict[str, int] = {}
    lost: dict[str, int] = {}
    for path in topology.access_paths:
        direction = payload_direction(topology, path, scenario.workload.kind)
        rows = [row for row in data.paths if row.path == path.name and row.direction == direction]
        before = [row for row in rows if row.time_s <= 0]
        if not rows:
            continue
        begin = before[-1] if before else rows[0]
        carried[path.name] = rows[-1].bytes - begin.bytes
        drops[path.name] = rows[-1].drops - begin.drops
        lost[path.name] = (rows[-1].lost or 0) - (begin.lost or 0)
    total = sum(carried.values())
    share = {name: _round(size / total, 4) for name, size in carried.items()} if total and arrivals.total else {}
    return {"path_bytes": carried, "path_share": share, "path_drops": drops, "path_lost": lost}


def _sockets(data: RunData, sender: str) -> dict[str, Any]:
    """Return retransmissions and congestion control of the sender's sockets that carried the payload."""
    retransmissions: dict[tuple[str, str], int] = defaultdict(int)
    congestion: set[str] = set()
    for row in data.tcp_info:
        if row.node != sender or (row.bytes_acked or 0) < BULK_BYTES:
            continue
        key = (row.local, row.remote)
        retransmissions[key] = max(retransmissions[key], row.total_retrans or 0)
        congestion.add(row.congestion)
    if not retransmissions:
        return {}
    return {"retransmissions": sum(retransmissions.values()), "congestion": sorted(congestion - {""})}


def _latency(data: RunData) -> dict[str, Any]:
    """Return median and 99th percentile (ms), number and losses of each probe by path and direction."""
    values: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    lost: dict[tuple[str, str, str], int] = defaultdict(int)
    for row in data.latency:
        key = (row.probe, row.path, row.direction)
        lost[key] += row.lost
        if row.value_ms is not None:
            values[key].append(row.value_ms)
    tree: dict[str, Any] = {}
    for key in sorted(lost):
        probe, path, direction = key
        known = values[key]
        tree.setdefault(probe, {}).setdefault(path, {})[direction] = {
            "median_ms": _round(median(known), 3) if known else None,
            "p99_ms": _round(percentile(known, 0.99), 3),
            "count": len(known) + lost[key],
            "lost": lost[key],
        }
    return tree
