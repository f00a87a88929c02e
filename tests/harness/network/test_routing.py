"""Tests of harness.network.routing: packets are followed through the planned tables, without a network."""

import ipaddress
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.network.routing import SOURCE_TABLE_BASE, NodePlan, Plan, Route, SourceRule, family_of, plan
from harness.spec.loader import load_topology, names
from harness.spec.topology import Path, Topology

MOST_HOPS = 100


def addresses_at(topology: Topology, planned: Plan, node: str) -> set[str]:
    """Return every address that a node, middle or not, accepts packets for."""
    found = set(planned.nodes[node].shared_addresses)
    for path in topology.path:
        own = planned.addresses[path.name]
        sides = {
            path.from_: {own.from_},
            path.to: {own.to},
            f"{path.name}a": {own.a_near, own.a_far},
            f"{path.name}b": {own.b_far, own.b_near},
        }
        found |= sides.get(node, set())
    return found


def neighbour(topology: Topology, planned: Plan, path_name: str, via: str) -> str:
    """Return the node of a path that has the gateway's address."""
    path = topology.find_path(path_name)
    ends = (path.from_, path.to, f"{path_name}a", f"{path_name}b")
    return next(node for node in ends if via in addresses_at(topology, planned, node))


def next_hop(tables: NodePlan, source: str, destination: str) -> Route | SourceRule | None:
    """Look up as Linux does: rules for the source address come before the main table."""
    for rule in tables.rules:
        if rule.address == source:
            return rule
    return next((route for route in tables.routes if route.destination == destination), None)


def follow(topology: Topology, planned: Plan, node: str, source: str, destination: str) -> list[str] | None:
    """Return the nodes that a packet visits, or None where it is dropped; a loop is an error."""
    visited = [node]
    while destination not in addresses_at(topology, planned, node):
        if len(visited) > 1 and not planned.nodes[node].forwards:
            return None
        hop = next_hop(planned.nodes[node], source, destination)
        if hop is None:
            # Directly connected.
            own = [path for path in topology.path if node in (f"{path.name}a", f"{path.name}b")]
            ends = [end for path in own for end in (path.from_, path.to, f"{path.name}a", f"{path.name}b")]
            near = [end for end in ends if end != node and destination in addresses_at(topology, planned, end)]
            if not near:
                return None
            node = near[0]
        else:
            node = neighbour(topology, planned, hop.path, hop.via)
        visited.append(node)
        assert len(visited) < MOST_HOPS, f"a loop: {visited}"
    return visited


def build(kinds: list[str], edges: list[tuple[int, int]], *, shared: bool = False, **keys: object) -> Topology:
    names_of = [f"n{index}" for index in range(len(kinds))]
    return Topology.model_validate(
        {
            "name": "t",
            "node": [
                {"name": name, "kind": kind, "addresses": "shared" if shared and kind == "server" else "per_path"}
                for name, kind in zip(names_of, kinds, strict=True)
            ],
            "path": [
                {"name": f"p{index}", "from": names_of[one], "to": names_of[other], **keys}
                for index, (one, other) in enumerate(edges)
            ],
        }
    )


@st.composite
def topologies(draw: st.DrawFn) -> Topology:
    """A client and a server, each joined to some of a connected set of forwarding nodes, and to each other at times."""
    inner = draw(st.integers(0, 4))
    kinds = [
        "client",
        "server",
        *draw(st.lists(st.sampled_from(["converter", "middlebox"]), min_size=inner, max_size=inner)),
    ]
    edges: list[tuple[int, int]] = []
    for node in range(3, 2 + inner):
        edges.append((draw(st.integers(2, node - 1)), node))
    if inner > 1:
        edges += draw(st.lists(st.sampled_from(list(combinations(range(2, 2 + inner), 2))), max_size=3))
    for end in (0, 1):
        if inner:
            edges += [(end, draw(st.integers(2, 1 + inner))) for _ in range(draw(st.integers(1, 3)))]
    edges += [(0, 1)] * draw(st.integers(0 if inner else 1, 2))
    turned = [(b, a) if draw(st.booleans()) else (a, b) for a, b in draw(st.permutations(edges))]
    return build(kinds, turned, shared=draw(st.booleans()), family=draw(st.sampled_from(["ipv4", "ipv6"])))


class TestRandomTopologies:
    @settings(deadline=None)
    @given(topologies())
    def test_every_node_reaches_every_address_without_a_loop(self, topology: Topology) -> None:
        planned = plan(topology)
        for node in topology.node:
            for other in topology.node:
                if other.name == node.name:
                    continue
                for address in addresses_at(topology, planned, other.name):
                    visited = follow(topology, planned, node.name, "", address)
                    assert visited is not None, (node.name, address)
                    assert visited[-1] == other.name

    @settings(deadline=None)
    @given(topologies())
    def test_the_client_uses_the_path_of_its_source_address_and_is_answered_there(self, topology: Topology) -> None:
        planned = plan(topology)
        client, server = topology.client.name, topology.server.name
        for path in topology.access_paths:
            own = planned.addresses[path.name]
            source = own.from_ if path.from_ == client else own.to
            for address in addresses_at(topology, planned, server):
                out = follow(topology, planned, client, source, address)
                back = follow(topology, planned, server, address, source)
                assert back is not None
                middle = {f"{path.name}a", f"{path.name}b"}
                if out is not None:  # a path that ends at the server's own node has one way only
                    assert set(out[1:3]) == middle
                    assert set(back[-3:-1]) == middle

    @settings(deadline=None)
    @given(topologies())
    def test_the_same_topology_gives_the_same_plan(self, topology: Topology) -> None:
        assert plan(topology) == plan(topology)


