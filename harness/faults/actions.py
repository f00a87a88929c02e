"""Performs the actions of a plan on a running network, and keeps account of what is in force."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Self, TypeVar

from harness.faults.interfaces import Announce, InterfaceFaults, initial_cause
from harness.faults.links import Elements, LinkFaults
from harness.faults.nat import Nat, NatFaults, install
from harness.faults.outcome import FaultFailed, Outcome
from harness.faults.packets import PacketFaults
from harness.faults.plan import Action
from harness.faults.processes import Process, ProcessFaults
from harness.network.paths import DirectionName, PathInstance
from harness.spec.link import Link
from harness.spec.topology import Topology

T = TypeVar("T")

_REVERSIBLE = frozenset({"drop", "rst", "down", "address_remove", "change", "pause"})


class Faults:
    """All faults of one run on one network.

    Everything that takes time (tables, sockets, looking at a node) is done when it is made or in :meth:`prepare`, so
    that an action is a few netlink messages at its moment. It is used by one thread at a time.

    Args:
        actions: the plan.
        topology: what the network was built from.
        paths: where the parts of each path are.
        nodes: a process of each node that is no middle node, by the node's name.
        elements: what shapes and delays.
        processes: endpoint processes by role; looked into at an action's moment.
        announce: called after a path came up by ``up``.

    Raises:
        CommandFailed: ``nft`` is missing, or the kernel lacks what it is told to set up.
        FaultFailed: the network lacks what an action needs.
        OSError: a node is gone, or there is no right to enter it.

    """

    def __init__(
        self,
        actions: Sequence[Action],
        topology: Topology,
        paths: Mapping[str, PathInstance],
        nodes: Mapping[str, int],
        elements: Elements,
        processes: Mapping[str, Process],
        announce: Announce | None = None,
    ) -> None:
        self._topology = topology
        self._in_force: dict[str, Action | None] = {}
        self._packets = PacketFaults(paths, nodes)
        self._interfaces = InterfaceFaults(paths, announce)
        self._links = LinkFaults(topology, elements)
        self._processes = ProcessFaults(processes)
        self._nats: dict[str, Nat] = {}
        try:
            for path in topology.path:
                if path.nat:
                    self._nats[path.name] = install(paths[path.name])
            self._nat = NatFaults(self._nats)
            self._nat.open(actions)
            self._packets.open(actions)
            self._interfaces.open(actions)
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
        """Close all sockets; what is in force stays so."""
        self._packets.close()
        self._interfaces.close()
        for nat in self._nats.values():
            nat.close()

    def current_link(self, path: str, direction: DirectionName) -> Link:
        """Return what a direction of a path is now, after all changes so far.

        Raises:
            KeyError: there is no such path.

        """
        return self._links.current(path, direction)

    @property
    def in_force(self) -> tuple[str, ...]:
        """Ids of the actions whose effect lasts and can be undone, and of the initial states; the oldest first."""
        return tuple(self._in_force)

    def take_initial_state(self) -> None:
        """Set down the paths that are initially down.

        Raises:
            FaultFailed: the kernel refused.

        """
        for path in self._topology.path:
            cause = initial_cause(path.name)
            if path.initially == "down" and cause not in self._in_force:
                _in_words(partial(self._interfaces.initially_down, path.name))
                self._in_force[cause] = None

    def prepare(self, action: Action) -> None:
        """Do what can be done shortly before an action's moment.

        Raises:
            FaultFailed: the node cannot be looked at.

        """
        _in_words(lambda: self._interfaces.prepare(action))

    def perform(self, action: Action) -> Outcome:
        """Perform an action.

        Raises:
            FaultFailed: it could not be performed, or not wholly.

        """
        if action.undoes is not None:
            return self.undo(action.undoes)
        outcome, ended = _in_words(lambda: self._begin(action))
        for cause in ended:
            self._in_force.pop(cause, None)
        if action.kind in _REVERSIBLE and not (action.kind == "change" and getattr(action.spec, "duration", 0) is None):
            self._in_force[action.id] = action
        return outcome

    def undo(self, cause: str) -> Outcome:
        """End the effect of an action, or of an initial state, by its id; nothing happens if it is over.

        Raises:
            FaultFailed: it could not be ended, or not wholly.

        """
        if cause not in self._in_force:
            return Outcome.now("ended before")
        action = self._in_force.pop(cause)
        kind = "down" if action is None else action.kind
        return _in_words(lambda: self._end(kind, cause))

    def describe(self, cause: str) -> tuple[str, str | None, str]:
        """Return kind, path and words of something that is in force.

        Raises:
            KeyError: it is not in force.

        """
        action = self._in_force[cause]
        if action is None:
            return "up", cause.partition("/")[0], "end: initially down"
        return action.kind, action.path, f"end: {action.text}"

    def _begin(self, action: Action) -> tuple[Outcome, list[str]]:
        match action.kind:
            case "drop" | "rst":
                return self._packets.begin(action), []
            case "change" | "ramp":
                return self._links.begin(action), []
            case "rebind":
                return self._nat.begin(action), []
            case "pause" | "resume" | "kill":
                return self._processes.begin(action)
            case _:
                return self._interfaces.begin(action)

    def _end(self, kind: str, cause: str) -> Outcome:
        match kind:
            case "drop" | "rst":
                return self._packets.end(cause)
            case "change":
                return self._links.end(cause)
            case "pause":
                return self._processes.end(cause)
            case _:
                return self._interfaces.end(cause)


def _in_words(perform: Callable[[], T]) -> T:
    """Make one kind of error of all that the parts of a network can raise."""
    try:
        return perform()
    except FaultFailed:
        raise
    except OSError as error:
        raise FaultFailed(error.strerror or str(error)) from error
    except Exception as error:
        raise FaultFailed(str(error) or type(error).__name__) from error
