"""Tests of harness.spec.fit."""

from pathlib import Path

import pytest

from tests.support.specs import SCENARIO, changed, planned, scenario_errors

EXPECT = '[[expect]]\nkind = "{}"\n{}\n'


def with_fault(keys: str, at: str = "1s") -> str:
    old = 'name = "outage"\nkind = "drop"\npath = "upper"\nat = "1s"\n'
    return changed(SCENARIO, old, f'{keys}\nat = "{at}"\n')


class TestFaults:
    @pytest.mark.parametrize(
        ("keys", "message"),
        [
            ('kind = "drop"\npath = "uper"', "path 'uper' does not exist in topology 'two_paths'; paths: upper, lower"),
            (
                'kind = "up"\npath = "upper"',
                "path 'upper' is up then; set initially = \"down\" on it in the topology, or",
            ),
            (
                'kind = "rebind"\npath = "upper"',
                "path 'upper' has no NAT to rebind; set nat = true on it in the topology",
            ),
            ('kind = "address_add"\npath = "upper"', "the address is not removed then; add an earlier fault"),
        ],
    )
    def test_what_cannot_happen_to_a_path(self, tmp_path: Path, keys: str, message: str) -> None:
        (line,) = scenario_errors(tmp_path, with_fault(keys))
        assert line.startswith(f"s.toml:11: fault[0].path: {message}")

    def test_of_a_single_table(self, tmp_path: Path) -> None:
        text = changed(SCENARIO, "[[fault]]", "[fault]").replace('"upper"', '"uper"')
        (line,) = scenario_errors(tmp_path, text)
        assert line.startswith("s.toml:12: fault.path: path 'uper' does not exist")

    def test_resume_without_pause(self, tmp_path: Path) -> None:
        (line,) = scenario_errors(tmp_path, with_fault('kind = "resume"\nprocess = "client"'))
        assert line.startswith("s.toml:11: fault[0].process: the client is not paused then;")

    @pytest.mark.parametrize("at", ["10s", "11s"])
    def test_after_the_limit(self, tmp_path: Path, at: str) -> None:
        (line,) = scenario_errors(tmp_path, with_fault('kind = "drop"\npath = "upper"', at))
        assert line.startswith("s.toml:12: fault[0].at: may never happen:")

    @pytest.mark.parametrize(
        ("before", "keys"),
        [
            ('kind = "down"\npath = "upper"', 'kind = "up"\npath = "upper"'),
            ('kind = "pause"\nprocess = "client"', 'kind = "resume"\nprocess = "client"'),
            ('kind = "address_remove"\npath = "upper"', 'kind = "address_add"\npath = "upper"'),
        ],
    )
    def test_the_end_of_an_earlier_fault(self, tmp_path: Path, before: str, keys: str) -> None:
        more = f'[[fault]]\n{keys}\nat = "2s"\n'
        assert planned(tmp_path, with_fault(before) + more)
        ended = before + '\nduration = "500ms"'
        assert len(scenario_errors(tmp_path, with_fault(ended) + more)) == 1

    def test_up_of_a_path_that_is_down(self, tmp_path: Path) -> None:
        assert planned(tmp_path, with_fault('kind = "up"\npath = "upper"'), ["topology.path.upper.initially=down"])

    def test_rebind_of_a_nat(self, tmp_path: Path) -> None:
        assert planned(tmp_path, with_fault('kind = "rebind"\npath = "upper"'), ["topology.path.upper.nat=true"])

    def test_ramps_and_changes_need_something_to_start_from(self, tmp_path: Path) -> None:
        net = 'name = "n"\n[[node]]\nname = "client"\nkind = "client"\n[[node]]\nname = "server"\nkind = "server"\n'
        net += '[[path]]\nname = "upper"\nfrom = "client"\nto = "server"\n'
        net += 'both = { delay = "1ms", loss = { model = "syn" } }\n'
        (tmp_path / "net.toml").write_text(net)

        def text(keys: str) -> str:
            return with_fault(f'path = "upper"\n{keys}').replace('"two_paths"', '"net.toml"')

        ramp = 'kind = "ramp"\nduration = "1s"\n'
        assert "has no rate forward" in scenario_errors(tmp_path, text(f'{ramp}key = "rate"\nto = "1mbit"'))[0]
        assert "has 'syn' loss forward" in scenario_errors(tmp_path, text(f'{ramp}key = "loss"\nto = "1%"'))[0]
        assert "has no rate" in scenario_errors(tmp_path, text('kind = "change"\nset = { rate = "1mbit" }'))[0]
        assert planned(tmp_path, text(f'{ramp}key = "delay"\nto = "5ms"'))
        assert planned(tmp_path, text('kind = "change"\nset = { delay = "5ms" }'))


class TestProbes:
    def test_unknown_path(self, tmp_path: Path) -> None:
        (line,) = scenario_errors(tmp_path, SCENARIO + '[[probe]]\nkind = "udp"\npaths = ["upper", "no"]\n')
        assert line.startswith("s.toml:19: probe[0].paths[1]: path 'no' does not exist")

    def test_two_of_a_kind_on_a_path(self, tmp_path: Path) -> None:
        probes = '[[probe]]\nkind = "udp"\n[[probe]]\nkind = "udp"\npaths = ["lower"]\n'
        (line,) = scenario_errors(tmp_path, SCENARIO + probes)
        assert line.startswith("s.toml:21: probe[1].paths[0]: path 'lower' has a probe of kind 'udp' already")


