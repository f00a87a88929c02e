"""Evaluates a scenario's expectations on what was measured, with a sentence for each."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.judge.capacity import payload_rate, profile, time_needed
from harness.judge.metrics import Measured
from harness.results.record import Assessment
from harness.spec.expectation import (
    Completes,
    Expectation,
    Goodput,
    HashEqual,
    LongestGap,
    Metric,
    PathBusy,
    Recovery,
    Stalls,
)
from harness.spec.keys import lookup
from harness.spec.scenario import Scenario
from harness.spec.topology import Topology
from harness.spec.units import same_value


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Which run is judged; ``specification`` is the plain data that ``when`` looks its keys up in."""

    scenario: Scenario
    topology: Topology
    seed: int
    endpoint: str
    capabilities: frozenset[str]
    values: Mapping[str, Any]

    def value(self, key: str) -> Any:
        """Return the value of a dotted key: the matrix's, else the scenario's or (``topology.…``) the topology's."""
        if key in self.values:
            return self.values[key]
        if key.startswith("topology."):
            return lookup(self.topology.model_dump(mode="json", by_alias=True), key.removeprefix("topology."))
        return lookup(self.scenario.model_dump(mode="json", by_alias=True), key)


def applies(expectation: Expectation, subject: Subject) -> bool:
    """Tell whether an expectation speaks of this run."""
    if expectation.endpoints is not None and subject.endpoint not in expectation.endpoints:
        return False
    if not set(expectation.needs) <= subject.capabilities or set(expectation.lacks) & subject.capabilities:
        return False
    for key, wanted in expectation.when.items():
        allowed = wanted if isinstance(wanted, list) else [wanted]
        value = subject.value(key)
        if not any(same_value(value, each) for each in allowed):
            return False
    return True


def assess(subject: Subject, measured: Measured) -> list[Assessment]:
    """Evaluate every expectation that applies, in the order of the scenario."""
    return [_assess(item, subject, measured) for item in subject.scenario.expect if applies(item, subject)]


def expects_stall(subject: Subject) -> bool:
    """Tell whether this run's transfer is expected not to complete."""
    return any(isinstance(item, Stalls) and applies(item, subject) for item in subject.scenario.expect)


def _assess(item: Expectation, subject: Subject, measured: Measured) -> Assessment:
    match item:
        case Completes():
            return _completes(item, subject, measured)
        case Stalls():
            return _stalls(measured)
        case LongestGap():
            return _longest_gap(item, measured)
        case Recovery():
            return _recovery(item, measured)
        case HashEqual():
            return _hash_equal(measured)
        case Goodput():
            return _goodput(item, subject, measured)
        case PathBusy():
            return _path_busy(item, measured)
        case Metric():
            return _metric(item, measured)


def _result(
    item: Any, text: str, reason: str, passed: bool, measured: float | None = None, bound: float | None = None
) -> Assessment:
    finite = None if bound is None or math.isinf(bound) else round(bound, 6)
    kind = item if isinstance(item, str) else item.kind
    return Assessment(expectation=text, kind=kind, measured=measured, bound=finite, passed=passed, reason=reason)


def _progress(measured: Measured) -> str:
    received, expected = measured.metrics["bytes_received"], measured.metrics["bytes_expected"]
    return f"{received} of {expected} bytes arrived"


def _completes(item: Completes, subject: Subject, measured: Measured) -> Assessment:
    segments = profile(subject.scenario, subject.topology, seed=subject.seed)
    needed = time_needed(subject.scenario.workload.bytes, segments, item.capacity)
    bound = needed * item.factor + item.term
    ways = "all paths together" if item.capacity == "sum" else "the fastest path alone"
    if math.isinf(needed):
        text = f"completes: {ways} cannot carry {subject.scenario.workload.bytes} bytes before the limit"
    else:
        text = f"completes within {bound:.2f} s: {item.factor:g} × {needed:.2f} s that {ways} need + {item.term:g} s"
    took = measured.metrics["completion_s"]
    if took is None:
        return _result(item, text, f"the transfer did not complete: {_progress(measured)}", False, None, bound)
    if math.isinf(needed):
        reason = f"completed after {took:.2f} s, which the specified rates do not allow"
        return _result(item, text, reason, False, took, bound)
    comparison = "within" if took <= bound else "later than"
    return _result(item, text, f"completed after {took:.2f} s, {comparison} {bound:.2f} s", took <= bound, took, bound)


def _stalls(measured: Measured) -> Assessment:
    took = measured.metrics["completion_s"]
    text = "stalls: the transfer does not complete"
    if took is None and measured.metrics["bytes_received"] == 0:
        # What never began has not stalled: an endpoint that does not work at all is no success.
        return _result("stalls", text, "nothing arrived at all: the transfer did not even begin", False)
    if took is None:
        return _result("stalls", text, f"stalled as expected: {_progress(measured)}", True)
    return _result("stalls", text, f"completed after {took:.2f} s, but was expected to stall", False, took)


def _longest_gap(item: LongestGap, measured: Measured) -> Assessment:
    text = f"longest gap at most {item.at_most:.2f} s"
    gap = measured.metrics["longest_gap_s"]
    if gap is None:
        return _result(item, text, f"no gap can be measured: {_progress(measured)}", False, None, item.at_most)
    at = measured.metrics["longest_gap_at_s"]
    passed = gap <= item.at_most
    relation = "within" if passed else "longer than"
    reason = f"longest gap {gap:.2f} s (from {at:.2f} s on), {relation} {item.at_most:.2f} s"
    return _result(item, text, reason, passed, gap, item.at_most)