class TestBundledTopologies:
    @pytest.mark.parametrize("name", names("topology"))
    def test_client_and_server_reach_each_other_over_each_access_path(self, name: str) -> None:
        topology = load_topology(name)
        planned = plan(topology)
        client, server = topology.client.name, topology.server.name
        for path in topology.access_paths:
            source = planned.addresses[path.name].from_
            for address in addresses_at(topology, planned, server):
                if family_of(address) != path.family:
                    continue
                assert (follow(topology, planned, client, source, address) or [])[1:3] == [
                    f"{path.name}a",
                    f"{path.name}b",
                ]
                assert (follow(topology, planned, server, address, source) or [])[-3:] == [
                    f"{path.name}b",
                    f"{path.name}a",
                    client,
                ]

    def test_addresses_as_documented(self) -> None:
        planned = plan(load_topology("dual_stack"))
        assert planned.addresses["v4"].from_ == "10.1.1.1"
        assert planned.addresses["v4"].to == "10.1.3.1"
        assert planned.addresses["v6"].from_ == "fd00:2:1::1"
        assert planned.addresses["v6"].to == "fd00:2:3::1"


class TestSourceRules:
    def test_only_the_client_has_them_one_for_each_of_its_paths(self) -> None:
        topology = load_topology("converter")
        planned = plan(topology)
        assert [(rule.address, rule.table) for rule in planned.nodes["client"].rules] == [
            ("10.1.1.1", SOURCE_TABLE_BASE),
            ("10.2.1.1", SOURCE_TABLE_BASE + 1),
        ]
        assert all(not planned.nodes[name].rules for name in planned.nodes if name != "client")

    def test_the_client_may_be_at_the_to_end(self) -> None:
        planned = plan(build(["client", "server"], [(1, 0)]))
        assert planned.nodes["n0"].rules == [SourceRule("10.1.3.1", 100, "10.1.3.2", "p0", "to", "ipv4")]


class TestAddresses:
    @settings(deadline=None, max_examples=30)
    @given(st.integers(1, 100), st.sampled_from(["ipv4", "ipv6"]))
    def test_links_of_a_path_are_networks_of_their_own(self, count: int, family: str) -> None:
        topology = build(["client", "server"], [(0, 1)] * count, family=family)
        networks = set()
        for own in plan(topology).addresses.values():
            for one, other in ((own.from_, own.a_near), (own.a_far, own.b_far), (own.b_near, own.to)):
                network = ipaddress.ip_interface(f"{one}/{own.prefix}").network
                assert ipaddress.ip_address(other) in network
                networks.add(network)
        assert len(networks) == 3 * count

    def test_a_shared_address_is_one_for_all_paths_and_for_each_family(self) -> None:
        data = load_topology("dual_stack").model_dump(mode="json", by_alias=True)
        data["node"][1]["addresses"] = "shared"
        planned = plan(Topology.model_validate(data))
        assert planned.nodes["server"].shared_addresses == ["10.200.2.1", "fd00:200:2::1"]

    def test_nat_makes_the_outer_address_reachable(self) -> None:
        topology = build(["client", "server", "middlebox"], [(0, 2), (2, 1)])
        data = topology.model_dump(mode="json", by_alias=True)
        data["path"][0]["nat"] = True
        translated = Topology.model_validate(data)
        planned = plan(translated)
        outer = planned.addresses["p0"].a_far
        assert follow(translated, planned, "n1", "", outer) == ["n1", "p1b", "p1a", "n2", "p0b", "p0a"]


class TestForwarding:
    def test_only_middle_nodes_converters_and_middleboxes_forward(self) -> None:
        topology = load_topology("converter")
        forwarding = {name for name, node in plan(topology).nodes.items() if node.forwards}
        middle = {f"{path.name}{side}" for path in topology.path for side in "ab"}
        assert forwarding == {"converter", *middle}

    def test_a_route_never_leads_to_the_address_itself_as_its_own_gateway(self) -> None:
        for name in names("topology"):
            for node in plan(load_topology(name)).nodes.values():
                assert all(route.destination != route.via for route in node.routes)

    def test_path_of_another_family_is_not_used(self) -> None:
        planned = plan(load_topology("dual_stack"))
        for node in planned.nodes.values():
            assert all(family_of(route.destination) == family_of(route.via) == route.family for route in node.routes)


def test_family_of() -> None:
    assert (family_of("10.0.0.1"), family_of("fd00::1")) == ("ipv4", "ipv6")


def test_paths_are_known_by_name() -> None:
    path: Path = load_topology("two_paths").find_path("lower")
    assert path.name == "lower"
