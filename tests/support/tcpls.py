"""Sessions of TCPLS over a network that exists in memory, on a time of its own."""

import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import TypeVar

from impl.tcpls.client import ClientSession
from impl.tcpls.events import ConnectionClosed, Event, StreamReadable
from impl.tcpls.joining import JoinMode
from impl.tcpls.server import Arrival, Listener, ServerSession
from impl.tcpls.session import TRANSMIT_SIZE, Session
from impl.tcpls.settings import Settings
from impl.tcpls.transport_info import TransportInfo
from impl.tls13 import ClientConfig, ServerConfig
from tests.support import tls

EventT = TypeVar("EventT")

START = 1000.0
"""The monotonic moment at which networks begin."""
WALL = tls.NOW - START
SPINS = 20_000
"""So many actions at one moment are a standstill."""


class Clock:
    """Runs what was put off, in order of time."""

    def __init__(self) -> None:
        self.now = START
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._number = count()

    def at(self, moment: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (max(moment, self.now), next(self._number), action))

    def run(self, until: float, done: Callable[[], bool] = lambda: False) -> None:
        """Run up to a moment, or until something is the case.

        Raises:
            AssertionError: time stands still: something is due over and over again, and nobody does it.

        """
        spins = 0
        while not done() and self._queue and self._queue[0][0] <= until:
            moment, _, action = heapq.heappop(self._queue)
            spins = spins + 1 if moment <= self.now else 0
            assert spins < SPINS, f"more than {SPINS} actions at {self.now - START:.6f} s: a deadline that nobody meets"
            self.now = max(self.now, moment)
            action()
        if not done():
            self.now = max(self.now, until)


@dataclass
class Path:
    """A path with a rate and a delay, in both directions. While it is dead it holds everything up, as TCP sees it."""

    rate: float = 3_000_000.0
    delay: float = 0.02
    dead: bool = False


@dataclass
class Half:
    """One end of a TCP connection."""

    buffer: bytearray = field(default_factory=lambda: bytearray(2**16))
    filled: int = 0
    rest: bytes = b""
    leaves: deque[tuple[float, int]] = field(default_factory=deque)  # when so many bytes are sent
    unacked: int = 0
    unsent: int = 0
    busy: float = START
    last_ack: float = START
    stuck: list[bytes] = field(default_factory=list)
    eof: bool = False