def _recovery(item: Recovery, measured: Measured) -> Assessment:
    name = item.fault or "every fault"
    text = f"payload again within {item.at_most:.2f} s after {name}"
    times: dict[str, float | None] = measured.metrics.get("recovery_s", {})
    moments = {moment.id: moment for moment in measured.moments}
    wanted = {key: value for key, value in times.items() if item.fault is None or moments[key].belongs_to(item.fault)}
    if not wanted:
        reason = f"{name} did not happen during the transfer, so there is no recovery to measure"
        return _result(item, text, reason, False, None, item.at_most)
    never = [key for key, value in wanted.items() if value is None]
    if never:
        reason = f"no payload arrived any more after {never[0]} ({moments[never[0]].actual_s:.2f} s)"
        return _result(item, text, reason, False, None, item.at_most)
    worst, value = max(wanted.items(), key=lambda pair: pair[1] or 0.0)
    value = value or 0.0
    passed = value <= item.at_most
    relation = "within" if passed else "later than"
    reason = f"payload again {value:.2f} s after {worst}, {relation} {item.at_most:.2f} s"
    return _result(item, text, reason, passed, value, item.at_most)


def _hash_equal(measured: Measured) -> Assessment:
    text = "the receiver's SHA-256 is the payload's"
    equal = measured.metrics["sha256_ok"]
    if equal is None:
        return _result("hash_equal", text, f"the receiver told no hash; {_progress(measured)}", False)
    reason = "the receiver's SHA-256 is the payload's" if equal else "the receiver's SHA-256 is not the payload's"
    return _result("hash_equal", text, reason, equal)


def _goodput(item: Goodput, subject: Subject, measured: Measured) -> Assessment:
    kind = subject.scenario.workload.kind
    if item.at_least is not None:
        bound, share = item.at_least / 1e6, ""
    else:
        assert item.at_least_share is not None
        chosen = (
            [p for p in subject.topology.path if p.name in item.paths] if item.paths else subject.topology.access_paths
        )
        capacity = sum(payload_rate(subject.topology, path, kind) for path in chosen) / 1e6
        bound = capacity * item.at_least_share
        share = f" ({item.at_least_share:.0%} of {capacity:.2f} Mbps)"
    after: float | None
    if isinstance(item.after, str):
        after, since = measured.metrics["all_paths_busy_s"], "all paths carried payload"
    else:
        after, since = item.after, f"{item.after:g} s"
    text = f"goodput at least {bound:.2f} Mbps{share} after {since}"
    if math.isinf(bound):
        return _result(item, text, "a share of an unlimited rate cannot be evaluated; give at_least", False)
    if after is None:
        idle = [name for name, time in measured.metrics["path_busy_s"].items() if time is None]
        reason = f"path {', '.join(idle)} never carried payload" if idle else "the paths never carried payload at once"
        return _result(item, text, reason, False, None, bound)
    first, last = measured.arrivals.first, measured.arrivals.last
    if first is None or last is None:
        return _result(item, text, "no payload arrived", False, None, bound)
    # Without a stated moment the mean begins with the payload: setting up is what other metrics tell.
    start = max(after, first)
    rate = measured.arrivals.mbps_between(start, last if item.until is None else min(item.until, last))
    if rate is None:
        return _result(item, text, f"the transfer was over at {last:.2f} s, before that window", False, None, bound)
    passed = rate >= bound
    relation = "at least" if passed else "less than"
    reason = f"goodput {rate:.2f} Mbps from {start:.2f} s on, {relation} {bound:.2f} Mbps"
    return _result(item, text, reason, passed, round(rate, 4), bound)


def _path_busy(item: PathBusy, measured: Measured) -> Assessment:
    text = f"the path of {item.fault} carries payload within {item.at_most:.2f} s after it"
    moment = next((moment for moment in measured.moments if moment.belongs_to(item.fault)), None)
    if moment is None or moment.path is None:
        return _result(item, text, f"{item.fault} did not happen", False, None, item.at_most)
    time = measured.busy_after(moment.path, moment.actual_s)
    if time is None:
        return _result(item, text, f"path {moment.path} never carried payload after it", False, None, item.at_most)
    took = round(time - moment.actual_s, 6)
    passed = took <= item.at_most
    relation = "within" if passed else "later than"
    reason = f"path {moment.path} carried payload {took:.2f} s after {item.fault}, {relation} {item.at_most:.2f} s"
    return _result(item, text, reason, passed, took, item.at_most)


def _metric(item: Metric, measured: Measured) -> Assessment:
    low = "" if item.at_least is None else f" at least {item.at_least:g}"
    high = "" if item.at_most is None else f" at most {item.at_most:g}"
    text = f"{item.metric}{low}{' and' if low and high else ''}{high}"
    value = lookup(measured.metrics, item.metric)
    bound = item.at_most if item.at_most is not None else item.at_least
    if isinstance(value, bool) or not isinstance(value, int | float):
        known = ", ".join(sorted(measured.metrics))
        reason = (
            f"{item.metric} has no number in this run" if value is None else f"{item.metric} is no number: {value!r}"
        )
        return _result(item, text, f"{reason}; metrics: {known}", False, None, bound)
    passed = (item.at_least is None or value >= item.at_least) and (item.at_most is None or value <= item.at_most)
    relation = "as expected" if passed else f"expected:{low}{' and' if low and high else ''}{high}"
    return _result(item, text, f"{item.metric} is {value:g}, {relation}", passed, value, bound)
