"""Runs made invalid on purpose, and runs that stay valid in spite of a bad second."""

import json
from pathlib import Path
from typing import Any

import pytest

from harness.judge.metrics import measure
from harness.judge.thresholds import default_thresholds
from harness.judge.validity import _captures, during_run, find_breaches, validity_record
from harness.results import RunData
from harness.results.formats import MACHINE, PATHS, MachineRow, PathRow, read_rows, write_rows
from harness.results.record import Breach, RunRecord
from tests.support.synthetic import Synthetic, scenario


def breaches(folder: Path, record: RunRecord) -> list[Breach]:
    data = RunData.read(folder)
    model, network = record.read_scenario(), record.read_topology()
    measured = measure(data, record, model, network, None)
    return find_breaches(data, record, model, network, measured, default_thresholds())


def made(tmp_path: Path, **keys: Any) -> list[Breach]:
    return breaches(*Synthetic(**keys).write(tmp_path))


def with_seconds(tmp_path: Path, count: int, **worse: float) -> list[Breach]:
    """Return the breaches of a run of which ``count`` seconds are worse."""
    folder, record = Synthetic().write(tmp_path)
    rows = read_rows(folder / MACHINE, MachineRow)
    write_rows(folder / MACHINE, MachineRow, [row._replace(**worse) for row in rows[:count]] + rows[count:])
    return breaches(folder, record)


class TestMachine:
    def test_quiet(self, tmp_path: Path) -> None:
        assert made(tmp_path) == []

    @pytest.mark.parametrize(
        ("worse", "threshold"),
        [
            ({"idle": 0.02}, "idle_cpu"),
            ({"pressure": 0.9}, "cpu_pressure"),
            ({"steal": 0.4}, "steal"),
            ({"timer_late_p99_ms": 12.0}, "timer_late_p99"),
            ({"element_cpu": 0.97}, "element_cpu"),
        ],
    )
    def test_two_bad_seconds_are_forgiven_and_three_are_not(
        self, worse: dict[str, float], threshold: str, tmp_path: Path
    ) -> None:
        assert with_seconds(tmp_path, 2, **worse) == []
        (found,) = with_seconds(tmp_path, 3, **worse)
        assert found.threshold == threshold
        assert "in 3 of 8 seconds" in found.reason

    def test_one_long_stop_is_enough(self, tmp_path: Path) -> None:
        (found,) = with_seconds(tmp_path, 1, timer_late_max_ms=150.0)
        assert (found.threshold, found.cause, found.measured) == ("timer_late_max", "machine", 150.0)

    def test_a_hog(self, tmp_path: Path) -> None:
        found = made(tmp_path, idle=0.0, late_ms=9.0)
        assert {breach.threshold for breach in found} >= {"idle_cpu", "cpu_pressure", "timer_late_p99"}
        assert {breach.cause for breach in found} == {"machine"}

    def test_our_own_element_is_told_from_the_machine(self, tmp_path: Path) -> None:
        (found,) = with_seconds(tmp_path, 4, element_cpu=0.97)
        assert found.cause == "harness"
        assert with_seconds(tmp_path, 4, element_cpu=0.97, steal=0.3)[0].cause == "machine"

    def test_a_long_path_bears_a_later_timer(self, tmp_path: Path) -> None:
        from tests.support.synthetic import topology

        far = {"both": {"rate": "25mbit", "delay": "100ms"}}
        assert made(tmp_path, late_ms=9.0, topology=topology(upper=far, lower=far)) == []

    def test_nobody_watched(self, tmp_path: Path) -> None:
        folder, record = Synthetic().write(tmp_path)
        (folder / MACHINE).unlink()
        (found,) = breaches(folder, record)
        assert "nobody watched" in found.reason


