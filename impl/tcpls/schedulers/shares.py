"""Schedulers that give each connection its share of the bytes: equal shares, or shares by weight."""

from collections.abc import Sequence
from typing import Final

from impl.tcpls.schedulers.interface import RECORD, Path

AHEAD: Final = 64 * RECORD
"""How far others may run ahead of a connection that is blocked when its turn comes, bytes (1 MiB).

It is above the swing of a congestion window on paths up to some 100 Mbit/s and 80 ms, so that connections of equal rate
do not wait for each other; and it bounds what the receiver has to hold for the one that is behind.
"""


class Weighted:
    """Shares in bytes by the weights of the connections, to the granularity of a record (weighted fair queueing).

    Each connection has an account: the bytes it was given, divided by its weight. The turn is the one's with the
    lowest account, for one record. While the connection whose turn it is is blocked, the others go on without it until
    they are AHEAD of it; from then on the slowest one sets the pace of all, as shares demand. One that is blocked for
    good is not waited for for ever: it is suspected, and with that out of the round.

    A connection that is new or usable again enters with the lowest account of the others: it does not make up for what
    it missed. In the same way one that carried much beside its turns (streams pinned to it) owes 2 × AHEAD at most.
    """

    name = "weighted"
    copies = False

    def __init__(self) -> None:
        self._accounts: dict[int, float] = {}
        self._counted: dict[int, int] = {}

    def grant(self, path: Path, paths: Sequence[Path], backlog: int, now: float) -> int:
        """See Scheduler."""
        if not path.usable:
            return 0
        self._settle(paths)
        mine = (self._accounts[path.id], path.id)
        for other in paths:
            if not other.usable or (self._accounts[other.id], other.id) >= mine:
                continue
            if not other.blocked:
                return 0
            lead = mine[0] - self._accounts[other.id]
            if lead * max(self._weight(path), self._weight(other)) >= AHEAD:
                return 0
        return RECORD

    def order(self, paths: Sequence[Path]) -> Sequence[Path]:
        """See Scheduler."""
        self._settle(paths)
        return sorted((path for path in paths if path.usable), key=lambda path: (self._accounts[path.id], path.id))

    def _weight(self, path: Path) -> float:
        return path.weight

    def _settle(self, paths: Sequence[Path]) -> None:
        """Book what the paths have carried since the last time."""
        usable = [path for path in paths if path.usable]
        known = {path.id: self._accounts[path.id] for path in usable if path.id in self._accounts}
        for path in usable:
            if path.id in known:
                known[path.id] += (path.sent - self._counted[path.id]) / self._weight(path)
        lowest = min(known.values(), default=0.0)
        # Accounts are kept relative to the lowest one, so that they stay exact however long a session lasts.
        self._accounts = {
            path.id: min(known.get(path.id, lowest) - lowest, 2 * AHEAD / self._weight(path)) for path in usable
        }
        self._counted = {path.id: path.sent for path in usable}


class RoundRobin(Weighted):
    """Equal shares in bytes: the connections take turns of one record."""

    name = "round-robin"

    def _weight(self, path: Path) -> float:
        return 1.0
