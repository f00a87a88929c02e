"""How a session begins and ends, and how connections come and go (draft-piraux-tcpls-00, sections 4.2 and 4.4)."""

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Final

from impl.tcpls.acknowledging import quiet_deadline, tell_elsewhere
from impl.tcpls.connection import Connection, ConnectionState, Records
from impl.tcpls.detection import PingWanted, Recovered, Suspected
from impl.tcpls.errors import SessionOver, StreamError
from impl.tcpls.events import (
    ConnectionClosed,
    ConnectionRecovered,
    ConnectionSuspected,
    Event,
    KeyLogLine,
    PathPreferred,
    PeerClosing,
    SessionEnded,
    SessionStarted,
    StreamOpened,
)
from impl.tcpls.frames import Ack, ConnectionReset, Frame, Ping
from impl.tcpls.incoming import Incoming
from impl.tcpls.joining import Preamble
from impl.tcpls.keys import SessionKeys
from impl.tcpls.nonces import connection_nonces
from impl.tcpls.outgoing import Outgoing
from impl.tcpls.registries import FIRST_CONNECTION
from impl.tcpls.schedulers import make_scheduler
from impl.tcpls.settings import Settings
from impl.tcpls.streams.sending import SendStream
from impl.tcpls.streams.table import StreamTable
from impl.tcpls.trace import NO_TRACE, Trace
from impl.tls13.alerts import TLSError
from impl.tls13.cipher_suites import CipherSuite
from impl.tls13.config import Config
from impl.tls13.events import Failed, HandshakeCompleted
from impl.tls13.keyed import Keyed
from impl.tls13.registries import AlertDescription

_CLOSED_KEPT: Final = 8
_WAIT_FOR_WORD: Final = 0.6
_WORD_DELAY: Final = 0.005
"""How long the peer's word on a failed connection is waited for: in round trips, and in seconds on top."""
_UNHURT: Final = (
    AlertDescription.BAD_RECORD_MAC,
    AlertDescription.RECORD_OVERFLOW,
    AlertDescription.UNEXPECTED_MESSAGE,
)
"""What may be the fault of somebody on the path of one connection, who has no keys: the session goes on without it."""