class TestTimeline:
    def test_late_fault(self, tmp_path: Path) -> None:
        (found,) = made(tmp_path, fault_late_ms=25.0)
        assert (found.threshold, found.cause) == ("fault_late", "machine")
        assert made(tmp_path, fault_late_ms=19.0) == []

    def test_failed_fault(self, tmp_path: Path) -> None:
        folder, record = Synthetic().write(tmp_path)
        path = folder / "timeline.jsonl"
        line = json.loads(path.read_text())
        path.write_text(json.dumps({**line, "ok": False, "result": "no such interface"}) + "\n")
        (found,) = breaches(folder, record)
        assert found.reason == "fault outage could not be performed: no such interface"

    def test_fault_that_never_happened(self, tmp_path: Path) -> None:
        folder, record = Synthetic().write(tmp_path)
        (folder / "timeline.jsonl").unlink()
        (found,) = breaches(folder, record)
        assert "planned for 3.000 s and never happened" in found.reason

    def test_fault_planned_after_the_end(self, tmp_path: Path) -> None:
        fault = {"kind": "drop", "path": "upper", "at": "30s"}
        assert made(tmp_path, scenario=scenario(fault=fault)) == []


class TestNetwork:
    def test_wrong_rate(self, tmp_path: Path) -> None:
        found = made(tmp_path, rate_factor=0.9)
        assert {breach.threshold for breach in found} == {"rate_error"}

    def test_dropping_element(self, tmp_path: Path) -> None:
        folder, record = Synthetic().write(tmp_path)
        rows = read_rows(folder / PATHS, PathRow)
        write_rows(folder / PATHS, PathRow, [row._replace(overflow=3) for row in rows])
        assert {breach.threshold for breach in breaches(folder, record)} == {"overflow"}

    def test_probes_faster_than_the_delay(self, tmp_path: Path) -> None:
        folder, record = Synthetic().write(tmp_path)
        path = folder / "latency.csv"
        path.write_text(path.read_text().replace("forward,20.1,", "forward,0.4,"))
        assert {breach.threshold for breach in breaches(folder, record)} == {"probe_early"}

    def test_other_congestion_control(self, tmp_path: Path) -> None:
        (found,) = made(tmp_path, congestion="bbr")
        assert found.reason == "congestion control of the sender is bbr; the scenario asks for cubic"

    def test_offload_that_is_on(self, tmp_path: Path) -> None:
        folder, record = Synthetic().write(tmp_path)
        states = {"client": {"client-eth0": {"tcp-segmentation-offload": "on", "rx-checksumming": "on"}}}
        (found,) = breaches(folder, record.model_copy(update={"environment": {"offloads": states}}))
        assert "client client-eth0 tcp-segmentation-offload" in found.reason


class TestRecord:
    def test_keys_of_the_contract(self, tmp_path: Path) -> None:
        folder, _ = Synthetic().write(tmp_path)
        data = RunData.read(folder)
        record = validity_record(data, during_run(data))
        assert (record["idle_cpu_min"], record["timer_late_p99_ms"]) == (0.8, 0.3)
        assert record["cpu_pressure_max"] == pytest.approx(0.2)
        place = record["paths"]["upper"]["forward"]
        assert place["configured"] == {"rate_mbps": 25.0, "delay_ms": 20.0, "loss": 0.0}
        assert set(place["before"]) == set(place["after"]) == {"rate_mbps", "delay_ms", "loss"}

    def test_nothing_measured(self, tmp_path: Path) -> None:
        data = RunData.read(tmp_path)
        assert validity_record(data, [])["idle_cpu_min"] is None


class TestCaptures:
    @pytest.mark.parametrize(("largest", "found"), [(1514, []), (2962, ["frame"])])
    def test_a_frame_larger_than_the_path_carries(self, tmp_path: Path, largest: int, found: list[str]) -> None:
        _, record = Synthetic().write(tmp_path)
        captures = {"client-upper.pcap": {"largest_frame": largest, "dropped": 0}}
        environment = {**record.environment, "instruments": {"captures": captures}}
        breaches = list(_captures(record.model_copy(update={"environment": environment}), record.read_topology()))
        assert [breach.threshold for breach in breaches] == found
