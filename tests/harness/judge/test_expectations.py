"""Each kind of expectation, met and not met, with a sentence that says why."""

from pathlib import Path
from typing import Any

import pytest

from harness.judge.expectations import Subject, applies, assess, expects_stall
from harness.judge.metrics import measure
from harness.results import RunData
from harness.results.record import Assessment
from tests.support.synthetic import Synthetic, scenario, topology

STALLED: list[tuple[float, dict[str, float]]] = [(0.15, {"upper": 23.0}), (3.02, {})]


def judged(expect: dict[str, Any], tmp_path: Path, run: Synthetic | None = None) -> Assessment:
    run = run or Synthetic()
    run.scenario = {**run.scenario, "expect": expect}
    folder, record = run.write(tmp_path)
    measured = measure(RunData.read(folder), record, record.read_scenario(), record.read_topology(), "0" * 64)
    (found,) = assess(subject(run, tmp_path), measured)
    return found


def subject(run: Synthetic, tmp_path: Path) -> Subject:
    _, record = run.write(tmp_path)
    return Subject(
        scenario=record.read_scenario(), topology=record.read_topology(), seed=record.seed, endpoint=record.endpoint,
        capabilities=record.capabilities, values=record.values,
    )  # fmt: skip


class TestKinds:
    @pytest.mark.parametrize(
        ("expect", "passed", "reason"),
        [
            (
                {"kind": "completes", "capacity": "one", "factor": 1.1, "term": "2s"},
                True,
                "completed after 7.60 s, within",
            ),
            ({"kind": "completes", "capacity": "sum"}, False, "completed after 7.60 s, later than"),
            ({"kind": "stalls"}, False, "was expected to stall"),
            ({"kind": "longest_gap", "at_most": "1s"}, True, "longest gap 0.44 s (from 3.02 s on), within 1.00 s"),
            ({"kind": "longest_gap", "at_most": "100ms"}, False, "longer than 0.10 s"),
            ({"kind": "recovery", "at_most": "1s"}, True, "payload again 0.46 s after outage"),
            ({"kind": "recovery", "at_most": "100ms", "fault": "outage"}, False, "later than 0.10 s"),
            ({"kind": "hash_equal"}, False, "is not the payload's"),
            ({"kind": "goodput", "at_least": "20mbit"}, True, "goodput 21.4"),
            ({"kind": "goodput", "at_least_share": 0.9}, False, "less than"),
            ({"kind": "goodput", "at_least_share": 0.9, "paths": ["lower"], "after": "4s"}, True, "from 4.00 s on"),
            (
                {"kind": "goodput", "at_least": "1mbit", "after": "all_paths_busy"},
                False,
                "never carried payload at once",
            ),
            ({"kind": "goodput", "at_least": "1mbit", "after": "20s"}, False, "before that window"),
            ({"kind": "goodput", "at_least": "1mbit", "until": "2s"}, True, "from 0.16 s on"),
            ({"kind": "path_busy", "fault": "outage", "at_most": "1s"}, True, "path upper carried payload"),
            ({"kind": "metric", "metric": "retransmissions", "at_most": 10}, True, "retransmissions is 8"),
            ({"kind": "metric", "metric": "latency.udp.lower.forward.median_ms", "at_least": 20}, True, "20.1"),
            ({"kind": "metric", "metric": "path_share.lower", "at_least": 0.1, "at_most": 0.2}, False, "at most 0.2"),
            ({"kind": "metric", "metric": "all_paths_busy_s", "at_most": 1}, False, "metrics: all_paths_busy_s"),
        ],
    )
    def test_on_a_failover(self, expect: dict[str, Any], passed: bool, reason: str, tmp_path: Path) -> None:
        found = judged(expect, tmp_path)
        assert found.passed is passed, found.reason
        assert reason in found.reason
        assert found.kind == expect["kind"]

    @pytest.mark.parametrize(
        ("expect", "passed", "reason"),
        [
            ({"kind": "completes"}, False, "did not complete"),
            ({"kind": "stalls"}, True, "stalled as expected"),
            ({"kind": "recovery", "at_most": "1s"}, False, "no payload arrived any more after outage"),
            ({"kind": "longest_gap", "at_most": "1s"}, False, "longest gap 36.98 s"),
            ({"kind": "hash_equal"}, False, "told no hash"),
        ],
    )
    def test_on_a_stall(self, expect: dict[str, Any], passed: bool, reason: str, tmp_path: Path) -> None:
        found = judged(expect, tmp_path, Synthetic(shares=STALLED))
        assert found.passed is passed, found.reason
        assert reason in found.reason

    @pytest.mark.parametrize("kind", ["longest_gap", "recovery"])
    def test_on_silence(self, kind: str, tmp_path: Path) -> None:
        assert not judged({"kind": kind, "at_most": "1s"}, tmp_path, Synthetic(shares=[])).passed

    def test_bound_that_the_network_cannot_keep(self, tmp_path: Path) -> None:
        faults = [{"kind": "drop", "path": name, "at": "3s"} for name in ("upper", "lower")]
        run = Synthetic(scenario=scenario(fault=faults))
        found = judged({"kind": "completes"}, tmp_path, run)
        assert "which the specified rates do not allow" in found.reason
        assert found.bound is None

    def test_share_of_an_unlimited_rate(self, tmp_path: Path) -> None:
        run = Synthetic(topology=topology(upper={"both": {}}, lower={"both": {"rate": "25mbit"}}))
        found = judged({"kind": "goodput", "at_least_share": 0.5}, tmp_path, run)
        assert "give at_least" in found.reason


class TestFilters:
    @pytest.mark.parametrize(
        ("keys", "wanted"),
        [
            ({}, True),
            ({"endpoints": ["mptcp"]}, True),
            ({"endpoints": ["tcp"]}, False),
            ({"needs": ["multipath", "failover"]}, True),
            ({"needs": ["streams"]}, False),
            ({"lacks": ["multipath"]}, False),
            ({"lacks": ["streams"]}, True),
            ({"when": {"fault.kind": "rst"}}, True),
            ({"when": {"fault.kind": ["drop", "down"]}}, False),
            ({"when": {"workload.kind": "download"}}, True),
            ({"when": {"topology.path.upper.family": "ipv4"}}, True),
            ({"when": {"topology.path.upper.family": "ipv6"}}, False),
            ({"when": {"no.such.key": 1}}, False),
        ],
    )
    def test_applies(self, keys: dict[str, Any], wanted: bool, tmp_path: Path) -> None:
        run = Synthetic(scenario=scenario(expect={"kind": "stalls", **keys}), values={"fault.kind": "rst"})
        about = subject(run, tmp_path)
        assert applies(about.scenario.expect[0], about) is wanted
        assert expects_stall(about) is wanted
