"""Blackholes and resets in a path's middle nodes: packets are stopped where they enter the path, before its queues."""

import time
from collections.abc import Iterable, Mapping

from harness.faults.connections import ConnectionFinder
from harness.faults.nft_netlink import NftNetlink, Switch
from harness.faults.outcome import FaultFailed, Holders, Outcome
from harness.faults.plan import Action
from harness.network.paths import Attachment, PathInstance
from harness.spec.fault import Drop, Rst

TABLE = "faults"
# Of the forward hook, ahead of everything else there (the delay element, connection tracking's NAT): a packet is
# stopped as it comes in from its end of the path. Neighbour discovery is not forwarded, so it goes on, and the ends
# see no failing neighbour. A drop here tells nobody: the routing decision, which could, is made.
_SCRIPT = """
    set silenced { type ifname; }
    set refused { type ifname; }
    counter silenced { }
    counter refused { }
    chain entering {
        type filter hook forward priority -400; policy accept;
        iifname @silenced counter name silenced drop
        iifname @refused meta l4proto tcp counter name refused reject with tcp reset
        iifname @refused counter name silenced drop
    }
"""

_PROVOCATIONS = 2
_PROVOCATION_PAUSE_S = 0.002


class PacketFaults:
    """The kinds ``drop`` and ``rst``.

    What already waits in the path's shaper or delay element is beyond the point where packets are stopped: it still
    arrives, as what is on the wire beyond a break does.
    """

    def __init__(self, paths: Mapping[str, PathInstance], nodes: Mapping[str, int]) -> None:
        """``paths`` of the network, and by name a process of each of its ``nodes`` that may have connections."""
        self._paths = paths
        self._nodes = nodes
        self._tables: dict[int, NftNetlink] = {}
        self._finders: dict[str, ConnectionFinder] = {}
        self._holders: Holders[tuple[str, str, str]] = Holders()  # path, direction, set
        self._counted: dict[str, int] = {}

    def open(self, actions: Iterable[Action]) -> None:
        """Load the tables, and open the sockets, of the paths that the actions are about.

        Raises:
            CommandFailed: ``nft`` is missing or the kernel lacks what the table needs.

        """
        for action in actions:
            if not isinstance(action.spec, Drop | Rst):
                continue
            path = self._paths[action.path or ""]
            for gate in (path.a_near, path.b_near):
                if gate.pid not in self._tables:
                    self._tables[gate.pid] = NftNetlink(gate.pid, TABLE, _SCRIPT)
            if isinstance(action.spec, Rst) and path.name not in self._finders:
                self._finders[path.name] = ConnectionFinder(path, self._nodes)

    def close(self) -> None:
        """Close the sockets."""
        for table in self._tables.values():
            table.close()
        for finder in self._finders.values():
            finder.close()

    def begin(self, action: Action) -> Outcome:
        """Stop packets.

        Raises:
            FaultFailed: the kernel refused.

        """
        path = self._paths[action.path or ""]
        name = "silenced" if isinstance(action.spec, Drop) else "refused"
        wanted = getattr(action.spec, "direction", "both")
        directions = ["forward", "backward"] if wanted == "both" else [wanted]
        self._counted[action.id] = self._count(path, name, directions)
        for direction in directions:
            if self._holders.add((path.name, direction, name), action.id):
                self._switch(path, direction, name, on=True)
        applied_ns = time.monotonic_ns()
        if isinstance(action.spec, Drop):
            return Outcome(applied_ns, f"packets vanish in direction {' and '.join(directions)}")
        return Outcome(applied_ns, self._provoke(path))

    def end(self, cause: str) -> Outcome:
        """Let packets pass again, where no other fault stops them.

        Raises:
            FaultFailed: the kernel refused.

        """
        keys = self._holders.keys_of(cause)
        if not keys:
            return Outcome.now("ended before")
        path, name = self._paths[keys[0][0]], keys[0][2]
        for key in keys:
            if self._holders.remove(key, cause):
                self._switch(path, key[1], name, on=False)
        applied_ns = time.monotonic_ns()
        stopped = self._count(path, name, [key[1] for key in keys]) - self._counted.pop(cause)
        fate = "dropped" if name == "silenced" else "answered by RST"
        return Outcome(applied_ns, f"packets pass; {stopped} were {fate}")

    def _provoke(self, path: PathInstance) -> str:
        finder = self._finders[path.name]
        found = finder.find()
        remaining = found
        for attempt in range(_PROVOCATIONS):
            if attempt:
                time.sleep(_PROVOCATION_PAUSE_S)
                remaining = finder.find() & found
            if not remaining:
                break
            finder.provoke(remaining)
        return f"connections are reset; {len(found)} ends of connections were made to answer"

    def _count(self, path: PathInstance, counter: str, directions: Iterable[str]) -> int:
        return sum(self._tables[_gate(path, direction).pid].packets(counter) for direction in directions)

    def _switch(self, path: PathInstance, direction: str, name: str, *, on: bool) -> None:
        gate = _gate(path, direction)
        try:
            self._tables[gate.pid].switch(Switch(name, gate.interface, on))
        except OSError as error:
            raise FaultFailed(f"node {gate.node} does not switch set {name!r}: {error.strerror}") from error


def _gate(path: PathInstance, direction: str) -> Attachment:
    """Where packets of a direction come into the path."""
    return path.a_near if direction == "forward" else path.b_near
