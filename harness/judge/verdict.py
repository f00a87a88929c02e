"""The verdict of a run, and the exit code of many. Reads stored files alone, so it can be given again later."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.endpoints.payload import expected_sha256
from harness.judge.expectations import Subject, assess, expects_stall
from harness.judge.metrics import Measured, measure
from harness.judge.thresholds import Thresholds, default_thresholds
from harness.judge.validity import during_run, find_breaches, validity_record
from harness.results.data import RunData
from harness.results.record import Assessment, Breach, FaultMoment, RunRecord, Verdict, read_record
from harness.results.writer import write_record
from harness.spec.scenario import Scenario

EXIT_PASS, EXIT_FAIL, EXIT_INVALID = 0, 1, 3


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """Everything that judging adds to a record."""

    verdict: Verdict
    reasons: list[str]
    metrics: dict[str, Any]
    validity: dict[str, Any]
    expectations: list[Assessment]
    breaches: list[Breach]
    faults: list[FaultMoment]

    def applied_to(self, record: RunRecord) -> RunRecord:
        """Return the record with this judgement in it."""
        return record.model_copy(update=vars(self))


def judge(
    folder: Path, record: RunRecord, *, thresholds: Thresholds | None = None, sha256: str | None = None
) -> Judgement:
    """Judge a run from its directory and its record, whose own verdict is not looked at.

    The record needs ``specification``, ``outcome``, ``clock_zero_ns``, ``environment``, ``values`` and the names.
    ``sha256`` is the payload's where the caller knows it; else it is computed from the seed.

    Raises:
        BrokenRun: a file of the directory is not in its format.

    """
    scenario, topology = record.read_scenario(), record.read_topology()
    data = RunData.read(folder)
    expected = sha256 or expected_sha256(record.seed, scenario.workload.bytes)
    measured = measure(data, record, scenario, topology, expected)
    subject = Subject(
        scenario=scenario,
        topology=topology,
        seed=record.seed,
        endpoint=record.endpoint,
        capabilities=record.capabilities,
        values=record.values,
    )
    breaches = find_breaches(data, record, scenario, topology, measured, thresholds or default_thresholds())
    assessments = assess(subject, measured)
    nothing_asked = [] if assessments else ["no expectation of the scenario speaks of this run: nothing was judged"]
    failures = [
        *nothing_asked,
        *_endpoint_failures(record, measured, stall=expects_stall(subject) and _came_to_faults(data, scenario)),
        *_fallbacks(data, record),
        *_never_sent(data, measured),
        *(a.reason for a in assessments if not a.passed),
    ]
    verdict, reasons = _decide(record, breaches, failures)
    return Judgement(
        verdict=verdict,
        reasons=reasons,
        metrics=measured.metrics,
        validity=validity_record(data, during_run(data)),
        expectations=assessments,
        breaches=breaches,
        faults=[FaultMoment.model_validate(line) for line in data.timeline] or record.faults,
    )


def judge_again(folder: Path, *, thresholds: Thresholds | None = None) -> RunRecord:
    """Judge a stored run anew and write its run.json.

    Raises:
        BrokenRun: the directory cannot be read.
        OSError: run.json cannot be written.

    """
    record = read_record(folder)
    record = judge(folder, record, thresholds=thresholds).applied_to(record)
    write_record(folder, record)
    return record


def _decide(record: RunRecord, breaches: list[Breach], failures: list[str]) -> tuple[Verdict, list[str]]:
    outcome = record.outcome
    if outcome.lacking is not None:
        return "unsupported", [f"this machine lacks something: {outcome.lacking}"]
    for role, end in (("client", outcome.client), ("server", outcome.server)):
        if end is not None and end.status == "unsupported":
            return "unsupported", [f"the {role} of {record.endpoint} says that it cannot do this test case (exit 127)"]
    if outcome.ended_by == "interrupt":
        return "invalid", [f"interrupted after {outcome.ended_s:.1f} s; what was measured is kept"]
    if outcome.ended_by == "error":
        return "invalid", [f"the harness could not go on: {outcome.failure or 'no cause is known'}"]
    if breaches:
        return "invalid", [f"{breach.reason} [{breach.cause}]" for breach in breaches]
    if failures:
        return "fail", list(dict.fromkeys(failures))
    return "pass", []


def _fallbacks(data: RunData, record: RunRecord) -> list[str]:
    """Return what an endpoint that stands for Multipath TCP said of having fallen back to TCP."""
    definition = record.specification.get("endpoint", {})
    if definition.get("path_manager") != "kernel":
        return []
    events = (*data.client_events, *data.server_events)
    found = [event for event in events if event.get("event") == "fallback"]
    return [f"the connection fell back to TCP: {found[0].get('reason', 'no reason is given')}"] if found else []


def _never_sent(data: RunData, measured: Measured) -> list[str]:
    """Compare what the receiver claims with what passed through the network: payload cannot come from nowhere."""
    carried = sum((measured.metrics.get("path_bytes") or {}).values())
    claimed = measured.metrics["bytes_received"]
    if not data.paths or claimed <= carried:
        return []
    return [f"the receiver claims {claimed} bytes, but only {carried} passed through the paths"]


def _came_to_faults(data: RunData, scenario: Scenario) -> bool:
    """Whether a stall can be the doing of a fault, rather than of an endpoint that ends before the first one."""
    return bool(data.timeline) or not scenario.fault


def _endpoint_failures(record: RunRecord, measured: Measured, *, stall: bool) -> list[str]:
    """Return what the endpoints did wrong apart from expectations; where a stall is expected they end as they like."""
    outcome = record.outcome
    found = []
    # A server that gives up is one of the ways in which a transfer stalls.
    if outcome.failure is not None and not (stall and outcome.ended_by == "server"):
        first, *more = outcome.failure.splitlines() or ["no cause is known"]
        found.append(f"{first}: {more[-1].strip()}" if more else first)
    if stall:
        return found
    for end in (outcome.client, outcome.server):
        if end is not None and end.status in ("failed", "hung", "killed"):
            last = f": {end.log_end[-1]}" if end.log_end else ""
            found.append(f"{end.message}{last}")
    if measured.metrics["completion_s"] is None:
        ended = {"limit": "at the time limit", "stall": "since nothing arrived any more"}.get(outcome.ended_by)
        received, expected = measured.metrics["bytes_received"], measured.metrics["bytes_expected"]
        how = f"; the run was ended {ended}" if ended else ""
        found.append(f"{received} of {expected} bytes arrived{how}")
    if measured.metrics["sha256_ok"] is False:
        found.append("the receiver's SHA-256 is not the payload's")
    return found


def exit_code(verdicts: Iterable[str]) -> int:
    """Return the exit code of ``harness run``: 0 all pass (or unsupported), 1 some fail, 3 some invalid and none fails.

    ``incomplete`` counts as invalid.
    """
    found = set(verdicts)
    if "fail" in found:
        return EXIT_FAIL
    return EXIT_INVALID if found & {"invalid", "incomplete"} else EXIT_PASS