class Wire:
    """A TCP connection between a client and a server, each of which may be a session's connection or on the way to it.

    Attributes:
        up: it was not reset.
        server_failed: why the server has refused it.
        log: what each end has sent, in order; True is the client.
        tamper: changes bytes on their way; is told whether the client has sent them.

    """

    limit = 2**14  # of unsent bytes

    def __init__(self, net: "Net", path: Path, client_id: int) -> None:
        self.net = net
        self.path = path
        self.up = True
        self.client_id: int | None = client_id
        self.server: ServerSession | None = None
        self.server_id: int | None = None
        self.arrival: Arrival | None = net.listener.accept()
        self.halves = {True: Half(), False: Half()}
        self.server_failed: str | None = None
        self.log: dict[bool, bytearray] = {True: bytearray(), False: bytearray()}
        self.tamper: Callable[[bool, bytes], bytes] = lambda _client, data: data

    def session(self, client: bool) -> Session | None:
        return self.net.client if client else self.server

    def connection_id(self, client: bool) -> int | None:
        return self.client_id if client else self.server_id

    def send(self, client: bool, data: bytes) -> None:
        """Give bytes to the socket of one end."""
        half, clock, path = self.halves[client], self.net.clock, self.path
        self.log[client] += data
        half.busy = max(half.busy, clock.now) + len(data) / path.rate
        half.unsent += len(data)

        def leave() -> None:
            half.unsent -= len(data)
            half.unacked += len(data)
            self.net.soon()

        clock.at(half.busy, leave)
        clock.at(half.busy + path.delay, lambda: self.arrive(client, data))

    def arrive(self, client: bool, data: bytes) -> None:
        half = self.halves[client]
        if not self.up:
            return
        if self.path.dead or half.stuck:
            half.stuck.append(data)
            return
        self.net.clock.at(self.net.clock.now + self.path.delay, lambda: self.acknowledge(client, len(data)))
        self.receive(not client, self.tamper(client, data))

    def acknowledge(self, client: bool, size: int) -> None:
        if self.path.dead:
            self.net.clock.at(self.net.clock.now + 0.05, lambda: self.acknowledge(client, size))
            return
        half = self.halves[client]
        half.unacked -= size
        half.last_ack = self.net.clock.now

    def receive(self, client: bool, data: bytes) -> None:
        half, now = self.halves[client], self.net.clock.now
        if not client and self.arrival is not None:
            arrived = self.arrival.receive(data, now)
            if arrived is None:
                if reply := self.arrival.data_to_send():
                    self.send(False, reply)
                if self.arrival.failed is not None:
                    self.server_failed = self.arrival.failed.reason
                    self.close(client=False)
                return
            self.server, self.server_id = arrived.session, arrived.connection_id
            data = self.arrival.unread()
            self.arrival = None
            if arrived.new:
                self.net.servers.append(arrived.session)
                self.net.server_events[id(arrived.session)] = []
        session, connection_id = self.session(client), self.connection_id(client)
        if session is None or connection_id is None:
            return
        end = half.filled + len(data)
        while len(half.buffer) < end:
            half.buffer.extend(bytes(len(half.buffer)))
        half.buffer[half.filled : end] = data
        taken = session.receive(connection_id, half.buffer, end, self.net.scratch, now)
        half.buffer[: end - taken] = half.buffer[taken:end]
        half.filled = end - taken
        self.net.work()

    def close(self, client: bool) -> None:
        """One end closes its socket, behind what it has sent."""
        half, clock = self.halves[client], self.net.clock

        def arrive() -> None:
            if self.path.dead:
                clock.at(clock.now + 0.05, arrive)
                return
            self.halves[not client].eof = True
            session, connection_id = self.session(not client), self.connection_id(not client)
            if session is not None and connection_id is not None:
                session.eof(connection_id, clock.now)
                self.net.work()

        clock.at(max(half.busy, clock.now) + self.path.delay, arrive)

    def reset(self, *, by_client: bool | None = None) -> None:
        """The connection is reset: by one end, which tells the other, or by the network (None)."""
        self.up = False
        for client in (True, False):
            if by_client is client:
                continue
            self.net.clock.at(
                self.net.clock.now + (0 if by_client is None else self.path.delay),
                partial(self._lost, client),
            )

    def revive(self) -> None:
        """The path works again: the kernels send what was not acknowledged."""
        for client, half in self.halves.items():
            stuck, half.stuck = half.stuck, []
            for data in stuck:
                self.arrive(client, data)

    def _lost(self, client: bool) -> None:
        if self.path.dead:
            self.net.clock.at(self.net.clock.now + 0.05, lambda: self._lost(client))
            return
        session, connection_id = self.session(client), self.connection_id(client)
        if session is not None and connection_id is not None:
            session.lost(connection_id, "connection reset by peer", self.net.clock.now)
            self.net.work()

    def info(self, client: bool) -> TransportInfo:
        half = self.halves[client]
        wait = max(0.0, half.busy - self.net.clock.now)
        return TransportInfo(
            srtt=2 * self.path.delay + wait,
            rttvar=self.path.delay / 4,
            min_rtt=2 * self.path.delay,
            cwnd=int(self.path.rate * 2 * self.path.delay) + 2**14,
            mss=1448,
            unacked=half.unacked,
            unsent=half.unsent,
            delivery_rate=self.path.rate,
            app_limited=False,
            last_ack=half.last_ack,
            retransmits=0,
            send_window=2**20,
            established=True,
        )


