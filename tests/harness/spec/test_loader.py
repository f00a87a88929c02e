"""Tests of harness.spec.loader."""

from pathlib import Path

import pytest

from harness.spec.errors import SpecificationError
from harness.spec.loader import (
    COMMAND_LINE,
    Origin,
    assign_in_topology,
    find,
    load_scenario,
    names,
    read_topology_document,
)
from harness.spec.plan import plan_runs
from tests.support.specs import SCENARIO, TOPOLOGY, changed, planned, scenario_errors, scenario_file


class TestFind:
    @pytest.mark.parametrize("kind", ["topology", "scenario", "endpoint"])
    def test_every_bundled_name(self, kind: str) -> None:
        assert names(kind)
        assert all(find(kind, name).stem == name for name in names(kind))

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("two_path", "two_path: is no topology (is 'two_paths' meant?); allowed: chain, converter, dual_stack,"),
            ("", ": is no topology; allowed: chain,"),
            ("nets/no.toml", "nets/no.toml: no such file; give a topology file or one of: chain,"),
            ("/", "/: is a folder; give a topology file"),
            ("/dev/null", "/dev/null: no such file; give a topology file"),
        ],
    )
    def test_what_is_not_there(self, name: str, message: str) -> None:
        with pytest.raises(SpecificationError) as caught:
            find("topology", name)
        assert str(caught.value).startswith(message)

    def test_a_file_is_relative_to_the_folder_given(self, tmp_path: Path) -> None:
        scenario_file(tmp_path, TOPOLOGY, "net.toml")
        assert find("topology", "net.toml", tmp_path) == tmp_path / "net.toml"


class TestBundledScenarios:
    @pytest.mark.parametrize("name", names("scenario"))
    def test_is_valid_at_every_point_and_is_described(self, name: str) -> None:
        runs = plan_runs([name], element="nfqueue")
        assert runs
        assert {run.scenario.name for run in runs} == {name}
        assert all(run.scenario.description for run in runs)
        assert len({run.run_id for run in runs}) == len(runs)

    @pytest.mark.parametrize("name", [name for name in names("scenario") if name.endswith("_quick")])
    def test_the_quick_ones_move_less(self, name: str) -> None:
        quick, full = (plan_runs([each], element="nfqueue")[0].scenario for each in (name, name.removesuffix("_quick")))
        assert quick.workload.bytes < full.workload.bytes
        assert [fault.kind for fault in quick.fault] == [fault.kind for fault in full.fault]


class TestExtends:
    def test_takes_what_it_does_not_have(self, tmp_path: Path) -> None:
        scenario_file(tmp_path, SCENARIO, "base.toml")
        (run,) = planned(tmp_path, 'extends = "base.toml"\nname = "other"\n[workload]\nbytes = "2MiB"\n')
        assert (run.scenario.name, run.scenario.workload.bytes, run.scenario.workload.limit) == ("other", 2 * 2**20, 10)

    def test_errors_name_the_file_that_has_the_key(self, tmp_path: Path) -> None:
        scenario_file(tmp_path, changed(SCENARIO, '"10s"', "10"), "base.toml")
        (line,) = scenario_errors(tmp_path, 'extends = "base.toml"\nname = "other"\n')
        assert line.startswith("base.toml:7: workload.limit: 10 has no unit")

    def test_set_comes_after_inheritance(self, tmp_path: Path) -> None:
        scenario_file(tmp_path, SCENARIO, "base.toml")
        (run,) = planned(tmp_path, 'extends = "base.toml"\nname = "other"\nset.fault.at = "3s"\n')
        assert run.scenario.fault[0].at == 3

    def test_a_matrix_replaces_the_inherited_one(self, tmp_path: Path) -> None:
        scenario_file(tmp_path, SCENARIO + '[matrix]\nfault.kind = ["drop", "rst"]\n', "base.toml")
        text = 'extends = "base.toml"\nname = "other"\n'
        assert len(planned(tmp_path, text)) == 2
        assert len(planned(tmp_path, text + '[matrix]\nfault.at = ["1s", "2s", "3s"]\n')) == 3

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ('extends = "s.toml"\n', "s.toml:1: extends: a scenario cannot extend itself: s.toml → s.toml"),
            ('extends = "failovr"\n', "s.toml:1: extends: failovr: is no scenario (is 'failover' meant?); allowed:"),
            ('extends = "no.toml"\n', "s.toml:1: extends: no.toml: no such file;"),
            ("extends = 3\n", "s.toml:1: extends: 3 is not the name of a scenario"),
        ],
    )
    def test_faults(self, tmp_path: Path, text: str, message: str) -> None:
        (line,) = scenario_errors(tmp_path, text + SCENARIO)
        assert line.startswith(message)

    def test_a_circle_of_two(self, tmp_path: Path) -> None:
        scenario_file(tmp_path, 'extends = "s.toml"\n', "base.toml")
        (line,) = scenario_errors(tmp_path, 'extends = "base.toml"\n')
        assert line == "base.toml:1: extends: a scenario cannot extend itself: s.toml → base.toml → s.toml"

    def test_of_a_broken_file(self, tmp_path: Path) -> None:
        scenario_file(tmp_path, "a = \n", "base.toml")
        (line,) = scenario_errors(tmp_path, 'extends = "base.toml"\n')
        assert line.startswith("s.toml:1: extends: base.toml:1: not TOML:")


