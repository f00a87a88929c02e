"""Metrics of made-up runs whose numbers are known."""

import json
from pathlib import Path
from typing import Any

import pytest

from harness.endpoints.payload import expected_sha256
from harness.judge.metrics import Measured, measure
from harness.results import RunData
from tests.support.synthetic import Synthetic, scenario, topology


def measured(run: Synthetic, tmp_path: Path) -> Measured:
    folder, record = run.write(tmp_path)
    model = record.read_scenario()
    digest = expected_sha256(record.seed, model.workload.bytes)
    return measure(RunData.read(folder), record, model, record.read_topology(), digest)


def metrics(run: Synthetic, tmp_path: Path) -> dict[str, Any]:
    return measured(run, tmp_path).metrics


class TestNames:
    def test_those_that_scenarios_may_name_are_those_that_are_measured(self, tmp_path: Path) -> None:
        from harness.spec.expectation import METRICS

        special = scenario(
            workload={"kind": "objects", "bytes": "20MB", "limit": "40s"},
            multipath={"mode": "backup", "migrate_at": ["5MB"]},
        )
        found = set(metrics(Synthetic(), tmp_path)) | set(metrics(Synthetic(scenario=special), tmp_path))
        assert found - set(METRICS) == {"sha256_ok", "congestion"}, "these two are no numbers"
        assert set(METRICS) <= found


class TestTransfer:
    def test_a_complete_one(self, tmp_path: Path) -> None:
        found = metrics(Synthetic(), tmp_path)
        assert found["bytes_received"] == found["bytes_expected"] == 20_000_000
        assert found["sha256_ok"] is True
        # 20 MB at 23 and 22.6 Mbps, with 0.15 s before and 0.43 s between.
        assert found["completion_s"] == pytest.approx(7.6, abs=0.1)
        assert found["goodput_mbps"] == pytest.approx(21.5, abs=0.2)

    def test_an_unfinished_one(self, tmp_path: Path) -> None:
        found = metrics(Synthetic(shares=[(0.15, {"upper": 23.0}), (3.02, {})]), tmp_path)
        assert found["completion_s"] is None
        assert found["sha256_ok"] is None
        assert found["recovery_s"] == {"outage": None}
        assert found["longest_gap_s"] == pytest.approx(40 - 3.02, abs=0.02), "silence to the end counts"

    def test_nothing_arrives_at_all(self, tmp_path: Path) -> None:
        found = metrics(Synthetic(shares=[]), tmp_path)
        assert found["bytes_received"] == 0
        assert found["longest_gap_s"] is None
        assert found["goodput_mbps"] is None
        assert "recovery_s" not in found

    def test_wrong_payload(self, tmp_path: Path) -> None:
        assert metrics(Synthetic(corrupt=True), tmp_path)["sha256_ok"] is False

    def test_setting_up_is_timed_from_the_call_of_connect(self, tmp_path: Path) -> None:
        found = metrics(Synthetic(), tmp_path)
        assert found["connect_ms"] == 41.2
        assert found["first_byte_ms"] == pytest.approx(41.2 + 43, abs=0.1)

    def test_without_events_the_bins_of_goodput_csv_serve(self, tmp_path: Path) -> None:
        folder, record = Synthetic().write(tmp_path)
        (folder / "client.events.jsonl").unlink()
        model = record.read_scenario()
        found = measure(RunData.read(folder), record, model, record.read_topology(), None).metrics
        assert found["completion_s"] == pytest.approx(7.6, abs=0.1)
        assert found["longest_gap_s"] == pytest.approx(0.44, abs=0.011)
        assert found["connect_ms"] is None

    def test_events_that_cannot_be_computed_with_are_passed_over(self, tmp_path: Path) -> None:
        folder, record = Synthetic().write(tmp_path)
        with (folder / "client.events.jsonl").open("a") as file:
            for line in (
                {"event": "received"},
                {"event": "received", "time": "now", "bytes": 1},
                {"time": 1, "bytes": []},
            ):
                file.write(json.dumps(line) + "\n")
        found = measure(RunData.read(folder), record, record.read_scenario(), record.read_topology(), None).metrics
        assert found["bytes_received"] == 20_000_000


class TestRecovery:
    def test_is_timed_from_the_fault(self, tmp_path: Path) -> None:
        found = metrics(Synthetic(), tmp_path)
        assert found["longest_gap_s"] == pytest.approx(0.44, abs=0.02)
        assert found["recovery_s"]["outage"] == pytest.approx(0.46, abs=0.02)

    def test_no_interruption_is_zero(self, tmp_path: Path) -> None:
        found = metrics(Synthetic(shares=[(0.15, {"upper": 23.0}), (3.02, {"lower": 23.0})]), tmp_path)
        assert found["recovery_s"] == {"outage": 0.0}

    def test_each_occurrence_has_its_own(self, tmp_path: Path) -> None:
        fault = {
            "name": "out",
            "kind": "drop",
            "path": "upper",
            "at": "2s",
            "every": "2s",
            "duration": "1s",
            "times": 2,
        }
        shares: list[tuple[float, dict[str, float]]] = [
            (0.1, {"upper": 23}), (2.02, {}), (2.3, {"lower": 23}), (4.02, {}), (4.8, {"lower": 23}),
        ]  # fmt: skip
        found = metrics(Synthetic(scenario=scenario(fault=fault), shares=shares), tmp_path)
        assert found["recovery_s"] == {"out": pytest.approx(0.31, abs=0.02), "out#2": pytest.approx(0.81, abs=0.02)}

    def test_a_fault_after_the_end_is_left_out(self, tmp_path: Path) -> None:
        fault = {"name": "out", "kind": "drop", "path": "upper", "at": "7.63s"}
        run = Synthetic(scenario=scenario(fault=fault), shares=[(0.1, {"upper": 23.0, "lower": 0.0})])
        found = metrics(run, tmp_path)
        assert found["completion_s"] < 7.63
        assert "recovery_s" not in found

    def test_a_gap_long_after_the_fault_is_not_its_doing(self, tmp_path: Path) -> None:
        shares: list[tuple[float, dict[str, float]]] = [(0.1, {"lower": 23}), (5.0, {}), (6.0, {"lower": 23})]
        found = metrics(Synthetic(shares=shares), tmp_path)
        assert found["recovery_s"] == {"outage": 0.0}
        assert found["longest_gap_s"] == pytest.approx(1.0, abs=0.02)


