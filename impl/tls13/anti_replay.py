"""The guard against replayed early data: fresh ClientHellos, each once (RFC 8446, sections 8.2 and 8.3)."""

from collections import deque
from typing import Final

DEFAULT_WINDOW: Final = 10.0


class ReplayGuard:
    """Remembers the ClientHellos whose early data was taken; one guard serves all connections that share ticket keys.

    A ClientHello is fresh if its ticket's age, as the client states it, differs from the age that the server knows by
    at most the window. Fresh ones are recorded for as long as a copy of them could be fresh; a second one is refused,
    which costs its client a round trip and nothing else.

    Args:
        window: how far the client's idea of the ticket's age may be from the server's, seconds.
        capacity: how many ClientHellos are remembered; while the memory is full, early data is refused.
        not_before: no early data is taken before this moment, POSIX seconds: a server whose ticket keys outlive its
            memory of ClientHellos sets it to its start plus the window (section 8.2).

    """

    def __init__(
        self, *, window: float = DEFAULT_WINDOW, capacity: int = 100_000, not_before: float = float("-inf")
    ) -> None:
        self.window = window
        self.capacity = capacity
        self.not_before = not_before
        self._seen: set[bytes] = set()
        self._expiry: deque[tuple[float, bytes]] = deque()

    def accept(self, binder: bytes, *, age_by_client: float, age_by_server: float, now: float) -> bool:
        """Whether early data may be taken; if so, the ClientHello is remembered by its first binder.

        Args:
            binder: the binder of the key that is used: a MAC over the whole ClientHello, unlike for each of them.
            age_by_client: the ticket's age as the client states it, seconds.
            age_by_server: the same by the server's own clock, seconds.
            now: POSIX seconds.

        """
        self._forget(now)
        if now < self.not_before or abs(age_by_client - age_by_server) > self.window:
            return False
        if binder in self._seen or len(self._seen) >= self.capacity:
            return False
        self._seen.add(binder)
        # A copy is fresh while its age is at most one window behind the server's; it may be as much ahead now.
        self._expiry.append((now + 2 * self.window, binder))
        return True

    def _forget(self, now: float) -> None:
        while self._expiry and self._expiry[0][0] < now:
            self._seen.discard(self._expiry.popleft()[1])
