"""Whether a run's numbers can be trusted: the validity record, and every threshold that was not kept with its cause."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any

from harness.faults.plan import plan
from harness.judge.calibrations import calibration_breaches, path_record
from harness.judge.metrics import Measured
from harness.judge.thresholds import Threshold, Thresholds
from harness.results.data import RunData
from harness.results.formats import MachineRow
from harness.results.record import Breach, Cause, RunRecord
from harness.spec.scenario import Scenario
from harness.spec.topology import Topology

_NOTED_STEAL = 0.05
_ETHERNET_HEADER = 14
_BUSY_ELEMENT = 0.8
_SHORT_RUN_S = 1.5
"""A run that ends sooner (an endpoint that crashes at once) may end before the first second of samples is full."""


def validity_record(data: RunData, rows: Sequence[MachineRow]) -> dict[str, Any]:
    """Return the ``validity`` of run.json: the worst second of each sample, and each path's calibrations."""
    return {
        "idle_cpu_min": _worst(min, rows, "idle"),
        "cpu_pressure_max": _worst(max, rows, "pressure"),
        "steal_max": _worst(max, rows, "steal"),
        "timer_late_p99_ms": _worst(max, rows, "timer_late_p99_ms"),
        "timer_late_max_ms": _worst(max, rows, "timer_late_max_ms"),
        "element_cpu_max": _worst(max, rows, "element_cpu"),
        "seconds": len(rows),
        "fault_late_ms": max(
            (line["late_ms"] for line in data.timeline if line.get("late_ms") is not None), default=None
        ),
        "paths": path_record(data.calibration),
    }


def _worst(choose: Callable[[list[float]], float], rows: Sequence[MachineRow], name: str) -> float | None:
    values = [value for row in rows if (value := getattr(row, name)) is not None]
    return choose(values) if values else None


def during_run(data: RunData) -> list[MachineRow]:
    """Return the samples of the seconds that end after the start."""
    return [row for row in data.machine if row.time_s > 0]


def find_breaches(
    data: RunData,
    record: RunRecord,
    scenario: Scenario,
    topology: Topology,
    measured: Measured,
    thresholds: Thresholds,
) -> list[Breach]:
    """Return every threshold that the run did not keep."""
    rows = during_run(data)
    return [
        *_machine(rows, record, topology, thresholds),
        *calibration_breaches(data, record, topology, rows, thresholds),
        *_timeline(data, record, scenario, thresholds),
        *_overflow(data, thresholds.overflow),
        *_probes(measured, scenario, topology, thresholds.probe_early),
        *_settings(record, scenario, measured),
        *_captures(record, topology),
    ]


def _machine(
    rows: Sequence[MachineRow], record: RunRecord, topology: Topology, thresholds: Thresholds
) -> Iterator[Breach]:
    if not rows:
        if record.outcome.ended_s >= _SHORT_RUN_S:
            reason = "machine.csv has no samples: nobody watched the machine during the run"
            yield Breach(threshold="machine", cause="harness", reason=reason)
        return
    round_trip = min(path.round_trip for path in topology.path) * 1e3
    yield from _seconds(rows, "idle", "idle_cpu", thresholds.idle_cpu, "idle CPU")
    yield from _seconds(rows, "pressure", "cpu_pressure", thresholds.cpu_pressure, "CPU pressure")
    yield from _seconds(rows, "steal", "steal", thresholds.steal, "CPU stolen by the host")
    late = "99th percentile of a bare timer's lateness"
    yield from _seconds(rows, "timer_late_p99_ms", "timer_late_p99", thresholds.timer_late_p99, late, round_trip)
    yield from _seconds(
        rows, "timer_late_max_ms", "timer_late_max", thresholds.timer_late_max, "a bare timer's lateness", round_trip
    )
    yield from _seconds(rows, "element_cpu", "element_cpu", thresholds.element_cpu, "CPU of the delay element")


def _seconds(
    rows: Sequence[MachineRow], column: str, name: str, threshold: Threshold, what: str, scale: float = 0.0
) -> Iterator[Breach]:
    """Count the seconds that break a limit; the number judged is the worst one of those that are not forgiven."""
    bad = [row for row in rows if (value := getattr(row, column)) is not None and threshold.breaks(value, scale)]
    allowed = threshold.allowed_seconds(len(rows))
    if len(bad) <= allowed:
        return
    values = sorted((getattr(row, column) for row in bad), reverse=not threshold.at_least)
    limit = threshold.limit(scale)
    relation = "below" if threshold.at_least else "above"
    cause = _cause(bad)
    extreme = "down to" if threshold.at_least else "up to"
    text = (
        f"{what} {relation} {_amount(limit, threshold.unit)} in {len(bad)} of {len(rows)} seconds "
        f"({extreme} {_amount(values[0], threshold.unit)})"
    )
    hint = {
        "machine": "the machine was busy with something else, or had its CPU taken",
        "harness": "the delay element itself took the CPU: lower the emulated rates",
        "network": "",
    }[cause]
    yield Breach(threshold=name, cause=cause, measured=values[allowed], limit=limit, reason=f"{text}; {hint}")


