"""A session for an asyncio program: its streams, its connections, and what happens to them."""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Final, Self, TypeVar

from impl.tcpls.api.changes import Changes
from impl.tcpls.api.driver import Driver, Workspace
from impl.tcpls.api.stream import Stream
from impl.tcpls.errors import SessionOver
from impl.tcpls.events import (
    ConnectionClosed,
    Event,
    KeyLogLine,
    PingAnswered,
    SessionEnded,
    SessionStarted,
    StreamAcknowledged,
    StreamOpened,
    StreamReadable,
)
from impl.tcpls.session import Session as Core
from impl.tcpls.sockets import Endpoint
from impl.tcpls.streams.receiving import Chunk
from impl.tls13.events import TicketReceived
from impl.tls13.registries import AlertDescription
from impl.tls13.sessions import Session as Resumption

T = TypeVar("T")

_EVENTS_KEPT: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionStats:
    """How a connection of a session fares.

    Attributes:
        connection_id: its Connection ID.
        local: our address.
        remote: the peer's.
        state: ``open``, ``joining``, ``suspect``.
        sent: bytes of stream data sent on it, repetitions included.
        received: bytes of stream data that came on it and were new.
        duplicate: bytes of stream data that came on it and were here already.
        unacknowledged: bytes of stream data sent on it that the peer has not acknowledged.
        srtt: smoothed round-trip time, s; None before the kernel has measured one.
        rate: what it carries, bytes/s, as an estimate; None if nothing is known.

    """

    connection_id: int
    local: str
    remote: str
    state: str
    sent: int
    received: int
    duplicate: int
    unacknowledged: int
    srtt: float | None
    rate: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """Whom a session tells what its user's code does not learn otherwise.

    Attributes:
        key_log: gets lines for a key log file, without their ends.
        on_ticket: gets what the server offers to resume.
        on_event: gets every event, when it happens.

    """

    key_log: Callable[[str], None] | None = None
    on_ticket: Callable[[Resumption], None] | None = None
    on_event: Callable[[Event], None] | None = None


