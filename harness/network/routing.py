"""Addresses and routes of a topology, worked out without touching a network.

Hosts and converters route by destination; the client also by its own source address, so that a connection bound to an
address of a path uses that path. Servers must not do the same: a subflow joined to the server's first address from the
client's second one would be answered over the first path.
"""

import ipaddress
from collections import deque
from dataclasses import dataclass, field

from harness.spec.topology import Path, Topology

SOURCE_TABLE_BASE = 100
FORWARDING_KINDS = ("converter", "middlebox")


@dataclass(frozen=True)
class Route:
    """One line of a routing table: ``destination`` through ``via``, on the path's interface of the node."""

    destination: str
    via: str
    path: str
    side: str
    """``from`` or ``to``: the path's end that the node is. On a middle node ``near``: its interface toward that end;
    ``a`` or ``b``: its inner interface, toward the other middle node."""
    family: str


@dataclass(frozen=True)
class SourceRule:
    """Packets from ``address`` use a table of their own with a default route through ``via``."""

    address: str
    table: int
    via: str
    path: str
    side: str
    family: str


@dataclass
class NodePlan:
    """What a node is given."""

    forwards: bool
    shared_addresses: list[str] = field(default_factory=list)
    routes: list[Route] = field(default_factory=list)
    rules: list[SourceRule] = field(default_factory=list)


@dataclass(frozen=True)
class PathAddresses:
    """Addresses of the three links of a path, without prefix length; ``prefix`` is that of each link."""

    from_: str
    a_near: str
    a_far: str
    b_far: str
    b_near: str
    to: str
    prefix: int

    def at(self, side: str) -> str:
        """Return the address of a side: ``from``, ``a_near``, ``a``, ``b``, ``b_near`` or ``to``."""
        fields = {"from": self.from_, "a": self.a_far, "b": self.b_far}
        return fields.get(side) or str(getattr(self, side))

    @classmethod
    def of(cls, index: int, path: Path) -> "PathAddresses":
        """Addresses of the path that is number ``index``, from 1, of its topology."""
        if path.family == "ipv4":
            base, prefix = f"10.{index}.{{link}}.{{host}}", 24
        else:
            base, prefix = f"fd00:{index:x}:{{link}}::{{host}}", 64

        def at(link: int, host: int) -> str:
            return base.format(link=link, host=host)

        return cls(at(1, 1), at(1, 2), at(2, 1), at(2, 2), at(3, 2), at(3, 1), prefix)


LINKS = (("from", "a_near"), ("a", "b"), ("b_near", "to"))
"""The three links of a path by the sides that they join."""


def link_layer_address(index: int, side: str) -> str:
    """Return the locally administered link-layer address of a side of path number ``index``."""
    sides = [each for link in LINKS for each in link]
    return f"02:00:00:00:{index:02x}:{sides.index(side) + 1:02x}"


@dataclass
class Plan:
    """Addresses and routes of every node, the middle nodes ``<path>a`` and ``<path>b`` included."""

    addresses: dict[str, PathAddresses]
    nodes: dict[str, NodePlan]


def plan(topology: Topology) -> Plan:
    """Work out addresses and routes; the same topology always gives the same ones."""
    addresses = {path.name: PathAddresses.of(index, path) for index, path in enumerate(topology.path, start=1)}
    result = Plan(addresses, {})
    for number, node in enumerate(topology.node, start=1):
        mine = [path for path in topology.path if node.name in (path.from_, path.to)]
        result.nodes[node.name] = NodePlan(forwards=node.kind in FORWARDING_KINDS)
        if node.addresses == "shared":
            families = {path.family for path in mine}
            shared = [f"10.200.{number}.1"] * ("ipv4" in families) + [f"fd00:200:{number:x}::1"] * ("ipv6" in families)
            result.nodes[node.name].shared_addresses = shared
    owners = _owners(topology, result)
    for node in topology.node:
        _host_routes(topology, result, node.name, owners)
    for path in topology.path:
        for side in ("a", "b"):
            name = f"{path.name}{side}"
            result.nodes[name] = NodePlan(forwards=True)
            _middle_routes(topology, result, path, side, owners)
    return result


def family_of(address: str) -> str:
    """Return ``ipv4`` or ``ipv6``."""
    return f"ipv{ipaddress.ip_address(address).version}"


