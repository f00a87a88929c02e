"""Tells sessions at once that a local address or its link is gone (rtnetlink)."""

import asyncio
from collections.abc import Callable, Iterable

from impl.tcpls.api.session import Session
from impl.tcpls.sockets import AddressWatch, SocketError


class AddressGuard:
    """Watches this host's addresses for some sessions.

    Args:
        sessions: gives those that are to be told.
        on_change: is told which addresses there are.
        on_routes: is told that routes came or went.

    Attributes:
        failed: why addresses cannot be watched on this machine; None if they are.

    """

    def __init__(
        self,
        sessions: Callable[[], Iterable[Session]],
        on_change: Callable[[frozenset[str]], None] | None = None,
        on_routes: Callable[[], None] | None = None,
    ) -> None:
        self.failed: str | None = None
        self._sessions = sessions
        self._on_change = on_change
        self._watch: AddressWatch | None = None
        try:
            self._watch = AddressWatch(asyncio.get_running_loop(), self._changed, on_routes=on_routes)
        except SocketError as error:
            self.failed = str(error)

    def close(self) -> None:
        """Watch no more."""
        if self._watch is not None:
            self._watch.close()
            self._watch = None

    def _changed(self, present: frozenset[str], gone: frozenset[str], _come: frozenset[str]) -> None:
        if gone:
            for session in list(self._sessions()):
                session.driver.addresses_gone(gone)
        if self._on_change is not None:
            self._on_change(present)