class Session:
    """One end of a session; ``connect`` and ``serve`` make them.

    ``async for stream in session`` gives the streams that the peer opens, until the session ends.

    Attributes:
        core: the session itself, without I/O.
        driver: moves its bytes.
        started: how the handshake went, once it is over.

    """

    def __init__(self, core: Core, workspace: Workspace, hooks: Hooks) -> None:
        self.core = core
        self.started: SessionStarted | None = None
        self.driver = Driver(core, asyncio.get_running_loop(), workspace, self)
        self._hooks = hooks
        self._streams: dict[int, Stream] = {}
        self._draining: Counter[Stream] = Counter()
        self._incoming: deque[Stream] = deque()
        self._events: deque[Event] = deque(maxlen=_EVENTS_KEPT)
        self._changes = Changes()
        self._pings: dict[int, deque[asyncio.Future[float]]] = {}

    def __repr__(self) -> str:
        state = "ended" if self.core.ended else "open" if self.started else "new"
        return f"<TCPLS session, {state}, connections {sorted(self.core.connections)}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        if error[0] is None:
            self.close()
            await self.wait_closed()
        else:
            self.abort("the program has failed")

    # Streams

    def open_stream(self, *, connection: int | None = None) -> Stream:
        """Open the next stream of this side.

        Args:
            connection: Connection ID of the only connection that shall carry what we send on it, while it works.

        Raises:
            StreamError: no more streams, or no such connection.
            SessionOver: the session is over or being closed.

        """
        return self.stream(self.core.open_stream(pinned=connection))

    async def accept_stream(self) -> Stream:
        """Wait for the next stream that the peer opens.

        Raises:
            SessionOver: the session has ended.

        """
        while not self._incoming:
            if self.core.ended is not None:
                raise SessionOver(self.core.ended.reason)
            await self._changes.wait()
        return self._incoming.popleft()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Stream:
        try:
            return await self.accept_stream()
        except SessionOver:
            raise StopAsyncIteration from None

    # Connections

    def migrate(self, connection: int) -> None:
        """Move to another connection (section 4.2.3), at both ends if their schedulers are "primary-backup".

        Raises:
            StreamError: there is no such connection.

        """
        self.core.migrate(connection, self._now)
        self.driver.soon()

    async def ping(self, connection: int) -> float:
        """Ask for a sign of life on a connection (section 5.2.2); the seconds until it came.

        Raises:
            StreamError: there is no such connection.
            SessionOver: the session or the connection ended before.

        """
        self.core.ping(connection, self._now)
        answer: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._pings.setdefault(connection, deque()).append(answer)
        self.driver.soon()
        return await answer

    def update_keys(self, connection: int) -> None:
        """Go on with new keys for what we send on a connection.

        Raises:
            StreamError: there is no such connection.

        """
        self.core.update_keys(connection)
        self.driver.soon()

    def stats(self) -> list[ConnectionStats]:
        """How the connections fare, by Connection ID."""
        now = self._now
        stats = []
        for connection in sorted(self.core.connections.values(), key=lambda c: c.id):
            link = self.driver.link(connection.id)
            info = link.info(now) if link is not None else None
            if info is not None:
                self.core.observe(connection.id, info, now)
            stats.append(
                ConnectionStats(
                    connection_id=connection.id,
                    local=link.local.address if link is not None else "",
                    remote=link.remote.address if link is not None else "",
                    state="suspect" if connection.suspect else connection.state.name.lower(),
                    sent=connection.sent,
                    received=connection.received,
                    duplicate=connection.duplicate,
                    unacknowledged=connection.ledger.unacknowledged,
                    srtt=info.srtt or None if info is not None else None,
                    rate=connection.rate or None,
                )
            )
        return stats

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What is known: ``tcpls``, ``handshake``, ``alpn_protocol``, ``peername`` and ``sockname`` (first socket)."""
        if name == "tcpls":
            return self.core.tcpls
        if name == "handshake":
            return self.started.handshake if self.started is not None else default
        if name == "alpn_protocol":
            return self.started.handshake.alpn_protocol if self.started is not None else default
        link = next((link for c in sorted(self.core.connections) if (link := self.driver.link(c))), None)
        if name in ("peername", "sockname") and link is not None:
            return tuple(link.remote if name == "peername" else link.local)
        return default

    # Events and the end

    async def events(self) -> AsyncIterator[Event]:
        """What happens, from the beginning of the session to its end, for one reader.

        Whoever is slow, or comes late, misses the oldest beyond a thousand.
        """
        while True:
            while self._events:
                yield self._events.popleft()
            if self.core.ended is not None:
                return
            await self._changes.wait()

    def close(self) -> None:
        """End the session once everything is sent and acknowledged (section 4.4)."""
        self.core.close(self._now)
        self.driver.soon()

    def abort(self, reason: str, alert: AlertDescription = AlertDescription.INTERNAL_ERROR) -> None:
        """End the session at once, with an alert on all its connections: a fatal one, so not user_canceled."""
        self.core.abort(alert, reason, self._now)
        self.driver.work()

    async def wait_started(self, *, or_early_data: bool = False) -> None:
        """Wait until the handshake of the first connection is over.

        Args:
            or_early_data: or until a stream was opened in early data; `started` is None then.

        Raises:
            SessionOver: it failed.

        """
        while self.started is None and not (or_early_data and self._incoming):
            if self.core.ended is not None:
                raise SessionOver(self.core.ended.reason)
            await self._changes.wait()

    async def wait_closed(self) -> SessionEnded:
        """Wait until the session is over, and say how it ended."""
        while self.core.ended is None:
            await self._changes.wait()
        return self.core.ended

    async def wait_disconnected(self, limit: float = 1.0) -> None:
        """Wait until the sockets, too, are closed: what was said last, as by ``abort``, is on its way until then.

        Args:
            limit: seconds after which they are closed all the same.

        """
        if self.driver.farewells:
            await asyncio.wait([farewell.over for farewell in self.driver.farewells], timeout=limit)
        for farewell in list(self.driver.farewells):
            farewell.give_up()

    # For streams and for those who make sessions

    def take(self, stream_id: int, n: int) -> list[Chunk]:
        """Take what can be read on a stream."""
        if stream_id not in self.core.streams:
            return []
        chunks = self.core.read(stream_id, n)
        self._taken(stream_id)
        return chunks

    def take_piece(self, stream_id: int, n: int) -> bytes:
        """Take some of what can be read on a stream."""
        if stream_id not in self.core.streams:
            return b""
        piece = self.core.read_piece(stream_id, n)
        self._taken(stream_id)
        return piece

    def _taken(self, stream_id: int) -> None:
        self.forget_if_over(stream_id)
        if self.driver.paused:
            self.driver.soon()

    async def wait_for_room(self, stream: Stream) -> None:
        """Wait until something of a stream was sent, or something else has happened to it."""
        self._draining[stream] += 1
        try:
            await stream.sleep()
        finally:
            self._draining[stream] -= 1
            if not self._draining[stream]:
                del self._draining[stream]

    def sent(self) -> None:
        """Something was sent: wake those who wait for that."""
        progressed = self.core.take_progressed()
        if self._draining:
            for stream in self._draining:
                if stream.id in progressed:
                    stream.wake()

    @property
    def peer(self) -> Endpoint:
        """The peer's end of the first socket; of no meaning once there is none."""
        found = self.get_extra_info("peername")
        return Endpoint(*found) if found is not None else Endpoint("", 0)

    @property
    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def stream(self, stream_id: int) -> Stream:
        """The stream of that number, which must be open or have something to read."""
        stream = self._streams.get(stream_id)
        if stream is None:
            stream = self._streams[stream_id] = Stream(self, stream_id)
        return stream

    def forget_if_over(self, stream_id: int) -> None:
        """Whoever has the stream still keeps it; the session need not once there is nothing to tell about it."""
        stream = self.core.streams.get(stream_id)
        if stream is None or (stream.receiving.dropped and stream.sending.announced):
            self._streams.pop(stream_id, None)

    def take_events(self, events: list[Event]) -> None:
        """The core has something to tell: to streams, to those who wait, to the hooks."""
        for event in events:
            if isinstance(event, StreamReadable):
                self.stream(event.stream_id).wake()
                continue
            if isinstance(event, KeyLogLine):
                self._call(self._hooks.key_log, event.line)
                continue
            self._take_one(event)
            self._events.append(event)
            self._call(self._hooks.on_event, event)
        self._changes.tell()

    def _take_one(self, event: Event) -> None:
        if isinstance(event, StreamOpened):
            self._incoming.append(self.stream(event.stream_id))
        elif isinstance(event, StreamAcknowledged):
            self.stream(event.stream_id).wake(acknowledged=True)
            self.forget_if_over(event.stream_id)
        elif isinstance(event, SessionStarted):
            self.started = event
        elif isinstance(event, PingAnswered):
            waiting = self._pings.get(event.connection_id)
            answer = waiting.popleft() if waiting else None
            if answer is not None and not answer.done():
                answer.set_result(event.seconds)
        elif isinstance(event, ConnectionClosed):
            for answer in self._pings.pop(event.connection_id, ()):
                if not answer.done():
                    answer.set_exception(SessionOver(event.reason))
        elif isinstance(event, TicketReceived):
            self._call(self._hooks.on_ticket, event.session)
        elif isinstance(event, SessionEnded):
            for stream in self._streams.values():
                stream.wake()

    def _call(self, hook: Callable[[T], None] | None, what: T) -> None:
        """Tell a hook; if it fails the session goes on, since other events wait to be told."""
        if hook is None:
            return
        try:
            hook(what)
        except Exception as error:
            asyncio.get_running_loop().call_exception_handler(
                {"message": f"a hook of {self!r} has failed", "exception": error}
            )