def _amount(value: float, unit: str) -> str:
    if unit == "ms":
        return f"{value:.1f} ms"
    return f"{value:.0%} {unit}"


def _cause(rows: Sequence[MachineRow]) -> Cause:
    """Tell whose doing bad seconds are: ours if the element used up a core and the host took nothing."""
    steal = fmean(row.steal or 0.0 for row in rows)
    element = fmean(row.element_cpu or 0.0 for row in rows)
    return "harness" if steal < _NOTED_STEAL and element >= _BUSY_ELEMENT else "machine"


def _timeline(data: RunData, record: RunRecord, scenario: Scenario, thresholds: Thresholds) -> Iterator[Breach]:
    limit = thresholds.fault_late.limit()
    done = {line["id"] for line in data.timeline}
    for line in data.timeline:
        late = line.get("late_ms")
        if not line.get("ok", True):
            reason = f"fault {line['id']} could not be performed: {line.get('result')}"
            yield Breach(threshold="fault", cause="harness", reason=reason)
        elif late is not None and late > limit:
            reason = f"fault {line['id']} happened {late:.1f} ms late; allowed: {limit:g} ms"
            yield Breach(threshold="fault_late", cause="machine", measured=late, limit=limit, reason=reason)
    for action in plan(scenario, seed=record.seed):
        # What was planned for the very end may have been overtaken by it.
        if action.id not in done and action.planned_s + limit / 1e3 < record.outcome.ended_s:
            reason = f"fault {action.id} was planned for {action.planned_s:.3f} s and never happened"
            yield Breach(threshold="fault", cause="harness", reason=reason)


def _overflow(data: RunData, threshold: Threshold) -> Iterator[Breach]:
    last = {(row.path, row.direction): row.overflow for row in data.paths if row.overflow is not None}
    for (path, direction), dropped in last.items():
        if threshold.breaks(dropped):
            reason = f"the delay element of path {path} {direction} had no room and dropped {dropped} packets"
            yield Breach(
                threshold="overflow", cause="harness", measured=dropped, limit=threshold.limit(), reason=reason
            )


def _probes(measured: Measured, scenario: Scenario, topology: Topology, threshold: Threshold) -> Iterator[Breach]:
    """Find probes that are faster than the delay allows; on paths whose delay a fault changes there is no one limit."""
    changed = {getattr(fault, "path", None) for fault in scenario.fault if fault.kind in ("change", "ramp")}
    one_way: Mapping[str, Any] = measured.metrics.get("latency", {}).get("udp", {})
    for name, directions in one_way.items():
        path = next((path for path in topology.path if path.name == name), None)
        if path is None or name in changed:
            continue
        for direction, link in (("forward", path.forward), ("backward", path.backward)):
            median = directions.get(direction, {}).get("median_ms")
            if median is None or link.reorder is not None or link.jitter is not None:
                continue
            delay = link.delay * 1e3
            if delay - median > threshold.limit(delay):
                reason = f"probes cross path {name} {direction} in {median:.2f} ms, configured {delay:.2f} ms: bypassed"
                yield Breach(threshold="probe_early", cause="network", measured=median, limit=delay, reason=reason)


def _settings(record: RunRecord, scenario: Scenario, measured: Measured) -> Iterator[Breach]:
    """Compare what was read back with what the scenario asks for."""
    for place in _on(record.environment.get("offloads"), ()):
        reason = f"an offload is on: {' '.join(place)}; packets on the wire are not those that are emulated"
        yield Breach(threshold="offloads", cause="network", reason=reason)
    seen = measured.metrics.get("congestion", [])
    wanted = scenario.workload.congestion
    wrong = [name for name in seen if name != wanted]
    if wrong:
        reason = f"congestion control of the sender is {', '.join(wrong)}; the scenario asks for {wanted}"
        yield Breach(threshold="congestion", cause="harness", reason=reason)


def _captures(record: RunRecord, topology: Topology) -> Iterator[Breach]:
    """Compare the largest captured frame with what a path carries: a larger one stands for several packets."""
    captures = (record.environment.get("instruments") or {}).get("captures") or {}
    for name, capture in captures.items():
        path = next((path for path in topology.path if name.endswith(f"-{path.name}.pcap")), None)
        if path is None:
            continue
        limit = path.mtu + _ETHERNET_HEADER
        largest = capture.get("largest_frame") or 0
        if largest > limit:
            reason = f"{name} has a frame of {largest} bytes, more than the {limit} that path {path.name} carries"
            yield Breach(threshold="frame", cause="network", measured=largest, limit=limit, reason=reason)


def _on(value: Any, place: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Find what says "on", however deep; verifying checksums on receipt changes no packet."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key != "rx-checksumming":
                yield from _on(inner, (*place, str(key)))
    elif value == "on" or value is True:
        yield place
