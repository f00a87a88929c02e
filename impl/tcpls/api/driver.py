"""Moves bytes between the sockets of a session and its core, and keeps its timers."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from impl.tcpls.events import ConnectionClosed, Event
from impl.tcpls.session import TRANSMIT_SIZE, Session
from impl.tcpls.sockets import Link

RECEIVED: Final = (2**15, 2**19)
"""The least and the most bytes that are received at a time.

The most are many records, whose frames are told together.
"""
_OBSERVED: Final = 0.005
"""Seconds between two looks at what the kernel says about a connection."""
_CHUNK_TIME: Final = 0.004
"""A socket is given as much at a time, and keeps as much unsent, as its path carries in so many seconds.

What a socket holds cannot go elsewhere: less of it makes failover cheap and keeps small objects from queueing behind
bulk; more of it spares system calls.
"""
_CHUNK: Final = (2**14, 2**19)
_MAX_FREE: Final = 8
_FAREWELL: Final = 5.0
"""Seconds for the last bytes of a connection."""


@dataclass(slots=True)
class Workspace:
    """Memory that the sessions of one event loop share: new memory for each call would cost more than AES does.

    Attributes:
        opened: where the contents of records are for the time of a call.
        free: where records can be made.

    """

    opened: bytearray = field(default_factory=lambda: bytearray(RECEIVED[1]))
    free: list[bytearray] = field(default_factory=list)

    def take(self) -> bytearray:
        """Memory for ``transmit``."""
        return self.free.pop() if self.free else bytearray(TRANSMIT_SIZE)

    def give(self, memory: bytearray) -> None:
        """It is not needed any more."""
        if len(self.free) < _MAX_FREE:
            self.free.append(memory)


class Attached:
    """A socket with what belongs to it.

    Attributes:
        link: the socket.
        connection_id: of its connection.
        buffer: what was received, up to `filled`, and not taken yet.
        rest: what could not be sent at once.
        lent: the memory in which the rest lies.
        observed: when the kernel was asked about it.
        skip: how many bytes need not be sent because TCP Fast Open has taken them.
        chunk: how much it is given at a time, bytes.

    """

    __slots__ = ("buffer", "chunk", "connection_id", "filled", "lent", "link", "observed", "rest", "skip")

    def __init__(self, link: Link, connection_id: int) -> None:
        self.link = link
        self.connection_id = connection_id
        self.buffer = bytearray(RECEIVED[0])
        self.filled = 0
        self.rest: memoryview | None = None
        self.lent: bytearray | None = None
        self.observed = 0.0
        self.skip = 0
        self.chunk = _CHUNK[0]


class DriverUser(Protocol):
    """Whom a driver tells what happens."""

    def take_events(self, events: list[Event]) -> None:
        """The session has something to tell."""

    def sent(self) -> None:
        """Something was given to a socket."""


class Farewell:
    """Sends the last bytes of a socket and closes it; the peer has some seconds to take them.

    Args:
        link: the socket.
        data: what is to be sent.
        loop: on which everything happens.
        linger: the peer may still be sending: close only when it has stopped, for its data would be answered by RST,
            and an RST can reach it before it has read what was sent last.

    Attributes:
        over: done once the socket is closed.

    """

    def __init__(self, link: Link, data: bytes, loop: asyncio.AbstractEventLoop, *, linger: bool = False) -> None:
        self.over: asyncio.Future[None] = loop.create_future()
        self._link = link
        self._data = memoryview(data)
        self._linger = linger
        self._said = False
        link.hand_over(self)
        self._timer = loop.call_later(_FAREWELL, self.give_up)

    def send(self) -> None:
        """Send as much as can be, and close once that is all."""
        self._data = self._data[self._link.send((self._data,)) :] if self._data else self._data
        if self._data or self._said:
            return
        self._said = True
        if self._linger:
            self._link.shutdown_write()
            self._link.resume_reading()
        else:
            self._end(self._link.close)

    def readable(self, link: Link) -> None:
        """Whatever the peer says, nobody listens any more."""
        count = link.receive_into(bytearray(2**16))
        if count == 0 and self._said:
            self._end(link.close)

    def writable(self, link: Link) -> None:
        """More can be sent."""
        self.send()

    def lost(self, link: Link, error: OSError) -> None:
        """The connection is gone."""
        self._end(link.abort)

    def give_up(self) -> None:
        """Wait no longer: close in order if all is sent."""
        self._end(self._link.close if self._said else self._link.abort)

    def _end(self, close: Callable[[], None]) -> None:
        self._timer.cancel()
        close()
        if not self.over.done():
            self.over.set_result(None)


class Driver:
    """The sockets of one session.

    Args:
        core: the session.
        loop: on which everything happens.
        workspace: memory.
        user: is told what happens.

    Attributes:
        farewells: sockets of connections that are over, to which something is still to be said.

    """

    def __init__(
        self,
        core: Session,
        loop: asyncio.AbstractEventLoop,
        workspace: Workspace,
        user: "DriverUser",
    ) -> None:
        self.core = core
        self._loop = loop
        self._workspace = workspace
        self._user = user
        self._attached: dict[int, Attached] = {}
        self._by_link: dict[Link, Attached] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._scheduled = False
        self._paused = False
        self._busy = False
        self.farewells: set[Farewell] = set()

    def link(self, connection_id: int) -> Link | None:
        """The socket of a connection."""
        attached = self._attached.get(connection_id)
        return attached.link if attached is not None else None

    def attach(self, link: Link, connection_id: int, received: bytes = b"", *, unsent: int = 0) -> None:
        """A socket carries a connection from now on.

        Args:
            link: the socket.
            connection_id: of the connection.
            received: what has come on it already.
            unsent: how many of the first bytes that the session has for it were sent already, by TCP Fast Open.

        """
        attached = Attached(link, connection_id)
        attached.skip = unsent
        self._attached[connection_id] = self._by_link[link] = attached
        link.hand_over(self)
        link.set_unsent_limit(attached.chunk)
        ends = {"connection_id": connection_id, "local": str(link.local), "remote": str(link.remote)}
        self.core.trace.event(self._loop.time(), "connection_started", ends)
        if received:
            while len(attached.buffer) < len(received):
                attached.buffer = bytearray(2 * len(attached.buffer))
            attached.buffer[: len(received)] = received
            self._take(attached, len(received))
        if self._paused:
            link.pause_reading()
        else:
            link.resume_reading()
        self.work()

    @property
    def paused(self) -> bool:
        """Whether nothing is read because too much waits for the user."""
        return self._paused

    def soon(self) -> None:
        """Look for something to send once the user's code has run."""
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._work_scheduled)

    def work(self) -> None:
        """Tell what has happened, send what there is, and set the timer."""
        if self._busy:
            return
        self._busy = True
        try:
            self._tell()
            if self._send():
                self._user.sent()
            self._tell()
        finally:
            self._busy = False
        self._pause_or_resume()
        self._set_timer()

    def addresses_gone(self, gone: frozenset[str]) -> None:
        """This host has lost some addresses, or their links are down: so are the connections from there."""
        lost = [a for a in self._attached.values() if a.link.local.address in gone]
        for attached in lost:
            address = attached.link.local.address
            self.core.lost(attached.connection_id, f"the address {address} or its link is gone", self._loop.time())
        if lost:
            self.work()

    def detach_all(self) -> None:
        """Close all sockets at once, whatever waits to be sent."""
        for attached in list(self._attached.values()):
            self._release(attached)
            attached.link.abort()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # What sockets tell

    def readable(self, link: Link) -> None:
        """There is something to receive."""
        attached = self._by_link[link]
        self._receive(link, attached)
        self.work()

    def writable(self, link: Link) -> None:
        """More can be sent."""
        attached = self._by_link[link]
        connection = self.core.connections.get(attached.connection_id)
        if connection is not None:
            connection.blocked = False
        self._send_rest(attached)
        self.work()

    def lost(self, link: Link, error: OSError) -> None:
        """The connection is gone."""
        attached = self._by_link[link]
        self.core.lost(attached.connection_id, error.strerror or str(error), self._loop.time())
        self.work()

    # Inside

    def _receive(self, link: Link, attached: Attached) -> None:
        """Receive as much as there is room for, and make more room if that was little."""
        buffer, filled = attached.buffer, attached.filled
        with memoryview(buffer) as view:
            count = link.receive_into(view[filled:])
        if count is None:
            return
        if count == 0:
            link.pause_reading()
            self.core.eof(attached.connection_id, self._loop.time())
            return
        self._take(attached, filled + count)
        if filled + count == len(buffer) < RECEIVED[1]:
            attached.buffer = bytearray(2 * len(buffer))
            attached.buffer[: attached.filled] = buffer[: attached.filled]

    def _take(self, attached: Attached, end: int) -> None:
        buffer = attached.buffer
        taken = self.core.receive(attached.connection_id, buffer, end, self._workspace.opened, self._loop.time())
        left = end - taken
        if left and taken:
            buffer[:left] = buffer[taken:end]
        attached.filled = left

    def _tell(self) -> None:
        while events := self.core.events():
            for event in events:
                if isinstance(event, ConnectionClosed):
                    self._close(event)
            self._user.take_events(events)

    def _send(self) -> bool:
        """Offer every socket that takes more what the session has for it, in turn; whether anything was sent."""
        core, now = self.core, self._loop.time()
        progress, any_sent = True, False
        while progress:
            progress = False
            for attached in list(self._attached.values()):
                connection = core.connections.get(attached.connection_id)
                if connection is None or attached.rest is not None or connection.blocked:
                    continue
                self._observe(attached, now)
                if core.has_to_send(attached.connection_id, now):
                    progress |= self._send_one(attached, now)
            any_sent |= progress
        return any_sent

    def _send_one(self, attached: Attached, now: float) -> bool:
        memory = self._workspace.take()
        size = self.core.transmit(attached.connection_id, memory, now, attached.chunk)
        if not size:
            self._workspace.give(memory)
            return False
        skipped = min(size, attached.skip)
        attached.skip -= skipped
        attached.rest = memoryview(memory)[skipped:size]
        attached.lent = memory
        self._send_rest(attached)
        return True

    def _send_rest(self, attached: Attached) -> None:
        rest = attached.rest
        if rest is None:
            return
        sent = attached.link.send((rest,)) if rest else 0
        connection = self.core.connections.get(attached.connection_id)
        if sent < len(rest):
            attached.rest = rest[sent:]
        else:
            attached.rest = None
            if attached.lent is not None:
                rest.release()
                self._workspace.give(attached.lent)
                attached.lent = None
        if connection is not None:
            connection.blocked = attached.link.blocked

    def _observe(self, attached: Attached, now: float) -> None:
        if now - attached.observed < _OBSERVED:
            return
        attached.observed = now
        info = attached.link.info(now)
        self.core.observe(attached.connection_id, info, now)
        rate = self.core.connections[attached.connection_id].rate
        chunk = int(min(max(rate * _CHUNK_TIME, _CHUNK[0]), _CHUNK[1]))
        if not 0.75 * attached.chunk < chunk < 1.5 * attached.chunk:
            attached.chunk = chunk
            attached.link.set_unsent_limit(chunk)

    def _close(self, event: ConnectionClosed) -> None:
        attached = self._attached.get(event.connection_id)
        if attached is None:
            return
        rest = bytes(attached.rest) if attached.rest is not None else b""
        self._release(attached)
        if event.failed:
            attached.link.abort()
        else:
            linger = self.core.ended is not None and not self.core.ended.clean
            farewell = Farewell(attached.link, rest + event.farewell, self._loop, linger=linger)
            self.farewells.add(farewell)
            farewell.over.add_done_callback(lambda _: self.farewells.discard(farewell))
            farewell.send()

    def _release(self, attached: Attached) -> None:
        del self._attached[attached.connection_id]
        del self._by_link[attached.link]
        attached.rest = attached.lent = None

    def _pause_or_resume(self) -> None:
        # Whoever closes the session reads no more, maybe; the peer's close_notify is behind what nobody reads.
        paused = self.core.reading_paused and not self.core.closing
        if paused != self._paused:
            self._paused = paused
            for attached in self._attached.values():
                if paused:
                    attached.link.pause_reading()
                else:
                    attached.link.resume_reading()

    def _work_scheduled(self) -> None:
        self._scheduled = False
        self.work()

    def _set_timer(self) -> None:
        deadline = self.core.deadline(self._loop.time())
        timer = self._timer
        if deadline is None:
            if timer is not None:
                timer.cancel()
                self._timer = None
        elif timer is None or deadline < timer.when():
            if timer is not None:
                timer.cancel()
            self._timer = self._loop.call_at(deadline, self._tick)

    def _tick(self) -> None:
        self._timer = None
        now = self._loop.time()
        for attached in list(self._attached.values()):
            if attached.connection_id in self.core.connections:
                attached.observed = 0.0
                self._observe(attached, now)
        self.core.tick(now)
        self.work()


def wall_offset() -> float:
    """What to add to monotonic seconds for POSIX seconds."""
    return time.time() - time.monotonic()
