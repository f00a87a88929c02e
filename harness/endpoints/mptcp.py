"""The kernel's Multipath TCP path manager of a node, set up through ``ip mptcp``, and the kernel's MPTCP counters."""

import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.network.namespaces import CommandFailed, run_in

LIMIT: Final = 8
"""Subflows and accepted addresses beyond the first: the most that the kernel allows."""

Run = Callable[[Sequence[str]], str]
"""Runs a command in the node and returns its output; raises CommandFailed."""


class MissingFeature(Exception):
    """The kernel or a tool lacks what is needed; the message names it and how to get it."""


@dataclass(frozen=True, kw_only=True)
class MptcpEndpoint:
    """An address known to the path manager, with its flags (``subflow``, ``backup``, ``signal``, ``fullmesh``)."""

    address: str
    id: int
    flags: frozenset[str]
    interface: str | None


class PathManager:
    """The kernel's path manager in one node."""

    def __init__(self, run: Run, node: str) -> None:
        """``run`` runs a command in the node, ``node`` is its name for errors; see `for_process`."""
        self._run = run
        self._node = node

    @classmethod
    def for_process(cls, pid: int, node: str) -> "PathManager":
        """Return the path manager of the network namespace of process ``pid``."""
        return cls(functools.partial(run_in, pid), node)

    def check(self) -> None:
        """Make sure that kernel and tool know Multipath TCP and that it is switched on.

        Raises:
            MissingFeature: one of them does not.

        """
        try:
            enabled = self._run(["cat", "/proc/sys/net/mptcp/enabled"]).strip()
        except CommandFailed:
            raise MissingFeature(
                f"node {self._node}: the kernel has no Multipath TCP; take one with CONFIG_MPTCP (5.6 or later)"
            ) from None
        if enabled != "1":
            raise MissingFeature(f"node {self._node}: Multipath TCP is switched off; set net.mptcp.enabled = 1")
        try:
            self._run(["ip", "mptcp", "limits", "show"])
        except CommandFailed as error:
            raise MissingFeature(
                f"node {self._node}: 'ip mptcp' does not work; install iproute2 5.8 or later ({error})"
            ) from None

    def set_limits(self, *, subflows: int = LIMIT, accepted: int = LIMIT) -> None:
        """Allow so many further subflows per connection and so many announced addresses to be used (0 to 8 each).

        Raises:
            ValueError: a number is out of range.
            CommandFailed: the kernel refused.

        """
        if not (0 <= subflows <= LIMIT and 0 <= accepted <= LIMIT):
            raise ValueError(f"subflows ({subflows}) and accepted ({accepted}) must be between 0 and {LIMIT}")
        self._run(["ip", "mptcp", "limits", "set", "subflows", str(subflows), "add_addr_accepted", str(accepted)])

    def add(
        self, address: str, interface: str, *, backup: bool = False, signal: bool = False, fullmesh: bool = False
    ) -> None:
        """Tell the path manager of an address: running connections use it at once.

        ``signal`` announces it to the peer (for servers) instead of opening subflows from it; ``fullmesh`` opens one to
        every address of the peer; ``backup`` asks both ends to send on it only when no other subflow works.

        Raises:
            ValueError: ``signal`` and ``fullmesh`` are given together.
            CommandFailed: the kernel refused, for example an address that it knows already.

        """
        if signal and fullmesh:
            raise ValueError("the kernel allows signal or fullmesh, not both")
        flags = ["signal"] if signal else ["subflow"]
        flags += ["fullmesh"] if fullmesh else []
        flags += ["backup"] if backup else []
        self._run(["ip", "mptcp", "endpoint", "add", address, "dev", interface, *flags])

    def endpoints(self) -> list[MptcpEndpoint]:
        """Return all addresses that the path manager knows."""
        return parse_endpoints(self._run(["ip", "mptcp", "endpoint", "show"]))

    def remove(self, address: str) -> None:
        """Take an address from the path manager, which closes its subflows and tells the peer.

        Raises:
            KeyError: it does not know the address.
            CommandFailed: the kernel refused.

        """
        for endpoint in self.endpoints():
            if endpoint.address == address:
                self._run(["ip", "mptcp", "endpoint", "delete", "id", str(endpoint.id)])
                return
        raise KeyError(f"node {self._node}: the path manager has no endpoint {address}")

    def set_backup(self, address: str, *, backup: bool) -> None:
        """Change the priority of an address; the peer is told (MP_PRIO).

        Raises:
            CommandFailed: the kernel refused, or does not know the address.

        """
        self._run(["ip", "mptcp", "endpoint", "change", address, "backup" if backup else "nobackup"])

    def flush(self) -> None:
        """Take all addresses from the path manager."""
        self._run(["ip", "mptcp", "endpoint", "flush"])


def parse_endpoints(text: str) -> list[MptcpEndpoint]:
    """Read the output of ``ip mptcp endpoint show``.

    Raises:
        ValueError: a line has no id.

    """
    endpoints = []
    for line in text.splitlines():
        words = line.split()
        if not words:
            continue
        if "id" not in words[1:-1]:
            raise ValueError(f"cannot read the line {line!r} of 'ip mptcp endpoint show'")
        options = dict(itertools.pairwise(words))
        flags = frozenset({"subflow", "backup", "signal", "fullmesh", "implicit"}.intersection(words[1:]))
        endpoints.append(
            MptcpEndpoint(address=words[0], id=int(options["id"]), flags=flags, interface=options.get("dev"))
        )
    return endpoints


def set_up_node(manager: PathManager, addresses: Sequence[tuple[str, str]], *, mode: str) -> None:
    """Set limits and tell the path manager of a client of its addresses, in path order as (address, interface).

    ``mode`` is ``active`` (all paths at once) or ``backup`` (the first path; the others when it fails). The first
    address is told as well: the kernel takes it for the one of the first subflow, and opens it again after a failure.

    Raises:
        MissingFeature: kernel or tool lack Multipath TCP.
        CommandFailed: the kernel refused.

    """
    manager.check()
    manager.set_limits()
    for position, (address, interface) in enumerate(addresses):
        manager.add(address, interface, backup=mode == "backup" and position > 0)


def parse_counters(text: str, table: str = "MPTcpExt") -> dict[str, int]:
    """Read one table of ``/proc/net/netstat``, by default the MPTCP counters; empty when it is not there."""
    lines = [line.split() for line in text.splitlines() if line.startswith(f"{table}:")]
    return {
        name: int(value)
        for names, values in zip(lines[::2], lines[1::2], strict=False)
        for name, value in zip(names[1:], values[1:], strict=True)
    }


def read_counters(pid: int) -> dict[str, int]:
    """Read the MPTCP counters of the network namespace of process ``pid``.

    Raises:
        MissingFeature: the kernel counts no MPTCP events.
        OSError: there is no such process.

    """
    counters = parse_counters(Path(f"/proc/{pid}/net/netstat").read_text(encoding="ascii"))
    if not counters:
        raise MissingFeature("the kernel has no MPTCP counters; take one with CONFIG_MPTCP (5.6 or later)")
    return counters


def difference(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """Return how much each counter grew; counters that did not change are left out."""
    return {name: value - before.get(name, 0) for name, value in after.items() if value != before.get(name, 0)}
