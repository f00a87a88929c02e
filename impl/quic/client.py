"""The client: connects by the first path that works, does its task, and moves to another path when it is told to."""

import socket
import sys
import time
from collections.abc import Callable
from typing import Final

from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import (
    ConnectionTerminated,
    HandshakeCompleted,
    QuicEvent,
    StopSendingReceived,
    StreamDataReceived,
    StreamReset,
)

from impl.contract.eventlog import EventLog
from impl.contract.setting import EndpointError, Setting
from impl.contract.tasks import Download, Exchanges, ObjectStreams, Task, Upload
from impl.contract.transfer import map_payload
from impl.quic.configuration import udp_socket
from impl.quic.edge import Address, Edge, Peer

_MOVED_PING: Final = 1


class Refused(Exception):
    """A connection did not come about; the message says why."""


class Line:
    """A connection of the client, and the sockets by which it has been reachable: one for each path it was on.

    The core knows of one server address. That datagrams leave by another path, and to the server's address there, is a
    matter of the sockets alone: RFC 9000, section 9, lets a client move to another address of its own, and knows a move
    to another server address only for a preferred one; the server of the harness answers on all of its addresses.
    """

    def __init__(self, client: "Client", place: int) -> None:
        """Begin to connect over the pair of addresses at ``place``."""
        self.place = place
        self.ready = False
        self.began = time.monotonic()
        self._client = client
        self._arrived = place
        self._sockets: dict[int, socket.socket] = {}
        self._tasks: dict[int, Task] = {}
        self._open_socket(place)
        remote = client.pairs[place][1]
        self._server: Address = (remote, client.setting.port)
        configuration = client.configuration
        configuration.server_name = remote
        self.peer = Peer(QuicConnection(configuration=configuration), send=self._send, on_event=self._on_event)
        self.peer.connection.connect(self._server, self.began)

    @property
    def path(self) -> str | None:
        """The client's address on the path on which data arrived last."""
        return self._address(self._arrived)

    def _address(self, place: int) -> str:
        return str(self._sockets[place].getsockname()[0])

    def open(self, task: Task) -> int:
        """Return the id of a new stream, whose data go to ``task``."""
        stream: int = self.peer.connection.get_next_available_stream_id()
        self._tasks[stream] = task
        return stream

    def send(self, stream: int, data: bytes, *, end: bool = False) -> None:
        """Send data on a stream, and end it if so."""
        self.peer.connection.send_stream_data(stream, data, end)

    def migrate(self) -> None:
        """Move to the next pair of addresses, cyclically; the server validates the new address (RFC 9000, section 9).

        Raises:
            EndpointError: the address cannot be used.

        """
        before = self._address(self.place)
        self.place = (self.place + 1) % len(self._client.pairs)
        if self.place not in self._sockets:
            self._open_socket(self.place)
        # A connection ID belongs to one path (section 9.5). The server follows a packet that does more than probe.
        self.peer.connection.change_connection_id()
        self.peer.connection.send_ping(_MOVED_PING)
        self._client.events.write("migrated", **{"path": self._address(self.place), "from": before})

    def _open_socket(self, place: int) -> None:
        local, remote = self._client.pairs[place]
        sock = udp_socket(local, like=remote)
        try:
            sock.connect((remote, self._client.setting.port))
        except OSError as error:
            sock.close()
            raise EndpointError(f"cannot reach {remote} from {local}: {error.strerror}") from None
        self._sockets[place] = sock

        def on_datagram(data: bytes, _sender: Address, now: float) -> None:
            self._arrived = place
            self.peer.receive(data, self._server, now)

        self._client.edge.add(sock, on_datagram, self._on_error)

    def _send(self, data: bytes, _address: Address) -> None:
        try:
            self._sockets[self.place].send(data)
        except OSError as error:
            self._on_error(error)

    def _on_error(self, error: OSError) -> None:
        """Give up a connection that is refused before it stands; later on a datagram that cannot be sent is lost."""
        if not self.ready and isinstance(error, ConnectionRefusedError):
            raise Refused(error.strerror)

    def _on_event(self, event: QuicEvent, now: float) -> None:
        match event:
            case HandshakeCompleted():
                self.ready = True
                self._client.on_ready(self, now)
            case StreamDataReceived():
                self._tasks[event.stream_id].on_data(event.stream_id, event.data, event.end_stream, now)
                if event.end_stream:
                    del self._tasks[event.stream_id]
            case StreamReset() | StopSendingReceived():
                raise EndpointError(f"the server gave up stream {event.stream_id} (error {event.error_code})")
            case ConnectionTerminated():
                reason = event.reason_phrase or f"error {event.error_code:#x}"
                raise EndpointError(f"the connection ended: {reason}") if self.ready else Refused(reason)


