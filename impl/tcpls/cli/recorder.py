"""Keeps what happens to the connections of a session, those included that are gone, for statistics and a timeline."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from impl.tcpls.api import Session
from impl.tcpls.connection import Connection
from impl.tcpls.events import (
    ConnectionClosed,
    ConnectionJoined,
    ConnectionRecovered,
    ConnectionSuspected,
    Event,
    PathPreferred,
    SessionEnded,
    SessionStarted,
)
from impl.tcpls.sockets import Endpoint
from impl.tls13.events import Failed

_MOST_MOMENTS: Final = 1000


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that has happened.

    Attributes:
        seconds: since the beginning.
        what: a word for it: ``started``, ``joined``, ``suspected``, ``recovered``, ``failed``, ``closed``,
            ``migrated``, ``ended``.
        connection: to which connection, if to one.
        text: the rest of it, for people.

    """

    seconds: float
    what: str
    connection: int | None
    text: str

    def __str__(self) -> str:
        place = "session" if self.connection is None else f"connection {self.connection}"
        return f"{place} {self.what}" + (f": {self.text}" if self.text else "")


@dataclass(slots=True)
class Seen:
    """A connection that the session has or had.

    Attributes:
        connection: the core's.
        local: our end.
        remote: the peer's.
        begun: when it became part of the session, s of the loop's clock.
        over: when it ended; None as long as it is there.
        reason: why it ended.
        failed: whether by a failure.

    """

    connection: Connection
    local: Endpoint
    remote: Endpoint
    begun: float
    over: float | None = None
    reason: str = ""
    failed: bool = False

    @property
    def path(self) -> str:
        """Between which addresses it is."""
        return f"{self.local.address} → {self.remote.address}"

    @property
    def state(self) -> str:
        """In one word: open, joining, suspect, failed or closed."""
        if self.over is not None:
            return "failed" if self.failed else "closed"
        return "suspect" if self.connection.suspect else self.connection.state.name.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """How a connection has fared.

    Attributes:
        connection_id: its Connection ID.
        path: its addresses.
        local: our end.
        remote: the peer's.
        state: in one word.
        sent: bytes of stream data, repetitions included.
        received: bytes of stream data that were new.
        duplicate: bytes of stream data that were here already.
        share: of what all connections have carried; 0 to 1.
        srtt: round-trip time, s; None if unknown.
        rate: bytes/s in both directions, on average over the time in which it was there.
        reason: why it is over.

    """

    connection_id: int
    path: str
    local: str
    remote: str
    state: str
    sent: int
    received: int
    duplicate: int
    share: float
    srtt: float | None
    rate: float
    reason: str


@dataclass(slots=True)
class Recorder:
    """Give `take` to the session's hooks as ``on_event``, and `bind` it to the session as soon as there is one.

    Attributes:
        on_moment: is told what happens, when it happens.
        moments: what has happened, the first thousand.
        connections: those that the session has or had, by Connection ID.
        failure: what TLS found wrong, if that has ended the session.
        ended: how the session has ended.

    """

    on_moment: Callable[[Moment], None] | None = None
    moments: list[Moment] = field(default_factory=list)
    connections: dict[int, Seen] = field(default_factory=dict)
    failure: Failed | None = None
    ended: SessionEnded | None = None
    _session: Session | None = None
    _start: float = field(default_factory=lambda: asyncio.get_running_loop().time())

    def bind(self, session: Session) -> None:
        """The session is there."""
        self._session = session
        for connection_id in session.core.connections:
            self._see(connection_id)

    def take(self, event: Event) -> None:
        """Something has happened in the session."""
        if isinstance(event, SessionStarted):
            self.note("started", None, event.handshake.cipher_suite + (", resumed" if event.handshake.resumed else ""))
        elif isinstance(event, ConnectionJoined):
            seen = self._see(event.connection_id)
            self.note("joined", event.connection_id, seen.path if seen is not None else "")
        elif isinstance(event, ConnectionSuspected):
            self.note("suspected", event.connection_id, event.reason)
        elif isinstance(event, ConnectionRecovered):
            self.note("recovered", event.connection_id, "")
        elif isinstance(event, ConnectionClosed):
            self._closed(event)
        elif isinstance(event, PathPreferred):
            self.note("migrated", event.connection_id, "stream data goes over it from now on")
        elif isinstance(event, SessionEnded):
            self.ended = event
            self.failure = event.failure
            self.note("ended", None, event.reason)

    def note(self, what: str, connection: int | None, text: str) -> None:
        """Keep a moment."""
        moment = Moment(self._now() - self._start, what, connection, text)
        if len(self.moments) < _MOST_MOMENTS:
            self.moments.append(moment)
        if self.on_moment is not None:
            self.on_moment(moment)

    def rows(self, begin: float = 0.0, end: float | None = None) -> list[Row]:
        """How the connections have fared, by Connection ID.

        Args:
            begin: rates are averages from this moment on, s of the loop's clock,
            end: up to this one; now if absent.

        """
        if self._session is not None:
            self._session.stats()  # reads what the kernel knows
        end = self._now() if end is None else end
        total = sum(seen.connection.sent + seen.connection.received for seen in self.connections.values())
        return [self._row(number, seen, begin, end, total) for number, seen in sorted(self.connections.items())]

    def _row(self, number: int, seen: Seen, begin: float, end: float, total: int) -> Row:
        connection = seen.connection
        carried = connection.sent + connection.received
        time = min(end, seen.over or end) - max(begin, seen.begun)
        return Row(
            connection_id=number,
            path=seen.path,
            local=str(seen.local),
            remote=str(seen.remote),
            state=seen.state,
            sent=connection.sent,
            received=connection.received,
            duplicate=connection.duplicate,
            share=carried / total if total else 0.0,
            srtt=(connection.info.srtt or None) if connection.info is not None else None,
            rate=carried / time if time > 0 else 0.0,
            reason=seen.reason,
        )

    def _see(self, connection_id: int) -> Seen | None:
        if connection_id in self.connections or self._session is None:
            return self.connections.get(connection_id)
        connection = self._session.core.connections.get(connection_id)
        link = self._session.driver.link(connection_id)
        if connection is None or link is None:
            return None
        seen = self.connections[connection_id] = Seen(connection, link.local, link.remote, self._now())
        return seen

    def _closed(self, event: ConnectionClosed) -> None:
        seen = self.connections.get(event.connection_id)
        if seen is None or seen.over is not None:
            return
        seen.over, seen.reason, seen.failed = self._now(), event.reason, event.failed
        self.note("failed" if event.failed else "closed", event.connection_id, event.reason)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