class Lifecycle(ABC):
    """What a session consists of, its connections, its beginning and its end; see ``Session``."""

    is_client: bool

    def __init__(
        self, records: Records, settings: Settings, now: float, *, wall: float, trace: Trace = NO_TRACE
    ) -> None:
        self.settings = settings
        self.trace = trace
        self.connections: dict[int, Connection] = {}
        self.streams = StreamTable(client=self.is_client, limit=settings.max_streams)
        self.tcpls: bool | None = None
        self.started = False
        self.closing = False
        self.ended: SessionEnded | None = None
        self.peer_closing = False
        self._wall = wall
        self._events: list[Event] = []
        self._outgoing = Outgoing(self.connections, make_scheduler(settings.scheduler), settings)
        self._incoming = Incoming(self.streams, settings, self._emit, self._take_frame)
        self._keys = SessionKeys()
        self._closed: dict[int, Connection] = {}
        self._losses: dict[int, float] = {}
        self._seen_connections = {FIRST_CONNECTION}
        self._close_deadline: float | None = None
        self._orphaned: float | None = None
        self._said_close = False
        self._active = now
        self._newest: SendStream | None = None
        self._now = now
        self._first = self._add(Connection(FIRST_CONNECTION, records, ConnectionState.HANDSHAKE, settings, now))

    @abstractmethod
    def _take_frame(self, connection: Connection, frame: Frame) -> None:
        """A frame came that is not for the receiving part."""

    @abstractmethod
    def _listen(self, connection: Connection) -> None:
        """Take what comes on a connection without waiting for events."""

    @abstractmethod
    def _plain_waits(self) -> bool:
        """Whether something is to be sent on a plain TLS connection."""

    def _emit(self, event: Event) -> None:
        self._events.append(event)
        if isinstance(event, StreamOpened):
            self.trace.event(self._now, "stream_opened", {"stream_id": event.stream_id, "by": "remote"})

    # Connections and their paths

    def _add(self, connection: Connection) -> Connection:
        self.connections[connection.id] = connection
        if connection.state is not ConnectionState.HANDSHAKE:
            self._listen(connection)
        self._seen_connections.add(connection.id)
        self._orphaned = None
        return connection

    def _add_joined(
        self,
        connection_id: int,
        config: Config,
        state: ConnectionState,
        client_random: bytes,
        flight: bytes,
        now: float,
    ) -> Connection:
        """Add a connection that joins: it has the session's keys and nonces of its own (sections 4.2.1 and 4.3).

        Args:
            connection_id: its number, which is its token's.
            config: of the session's first connection.
            state: in which it begins.
            client_random: of the ClientHello that joins it.
            flight: what we send on it before our records.
            now: monotonic seconds.

        """
        first = self._first.records
        records = Keyed(
            replace(config, hold=False),
            self._suite,
            write_secret=self._keys.secret(client=self.is_client),
            read_secret=self._keys.secret(client=not self.is_client),
            client=self.is_client,
            nonces=connection_nonces(connection_id),
            max_content=first.max_content,
            max_received=first.max_received,
        )
        connection = Connection(connection_id, records, state, self.settings, now)
        connection.client_random = client_random
        connection.preamble = Preamble(client=self.is_client)
        connection.outgoing += flight
        self._add(connection)
        for line in self._keys.log_join(client_random, connection_id):
            self._events.append(KeyLogLine(line=line))
        return connection

    def _connection(self, connection_id: int) -> Connection:
        try:
            return self.connections[connection_id]
        except KeyError:
            raise StreamError(
                f"connection {connection_id} is not part of the session; there are {sorted(self.connections)}"
            ) from None

    def _prefer(self, connection: Connection, now: float) -> None:
        before = min(self.connections.values(), key=lambda c: c.rank)
        if before is not connection and before.usable:
            self._outgoing.hand_over(before, now)
        for place, other in enumerate(sorted(self.connections.values(), key=lambda c: (c is not connection, c.rank))):
            other.rank = place
        self._events.append(PathPreferred(connection_id=connection.id))
        self.trace.event(now, "migration", {"connection_id": connection.id})

    def _watch(self, now: float) -> None:
        """See how the paths fare, and have what is under way on dead ones sent on others."""
        for connection_id in [number for number, due in self._losses.items() if due <= now]:
            self._settle(connection_id)
        for connection in list(self.connections.values()):
            if connection.state is ConnectionState.HANDSHAKE:
                continue
            connection.detector.expecting = self._incoming.incomplete > 0
            for event in connection.detector.tick(now):
                if isinstance(event, PingWanted):
                    connection.control.append((Ping().encode(), False))
                elif isinstance(event, Suspected):
                    # Our own acknowledgements on it may be lost, too.
                    connection.reported, connection.ack_due = -1, now
                    size = self._outgoing.give_up(connection)
                    self._events.append(
                        ConnectionSuspected(connection_id=connection.id, reason=event.reason, by_path=event.by_path)
                    )
                    self.trace.event(
                        now,
                        "connection_suspected",
                        {"connection_id": connection.id, "reason": event.reason, "bytes": size},
                    )
                elif isinstance(event, Recovered):
                    self._outgoing.take_back(connection)
                    self._events.append(ConnectionRecovered(connection_id=connection.id))
                    self.trace.event(now, "connection_recovered", {"connection_id": connection.id})
            quiet = quiet_deadline(connection)
            if quiet is not None and now >= quiet and self._incoming.incomplete:
                # Once for each time that data stops: acknowledgements that answer one another would never end.
                connection.last_data = None
                via = self._outgoing.best(apart_from=connection)
                if via is not None:
                    tell_elsewhere((connection,), via)
        # The last connection is kept, dead or not: it may come back, and nothing is gained by its end.
        for connection in list(self.connections.values()):
            dead = connection.detector.declared
            if dead is not None and any(c.usable for c in self.connections.values()):
                self._drop(connection, dead, now, failed=True)
        self._drop_closed()

    def _take_back(self, connection: Connection, *, suspected: bool) -> None:
        """A fact about a connection was told that was suspected before: if it lives, it keeps what is under way on it.

        At once, and not with the next tick: what was handed over and not sent yet would be sent again before that.
        """
        if suspected and not connection.suspect:
            self._outgoing.take_back(connection)

    def _drop(self, connection: Connection, reason: str, now: float, *, failed: bool, tell: bool = True) -> None:
        """Take a connection out of the session; what is under way on it goes to the others."""
        if connection.state is ConnectionState.CLOSED:
            return
        connection.state = ConnectionState.CLOSED
        del self.connections[connection.id]
        self._outgoing.forget(connection)
        if self.tcpls and failed and tell and (self.is_client or connection.highest_received >= 0):
            # A server that never saw the connection gets to know so that its token is spent.
            self._outgoing.send(ConnectionReset(connection.id).encode())
        received = connection.highest_received
        if self.tcpls and received >= 0 and (failed or received > connection.reported):
            # What was acknowledged on the connection itself may not have arrived.
            self._outgoing.send(Ack(connection.id, received).encode(), resend=False)
        self._lose(connection, now)
        self._events.append(
            ConnectionClosed(connection_id=connection.id, reason=reason, failed=failed, farewell=connection.farewell())
        )
        self.trace.event(now, "connection_closed", {"connection_id": connection.id, "reason": reason, "failed": failed})
        self._connection_gone(connection)
        if not self.connections:
            self._last_one_gone(reason, now)

    def _lose(self, connection: Connection, now: float) -> None:
        """What is under way on a connection that is gone must be sent again: what of it, the peer can say.

        A reset is seen by both ends, and the peer acknowledges what has come on other connections. It is worth half a
        round trip to wait for that: a new connection's first window should not be spent on what is there already, nor
        on what comes after it.
        """
        if not connection.ledger:
            return
        self._closed[connection.id] = connection
        while len(self._closed) > _CLOSED_KEPT:
            oldest = next(iter(self._closed))
            self._outgoing.give_up(self._closed.pop(oldest))
            self._losses.pop(oldest, None)
            self._outgoing.word_awaited = bool(self._losses)
        other = self._outgoing.best()
        if other is None:
            self._outgoing.give_up(connection)
        else:
            self._losses[connection.id] = now + _WAIT_FOR_WORD * other.srtt + _WORD_DELAY
            self._outgoing.word_awaited = True

    def _settle(self, connection_id: int) -> None:
        """What the peer has not acknowledged of a connection that is gone is sent again now."""
        if self._losses.pop(connection_id, None) is not None:
            self._outgoing.give_up(self._closed[connection_id])
            self._outgoing.word_awaited = bool(self._losses)

    def _connection_gone(self, connection: Connection) -> None:  # noqa: B027 - clients have nothing to do
        """A connection is no longer there; a server gives out tokens in its place."""

    def _last_one_gone(self, reason: str, now: float) -> None:
        if self._said_close and self.peer_closing:
            self._end("closed", clean=True)
        elif not self.tcpls or not self.started or (self.closing and not self._outgoing.unacknowledged):
            self._end(reason, clean=self._said_close and self.peer_closing)
        else:
            self._orphaned = now

    @property
    def _orphan_deadline(self) -> float | None:
        return None if self._orphaned is None else self._orphaned + self.settings.orphan_limit

    @property
    def _idle_deadline(self) -> float | None:
        limit = self.settings.idle_limit
        return None if limit is None or self.closing or not self.started else self._active + limit

    @property
    def _suite(self) -> CipherSuite:
        suite = self._first.records.cipher_suite
        if suite is None:
            raise StreamError("no cipher suite has been chosen yet")
        return suite

    # Beginning and end

    def _moved(self, now: float) -> None:
        """Stream data moves: the session is not idle, and while it is being closed the peer gets its time anew."""
        self._active = now
        if self._close_deadline is not None:
            self._close_deadline = now + self.settings.close_limit

    def _start(self, connection: Connection, event: HandshakeCompleted) -> None:
        self.started = True
        self._listen(connection)
        self.tcpls = bool(self.tcpls)
        connection.state = ConnectionState.OPEN
        self._events.append(SessionStarted(tcpls=self.tcpls, handshake=event))
        self.trace.event(self._now, "session_started", {"tcpls": self.tcpls, "cipher_suite": event.cipher_suite})

    def _require_open(self) -> None:
        if self.ended is not None:
            raise SessionOver(self.ended.reason)
        if self.closing:
            raise SessionOver("the session is being closed: nothing more can be sent")

    def _peer_closes(self, connection: Connection) -> None:
        if not self.peer_closing:
            self.peer_closing = True
            self._events.append(PeerClosing())
        if self.tcpls is not True:
            self._plain_ends()
        elif not self.closing:
            # The peer has ended the session; it takes and acknowledges nothing after that (section 4.4).
            self.closing = True
            self._close_deadline = self._now + self.settings.close_limit
        self._close_if_done(self._now)
        self._drop_closed()

    def _plain_ends(self) -> None:
        stream = self.streams.get(0)
        if stream is not None:
            receiving = stream.receiving
            receiving.receive(receiving.received, memoryview(b""), 0, fin=True)
            self._incoming.ended(receiving)

    def _close_if_done(self, now: float) -> None:
        """Say close_notify once all is acknowledged; or once all is sent, if the peer is leaving."""
        if not self.closing or self._said_close or self.ended is not None:
            return
        if self.tcpls is not True:
            if not self._plain_waits():
                self._say_close()
            return
        if self._outgoing.waiting or (self._outgoing.unacknowledged and not self.peer_closing):
            return
        if any(c.ledger for c in self.connections.values() if not c.out_of_reach) and not self.peer_closing:
            return
        self._say_close()

    def _say_close(self) -> None:
        self._said_close = True
        for connection in self.connections.values():
            if connection.records.can_send:
                connection.records.close()
        self._drop_closed()
        if not self.connections:
            self._end("closed", clean=self.peer_closing)

    def _drop_closed(self) -> None:
        """A connection is over once close_notify was exchanged in both directions; dead ones are not waited for."""
        for connection in list(self.connections.values()):
            if self._said_close and self.peer_closing and (connection.records.peer_closed or connection.out_of_reach):
                self._drop(connection, "closed", self._now, failed=connection.out_of_reach)

    def _close_now(self, now: float) -> None:
        """The peer takes too long over closing."""
        if not self._said_close:
            self._say_close()
        if self.ended is None:
            clean = self.peer_closing  # it may have said so on one connection alone (section 4.4)
            self._end("closed" if clean else "closed; the peer did not answer in time", clean=clean)

    def _records_failed(self, connection: Connection, failure: Failed) -> None:
        if self.tcpls is True and failure.by == "local" and failure.alert in _UNHURT and len(self.connections) > 1:
            # Whoever did this to the bytes may be on the path of this connection alone, and has no keys.
            self._drop(connection, failure.reason, self._now, failed=True)
        else:
            self._end(failure.reason, clean=False, failure=failure)

    def _fail_on(self, connection: Connection, error: TLSError) -> None:
        """The peer breaks a rule in a record that it has protected, or cannot make sense in a join."""
        if connection.preamble is not None:
            self._drop(connection, error.reason, self._now, failed=True)
        else:
            self._fail(error, self._now)

    def _fail(self, error: TLSError, now: float) -> None:
        for connection in self.connections.values():
            connection.records.abort(error.alert, error.reason)
        self._end(str(error), clean=False)

    def _end(self, reason: str, *, clean: bool, failure: Failed | None = None) -> None:
        if self.ended is not None:
            return
        self.closing = True
        for connection in self.connections.values():
            connection.state = ConnectionState.CLOSED
            farewell = connection.farewell()
            self._events.append(
                ConnectionClosed(
                    connection_id=connection.id, reason=reason, failed=not clean and not farewell, farewell=farewell
                )
            )
        self.connections.clear()
        self.ended = SessionEnded(reason=reason, clean=clean, failure=failure)
        self._events.append(self.ended)
        self.trace.event(self._now, "session_closed", {"reason": reason, "clean": clean})
        self._session_over()

    def _session_over(self) -> None:  # noqa: B027 - clients have nothing to do
        """The session is over; a server withdraws its tokens."""
