"""Tests of harness.spec.topology."""

from pathlib import Path

import pytest

from harness.spec.loader import load_topology, names
from harness.spec.topology import Topology
from tests.support.specs import TOPOLOGY, changed, scenario_file, topology_errors

SECOND = '[[path]]\nname = "lower"\nfrom = "client"\nto = "server"\n'
BOX = '[[node]]\nname = "box"\nkind = "middlebox"\n'


class TestBundled:
    @pytest.mark.parametrize("name", names("topology"))
    def test_is_valid_and_reads_back(self, name: str) -> None:
        topology = load_topology(name)
        assert topology.name == name
        assert topology.description
        assert Topology.model_validate(topology.model_dump(mode="json", by_alias=True)) == topology

    def test_access_paths(self) -> None:
        assert [path.name for path in load_topology("converter").access_paths] == ["upper", "lower"]
        assert [path.name for path in load_topology("chain").access_paths] == ["access"]


class TestBoth:
    def test_directions_have_their_own_keys_first(self, tmp_path: Path) -> None:
        text = TOPOLOGY + 'forward = { rate = "1mbit" }\n'
        path = load_topology(scenario_file(tmp_path, text)).path[0]
        assert (path.forward.rate, path.forward.delay) == (1e6, 0.01)
        assert (path.backward.rate, path.backward.delay) == (5e6, 0.01)
        assert path.round_trip == 0.02


class TestFaults:
    @pytest.mark.parametrize(
        ("old", "new", "line"),
        [
            ('"server"\nkind', '"client"\nkind', "t.toml:8: node[1].name: node 'client' is named twice;"),
            ('to = "server"', 'to = "sever"', "t.toml:14: path[0].to: path 'upper' ends at node 'sever', which does n"),
            ('to = "server"', 'to = "client"', "t.toml:14: path[0].to: path 'upper' joins 'client' with itself;"),
            ('kind = "server"', 'kind = "sever"', "t.toml:9: node[1].kind: 'sever' is not known; allowed: 'client', '"),
            ('kind = "server"', 'kind = "middlebox"', "t.toml:3: node: a topology has exactly one node of kind 'serve"),
            ('kind = "server"', 'kind = "client"', "t.toml:3: node: a topology has exactly one node of kind 'client';"),
            ('"server"\nkind', '"uppera"\nkind', "t.toml:8: node[1].name: node 'uppera' has the name of a middle node"),
            ('"server"\nkind', '"servername"\nkind', "t.toml:8: node[1].name: 'servername' is no node name;"),
            ('"upper"', '"Upper"', "t.toml:12: path[0].name: 'Upper' is no path name;"),
            ('"5mbit"', '"5"', "t.toml:15: path[0].both.rate: '5' has no unit;"),
            ('rate = "5mbit"', 'rat = "5mbit"', "t.toml:15: path[0].both.rat: is not a key that is known here (is 'ra"),
            ("both = ", "boht = ", "t.toml:15: path[0].boht: is not a key that is known here (is 'both' meant?);"),
            ('{ rate = "5mbit", delay = "10ms" }', "3", "t.toml:15: path[0].both: is a table with the keys of a link"),
            ('delay = "10ms"', "queue = { bdp = 1 }", "t.toml:15: path[0].both.queue.bdp: a queue in BDPs needs a pat"),
            ('rate = "5mbit"', "queue = { packets = 7 }", "t.toml:15: path[0].both.queue: a queue without a rate hold"),
            ('delay = "10ms"', 'reorder = { probability = "1%" }', "t.toml:15: path[0].both.reorder: reordering needs"),
            ('delay = "10ms"', 'queue = { bytes = "5GB" }', "t.toml:15: path[0].both.queue: is more than 4294967295 b"),
            ('delay = "10ms"', 'delay = "2min"', "t.toml:15: path[0].both.delay: '2min' is too large; allowed: 60 s o"),
            ('delay = "10ms"', 'loss = { model = "gilbert" }', "t.toml:15: path[0].both.loss.model: 'gilbert' is not"),
            ('name = "net"', "", "t.toml: name: is missing"),
            ('from = "client"\n', "", "t.toml:11: path[0].from: is missing"),
        ],
    )  # fmt: skip
    def test_one_line_with_place_and_cause(self, tmp_path: Path, old: str, new: str, line: str) -> None:
        found = topology_errors(tmp_path, changed(TOPOLOGY, old, new))
        assert len(found) == 1
        assert found[0].startswith(line)

    @pytest.mark.parametrize(
        ("more", "line"),
        [
            (SECOND.replace("lower", "upper"), "t.toml:17: path[1].name: path 'upper' is named twice;"),
            (BOX, "t.toml:17: node[2].name: no path leads from 'client' to node 'box'"),
            ("mtu = 100\n", "t.toml:16: path[0].mtu: 100 is too small; allowed: 576 or more"),
            ('mtu = "1500"\n', "t.toml:16: path[0].mtu: '1500' is not a whole number"),
            ('mtu = 1000\nfamily = "ipv6"\n', "t.toml:16: path[0].mtu: 1000 is too small; an ipv6 path has an mtu of"),
            ('nat = true\nfamily = "ipv6"\n', "t.toml:16: path[0].nat: a path with nat has family ipv4"),
            ('nat = "yes"\n', "t.toml:16: path[0].nat: 'yes' is not true or false"),
        ],
    )  # fmt: skip
    def test_of_what_is_added(self, tmp_path: Path, more: str, line: str) -> None:
        found = topology_errors(tmp_path, TOPOLOGY + more)
        assert len(found) == 1
        assert found[0].startswith(line)

    def test_several_are_told_at_once(self, tmp_path: Path) -> None:
        text = changed(changed(TOPOLOGY, '"5mbit"', '"5"'), 'kind = "client"', 'kind = "host"')
        assert [line.partition(": ")[0] for line in topology_errors(tmp_path, text)] == ["t.toml:5", "t.toml:15"]

    def test_an_error_of_both_directions_is_told_once_where_it_stands(self, tmp_path: Path) -> None:
        text = changed(TOPOLOGY, '"5mbit"', '"5"') + 'forward = { delay = "1ms" }\n'
        assert [line.partition(": '")[0] for line in topology_errors(tmp_path, text)] == [
            "t.toml:15: path[0].both.rate"
        ]