class TestFiles:
    def test_a_topology_file_is_relative_to_the_scenarios_folder(self, tmp_path: Path) -> None:
        scenario_file(tmp_path, TOPOLOGY, "net.toml")
        (run,) = planned(tmp_path, changed(SCENARIO, '"two_paths"', '"net.toml"'))
        assert run.topology.name == "net"

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ('topology = "two_paths"\n', "", "s.toml: topology: is missing; give the name of a topology or its file"),
            ('"two_paths"', "3", "s.toml:2: topology: 3 is not text; write the name of a topology or its file"),
            ('"two_paths"', '"two_path"', "s.toml:2: topology: two_path: is no topology (is 'two_paths' meant?);"),
            ('["tcp"]', '["tcp", "tpc"]', "s.toml:3: endpoints[1]: tpc: is no endpoint (is 'tcp' meant?);"),
            ('["tcp"]', '["no.toml"]', "s.toml:3: endpoints[0]: no.toml: no such file;"),
            ("[workload]", "[wrkload]", "s.toml: workload: is missing"),
        ],
    )
    def test_what_is_not_there(self, tmp_path: Path, old: str, new: str, message: str) -> None:
        assert scenario_errors(tmp_path, changed(SCENARIO, old, new))[0].startswith(message)


class TestAssignments:
    @pytest.mark.parametrize(
        ("assign", "message"),
        [
            ("fault.knid=drop", "--set: fault.knid: is not a key that is known here (is 'kind' meant?); allowed: at,"),
            ("workload.bytes=5", "--set: workload.bytes: 5 has no unit;"),
            ("topology.path.lower.both.rate=5", "--set: topology.path.lower.both.rate: 5 has no unit;"),
            ("topology.path.middle.mtu=1400", "--set: topology.path.middle.mtu: 'middle' is not in the list; allowed:"),
            ("topology.path.lower.both.loss=150%", "--set: topology.path.lower.both.loss: '150%' is not a fraction;"),
            ("topology=nope", "--set: topology: nope: is no topology;"),
            ("topology=3", "--set: topology: 3: is no topology;"),
            ("name.x=1", "--set: name.x: 'name' is a value and has no keys"),
            ("fault.path=nope", "--set: fault.path: path 'nope' does not exist in topology 'two_paths'; paths: upper,"),
            ("fault.outag.kind=rst", "--set: fault.outag.kind: fault[0].outag is not a key that is known here;"),
            ("workload..x=1", "--set: workload..x: is not a dotted key"),
            ("matrx=1", "--set: matrx: is not a key that is known here (is 'matrix' meant?);"),
        ],
    )
    def test_faults_name_the_option(self, tmp_path: Path, assign: str, message: str) -> None:
        (line,) = scenario_errors(tmp_path, SCENARIO, [assign])
        assert line.startswith(message)

    def test_what_a_new_kind_lacks_mentions_the_option(self, tmp_path: Path) -> None:
        lines = scenario_errors(tmp_path, SCENARIO, ["fault.kind=ramp"])
        assert len(lines) == 3
        assert all(line.startswith("s.toml:9: fault[0].") for line in lines)
        assert all(line.endswith("(given: --set fault.kind)") for line in lines)

    def test_faults_of_the_files_own_values_name_its_line(self, tmp_path: Path) -> None:
        (line,) = scenario_errors(tmp_path, SCENARIO + '[set]\n"topology.path.lower.both.rate" = "5"\n')
        assert line.startswith("s.toml:18: topology.path.lower.both.rate: '5' has no unit;")

    def test_the_last_one_counts(self, tmp_path: Path) -> None:
        (run,) = planned(tmp_path, SCENARIO, ["workload.bytes=2MiB", "workload.bytes=3MiB"])
        assert run.scenario.workload.bytes == 3 * 2**20

    def test_another_topology_keeps_what_the_scenario_puts_into_it(self, tmp_path: Path) -> None:
        text = SCENARIO + '[set]\n"topology.path.upper.both.delay" = "7ms"\n'
        (run,) = planned(tmp_path, text, ["topology=converter"])
        assert run.topology.name == "converter"
        assert run.topology.find_path("upper").forward.delay == 0.007

    def test_a_topology_that_does_not_fit_names_the_line(self, tmp_path: Path) -> None:
        text = SCENARIO + '[set]\n"topology.path.upper.both.delay" = "7ms"\n'
        (line,) = scenario_errors(tmp_path, text, ["topology=dual_stack"])
        assert line.startswith("s.toml:18: topology.path.upper.both.delay: 'upper' is not in the list; allowed: v4, v6")