class TestPaths:
    def test_probes_and_handshakes_do_not_make_a_path_busy(self, tmp_path: Path) -> None:
        found = metrics(Synthetic(), tmp_path)
        assert found["path_busy_s"]["upper"] <= 0.3
        assert found["path_busy_s"]["lower"] == pytest.approx(3.5, abs=0.11)
        assert found["all_paths_busy_s"] is None, "one after the other is not at once"

    def test_both_at_once(self, tmp_path: Path) -> None:
        network = topology()
        network["path"][1]["initially"] = "down"
        run = Synthetic(
            scenario=scenario(fault={"kind": "up", "path": "lower", "at": "3s"}),
            topology=network,
            shares=[(0.1, {"upper": 23.8}), (3.1, {"upper": 23.7, "lower": 23.1})],
        )
        found = measured(run, tmp_path)
        assert found.metrics["all_paths_busy_s"] == pytest.approx(3.2, abs=0.11)
        assert found.metrics["goodput_all_paths_mbps"] == pytest.approx(46.8, abs=0.5)
        assert found.busy_after("lower", 3.0) == found.metrics["all_paths_busy_s"]
        assert found.busy_after("lower", 100) is None
        assert sum(found.metrics["path_share"].values()) == pytest.approx(1, abs=1e-3)

    def test_slow_paths_can_be_busy(self, tmp_path: Path) -> None:
        slow = {"both": {"rate": "1mbit", "delay": "20ms"}}
        run = Synthetic(
            scenario=scenario(workload={"kind": "download", "bytes": "300kB", "limit": "20s"}, fault=[]),
            topology=topology(upper=slow, lower=slow),
            shares=[(0.1, {"upper": 0.9})],
        )
        assert metrics(run, tmp_path)["path_busy_s"]["upper"] is not None

    def test_steady_state_begins_a_second_after_the_last_disturbance(self, tmp_path: Path) -> None:
        found = metrics(Synthetic(), tmp_path)
        assert found["goodput_steady_mbps"] == pytest.approx(22.6, abs=0.2)
        assert found["goodput_steady_stdev_mbps"] < 1 < found["goodput_stdev_mbps"]


class TestSocketsAndProbes:
    def test_only_the_senders_bulk_sockets_count(self, tmp_path: Path) -> None:
        found = metrics(Synthetic(), tmp_path)
        assert found["congestion"] == ["cubic"]
        assert found["retransmissions"] == 8

    def test_latency(self, tmp_path: Path) -> None:
        latency = metrics(Synthetic(), tmp_path)["latency"]["udp"]
        assert latency["upper"]["forward"]["median_ms"] == 20.1
        assert latency["upper"]["forward"]["lost"] == 45
        assert latency["lower"]["round_trip"]["p99_ms"] > latency["lower"]["round_trip"]["median_ms"]


class TestWhatTheClientTells:
    def test_migrations(self, tmp_path: Path) -> None:
        moving = scenario(multipath={"mode": "backup", "migrate_at": ["8MB"]}, fault=[], expect={"kind": "hash_equal"})
        shares: list[tuple[float, dict[str, float]]] = [(0.1, {"upper": 20}), (3.0, {}), (3.2, {"lower": 20})]
        found = metrics(Synthetic(scenario=moving, shares=shares, moves=[(2.95, "lower")], noise=0), tmp_path)
        assert found["migrations"] == 1
        assert found["migration_gap_s"] == pytest.approx(0.21, abs=0.02)
        far = metrics(Synthetic(scenario=moving, shares=shares, moves=[(2.0, "lower")], noise=0), tmp_path)
        assert far["migration_gap_s"] == pytest.approx(0.01, abs=0.005), "a gap a second later is not its doing"
        none = metrics(Synthetic(scenario=moving, shares=shares), tmp_path)
        assert (none["migrations"], none["migration_gap_s"]) == (0, None)

    def test_objects(self, tmp_path: Path) -> None:
        beside = scenario(workload={"kind": "objects", "bytes": "20MB", "limit": "40s"})
        times = [float(value) for value in range(1, 101)]
        found = metrics(Synthetic(scenario=beside, objects=[(1 + ms / 50, ms) for ms in times]), tmp_path)
        assert found["object_ms"] == {"median": 50.5, "p95": 95, "p99": 99, "max": 100, "count": 100}
        assert found["bytes_received"] == 20_000_000, "objects are no payload"
        none = metrics(Synthetic(scenario=beside), tmp_path)
        assert none["object_ms"] == {"median": None, "p95": None, "p99": None, "max": None, "count": 0}

    def test_only_where_the_scenario_asks_for_them(self, tmp_path: Path) -> None:
        found = metrics(Synthetic(moves=[(1.0, "lower")], objects=[(1.0, 9.0)]), tmp_path)
        assert not {"migrations", "migration_gap_s", "object_ms"} & set(found)
