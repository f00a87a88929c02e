"""Tests of harness.spec.plan."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.spec.errors import SpecificationError
from harness.spec.plan import RUN_ID_LENGTH, PlannedRun, load_endpoint, plan_again, plan_runs
from tests.support.specs import SCENARIO, changed, planned, scenario_errors


def plan(**options: Any) -> list[PlannedRun]:
    return plan_runs(["failover_quick"], **{"element": "nfqueue", "endpoints": ["mptcp"], **options})


def one(*assignments: tuple[str, Any], **options: Any) -> PlannedRun:
    fixed = [("fault.kind", "drop"), ("multipath.mode", "backup"), *assignments]
    (run,) = plan(assignments=fixed, **options)
    return run


class TestRunId:
    def test_is_the_same_for_the_same_specification(self) -> None:
        assert one().run_id == one().run_id
        assert len(one().run_id) == RUN_ID_LENGTH

    @pytest.mark.parametrize(
        "options",
        [{"seed": 2}, {"element": "netem"}, {"endpoints": ["mptcp-tls"]}],
    )
    def test_changes_with_seed_element_and_endpoint(self, options: dict[str, Any]) -> None:
        assert one(**options).run_id != one().run_id

    @settings(deadline=None, max_examples=20)
    @given(
        st.sampled_from(
            [
                ("workload.bytes", "3MiB"),
                ("workload.streams", 2),
                ("workload.congestion", "reno"),
                ("fault.at", "3s"),
                ("fault.path", "lower"),
                ("multipath.mode", "active"),
                ("topology.path.upper.both.delay", "21ms"),
                ("topology.path.lower.forward.loss", "1%"),
                ("topology.path.lower.mtu", 1400),
                ("topology", "converter"),
                ("expect.0.factor", 1.2),
                ("sysctl", {"net.ipv4.tcp_sack": 0}),
            ]
        )
    )
    def test_changes_with_each_key(self, assignment: tuple[str, Any]) -> None:
        assert one(assignment).run_id != one().run_id

    def test_does_not_depend_on_how_the_values_came_in(self) -> None:
        by_matrix = next(run for run in plan() if run.values == {"fault.kind": "drop", "multipath.mode": "backup"})
        assert by_matrix.run_id == one().run_id

    def test_does_not_depend_on_the_other_endpoints_of_the_scenario(self, tmp_path: Path) -> None:
        (alone,) = planned(tmp_path, SCENARIO)
        both = planned(tmp_path, changed(SCENARIO, '["tcp"]', '["tls", "tcp"]'))
        assert alone.run_id in [run.run_id for run in both]


class TestRuns:
    def test_how_several_paths_are_used_is_nothing_to_an_endpoint_with_one(self) -> None:
        runs = plan(endpoints=["mptcp", "tcp"])
        assert [run.endpoint.name for run in runs].count("mptcp") == 6
        assert [run.values for run in runs if run.endpoint.name == "tcp"] == [
            {"fault.kind": kind} for kind in ("drop", "rst", "down")
        ]

    @pytest.mark.parametrize(
        ("key", "values", "knowing", "others"),
        [
            ("workload.record_size", ["1500B", "4KiB"], ["tls", "mptcp-tls", "quic"], ["tcp", "mptcp", "iperf3"]),
            ("multipath.migrate_at", [["100kB"], ["200kB"]], ["mptcp", "quic", "tcpls"], ["tcp", "tls"]),
        ],
    )
    def test_what_an_endpoint_does_not_know_makes_no_second_run(
        self, tmp_path: Path, key: str, values: list[Any], knowing: list[str], others: list[str]
    ) -> None:
        text = SCENARIO + '[multipath]\nmode = "backup"\n'
        runs = planned(tmp_path, text, endpoints=[*knowing, *others], vary={key: values})
        names = [run.endpoint.name for run in runs]
        assert [names.count(name) for name in knowing] == [2] * len(knowing)
        assert [names.count(name) for name in others] == [1] * len(others)

    def test_matrix_times_endpoints_times_repeats(self) -> None:
        runs = plan(endpoints=["mptcp", "mptcp-tls"], repeat=3, seed=5)
        assert len(runs) == 6 * 2 * 3
        assert {run.seed for run in runs} == {5, 6, 7}
        assert len({run.run_id for run in runs}) == len(runs)

    def test_what_is_planned_is_what_will_be_run(self) -> None:
        run = one(seed=9)
        assert (run.seed, run.scenario.seed, run.specification["seed"], run.specification["scenario"]["seed"]) == (
            9,
        ) * 4
        assert run.scenario.endpoints == run.specification["scenario"]["endpoints"] == ["mptcp"]

    def test_values_are_the_point_and_the_assignments(self) -> None:
        assert one(("workload.bytes", "1MB")).values == {
            "fault.kind": "drop",
            "multipath.mode": "backup",
            "workload.bytes": "1MB",
        }

    def test_the_scenarios_seed_counts_unless_told_otherwise(self) -> None:
        assert one(("seed", 4)).seed == 4
        assert one(("seed", 4), seed=2).seed == 2


class TestFaults:
    def test_of_all_scenarios_and_points_are_told_at_once(self, tmp_path: Path) -> None:
        text = SCENARIO + '[matrix]\n"fault.path" = ["a", "b"]\n'
        lines = scenario_errors(tmp_path, text)
        assert [line.partition(" does")[0] for line in lines] == [
            "s.toml:18: fault.path: path 'a'",
            "s.toml:18: fault.path: path 'b'",
        ]

    def test_an_endpoint_that_is_not_there(self, tmp_path: Path) -> None:
        (line,) = scenario_errors(tmp_path, SCENARIO, endpoints=["tpc"])
        assert line.startswith("tpc: is no endpoint (is 'tcp' meant?); allowed: iperf3, mptcp,")

    def test_an_endpoint_that_cannot_do_it(self, tmp_path: Path) -> None:
        endpoint = 'name = "only-up"\nclient = ["c"]\nserver = ["s"]\ncapabilities = ["upload"]\n'
        (tmp_path / "only.toml").write_text(endpoint)
        (line,) = scenario_errors(tmp_path, changed(SCENARIO, '"tcp"', '"only.toml"'))
        message = "endpoint 'only-up' cannot do the workload 'download'; it can do: upload"
        assert line == f"s.toml:3: endpoints[0]: {message}"
        (line,) = scenario_errors(tmp_path, SCENARIO, endpoints=[str(tmp_path / "only.toml")])
        assert line == f"--endpoint: {message}"

    def test_dates_do_not_reach_the_hash(self, tmp_path: Path) -> None:
        (line,) = scenario_errors(tmp_path, changed(SCENARIO, '"1s"', "2024-01-01"))
        assert line.startswith("s.toml:13: fault[0].at: 2024-01-01 is not a duration")


class TestAgain:
    def test_is_the_same_run(self) -> None:
        run = one(seed=3)
        stored = json.loads(json.dumps({"specification": run.specification, "values": run.values}))
        assert plan_again(stored["specification"], stored["values"], run.endpoint_folder) == run

    def test_what_is_no_specification(self) -> None:
        with pytest.raises(SpecificationError) as caught:
            plan_again({"scenario": {"name": 3}, "seed": "x"}, {}, Path())
        text = str(caught.value)
        assert "run.json: specification.scenario: name: 3 is not text in quotes" in text
        for missing in ("topology", "endpoint", "seed", "element"):
            assert f"run.json: specification.{missing}: is missing" in text


def test_an_endpoint_file_is_relative_to_the_folder_given(tmp_path: Path) -> None:
    (tmp_path / "e.toml").write_text('name = "e"\nclient = ["c"]\nserver = ["s"]\ncapabilities = ["download"]\n')
    source = load_endpoint("e.toml", tmp_path)
    assert (source.definition.name, source.folder) == ("e", tmp_path)
