"""Calibrations against the specification: delay, rate, loss and order of each direction, before and after a run."""

import math
from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any

from harness.judge.thresholds import Thresholds
from harness.results.data import RunData
from harness.results.formats import MachineRow
from harness.results.record import Breach, Cause, RunRecord
from harness.spec.link import Link
from harness.spec.topology import Topology

_QUANTITIES = ("rate_mbps", "delay_ms", "loss")
Entry = Mapping[str, Any]


def path_record(calibration: Sequence[Entry]) -> dict[str, Any]:
    """Return for each path and direction the configured and measured rate, delay and loss, before and after."""
    tree: dict[str, Any] = {}
    for entry in calibration:
        place = tree.setdefault(entry["path"], {}).setdefault(entry["direction"], {})
        measured = entry.get("measured") or {}
        place.setdefault("configured", {name: entry["configured"].get(name) for name in _QUANTITIES})
        place[entry["when"]] = {name: measured.get(name) for name in _QUANTITIES}
    return tree


def calibration_breaches(
    data: RunData, record: RunRecord, topology: Topology, rows: Sequence[MachineRow], thresholds: Thresholds
) -> Iterator[Breach]:
    """Yield what calibrations show to be wrong, or that there are none."""
    late = median(row.timer_late_p50_ms for row in rows) if rows else 0.0
    entries = {(entry["path"], entry["direction"], entry["when"]): entry for entry in data.calibration}
    outcome = record.outcome
    interrupted = outcome.ended_by in ("interrupt", "error")
    # An endpoint that could not even be started ends the run before there is an "after".
    started = outcome.client is not None or outcome.ended_s > 0
    for path in topology.path:
        for direction, link in (("forward", path.forward), ("backward", path.backward)):
            place = f"path {path.name} {direction}"
            both = []
            for when in ("before", "after"):
                entry = entries.get((path.name, direction, when))
                if entry is None or entry.get("measured") is None:
                    # A path that comes up during the run cannot be measured before it.
                    excused = path.initially == "down" if when == "before" else not started
                    if not interrupted and not excused:
                        why = (entry or {}).get("reason") or "calibration.json has no entry"
                        reason = f"{place} was not calibrated {when} the run: {why}"
                        yield Breach(threshold="calibration", cause="harness", reason=reason)
                    continue
                both.append(entry)
                yield from _one(entry, link, f"{place} {when} the run", late, thresholds)
            yield from _spread(both, link, place, thresholds)


def doubts(entry: Entry, link: Link, thresholds: Thresholds) -> list[str]:
    """Return what one calibration shows to be wrong, in words; it may be measured again before that counts."""
    if entry.get("measured") is None:
        return []
    place = f"path {entry['path']} {entry['direction']} {entry['when']} the run"
    return [breach.reason for breach in _one(entry, link, place, 0.0, thresholds)]


def _one(entry: Entry, link: Link, place: str, late: float, thresholds: Thresholds) -> Iterator[Breach]:
    configured, measured = entry["configured"], entry["measured"]
    yield from _delay(configured, measured, link, place, late, thresholds)
    yield from _rate(configured, measured, place, thresholds)
    yield from _loss(configured, measured, link, place, thresholds)
    if measured.get("in_order") is False and link.reorder is None:
        reason = f"{place}: packets arrived out of order, and no reordering is configured"
        yield Breach(threshold="order", cause="network", reason=reason)


def _delay(
    configured: Entry, measured: Entry, link: Link, place: str, late: float, thresholds: Thresholds
) -> Iterator[Breach]:
    found = measured.get("delay_ms")
    if found is None:
        return
    delay = configured["delay_ms"]
    # Two dozen probes of a skewed distribution have a median somewhere within its width.
    limit = thresholds.delay_error.limit(delay) + (0.5e3 * link.jitter.amount if link.jitter else 0.0)
    error = found - delay
    if abs(error) <= limit:
        return
    # What a bare timer is late as well is not the network's.
    cause: Cause = "machine" if error > 0 and error - late <= limit else "network"
    reason = f"{place}: delay {found:.2f} ms, configured {delay:.2f} ms (allowed difference {limit:.2f} ms)"
    yield Breach(threshold="delay_error", cause=cause, measured=abs(error), limit=limit, reason=reason)


def _rate(configured: Entry, measured: Entry, place: str, thresholds: Thresholds) -> Iterator[Breach]:
    rate, found = configured.get("rate_mbps"), measured.get("rate_mbps")
    if rate is None or found is None:
        return
    limit = thresholds.rate_error.limit(rate)
    too_slow = rate - found > limit and not measured.get("sender_limited", False)
    if too_slow or found - rate > limit:
        reason = f"{place}: rate {found:.2f} Mbps, configured {rate:.2f} Mbps (allowed difference {limit:.2f} Mbps)"
        yield Breach(threshold="rate_error", cause="network", measured=abs(found - rate), limit=limit, reason=reason)


def _loss(configured: Entry, measured: Entry, link: Link, place: str, thresholds: Thresholds) -> Iterator[Breach]:
    share, found = configured.get("loss"), measured.get("loss")
    if share is None or found is None:
        return
    if share == 0 and link.loss is None:
        limit = thresholds.loss_excess.limit()
        if found > limit:
            reason = f"{place}: {found:.1%} of the packets are lost, and no loss is configured"
            yield Breach(threshold="loss_excess", cause="network", measured=found, limit=limit, reason=reason)
        return
    sent = measured.get("sent")
    independent = getattr(link.loss, "model", None) == "uniform" and not getattr(link.loss, "correlation", 0.0)
    if not sent or not independent:  # bursts of a Gilbert-Elliott model have no such interval
        return
    limit = thresholds.loss_interval.limit()
    chance = binomial_chance(round(found * sent), sent, share)
    if chance < limit:
        reason = f"{place}: {found:.2%} of {sent} packets lost, configured {share:.2%}: chance {chance:.1g}"
        yield Breach(threshold="loss_interval", cause="network", measured=chance, limit=limit, reason=reason)


def _spread(entries: Sequence[Entry], link: Link, place: str, thresholds: Thresholds) -> Iterator[Breach]:
    if len(entries) < 2 or link.jitter is not None or link.reorder is not None:
        return
    delay = entries[0]["configured"]["delay_ms"]
    limit = thresholds.delay_spread.limit(delay)
    spreads = []
    for entry in entries:
        middle, high = entry["measured"].get("delay_ms"), entry["measured"].get("delay_p99_ms")
        if middle is None or high is None:
            return
        spreads.append(high - middle)
    if min(spreads) > limit:
        reason = (
            f"{place}: the 99th percentile of the delay lies {spreads[0]:.1f} ms (before the run) and "
            f"{spreads[1]:.1f} ms (after it) above the median; allowed: {limit:.1f} ms"
        )
        yield Breach(threshold="delay_spread", cause="machine", measured=min(spreads), limit=limit, reason=reason)


def binomial_chance(count: int, total: int, probability: float) -> float:
    """Return the two-sided chance of a count as far out as this one: twice the smaller tail, at most 1."""
    if probability <= 0 or probability >= 1:
        return 1.0 if count == round(total * probability) else 0.0
    logs = [
        math.lgamma(total + 1) - math.lgamma(k + 1) - math.lgamma(total - k + 1)
        + k * math.log(probability) + (total - k) * math.log1p(-probability)
        for k in range(total + 1)
    ]  # fmt: skip
    below = math.fsum(math.exp(value) for value in logs[: count + 1])
    above = math.fsum(math.exp(value) for value in logs[count:])
    return min(1.0, 2 * min(below, above))
