"""Schedulers that prefer one connection to another, by rank or by round-trip time; and one that uses all alike."""

from collections.abc import Sequence

from impl.tcpls.schedulers.interface import BULK, Path


class PrimaryBackup:
    """One connection carries everything: the usable one of lowest rank. The others stand by."""

    name = "primary-backup"
    copies = False

    def grant(self, path: Path, paths: Sequence[Path], backlog: int, now: float) -> int:
        """See Scheduler."""
        preferred = self.order(paths)
        return BULK if preferred and preferred[0].id == path.id else 0

    def order(self, paths: Sequence[Path]) -> Sequence[Path]:
        """See Scheduler."""
        return sorted((path for path in paths if path.usable), key=lambda path: (path.rank, path.id))


class LowestRtt:
    """The connection with the lowest round-trip time first; another one only while all quicker ones are blocked.

    A round-trip time that is not known counts as the lowest, so that a new connection is tried.
    """

    name = "lowest-rtt"
    copies = False

    def grant(self, path: Path, paths: Sequence[Path], backlog: int, now: float) -> int:
        """See Scheduler."""
        for candidate in self.order(paths):
            if candidate.id == path.id:
                return BULK
            if not candidate.blocked:
                return 0
        return 0

    def order(self, paths: Sequence[Path]) -> Sequence[Path]:
        """See Scheduler."""
        return sorted((path for path in paths if path.usable), key=lambda path: (path.srtt, path.id))


class Redundant:
    """Every connection carries every byte, and the quickest copy counts: latency and survival, paid for in bandwidth.

    ``backlog`` is what has not been sent on the connection that is offered.
    """

    name = "redundant"
    copies = True

    def grant(self, path: Path, paths: Sequence[Path], backlog: int, now: float) -> int:
        """See Scheduler."""
        return BULK if path.usable else 0

    def order(self, paths: Sequence[Path]) -> Sequence[Path]:
        """See Scheduler."""
        return sorted((path for path in paths if path.usable), key=lambda path: (path.srtt, path.id))
