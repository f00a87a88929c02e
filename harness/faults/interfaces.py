"""Interfaces that go down and up, and addresses that are removed and added, with all that the kernel loses by it."""

import time
from collections.abc import Callable, Iterable, Mapping

from harness.faults.outcome import FaultFailed, Holders, Outcome
from harness.faults.plan import Action, ends_down
from harness.faults.route_netlink import Entry, RouteNetlink
from harness.network.paths import Attachment, PathInstance
from harness.spec.fault import AddressAdd, AddressRemove, Down, Up
from impl.nfqueue.netlink import NetlinkError

Announce = Callable[[PathInstance], None]
"""Tells a path manager that the first end of a path is there."""

_RETRY_FOR_NS = 50_000_000
_RETRY_EVERY_S = 0.001


class NodeMemory:
    """One node's addresses, neighbours and routes: what each fault made vanish, to be put back when it is over.

    The kernel forgets the routes of an interface that goes down, and the routes of an address that is removed. What
    exactly vanished is found by comparing before and after, so nothing need be known of how the node was set up.
    """

    def __init__(self, netlink: RouteNetlink) -> None:
        self.netlink = netlink
        self._before: dict[str, frozenset[Entry]] = {}
        self._lost: dict[str, frozenset[Entry]] = {}
        self._due: set[Entry] = set()

    def remember(self, cause: str) -> None:
        """Note what there is before the effect of ``cause``; to be called shortly before it."""
        self._before[cause] = self.netlink.entries()

    def before(self, cause: str) -> frozenset[Entry]:
        """Return what was noted for ``cause``, noting it now if it was not."""
        if cause not in self._before:
            self.remember(cause)
        return self._before[cause]

    def compare(self, cause: str, removed: Iterable[Entry] = ()) -> int:
        """Note what vanished by ``cause``, after its effect, beside what was ``removed``; return how much it was."""
        # Two causes may have been prepared before either took effect: what the first one took is the first one's.
        known = frozenset(removed).union(*self._lost.values())
        self._lost[cause] = self._before.pop(cause) - self.netlink.entries() - known
        return len(self._lost[cause])

    def put_back(self, cause: str) -> tuple[int, list[str]]:
        """Put back what vanished by ``cause``; return how much it was and what the kernel refuses still.

        What cannot come back yet (a route on an interface that another fault keeps down) is tried again with the next
        cause that ends.
        """
        lost = self._lost.pop(cause, frozenset())
        self._due |= lost
        deadline = time.monotonic_ns() + _RETRY_FOR_NS
        while True:
            refused: list[str] = []
            for entry in sorted(self._due, key=lambda entry: (entry.rank, entry.payload)):
                try:
                    self.netlink.add(entry)
                except NetlinkError as error:
                    refused.append(f"{entry.kind}: {error.strerror}")
                else:
                    self._due.discard(entry)
            if not refused or time.monotonic_ns() > deadline or self._lost:
                # With another fault in force in this node a refusal may be its doing, and waiting would not help.
                return len(lost) - len(self._due & lost), refused
            time.sleep(_RETRY_EVERY_S)

    @property
    def still_broken(self) -> bool:
        """Whether another fault holds something of this node."""
        return bool(self._lost)