class Client:
    """One run of the client."""

    def __init__(
        self,
        setting: Setting,
        events: EventLog,
        configuration: QuicConfiguration,
        edge: Edge,
        *,
        connect_limit: float,
    ) -> None:
        """``connect_limit`` is the time in seconds for the handshake over each pair of addresses."""
        self.setting = setting
        self.events = events
        self.configuration = configuration
        self.edge = edge
        self.pairs = setting.pairs()
        self._limit = connect_limit
        self._lines: list[Line] = []
        self._tasks: list[Task] = []
        self._marks = list(setting.migrate)
        self._download: Download | None = None
        self._objects: ObjectStreams | None = None

    def run(self) -> None:
        """Do the test case.

        Raises:
            EndpointError: it failed; the message says why.

        """
        self._connect_somehow()
        self._begin(self._lines[0])
        self.edge.running = True
        self.edge.run(self._advance)
        for line in self._lines:
            line.peer.connection.close()
            line.peer.advance(time.monotonic())

    def _connect_somehow(self) -> None:
        reasons = []
        for place, (local, remote) in enumerate(self.pairs):
            try:
                line = self._connect(place)
            except (Refused, EndpointError) as error:
                reasons.append(f"{local or 'any address'} to {remote} port {self.setting.port}: {error}")
                print(f"cannot connect from {reasons[-1]}", file=sys.stderr, flush=True)
                if local is not None:
                    self.events.write("path_failed", path=local, reason=str(error))
            else:
                self._lines.append(line)
                return
        raise EndpointError(f"no path to the server: {'; '.join(reasons)}")

    def _connect(self, place: int) -> Line:
        """Connect over one pair of addresses; the edge runs until the connection is ready.

        Raises:
            Refused: it did not come about.
            EndpointError: the address cannot be used.

        """
        line = Line(self, place)

        def advance(now: float) -> float | None:
            if now - line.began >= self._limit:
                raise Refused("timed out")
            line.peer.advance(now)
            due = line.peer.due_at
            return min(line.began + self._limit, *([] if due is None else [due]))

        self.edge.running = True
        self.edge.run(advance)
        return line

    def on_ready(self, line: Line, now: float) -> None:
        """Take note that a connection is ready."""
        self.events.write(
            "connected",
            path=line.path,
            stream=len(self._lines),
            connect_ms=round((now - line.began) * 1e3, 3),
            congestion=self.configuration.congestion_control_algorithm,
            transport="quic",
        )
        self.edge.running = False

    def _begin(self, line: Line) -> None:
        setting, events = self.setting, self.events
        if setting.testcase in ("download", "objects"):
            self._download = Download(setting, events, line, self._on_bytes)
            self._tasks.append(self._download)
            if setting.objects is not None:
                if setting.objects.placement == "own":
                    line = self._another(line.place)
                self._objects = ObjectStreams(setting, setting.objects, events, line)
                self._tasks.append(self._objects)
        else:
            assert setting.payload is not None, "the setting is checked for it"
            payload = map_payload(setting.payload, setting.bytes)
            kind: Callable[..., Task] = Upload if setting.testcase == "upload" else Exchanges
            self._tasks.append(kind(setting, events, line, payload))
        for task in self._tasks:
            task.start(time.monotonic())

    def _another(self, place: int) -> Line:
        """Return a second connection over the same pair of addresses: QUIC is on one path at a time."""
        try:
            line = self._connect(place)
        except Refused as error:
            raise EndpointError(f"the connection of the objects did not come about: {error}") from None
        self._lines.append(line)
        return line

    def _on_bytes(self, total: int) -> None:
        if self._objects is not None:
            self._objects.begin(time.monotonic())
        while self._marks and total >= self._marks[0]:
            self._marks.pop(0)
            self._lines[0].migrate()

    def _advance(self, now: float) -> float | None:
        for task in self._tasks:
            while not task.done and task.due_at is not None and task.due_at <= now:
                task.tick(now)
        if self._objects is not None and self._download is not None and self._download.done:
            self._objects.end()
        if all(task.done for task in self._tasks):
            self.edge.running = False
            return None
        for line in self._lines:
            line.peer.advance(now)
        due = [task.due_at for task in self._tasks] + [line.peer.due_at for line in self._lines]
        return min((moment for moment in due if moment is not None), default=None)
