"""An emulated network: Mininet nodes and links, addresses, routes and settings, without shaping or delay."""

from collections.abc import Mapping
from pathlib import Path as File
from types import TracebackType
from typing import Any, Self

from harness.network.namespaces import CommandFailed, run_in
from harness.network.nodes import Nodes
from harness.network.paths import Attachment, Direction, PathInstance
from harness.network.routing import LINKS, NodePlan, Plan, Route, SourceRule, link_layer_address, plan
from harness.network.settings import SettingRefused, read_sysctls, set_sysctls, switch_offloads_off, sysctls_of
from harness.spec.topology import Path, Topology


class Emulation:
    """A running network; it lives until ``close``, at the latest until the sandbox ends.

    Attributes:
        topology: what it was built from.
        nodes: the process of each node, middle nodes included, whose network namespace is the node's.
        paths: where the parts of each path are.
        offloads: by node and interface, the state of each offload as read back.

    """

    def __init__(
        self, topology: Topology, *, congestion: str | None = None, sysctl: Mapping[str, str | int] | None = None
    ) -> None:
        """Build the network.

        Args:
            topology: what to build.
            congestion: TCP congestion control of all routes of hosts; the kernel's default when absent.
            sysctl: further settings of the hosts.

        Raises:
            SettingRefused: the kernel does not take a setting.
            CommandFailed: an address or a route is refused.
            NodeDied: a node's process has ended.

        """
        self.topology = topology
        self._nodes = Nodes()
        self.nodes: dict[str, int] = {}
        self.paths: dict[str, PathInstance] = {}
        self.offloads: dict[str, dict[str, dict[str, str]]] = {}
        self._interfaces: dict[tuple[str, str], str] = {}  # (path, side) → interface name
        self._plan: Plan = plan(topology)
        self._congestion = congestion
        try:
            self._add_nodes(sysctl or {})
            for number, path in enumerate(topology.path):
                self._add_path(number, path)
            for name, node_plan in self._plan.nodes.items():
                self._configure(name, node_plan)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the nodes' processes; their namespaces and links go with them."""
        self._nodes.close()

    @property
    def net(self) -> Any:
        """Mininet's object, for its prompt."""
        return self._nodes.net

    def check(self) -> None:
        """Make sure that every node is there.

        Raises:
            NodeDied: one is not.

        """
        self._nodes.check()

    @property
    def client_pid(self) -> int:
        """Process of the client's node."""
        return self.nodes[self.topology.client.name]

    @property
    def server_pid(self) -> int:
        """Process of the server's node."""
        return self.nodes[self.topology.server.name]

    def client_addresses(self) -> dict[str, str]:
        """Return the client's address on each of its paths, in the order of the topology."""
        return {path.name: self._end_address(path, self.topology.client.name) for path in self.topology.access_paths}

    def addresses_of(self, node: str) -> list[str]:
        """Return the addresses by which a node is reached: its shared ones, or one on each of its paths."""
        shared = self._plan.nodes[node].shared_addresses
        return shared or [self._end_address(path, node) for path in self.topology.path if node in (path.from_, path.to)]

    def client_interface(self, path: str) -> str:
        """Return the client's interface on one of its paths."""
        instance = self.paths[path]
        return next(end.interface for end in (instance.from_, instance.to) if end.node == self.topology.client.name)

    def sysctls(self) -> dict[str, dict[str, str]]:
        """Return the settings of client and server that matter, as the kernel has them."""
        return {node.name: read_sysctls(self.nodes[node.name]) for node in self.topology.node}

    def _add_nodes(self, sysctl: Mapping[str, str | int]) -> None:
        hosts = {node.name for node in self.topology.node}
        for name, node_plan in self._plan.nodes.items():
            self.nodes[name] = pid = self._nodes.add(name)
            # Before there are links: an interface takes the defaults of the moment it is made.
            wanted = sysctls_of(forwards=node_plan.forwards, is_host=name in hosts, extra=sysctl)
            set_sysctls(name, pid, wanted)

    def _add_path(self, number: int, path: Path) -> None:
        nodes = _nodes_of(path)
        (from_, near_a), (far_a, far_b), (near_b, to) = (
            self._link(number + 1, (nodes[here], here), (nodes[there], there)) for here, there in LINKS
        )
        self._interfaces |= {
            (path.name, "from"): from_.interface,
            (path.name, "a_near"): near_a.interface,
            (path.name, "a"): far_a.interface,
            (path.name, "b"): far_b.interface,
            (path.name, "b_near"): near_b.interface,
            (path.name, "to"): to.interface,
        }
        own = self._plan.addresses[path.name]
        self.paths[path.name] = PathInstance(
            path.name,
            path.family,
            from_,
            to,
            near_a,
            near_b,
            own.from_,
            own.to,
            forward=Direction(path.name, "forward", far_a, near_b, far_b.interface, 2 * number + 1),
            backward=Direction(path.name, "backward", far_b, near_a, far_a.interface, 2 * number + 2),
        )

    def _link(self, index: int, first: tuple[str, str], second: tuple[str, str]) -> tuple[Attachment, Attachment]:
        """Join two nodes, each given with its side of path number ``index``."""
        (node, side), (other, other_side) = first, second
        addresses = link_layer_address(index, side), link_layer_address(index, other_side)
        here, there = self._nodes.link(node, other, addresses)
        return Attachment(node, self.nodes[node], here), Attachment(other, self.nodes[other], there)

    def _end_address(self, path: Path, node: str) -> str:
        own = self._plan.addresses[path.name]
        return own.from_ if node == path.from_ else own.to

    def _configure(self, name: str, node_plan: NodePlan) -> None:
        """Give a node its addresses, routes and rules, each batch by one command."""
        pid = self.nodes[name]
        interfaces: list[str] = []
        lines = ["link set lo up"]
        for index, path in enumerate(self.topology.path, start=1):
            own = self._plan.addresses[path.name]
            nodes = _nodes_of(path)
            for side, peer in (*LINKS, *((there, here) for here, there in LINKS)):
                if nodes[side] != name:
                    continue
                interface = self._interfaces[path.name, side]
                interfaces.append(interface)
                nodad = " nodad" if path.family == "ipv6" else ""
                lines.append(f"link set {interface} mtu {path.mtu} up")
                lines.append(f"address add {own.at(side)}/{own.prefix} dev {interface}{nodad}")
                # Known from the start, since a question to a neighbour would wait for the element like any packet.
                hardware = link_layer_address(index, peer)
                lines.append(f"neighbour replace {own.at(peer)} lladdr {hardware} dev {interface} nud permanent")
        for address in node_plan.shared_addresses:
            lines.append(f"address add {address}/{128 if ':' in address else 32} dev lo")
        run_in(pid, ["ip", "-batch", "-"], input="\n".join(lines) + "\n")
        for family, option in (("ipv4", "-4"), ("ipv6", "-6")):
            lines = [self._route(route, name) for route in node_plan.routes if route.family == family]
            lines += [line for rule in node_plan.rules if rule.family == family for line in self._rule(rule)]
            if lines:
                self._set_routes(pid, option, lines)
        self.offloads[name] = switch_offloads_off(name, pid, interfaces)

    def _set_routes(self, pid: int, option: str, lines: list[str]) -> None:
        try:
            run_in(pid, ["ip", option, "-batch", "-"], input="\n".join(lines) + "\n")
        except CommandFailed as error:
            if "congestion algorithm" not in str(error):
                raise
            known = File("/proc/sys/net/ipv4/tcp_available_congestion_control").read_text().split()
            raise SettingRefused(
                f"congestion control {self._congestion}: this kernel does not have it; it has: {', '.join(known)}"
            ) from None

    def _route(self, route: Route, name: str) -> str:
        side = f"{name[-1]}_near" if route.side == "near" else route.side
        interface = self._interfaces[route.path, side]
        host = "" if name not in {node.name for node in self.topology.node} else self._options()
        return f"route replace {route.destination} via {route.via} dev {interface}{host}"

    def _rule(self, rule: SourceRule) -> list[str]:
        interface = self._interfaces[rule.path, rule.side]
        return [
            f"rule add from {rule.address} lookup {rule.table}",
            f"route replace default via {rule.via} dev {interface} table {rule.table}{self._options()}",
        ]

    def _options(self) -> str:
        # By route, because inside a namespace the sysctl takes only what the host's administrator allows to everybody.
        return f" congctl {self._congestion}" if self._congestion else ""


def _nodes_of(path: Path) -> dict[str, str]:
    """Return the node on each side of a path's links."""
    a, b = f"{path.name}a", f"{path.name}b"
    return {"from": path.from_, "a_near": a, "a": a, "b": b, "b_near": b, "to": path.to}