class InterfaceFaults:
    """The kinds ``down``, ``up``, ``address_remove`` and ``address_add``.

    Args:
        paths: of the network.
        announce: called after a path came up by ``up``; None where nobody is to be told.

    """

    def __init__(self, paths: Mapping[str, PathInstance], announce: Announce | None = None) -> None:
        self._paths = paths
        self._announce = announce
        self._nodes: dict[str, NodeMemory] = {}
        self._indexes: dict[tuple[str, str], int] = {}
        self._down: Holders[tuple[str, str]] = Holders()
        self._removed: Holders[tuple[str, str]] = Holders()
        self._entries: dict[tuple[str, str], Entry] = {}
        self._specs: dict[str, Down | AddressRemove | None] = {}
        self._attachments: dict[str, Attachment] = {}

    def open(self, actions: Iterable[Action]) -> None:
        """Make ready what the actions need."""
        for action in actions:
            if isinstance(action.spec, Down | Up | AddressRemove | AddressAdd):
                self._index(self._attachment(action))

    def close(self) -> None:
        """Close the sockets."""
        for memory in self._nodes.values():
            memory.netlink.close()

    def initially_down(self, path: str) -> Outcome:
        """Set the first end of a path down; the first ``up`` of the path ends it."""
        return self._take_down(initial_cause(path), self._paths[path].from_, None)

    def prepare(self, action: Action) -> None:
        """Look at the node shortly before the action's moment."""
        if action.undoes is None and isinstance(action.spec, Down | AddressRemove):
            self._memory(self._attachment(action)).remember(action.id)

    def begin(self, action: Action) -> tuple[Outcome, list[str]]:
        """Perform a beginning; return the outcome and the ids of actions whose effect it ended."""
        spec, where = action.spec, self._attachment(action)
        if isinstance(spec, Down):
            return self._take_down(action.id, where, spec), []
        if isinstance(spec, AddressRemove):
            return self._remove(action.id, where, self._address(action.path, spec.end), spec), []
        if isinstance(spec, Up):
            causes = [
                cause
                for cause in self._down.holders_of((where.node, where.interface))
                if ends_down(self._specs.get(cause))
            ]
            outcome = self._end_all(causes, f"{where.interface} of {where.node} was up already")
            if spec.announce and self._announce is not None and action.path is not None:
                self._announce(self._paths[action.path])
                outcome = Outcome(outcome.applied_ns, f"{outcome.result}; announced")
            return outcome, causes
        assert isinstance(spec, AddressAdd)
        address = self._address(action.path, spec.end)
        causes = list(self._removed.holders_of((where.node, address)))
        return self._end_all(causes, f"{address} was there already"), causes

    def end(self, cause: str) -> Outcome:
        """End what the action ``cause`` began; nothing happens if it was ended before.

        Raises:
            FaultFailed: something that vanished cannot be put back.

        """
        where = self._attachments.get(cause)
        if where is None:
            return Outcome.now("ended before")
        memory = self._memory(where)
        result = "another fault keeps it so"
        applied_ns = 0
        for key in self._down.keys_of(cause):
            if self._down.remove(key, cause):
                memory.netlink.set_up(self._indexes[key], up=True)
                applied_ns = time.monotonic_ns()
                result = f"{key[1]} of {key[0]} is up"
        for key in self._removed.keys_of(cause):
            if self._removed.remove(key, cause):
                memory.netlink.add(self._entries.pop(key))
                applied_ns = time.monotonic_ns()
                result = f"{key[1]} is back on {key[0]}"
        del self._attachments[cause]
        count, refused = memory.put_back(cause)
        if refused and not memory.still_broken:
            raise FaultFailed(f"{result}, but not all that vanished came back: {'; '.join(refused)}")
        restored = f"; {count} addresses and routes put back" if count else ""
        return Outcome(applied_ns or time.monotonic_ns(), result + restored)

    def _end_all(self, causes: list[str], otherwise: str) -> Outcome:
        outcomes = [self.end(cause) for cause in causes]
        return outcomes[-1] if outcomes else Outcome.now(otherwise)

    def _take_down(self, cause: str, where: Attachment, spec: Down | None) -> Outcome:
        memory, index = self._memory(where), self._index(where)
        memory.before(cause)
        self._begun(cause, where, spec)
        if not self._down.add((where.node, where.interface), cause):
            memory.compare(cause)
            return Outcome.now(f"{where.interface} of {where.node} was down already")
        memory.netlink.set_up(index, up=False)
        applied_ns = time.monotonic_ns()
        count = memory.compare(cause)
        return Outcome(applied_ns, f"{where.interface} of {where.node} is down; {count} routes and addresses vanished")

    def _remove(self, cause: str, where: Attachment, address: str, spec: AddressRemove) -> Outcome:
        memory, key = self._memory(where), (where.node, address)
        if self._removed.holders_of(key):
            self._begun(cause, where, spec)
            self._removed.add(key, cause)
            memory.before(cause)
            memory.compare(cause, [self._entries[key]])
            return Outcome.now(f"{address} was removed already")
        entry = next((entry for entry in memory.before(cause) if entry.has_address(address)), None)
        if entry is None:
            raise FaultFailed(f"node {where.node} has no address {address} to remove")
        self._begun(cause, where, spec)
        self._removed.add(key, cause)
        self._entries[key] = entry
        memory.netlink.remove_address(entry)
        applied_ns = time.monotonic_ns()
        count = memory.compare(cause, [entry])
        return Outcome(applied_ns, f"{address} removed from {where.node}; {count} routes vanished with it")

    def _begun(self, cause: str, where: Attachment, spec: Down | AddressRemove | None) -> None:
        self._attachments[cause] = where
        self._specs[cause] = spec

    def _attachment(self, action: Action) -> Attachment:
        assert action.path is not None
        path, spec = self._paths[action.path], action.spec
        if isinstance(spec, Down) and spec.where == "middle":
            return path.forward.shaper
        end = spec.where if isinstance(spec, Down) else getattr(spec, "end", "from")
        return path.to if end == "to" else path.from_

    def _address(self, path: str | None, end: str) -> str:
        assert path is not None
        return self._paths[path].to_address if end == "to" else self._paths[path].from_address

    def _memory(self, where: Attachment) -> NodeMemory:
        if where.node not in self._nodes:
            self._nodes[where.node] = NodeMemory(RouteNetlink(where.pid))
        return self._nodes[where.node]

    def _index(self, where: Attachment) -> int:
        key = (where.node, where.interface)
        if key not in self._indexes:
            self._indexes[key] = self._memory(where).netlink.link(where.interface)[0]
        return self._indexes[key]


def initial_cause(path: str) -> str:
    """Return the id under which a path's initial state is filed; no fault can have it."""
    return f"{path}/initially"