class TestTopologyAssignments:
    def test_both_counts_for_directions_with_their_own_keys(self) -> None:
        (run,) = plan_runs(
            ["failover"],
            assignments=[
                ("topology", "three_paths"),
                ("fault.path", "cable"),
                ("topology.path.cable.both.rate", "7mbit"),
                ("multipath.mode", "active"),
                ("fault.kind", "drop"),
            ],
            endpoints=["mptcp"],
            element="nfqueue",
        )
        path = run.topology.find_path("cable")
        assert path.forward.rate == path.backward.rate == 7e6
        assert path.forward.delay == 0.01

    def test_a_measure_of_a_queue_takes_the_place_of_the_other(self, tmp_path: Path) -> None:
        (run,) = planned(tmp_path, SCENARIO, ["topology.path.upper.both.queue.bytes=64KiB"])
        assert run.topology.path[0].forward.queue.model_dump(exclude_none=True, mode="json") == {"bytes": "65536B"}

    def test_a_quoted_key_of_set_takes_a_table(self, tmp_path: Path) -> None:
        (run,) = planned(tmp_path, SCENARIO + '[set]\n"topology.path.upper.both.queue" = { time = "50ms" }\n')
        assert run.topology.path[0].forward.queue.time == 0.05

    def test_with_or_without_the_prefix(self) -> None:
        data = read_topology_document("two_paths").data
        for key in ("topology.path.upper.mtu", "path.upper.mtu"):
            put, (assignment,) = assign_in_topology(data, key, 1400, COMMAND_LINE)
            assert put["path"][0]["mtu"] == 1400
            assert assignment.text == key
        assert "mtu" not in data["path"][0]

    def test_a_key_that_leads_nowhere(self) -> None:
        with pytest.raises(SpecificationError, match=r"^--set: path.x.mtu: 'x' is not in the list"):
            assign_in_topology(read_topology_document("two_paths").data, "path.x.mtu", 1400)


