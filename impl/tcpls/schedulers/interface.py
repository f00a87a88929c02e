"""What a scheduler sees of a connection, and what it is asked."""

from collections.abc import Sequence
from typing import Final, Protocol

RECORD: Final = 16_384
"""Bytes of one full record (RFC 8446, section 5.1): the granularity at which data is spread over connections."""

BULK: Final = 2**62
"""The grant that means: as many bytes as the connection takes."""


class Path(Protocol):
    """One connection of a session, as a scheduler sees it."""

    @property
    def id(self) -> int:
        """The Connection ID."""

    @property
    def usable(self) -> bool:
        """Whether it may carry new data: joined, not suspected, not being closed."""

    @property
    def blocked(self) -> bool:
        """Whether its socket takes no more now. It will take more once some of what is queued has been sent."""

    @property
    def srtt(self) -> float:
        """Smoothed round-trip time, s; 0 if unknown."""

    @property
    def rate(self) -> float:
        """How fast it delivers, bytes/s; 0 if unknown."""

    @property
    def queued(self) -> int:
        """Bytes that were handed to it and that the peer's kernel has not acknowledged: unsent and in flight."""

    @property
    def sent(self) -> int:
        """Stream bytes it was given in all; never falls."""

    @property
    def weight(self) -> float:
        """Its share of the data in relation to the others'; above 0. Read by "weighted" alone."""

    @property
    def rank(self) -> int:
        """Its place in the order of preference, 0 first. Read by "primary-backup" alone."""


class Scheduler(Protocol):
    """Says which connection carries the data that waits; one serves one session.

    The sender offers its paths in the scheduler's order, takes what is granted, and begins again, until no path that
    is not blocked is granted anything. It does so whenever data, room on a path, or a path's state is new.
    Progress: while data waits, at least one usable path is granted something, or some usable path has bytes queued, and
    their acknowledgement leads to the next round.
    """

    @property
    def name(self) -> str:
        """How users call it."""

    @property
    def copies(self) -> bool:
        """Whether every path carries every byte, instead of each byte being carried by one of them."""

    def grant(self, path: Path, paths: Sequence[Path], backlog: int, now: float) -> int:
        """How many bytes of stream data a path may take now, at most; 0 for none, BULK for no limit.

        Args:
            path: a path that is not blocked.
            paths: all paths of the session, ``path`` among them.
            backlog: bytes of stream data that wait at the sender; BULK where their end is not in sight, as when the
                application is waiting for room to write more.
            now: s.

        """

    def order(self, paths: Sequence[Path]) -> Sequence[Path]:
        """The usable paths, in the order in which they are to be offered."""