class TestExpectations:
    @pytest.mark.parametrize(
        ("kind", "keys", "key", "message"),
        [
            ("recovery", 'at_most = "1s"\nfault = "no"', "fault", "fault 'no' does not exist; faults: outage"),
            ("path_busy", 'at_most = "1s"\nfault = "no"', "fault", "fault 'no' does not exist; faults: outage"),
            ("goodput", 'paths = ["no"]\nat_least_share = 0.5', "paths[0]", "path 'no' does not exist in topology"),
            ("metric", 'metric = "path_share.no"\nat_least = 1', "metric", "'no' is not a path of the client; its pat"),
            ("metric", 'metric = "recovery_s.no"\nat_most = 1', "metric", "fault 'no' does not exist; faults: outage"),
            ("metric", 'metric = "latency.udp.upper.forward.p99_ms"\nat_most = 1', "metric", "udp.upper is not probed"),
            ("stalls", 'when = { "multipath.mod" = "x" }', 'when."multipath.mod"', "'multipath.mod' is not a key of t"),
            ("stalls", 'when = { "topology.path.no.mtu" = 1 }', 'when."topology.path.no.mtu"', "'topology.path.no.mtu"),
            ("stalls", 'endpoints = ["no"]', "endpoints", "'no' is no endpoint; allowed: iperf3,"),
        ],
    )  # fmt: skip
    def test_what_they_name_is_there(self, tmp_path: Path, kind: str, keys: str, key: str, message: str) -> None:
        (line,) = scenario_errors(tmp_path, SCENARIO + EXPECT.format(kind, keys))
        place, shown, told = line.split(": ", 2)
        assert place.startswith("s.toml:")
        assert shown == f"expect[1].{key}"
        assert told.startswith(message)

    def test_all_paths_of_one(self, tmp_path: Path) -> None:
        text = SCENARIO + EXPECT.format("goodput", 'at_least = "1mbit"\nafter = "all_paths_busy"')
        (line,) = scenario_errors(tmp_path, text, ["topology=chain", "fault.path=access"])
        assert "expect[1].after: the client has one path only" in line

    def test_recovery_from_nothing(self, tmp_path: Path) -> None:
        text = SCENARIO.replace(SCENARIO[SCENARIO.index("[[fault]]") : SCENARIO.index("[[expect]]")], "")
        (line,) = scenario_errors(tmp_path, text + EXPECT.format("recovery", 'at_most = "1s"'))
        assert "there is no fault to recover from" in line

    def test_a_process_has_no_path(self, tmp_path: Path) -> None:
        text = with_fault('kind = "kill"\nprocess = "client"') + EXPECT.format(
            "path_busy", 'fault = "kill_client"\nat_most = "1s"'
        )
        assert "happens to a process" in scenario_errors(tmp_path, text)[0]

    @pytest.mark.parametrize(
        "when",
        ['"multipath.mode" = "active"', '"fault.kind" = "drop"', '"topology.path.lower.mtu" = [1500]', "seed = 1",
         '"workload.stall_limit" = "1s"', '"topology.path.lower.forward.rate" = "25mbit"'],
    )  # fmt: skip
    def test_keys_and_defaults_that_when_may_name(self, tmp_path: Path, when: str) -> None:
        assert planned(tmp_path, SCENARIO + EXPECT.format("stalls", f"when = {{ {when} }}"))

    def test_a_key_of_the_matrix_as_it_is_written_there(self, tmp_path: Path) -> None:
        key = '"topology.path.lower.both.rate"'
        text = SCENARIO + EXPECT.format("stalls", f'when = {{ {key} = "5mbit" }}')
        assert "'both' is known only where the matrix" in scenario_errors(tmp_path, text)[0]
        text += f'[matrix]\n{key} = ["5mbit", "9mbit"]\n'
        assert len(planned(tmp_path, text)) == 2
        assert len(planned(tmp_path, text, ["topology.path.lower.both.rate=7mbit"])) == 1

    def test_metrics_of_what_is_probed_and_of_occurrences(self, tmp_path: Path) -> None:
        text = SCENARIO + '[[probe]]\nkind = "tcp"\n'
        for metric in ("latency.tcp_connect.upper.round_trip.p99_ms", "recovery_s.outage#2", "path_drops.lower"):
            assert planned(tmp_path, text + EXPECT.format("metric", f'metric = "{metric}"\nat_most = 9'))

    @pytest.mark.parametrize(
        ("metric", "message"),
        [
            ("migrations", "nothing migrates; give multipath.migrate_at"),
            ("migration_gap_s", "nothing migrates; give multipath.migrate_at"),
            ("object_ms.p95", "there are no objects; the workload's kind is 'download', not 'objects'"),
        ],
    )
    def test_metrics_of_what_does_not_happen(self, tmp_path: Path, metric: str, message: str) -> None:
        text = SCENARIO + EXPECT.format("metric", f'metric = "{metric}"\nat_most = 9')
        (line,) = scenario_errors(tmp_path, text)
        assert line.endswith(f"expect[1].metric: {message}")

    def test_metrics_of_what_does(self, tmp_path: Path) -> None:
        moves = ["multipath.mode=backup", 'multipath.migrate_at=["100kB"]']
        assert planned(tmp_path, SCENARIO + EXPECT.format("metric", 'metric = "migrations"\nat_least = 1'), moves)
        text = SCENARIO + EXPECT.format("metric", 'metric = "object_ms.max"\nat_most = 1')
        assert planned(tmp_path, text, ["workload.kind=objects"])


class TestMigration:
    def test_there_is_a_path_to_move_to(self, tmp_path: Path) -> None:
        moves = ["multipath.mode=backup", 'multipath.migrate_at=["100kB"]']
        assert planned(tmp_path, SCENARIO, moves)
        (line,) = scenario_errors(tmp_path, SCENARIO, [*moves, "topology=chain", "fault.path=access"])
        assert "multipath.migrate_at" in line
        assert "the client has one path only in topology 'chain', so there is none to move to" in line