class TestMatrix:
    def test_one_run_for_each_combination(self, tmp_path: Path) -> None:
        runs = planned(tmp_path, SCENARIO + '[matrix]\nfault.kind = ["drop", "rst"]\n"fault.at" = ["1s", "2s", "3s"]\n')
        assert len(runs) == 6
        assert [tuple(run.values.values()) for run in runs][:2] == [("drop", "1s"), ("drop", "2s")]

    @pytest.mark.parametrize("key", ["fault.kind", "fault.outage.kind", "fault.0.kind"])
    def test_an_assignment_fixes_an_axis_however_it_is_written(self, tmp_path: Path, key: str) -> None:
        (run,) = planned(tmp_path, SCENARIO + '[matrix]\nfault.kind = ["drop", "rst"]\n', [f"{key}=down"])
        assert run.scenario.fault[0].kind == "down"
        assert run.values == {key: "down"}

    def test_the_files_own_set_does_not(self, tmp_path: Path) -> None:
        text = SCENARIO + '[set]\nfault.kind = "down"\n[matrix]\nfault.kind = ["drop", "rst"]\n'
        assert [run.scenario.fault[0].kind for run in planned(tmp_path, text)] == ["drop", "rst"]

    @pytest.mark.parametrize(
        ("matrix", "message"),
        [
            ('"fault.kind" = []', "s.toml:18: matrix.fault.kind: [] is not a list of one or more values"),
            ('fault.kind = "drop"', "s.toml:18: matrix.fault.kind: 'drop' is not a list of one or more values"),
            ('fault.at = ["1s", "1s"]', "s.toml:18: matrix.fault.at: a value is there twice;"),
            ('fault.knd = ["drop"]', "s.toml:18: fault.knd: is not a key that is known here (is 'kind' meant?);"),
            ('fault.at = ["1s", "2"]', "s.toml:18: fault.at: '2' has no unit;"),
            ('fault.at.x = ["1s"]', "s.toml:18: fault.at.x: 'fault.at' is a value and has no keys"),
            ('topology = ["two_paths", "nope"]', "s.toml:18: topology: nope: is no topology;"),
            ('"topology.path.x.mtu" = [1400]', "s.toml:18: topology.path.x.mtu: 'x' is not in the list; allowed: uppe"),
        ],
    )  # fmt: skip
    def test_faults(self, tmp_path: Path, matrix: str, message: str) -> None:
        (line,) = scenario_errors(tmp_path, f"{SCENARIO}[matrix]\n{matrix}\n")
        assert line.startswith(message)

    def test_is_a_table(self, tmp_path: Path) -> None:
        assert scenario_errors(tmp_path, "matrix = 3\n" + SCENARIO)[0].startswith(
            "s.toml:1: matrix: is a table of dotted"
        )
        assert scenario_errors(tmp_path, "set = 3\n" + SCENARIO)[0].startswith("s.toml:1: set: is a table of dotted")

    def test_topologies_are_an_axis(self, tmp_path: Path) -> None:
        runs = planned(tmp_path, SCENARIO + '[matrix]\ntopology = ["two_paths", "converter"]\n')
        assert [run.topology.name for run in runs] == ["two_paths", "converter"]

    def test_too_many_combinations(self, tmp_path: Path) -> None:
        values = ", ".join(f'"{number}ms"' for number in range(1, 102))
        axes = "".join(f'"topology.path.{path}.both.delay" = [{values}]\n' for path in ("upper", "lower"))
        (line,) = scenario_errors(tmp_path, f"{SCENARIO}[matrix]\n{axes}")
        assert line == "s.toml:17: matrix: has 10201 combinations; allowed: 10000 or fewer"


class TestVary:
    def test_adds_axes(self, tmp_path: Path) -> None:
        runs = planned(tmp_path, SCENARIO, vary={"fault.at": ["1s", "2s"], "workload.bytes": ["1MB", "2MB"]})
        assert len(runs) == 4
        assert runs[0].values == {"fault.at": "1s", "workload.bytes": "1MB"}

    def test_takes_the_place_of_the_files_axis(self, tmp_path: Path) -> None:
        text = SCENARIO + '[matrix]\nfault.at = ["1s", "2s"]\n'
        runs = planned(tmp_path, text, vary={"fault.outage.at": ["3s"]})
        assert [run.scenario.fault[0].at for run in runs] == [3]

    @pytest.mark.parametrize(("values", "fault"), [([], "is not a list of one or more"), (["1s", "1s"], "there twice")])
    def test_faults(self, tmp_path: Path, values: list[str], fault: str) -> None:
        (line,) = scenario_errors(tmp_path, SCENARIO, vary={"fault.at": values})
        assert line.startswith("--vary: fault.at: ")
        assert fault in line


def test_assigning_leaves_the_source_as_it_was() -> None:
    source = load_scenario("failover")
    before = (source.data, dict(source.matrix))
    source.assign([("fault.kind", "drop"), ("workload.bytes", "1MB")], Origin("--set"))
    assert (source.data, source.matrix) == before
    assert source.data["workload"]["bytes"] == "60MiB"
