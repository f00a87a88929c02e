"""Verdicts: which one wins, the sentences, judging again, and exit codes."""

import json
from pathlib import Path
from typing import Any

import pytest

from harness.judge import exit_code, judge
from harness.judge.verdict import Judgement, judge_again
from harness.results import read_record
from harness.results.record import Outcome, ProcessEnd
from harness.results.writer import write_record
from tests.support.synthetic import Synthetic, scenario

STALLED: list[tuple[float, dict[str, float]]] = [(0.15, {"upper": 23.0}), (3.02, {})]
CRASHED = ProcessEnd(status="failed", exit_code=1, message="client: exit status 1", log_end=["...", "MemoryError"])


def verdict(tmp_path: Path, outcome: Outcome | None = None, **keys: Any) -> Judgement:
    folder, record = Synthetic(**keys).write(tmp_path)
    return judge(folder, record if outcome is None else record.model_copy(update={"outcome": outcome}))


class TestVerdicts:
    def test_pass(self, tmp_path: Path) -> None:
        found = verdict(tmp_path)
        assert (found.verdict, found.reasons) == ("pass", [])
        assert len(found.expectations) == 4

    def test_failed_expectation(self, tmp_path: Path) -> None:
        found = verdict(tmp_path, scenario=scenario(expect={"kind": "longest_gap", "at_most": "10ms"}))
        assert found.verdict == "fail"
        assert found.reasons == ["longest gap 0.44 s (from 3.02 s on), longer than 0.01 s"]

    def test_wrong_hash_fails_without_being_asked_for(self, tmp_path: Path) -> None:
        found = verdict(tmp_path, corrupt=True, scenario=scenario(expect={"kind": "completes", "term": "60s"}))
        assert (found.verdict, found.reasons) == ("fail", ["the receiver's SHA-256 is not the payload's"])

    def test_crash_says_what_the_log_ended_with(self, tmp_path: Path) -> None:
        found = verdict(tmp_path, Outcome(client=CRASHED, ended_by="client", ended_s=3.5), shares=STALLED)
        assert found.verdict == "fail"
        assert found.reasons[0] == "client: exit status 1: MemoryError"

    def test_breach_outweighs_failure(self, tmp_path: Path) -> None:
        found = verdict(tmp_path, corrupt=True, late_ms=9.0)
        assert found.verdict == "invalid"
        assert found.reasons[0].endswith("[machine]")
        assert found.metrics["sha256_ok"] is False

    def test_unsupported_outweighs_all(self, tmp_path: Path) -> None:
        ended = Outcome(client=ProcessEnd(status="unsupported", exit_code=127), ended_s=0.1)
        found = verdict(tmp_path, ended, shares=[], late_ms=9.0)
        assert found.verdict == "unsupported"
        assert "exit 127" in found.reasons[0]

    def test_expected_stall_may_end_in_any_way(self, tmp_path: Path) -> None:
        stall = scenario(expect={"kind": "stalls"})
        assert verdict(tmp_path, shares=STALLED, scenario=stall).verdict == "pass"
        crashed = Outcome(client=CRASHED, ended_by="client", ended_s=39.0)
        assert verdict(tmp_path, crashed, shares=STALLED, scenario=stall).verdict == "pass"

    def test_incomplete_transfer_fails_whatever_is_expected(self, tmp_path: Path) -> None:
        lenient = scenario(expect={"kind": "longest_gap", "at_most": "60s"})
        found = verdict(tmp_path, shares=STALLED, scenario=lenient)
        assert found.verdict == "fail"
        assert any("the run was ended at the time limit" in reason for reason in found.reasons)

    @pytest.mark.parametrize(
        ("outcome", "reason"),
        [
            (Outcome(ended_by="interrupt", ended_s=2.0), "interrupted after 2.0 s; what was measured is kept"),
            (Outcome(ended_by="error", failure="nfqueue died"), "the harness could not go on: nfqueue died"),
        ],
    )
    def test_runs_that_were_ended(self, outcome: Outcome, reason: str, tmp_path: Path) -> None:
        found = verdict(tmp_path, outcome)
        assert (found.verdict, found.reasons) == ("invalid", [reason])

    def test_endpoint_that_cannot_be_started(self, tmp_path: Path) -> None:
        folder, record = Synthetic(shares=[]).write(tmp_path)
        for name in ("machine.csv", "timeline.jsonl", "client.events.jsonl", "latency.csv"):
            (folder / name).unlink()
        path = folder / "calibration.json"
        path.write_text(json.dumps([entry for entry in json.loads(path.read_text()) if entry["when"] == "before"]))
        outcome = Outcome(ended_by="server", failure="server: cannot start ./x: no such program\n    log\n    its end")
        found = judge(folder, record.model_copy(update={"outcome": outcome}))
        assert found.verdict == "fail"
        assert found.reasons[0] == "server: cannot start ./x: no such program: its end"

    def test_server_that_gives_up_where_a_stall_is_expected(self, tmp_path: Path) -> None:
        outcome = Outcome(server=CRASHED, ended_by="server", ended_s=20.0, failure="server: exit status 1")
        stall = scenario(expect={"kind": "stalls"})
        assert verdict(tmp_path, outcome, shares=STALLED, scenario=stall).verdict == "pass"

    def test_what_never_began_has_not_stalled(self, tmp_path: Path) -> None:
        found = verdict(tmp_path, shares=[], scenario=scenario(expect={"kind": "stalls"}))
        assert found.verdict == "fail"
        assert found.reasons == ["nothing arrived at all: the transfer did not even begin"]

    def test_a_crash_before_the_first_fault_is_no_stall(self, tmp_path: Path) -> None:
        folder, record = Synthetic(shares=STALLED, scenario=scenario(expect={"kind": "stalls"})).write(tmp_path)
        (folder / "timeline.jsonl").write_text("")
        crashed = Outcome(client=CRASHED, ended_by="client", ended_s=1.0)
        found = judge(folder, record.model_copy(update={"outcome": crashed}))
        assert found.verdict == "fail"
        assert "client: exit status 1: MemoryError" in found.reasons

    def test_event_lines_that_cannot_be_believed(self, tmp_path: Path) -> None:
        outcome = Outcome(ended_s=8.0, failure="client.events.jsonl:3: not a line of JSON")
        assert verdict(tmp_path, outcome).reasons == ["client.events.jsonl:3: not a line of JSON"]


