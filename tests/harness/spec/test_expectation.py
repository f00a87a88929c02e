"""Tests of harness.spec.expectation."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from harness.judge.metrics import measure
from harness.results.data import RunData
from harness.spec.expectation import METRICS, Expectation
from tests.support.synthetic import Synthetic
from tests.support.synthetic import scenario as synthetic_scenario

MOVES_AND_OBJECTS = {
    "workload": {"kind": "objects", "bytes": "20MB", "limit": "40s"},
    "multipath": {"mode": "backup", "migrate_at": ["5MB"]},
}
ADAPTER: TypeAdapter[Any] = TypeAdapter(Expectation)


def message(**keys: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        ADAPTER.validate_python(keys)
    return str(caught.value.errors()[0]["msg"])


class TestKinds:
    @pytest.mark.parametrize(
        "keys",
        [
            {"kind": "completes", "capacity": "one", "factor": 1.1, "term": "2s"},
            {"kind": "stalls", "lacks": ["failover"]},
            {"kind": "longest_gap", "at_most": "1s", "when": {"multipath.mode": ["backup", "active"]}},
            {"kind": "recovery", "at_most": "1s", "fault": "outage"},
            {"kind": "hash_equal", "endpoints": ["tcp"]},
            {"kind": "goodput", "at_least": "46mbit", "after": "all_paths_busy"},
            {"kind": "goodput", "at_least_share": "90%", "paths": ["upper"], "after": "1s", "until": "3s"},
            {"kind": "path_busy", "fault": "second", "at_most": "500ms"},
            {"kind": "metric", "metric": "path_share.upper", "at_least": 0.4, "at_most": 0.6},
        ],
    )
    def test_each_reads_back(self, keys: dict[str, Any]) -> None:
        one = ADAPTER.validate_python(keys)
        assert ADAPTER.validate_python(ADAPTER.dump_python(one, mode="json")) == one


class TestBounds:
    @pytest.mark.parametrize("keys", [{}, {"at_least": "1mbit", "at_least_share": 0.5}])
    def test_goodput_has_one(self, keys: dict[str, Any]) -> None:
        assert "exactly one of at_least and at_least_share" in message(kind="goodput", **keys)

    def test_goodput_window(self) -> None:
        assert "'until' is later than 'after'" in message(kind="goodput", at_least="1mbit", after="3s", until="2s")

    def test_paths_belong_to_a_share(self) -> None:
        assert "belongs to at_least_share" in message(kind="goodput", at_least="1mbit", paths=["upper"])

    def test_metric_has_some(self) -> None:
        assert "give at_least, at_most or both" in message(kind="metric", metric="completion_s")

    def test_metric_can_pass(self) -> None:
        assert "no value passes" in message(kind="metric", metric="completion_s", at_least=3, at_most=2)

    @pytest.mark.parametrize("factor", [0.9, "1.1", float("inf"), float("nan"), True])
    def test_factor_is_a_number_from_one(self, factor: Any) -> None:
        assert message(kind="completes", factor=factor)


class TestApplies:
    def test_unquoted_keys_of_when(self) -> None:
        one = ADAPTER.validate_python({"kind": "stalls", "when": {"multipath": {"mode": "backup"}}})
        assert one.when == {"multipath.mode": "backup"}

    def test_unknown_capability(self) -> None:
        assert "Input should be 'download', 'upload'" in message(kind="stalls", needs=["failove"])

    def test_needed_and_lacked(self) -> None:
        assert "never applies" in message(kind="stalls", needs=["failover"], lacks=["failover"])

    def test_no_value(self) -> None:
        assert "never applies" in message(kind="stalls", when={"multipath.mode": []})


def metrics_of_a_run(folder: Path, **keys: Any) -> dict[str, Any]:
    run, record = Synthetic(scenario=synthetic_scenario(**keys)).write(folder)
    scenario, topology = record.read_scenario(), record.read_topology()
    return measure(RunData.read(run), record, scenario, topology, None).metrics


class TestMetricNames:
    def test_are_those_that_a_run_has(self, tmp_path: Path) -> None:
        found = {**metrics_of_a_run(tmp_path), **metrics_of_a_run(tmp_path, **MOVES_AND_OBJECTS)}
        # Those two are no numbers: an expectation of their own, and a list of names.
        assert set(METRICS) == set(found) - {"sha256_ok", "congestion"}

    def test_unknown(self) -> None:
        assert "'goodput' is not a metric; allowed: bytes_expected," in message(
            kind="metric", metric="goodput", at_least=1
        )

    @pytest.mark.parametrize(
        ("metric", "form"),
        [
            ("path_share", "write path_share.PATH"),
            ("recovery_s", "write recovery_s.FAULT"),
            ("completion_s.upper", "write completion_s"),
            ("object_ms", "write object_ms.STATISTIC, one of median, p95, p99, max, count"),
            ("object_ms.mean", "one of median, p95, p99, max, count"),
            ("latency.udp.upper", "write latency.PROBE.PATH.DIRECTION.STATISTIC"),
            ("latency.udp.upper.round_trip.mean", "a statistic of median_ms, p99_ms, count, lost"),
        ],
    )
    def test_those_of_several_numbers_need_more(self, metric: str, form: str) -> None:
        assert form in message(kind="metric", metric=metric, at_least=1)
