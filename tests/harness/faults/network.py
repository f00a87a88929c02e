"""An emulated network for the tests of faults, TCP connections through it, and what was seen on an interface."""

import difflib
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from harness.faults.actions import Faults
from harness.faults.plan import Action, plan
from harness.network.emulation import Emulation
from harness.network.namespaces import enter, run_in
from harness.network.paths import Attachment, DirectionName, PathInstance
from harness.spec.link import Link
from harness.spec.scenario import Scenario
from harness.spec.topology import Topology

_ETH_P_ALL = 3

TOPOLOGY = Topology.model_validate(
    {
        "name": "test",
        "node": [{"name": "client", "kind": "client"}, {"name": "server", "kind": "server"}],
        "path": [
            {"name": "p", "from": "client", "to": "server", "both": {"rate": "25mbit"}},
            {"name": "q", "from": "client", "to": "server", "family": "ipv6", "both": {"rate": "25mbit"}},
            {"name": "n", "from": "client", "to": "server", "nat": True},
            {"name": "j", "from": "client", "to": "server", "initially": "down"},
        ],
    }
)


def scenario(*faults: Mapping[str, Any], **other: Any) -> Scenario:
    """A scenario with these faults."""
    return Scenario.model_validate(
        {
            "name": "test",
            "topology": "test",
            "endpoints": ["tcp"],
            "workload": {"bytes": "1MiB", "limit": "30s"},
            "fault": list(faults),
            "expect": [{"kind": "completes"}],
            **other,
        }
    )


@dataclass
class FakeElements:
    """Notes what is changed."""

    changes: list[tuple[str, str, Link]] = field(default_factory=list)

    def change(self, path: str, direction: DirectionName, link: Link) -> int:
        self.changes.append((path, direction, link))
        return time.monotonic_ns()


@dataclass
class FakeProcess:
    """Notes what is done to it."""

    done: list[str] = field(default_factory=list)

    def pause(self) -> None:
        self.done.append("pause")

    def resume(self) -> None:
        self.done.append("resume")

    def kill(self) -> None:
        self.done.append("kill")


@contextmanager
def faults_on(
    emulation: Emulation, *faults: Mapping[str, Any], **options: Any
) -> Iterator[tuple[Faults, list[Action]]]:
    """The faults at work on a network, with their planned actions; everything is undone at the end."""
    actions = plan(scenario(*faults))
    options = {"elements": FakeElements(), "processes": {}, **options}
    nodes = {node.name: emulation.nodes[node.name] for node in emulation.topology.node}
    with Faults(actions, emulation.topology, emulation.paths, nodes, **options) as performer:
        try:
            yield performer, actions
        finally:
            for cause in reversed(performer.in_force):
                performer.undo(cause)


class Pair:
    """A TCP connection through a path, from its first end to its second."""

    def __init__(self, path: PathInstance) -> None:
        family = socket.AF_INET if path.family == "ipv4" else socket.AF_INET6
        with ExitStack() as stack:
            with enter(path.to.pid):
                listener = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
            listener.bind((path.to_address, 0))
            listener.listen()
            with enter(path.from_.pid):
                self.client = socket.socket(family, socket.SOCK_STREAM)
            self.client.settimeout(5)
            try:
                self.client.bind((path.from_address, 0))
                self.client.connect(listener.getsockname()[:2])
                listener.settimeout(5)
                self.server, self.seen_from = listener.accept()
            except OSError:
                self.client.close()
                raise
            self.server.settimeout(5)

    def works(self) -> bool:
        """Whether bytes get through both ways within a second or so."""
        for sender, receiver in ((self.client, self.server), (self.server, self.client)):
            sender.send(b"x")
            receiver.settimeout(2)
            try:
                if receiver.recv(10) != b"x":
                    return False
            except TimeoutError:
                return False
        return True

    def __enter__(self) -> "Pair":
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self.server.close()


class Capture:
    """Packets on an interface by which a sender learns that something is wrong; it listens when made.

    A socket rather than tcpdump, which has to become another user: the sandbox of an ordinary user has none.
    """

    def __init__(self, where: Attachment) -> None:
        with enter(where.pid):
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 21)
        self._socket.bind((where.interface, _ETH_P_ALL))
        self._socket.setblocking(False)

    def stop(self) -> list[str]:
        """End it and return what was found."""
        packets = []
        with self._socket, suppress(BlockingIOError):
            while True:
                packets.append(self._socket.recv(65536))
        assert packets, "nothing at all was seen on the interface"
        return [news for packet in packets if (news := _news(packet)) is not None]


def _news(packet: bytes) -> str | None:
    version = packet[0] >> 4
    protocol, payload = (packet[9], packet[4 * (packet[0] & 15) :]) if version == 4 else (packet[6], packet[40:])
    if version not in (4, 6):
        return None
    if (protocol, payload[0]) in ((socket.IPPROTO_ICMP, 3), (socket.IPPROTO_ICMPV6, 1)):
        return f"destination unreachable, code {payload[1]}"
    if protocol == socket.IPPROTO_TCP and payload[13] & 4:
        return "RST"
    return None


def wait_for_state(pid: int, wanted: str, limit: float = 5.0) -> None:
    """Wait until a node's state is the wanted one; the assertion that fails otherwise shows the difference."""
    end = time.monotonic() + limit
    while (now := state(pid)) != wanted and time.monotonic() < end:
        time.sleep(0.01)
    difference = [line for line in difflib.ndiff(wanted.splitlines(), now.splitlines()) if line[0] in "+-"]
    assert not difference, "\n".join(difference)


def wait_for(condition: Callable[[], bool], limit: float = 5.0) -> None:
    """Wait until a condition holds; an assertion fails after ``limit`` seconds."""
    end = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < end, "what was waited for did not happen"
        time.sleep(0.001)


def state(pid: int) -> str:
    """All addresses, routes of all tables and permanent neighbours of a node, in words."""
    lines: list[str] = []
    for command in (
        "ip -4 address show",
        "ip -6 address show",
        "ip -4 route show table all",
        "ip -6 route show table all",
        "ip -4 neighbour show nud permanent",
        "ip -6 neighbour show nud permanent",
    ):
        printed = run_in(pid, command.split()).splitlines()
        lines += sorted(line for line in printed if "valid_lft" not in line and " anycast " not in f" {line} ")
    return "\n".join(lines)