class TestReach:
    def _net(self, kind: str, *paths: tuple[str, str, str]) -> str:
        head = TOPOLOGY.partition("[[path]]")[0] + f'[[node]]\nname = "box"\nkind = "{kind}"\n'
        return head + "".join(
            f'[[path]]\nname = "p{index}"\nfrom = "{one}"\nto = "{other}"\nfamily = "{family}"\n'
            for index, (one, other, family) in enumerate(paths)
        )

    def test_a_middlebox_does_not_change_the_family(self, tmp_path: Path) -> None:
        text = self._net("middlebox", ("client", "box", "ipv4"), ("box", "server", "ipv6"))
        assert (
            "no path leads from 'client' to node 'server' over paths of one family"
            in topology_errors(tmp_path, text)[0]
        )

    def test_a_converter_does(self, tmp_path: Path) -> None:
        text = self._net("converter", ("client", "box", "ipv4"), ("box", "server", "ipv6"))
        assert load_topology(scenario_file(tmp_path, text)).server.name == "server"

    def test_the_server_forwards_nothing(self, tmp_path: Path) -> None:
        text = self._net("middlebox", ("client", "server", "ipv4"), ("server", "box", "ipv4"))
        assert "no path leads from 'client' to node 'box'" in topology_errors(tmp_path, text)[0]


def test_find_path() -> None:
    topology = load_topology("two_paths")
    assert topology.find_path("lower").name == "lower"
    with pytest.raises(KeyError):
        topology.find_path("middle")