class Net:
    """A client, a listener, and the TCP connections between them.

    Attributes:
        reading: whether everything that can be read is read at once, into `received`.
        received: what was read so, by the id() of the session that read it and the stream.
        finished: those that were read to their end.

    """

    def __init__(
        self,
        *,
        settings: Settings | None = None,
        server_settings: Settings | None = None,
        client_config: ClientConfig | None = None,
        server_config: ServerConfig | None = None,
        **client_options: object,
    ) -> None:
        self.clock = Clock()
        self.scratch = bytearray(2**19)
        self.out = bytearray(TRANSMIT_SIZE)
        settings = settings or Settings()
        self.listener = Listener(server_config or tls.server_config(), server_settings or settings, wall=WALL)
        self.client = ClientSession(
            client_config or tls.client_config(**client_options), settings, self.clock.now, wall=WALL
        )
        self.servers: list[ServerSession] = []
        self.server_events: dict[int, list[Event]] = {}
        self.client_events: list[Event] = []
        self.wires: list[Wire] = []
        self.reading = False
        self.received: dict[tuple[int, int], bytearray] = {}
        self.finished: set[tuple[int, int]] = set()
        self._working = False
        self._timer = float("inf")

    @property
    def server(self) -> ServerSession:
        return self.servers[0]

    def start(self, path: Path) -> Wire:
        """Connect, and run until the handshake is over and tokens are there."""
        wire = Wire(self, path, 0)
        self.wires.append(wire)
        self.client.start(self.clock.now)
        self.work()
        self.clock.run(self.clock.now + 10, lambda: self.client.started and bool(self.servers) and self.server.started)
        assert self.client.started
        return wire

    def join(self, path: Path, mode: JoinMode = JoinMode.DIRECT) -> Wire:
        wire = Wire(self, path, self.client.join(self.clock.now, mode))
        self.wires.append(wire)
        self.work()
        return wire

    def run(self, seconds: float, done: Callable[[], bool] = lambda: False) -> None:
        self.work()
        self.clock.run(self.clock.now + seconds, done)

    def soon(self) -> None:
        self.work()

    def work(self) -> None:
        """Move what there is to send to the sockets, and take events."""
        if self._working:
            return
        self._working = True
        try:
            progress = True
            while progress:
                self._take_events()
                progress = False
                for wire in list(self.wires):
                    for client in (True, False):
                        progress |= self._send(wire, client)
        finally:
            self._working = False
        self._set_timer()

    def _send(self, wire: Wire, client: bool) -> bool:
        session, connection_id = wire.session(client), wire.connection_id(client)
        if session is None or connection_id is None:
            return False
        connection = session.connections.get(connection_id)
        if connection is None:
            return False
        half = wire.halves[client]
        connection.blocked = half.unsent >= wire.limit
        session.observe(connection_id, wire.info(client), self.clock.now)
        if connection.blocked or not session.has_to_send(connection_id, self.clock.now):
            return False
        size = session.transmit(connection_id, self.out, self.clock.now, wire.limit)
        if size:
            wire.send(client, bytes(self.out[:size]))
        return size > 0

    def _take_events(self) -> None:
        for session in (self.client, *self.servers):
            client = session is self.client
            for event in session.events():
                (self.client_events if client else self.server_events[id(session)]).append(event)
                if self.reading and isinstance(event, StreamReadable):
                    self._read(session, event.stream_id)
                if isinstance(event, ConnectionClosed):
                    wire = next(
                        w
                        for w in self.wires
                        if w.session(client) is session and w.connection_id(client) == event.connection_id
                    )
                    if event.failed:
                        if wire.up:
                            wire.reset(by_client=client)
                    else:
                        if event.farewell:
                            wire.send(client, event.farewell)
                        wire.close(client)

    def _read(self, session: Session, stream_id: int) -> None:
        stream = session.streams.get(stream_id)
        if stream is None:
            return
        key = (id(session), stream_id)
        assert key not in self.finished
        self.received.setdefault(key, bytearray()).extend(b"".join(chunk.data for chunk in session.read(stream_id)))
        if stream.receiving.at_end:
            self.finished.add(key)

    def inject(self, session: Session, connection_id: int, content: bytes) -> None:
        """Send a record with content of the test's choice."""
        session.connections[connection_id].records.send(content)
        self.work()

    def events(self, session: Session, kind: type[EventT]) -> list[EventT]:
        """The events of a kind that a session has told of."""
        known = self.client_events if session is self.client else self.server_events[id(session)]
        return [event for event in known if isinstance(event, kind)]

    def got(self, session: Session, stream_id: int) -> bytes:
        """What was read on a stream, while `reading`."""
        return bytes(self.received.get((id(session), stream_id), b""))

    def cut(self, path: Path, seconds: float | None = None) -> None:
        """A path is dead from now on, or for so long."""
        path.dead = True
        if seconds is not None:
            self.clock.at(self.clock.now + seconds, lambda: self.restore(path))

    def restore(self, path: Path) -> None:
        """A path works again."""
        path.dead = False
        for wire in self.wires:
            if wire.path is path:
                wire.revive()

    def _set_timer(self) -> None:
        due = [d for s in (self.client, *self.servers) if (d := s.deadline(self.clock.now)) is not None]
        if due and (moment := min(due)) < self._timer:
            self._timer = moment
            self.clock.at(moment, self._tick)

    def _tick(self) -> None:
        self._timer = float("inf")
        for wire in self.wires:
            for client in (True, False):
                session, connection_id = wire.session(client), wire.connection_id(client)
                if session is not None and connection_id is not None:
                    session.observe(connection_id, wire.info(client), self.clock.now)
        for session in (self.client, *self.servers):
            session.tick(self.clock.now)
        self.work()

    def transfer(
        self, sender: Session, receiver: Session, data: bytes, *, limit: float = 60.0, **options: object
    ) -> bytes:
        """Send data on a new stream, and return what was received."""
        stream = sender.open_stream(**options)  # type: ignore[arg-type]
        sender.write(stream, data)
        sender.finish(stream)
        return self.collect(receiver, stream, limit)

    def collect(self, receiver: Session, stream: int, limit: float = 60.0) -> bytes:
        """Run until a stream has been read to its end."""
        parts: list[bytes] = []
        ended = False

        def done() -> bool:
            nonlocal ended
            if not ended and stream in receiver.streams:
                parts.extend(bytes(chunk.data) for chunk in receiver.read(stream))
                ended = stream not in receiver.streams or receiver.streams[stream].receiving.at_end
            return ended

        self.run(limit, done)
        assert ended, f"only {sum(map(len, parts))} bytes by {self.clock.now - START:.3f} s"
        return b"".join(parts)
