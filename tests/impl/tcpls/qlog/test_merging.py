"""Tests of impl.tcpls.qlog.merging: faults of a run among the events of a session, on one clock."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from impl.tcpls.qlog import QlogError, QlogWriter, merge_faults, read_qlog

REFERENCE = 100_000_000_000
ZERO = 99_500_000_000


def trace(path: Path, *moments: float) -> Path:
    """A trace with events at `moments`, seconds on the monotonic clock."""
    with QlogWriter(path, role="client", session_id="s", reference_ns=REFERENCE, wall_clock=0) as log:
        for number, moment in enumerate(moments):
            log.event(moment, "record_sent", {"sequence": number})
    return log.path


def fault(actual_s: float, name: str = "outage") -> dict[str, Any]:
    return {
        "id": name, "kind": "drop", "path": "a", "action": "drop", "planned_s": 5.0, "actual_s": actual_s,
        "late_ms": 0.2, "ok": True, "result": "all packets dropped",
    }  # fmt: skip


def run(folder: Path, *faults: dict[str, Any], zero: object = ZERO) -> Path:
    """The timeline of a run directory."""
    (folder / "run.json").write_text(json.dumps({"clock_zero_ns": zero}))
    timeline = folder / "timeline.jsonl"
    timeline.write_text("".join(json.dumps(line) + "\n" for line in faults))
    return timeline


class TestMerging:
    def test_a_fault_between_two_events(self, tmp_path: Path) -> None:
        qlog, timeline = trace(tmp_path / "a.sqlog", 100.0, 101.0), run(tmp_path, fault(1.0))
        assert merge_faults(qlog, timeline, tmp_path / "b.sqlog") == 1
        header, *events = read_qlog(tmp_path / "b.sqlog")
        assert [(event["time"], event["name"]) for event in events] == [
            (0, "tcpls:record_sent"), (500.0, "harness:fault"), (1000.0, "tcpls:record_sent"),
        ]  # fmt: skip
        assert events[1]["data"] == fault(1.0)
        assert header["trace"]["event_schemas"] == [
            "urn:multipath-lab:qlog:events:tcpls",
            "urn:multipath-lab:qlog:events:harness",
        ]
        assert header["trace"]["common_fields"]["reference_monotonic_ns"] == REFERENCE

    def test_before_the_reference_times_are_negative(self, tmp_path: Path) -> None:
        merge_faults(trace(tmp_path / "a", 100.0), run(tmp_path, fault(-1.0)), tmp_path / "b")
        assert [event["time"] for event in read_qlog(tmp_path / "b") if "time" in event] == [-1500.0, 0]

    def test_a_fault_comes_before_what_happens_at_the_same_moment(self, tmp_path: Path) -> None:
        merge_faults(trace(tmp_path / "a", 100.0, 100.0), run(tmp_path, fault(0.5)), tmp_path / "b")
        _, *events = read_qlog(tmp_path / "b")
        assert [event["name"] for event in events] == ["harness:fault", "tcpls:record_sent", "tcpls:record_sent"]

    def test_into_the_same_file(self, tmp_path: Path) -> None:
        qlog = trace(tmp_path / "a", 100.0)
        merge_faults(qlog, run(tmp_path, fault(1.0)), qlog)
        assert len(list(read_qlog(qlog))) == 3
        assert {path.name for path in tmp_path.iterdir()} == {"a", "run.json", "timeline.jsonl"}

    def test_a_start_of_the_run_that_is_given(self, tmp_path: Path) -> None:
        timeline = run(tmp_path, fault(1.0))
        (tmp_path / "run.json").unlink()
        merge_faults(trace(tmp_path / "a"), timeline, tmp_path / "b", clock_zero_ns=REFERENCE)
        assert list(read_qlog(tmp_path / "b"))[1]["time"] == 1000.0

    def test_the_trace_of_a_program_that_was_killed(self, tmp_path: Path) -> None:
        qlog = trace(tmp_path / "a", 100.0, 100.1)
        qlog.write_bytes(qlog.read_bytes()[:-5])
        merge_faults(qlog, run(tmp_path, fault(1.0)), tmp_path / "b")
        assert [event["name"] for event in list(read_qlog(tmp_path / "b"))[1:]] == [
            "tcpls:record_sent",
            "harness:fault",
        ]

    def test_a_run_without_faults(self, tmp_path: Path) -> None:
        assert merge_faults(trace(tmp_path / "a", 100.0), run(tmp_path), tmp_path / "b") == 0

    @given(
        events=st.lists(st.integers(0, 10_000), max_size=20), faults=st.lists(st.integers(-1000, 10_000), max_size=10)
    )
    @settings(max_examples=40)
    def test_nothing_is_lost_and_all_is_in_order(
        self, tmp_path_factory: pytest.TempPathFactory, events: list[int], faults: list[int]
    ) -> None:
        folder = tmp_path_factory.mktemp("merge")
        qlog = trace(folder / "a", *(100 + ms / 1e3 for ms in sorted(events)))
        merge_faults(qlog, run(folder, *(fault(ms / 1e3) for ms in faults)), folder / "b")
        _, *merged = read_qlog(folder / "b")
        times = [event["time"] for event in merged]
        assert times == sorted(times)
        assert sorted(times) == pytest.approx(sorted([*events, *(ms - 500 for ms in faults)]), abs=0.002)
        assert [e["data"]["sequence"] for e in merged if e["name"] == "tcpls:record_sent"] == list(range(len(events)))


class TestErrors:
    def refused(self, folder: Path, timeline: Path, message: str) -> None:
        (folder / "b").write_text("as it was")
        with pytest.raises(QlogError, match=message):
            merge_faults(trace(folder / "a", 100.0), timeline, folder / "b")
        assert (folder / "b").read_text() == "as it was"

    def test_no_run_record(self, tmp_path: Path) -> None:
        timeline = run(tmp_path)
        (tmp_path / "run.json").unlink()
        self.refused(tmp_path, timeline, r"run\.json: cannot be read: .*; give the run's start")

    @pytest.mark.parametrize("zero", [0, None, "1"])
    def test_a_run_that_never_started(self, tmp_path: Path, zero: object) -> None:
        self.refused(tmp_path, run(tmp_path, zero=zero), rf"run\.json: clock_zero_ns is {zero!r}")

    def test_a_run_record_that_is_no_json(self, tmp_path: Path) -> None:
        timeline = run(tmp_path)
        (tmp_path / "run.json").write_text("{")
        self.refused(tmp_path, timeline, r"run\.json: no JSON")

    def test_no_timeline(self, tmp_path: Path) -> None:
        run(tmp_path).unlink()
        self.refused(tmp_path, tmp_path / "timeline.jsonl", r"timeline\.jsonl: cannot be read")

    @pytest.mark.parametrize(
        ("line", "message"),
        [("{", "line 2 is no JSON"), ('{"actual_s": null}', "line 2: actual_s is None"), ("[]", "line 2: actual_s")],
    )
    def test_broken_timelines(self, tmp_path: Path, line: str, message: str) -> None:
        timeline = run(tmp_path, fault(1.0))
        timeline.write_text(timeline.read_text() + line + "\n")
        self.refused(tmp_path, timeline, message)

    def test_a_trace_on_another_clock(self, tmp_path: Path) -> None:
        qlog = tmp_path / "a"
        qlog.write_bytes(b'\x1e{"file_schema":"urn:ietf:params:qlog:file:sequential","trace":{}}\n')
        with pytest.raises(QlogError, match=r"no trace\.common_fields\.reference_monotonic_ns"):
            merge_faults(qlog, run(tmp_path), tmp_path / "b")

    def test_no_place_for_the_result(self, tmp_path: Path) -> None:
        with pytest.raises(QlogError, match=r"none/b: cannot be written: No such file"):
            merge_faults(trace(tmp_path / "a"), run(tmp_path), tmp_path / "none" / "b")