class TestAgain:
    def test_same_from_stored_data(self, tmp_path: Path) -> None:
        folder, record = Synthetic().write(tmp_path)
        judged = judge(folder, record).applied_to(record)
        write_record(folder, judged.model_copy(update={"verdict": "invalid", "metrics": {}}))
        assert judge_again(folder) == judged
        assert read_record(folder) == judged
        assert [fault.id for fault in judged.faults] == ["outage"]


class TestExitCode:
    @pytest.mark.parametrize(
        ("verdicts", "code"),
        [
            ([], 0), (["pass"], 0), (["pass", "unsupported"], 0), (["pass", "fail"], 1), (["fail", "invalid"], 1),
            (["pass", "invalid"], 3), (["incomplete"], 3),
        ],
    )  # fmt: skip
    def test_of_a_set(self, verdicts: list[str], code: int) -> None:
        assert exit_code(verdicts) == code


class TestClaims:
    def test_more_than_the_network_carried_is_a_lie(self, tmp_path: Path) -> None:
        folder, record = Synthetic().write(tmp_path)
        lines = (folder / "paths.csv").read_text().splitlines()
        # Counters that stand still: nothing went through the network.
        header = lines[0].split(",")
        first: dict[tuple[str, str], dict[str, str]] = {}
        frozen = [lines[0]]
        for line in lines[1:]:
            cells = dict(zip(header, line.split(","), strict=True))
            start = first.setdefault((cells["path"], cells["direction"]), cells)
            frozen.append(",".join({**start, "time_s": cells["time_s"]}[name] for name in header))
        (folder / "paths.csv").write_text("\n".join(frozen) + "\n")
        judgement = judge(folder, record)
        assert judgement.verdict == "fail"
        assert any("passed through the paths" in reason for reason in judgement.reasons)