def _owners(topology: Topology, result: Plan) -> dict[str, tuple[str, Path | None]]:
    """Each address that others want to reach: its node, and its path where it belongs to one."""
    owners: dict[str, tuple[str, Path | None]] = {}
    for path in topology.path:
        own = result.addresses[path.name]
        owners[own.from_] = (path.from_, path)
        owners[own.to] = (path.to, path)
        if path.nat:
            # What the `from` end sends is seen to come from the middle node that translates.
            owners[own.a_far] = (path.from_, path)
    for node in topology.node:
        for address in result.nodes[node.name].shared_addresses:
            owners[address] = (node.name, None)
    return owners


def _forwarding(topology: Topology) -> set[str]:
    return {node.name for node in topology.node if node.kind in FORWARDING_KINDS}


def _distances(topology: Topology, target: str, family: str) -> dict[str, int]:
    """Hops from each node to ``target`` over paths of a family, through nodes that forward."""
    forwarding = _forwarding(topology)
    distances = {target: 0}
    waiting = deque([target])
    while waiting:
        here = waiting.popleft()
        if here != target and here not in forwarding:
            continue
        for path in topology.path:
            if path.family != family or here not in (path.from_, path.to):
                continue
            there = path.to if here == path.from_ else path.from_
            if there not in distances:
                distances[there] = distances[here] + 1
                waiting.append(there)
    return distances


def _next_path(topology: Topology, node: str, address: str, owner: tuple[str, Path | None]) -> Path | None:
    """Path by which ``node`` sends to an address that is not its own; None where none leads there.

    An address that belongs to a path is reached over that path where its other end is the sender or can be asked to
    forward; else by the shortest way to its node.
    """
    family = family_of(address)
    target, home = owner
    forwarding = _forwarding(topology)
    distances: dict[str, int] = {}
    if home is not None:
        other = home.from_ if target == home.to else home.to
        if node == other:
            return home
        if other in forwarding:
            target = other
            distances = _distances(topology, other, family)
    if node not in distances:
        target = owner[0]
        distances = _distances(topology, target, family)
    if node not in distances:
        return None
    for path in topology.path:
        if path.family != family or node not in (path.from_, path.to):
            continue
        there = path.to if node == path.from_ else path.from_
        if distances.get(there) == distances[node] - 1 and (there == target or there in forwarding):
            return path
    return None


def _host_routes(topology: Topology, result: Plan, node: str, owners: dict[str, tuple[str, Path | None]]) -> None:
    mine = result.nodes[node]
    for address, owner in owners.items():
        if owner[0] == node:
            continue
        path = _next_path(topology, node, address, owner)
        if path is not None:
            via, side = _gateway(result, node, path)
            mine.routes.append(Route(address, via, path.name, side, path.family))
    if node != topology.client.name:
        return
    for index, path in enumerate(topology.access_paths):
        via, side = _gateway(result, node, path)
        own = result.addresses[path.name]
        source = own.from_ if side == "from" else own.to
        mine.rules.append(SourceRule(source, SOURCE_TABLE_BASE + index, via, path.name, side, path.family))


def _gateway(result: Plan, node: str, path: Path) -> tuple[str, str]:
    own = result.addresses[path.name]
    return (own.a_near, "from") if node == path.from_ else (own.b_near, "to")


def _middle_routes(
    topology: Topology, result: Plan, path: Path, side: str, owners: dict[str, tuple[str, Path | None]]
) -> None:
    """Send each address towards the end of the path that is nearer to it.

    An end that forwards nothing, such as the client, is not asked for what is not its own: the client may use any of
    its paths, by its source address, and not only the one that its routes name.
    """
    own = result.addresses[path.name]
    mine = result.nodes[f"{path.name}{side}"]
    local = {own.a_near, own.a_far} if side == "a" else {own.b_near, own.b_far}
    for address, owner in owners.items():
        if family_of(address) != path.family or address in local:
            continue
        ahead = _is_ahead(topology, path, address, owner)
        if ahead is None:
            continue
        if side == "a":
            via, out = (own.b_far, "a") if ahead else (own.from_, "near")
        else:
            via, out = (own.to, "near") if ahead else (own.a_far, "b")
        if address != via:
            mine.routes.append(Route(address, via, path.name, out, path.family))


def _is_ahead(topology: Topology, path: Path, address: str, owner: tuple[str, Path | None]) -> bool | None:
    """Tell whether an address lies towards ``to``, not ``from``; None where neither leads there."""
    if owner[0] in (path.from_, path.to):
        return owner[0] == path.to
    forwarding = _forwarding(topology)
    if path.from_ not in forwarding:
        return True if path.to in forwarding else None
    if path.to not in forwarding:
        return False
    # Both ends forward: whichever does not send it back.
    if _next_path(topology, path.from_, address, owner) is path:
        return True
    return False if _next_path(topology, path.to, address, owner) is path else None
