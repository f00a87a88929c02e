"""The server: answers on every address, and serves clients until it is told to end."""

import socket
import sys
import time
from dataclasses import dataclass, field

from aioquic.buffer import Buffer  # type: ignore[attr-defined]
from aioquic.quic.configuration import SMALLEST_MAX_DATAGRAM_SIZE, QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import (
    ConnectionIdIssued,
    ConnectionIdRetired,
    ConnectionTerminated,
    HandshakeCompleted,
    QuicEvent,
    StreamDataReceived,
)
from aioquic.quic.packet import QuicPacketType, pull_quic_header

from impl.contract import objects
from impl.contract.eventlog import EventLog
from impl.contract.setting import EndpointError, Setting
from impl.contract.transfer import REQUEST_SIZE, Assembly, Request, map_payload, slice_bounds
from impl.kernel.sockets import plain_address
from impl.quic.configuration import udp_socket
from impl.quic.edge import Address, Edge, Peer

_WRONG: int = 1
"""Error code of this application for a request that cannot be served."""


@dataclass
class _Stream:
    """A stream of a client: what came before the request was complete, and then the request."""

    head: bytearray = field(default_factory=bytearray)
    request: Request | None = None


class _Served:
    """A client's connection."""

    def __init__(self, server: "Server", connection: QuicConnection) -> None:
        self.peer = Peer(connection, send=server.send, on_event=self._on_event)
        self.ended = False
        self.cids: set[bytes] = set()
        self._server = server
        self._streams: dict[int, _Stream] = {}
        self._sent: set[int] = set()
        self._waiting: dict[int, int] = {}
        self._assembly: Assembly | None = None
        self._received_any = False

    @property
    def path(self) -> str:
        """The client's address on the path that is in use."""
        address = self.peer.connection.get_peer_address()
        return plain_address(address[0]) if address else ""

    def _on_event(self, event: QuicEvent, now: float) -> None:
        match event:
            case ConnectionIdIssued():
                self._server.name(self, event.connection_id)
            case ConnectionIdRetired():
                self._server.forget(self, event.connection_id)
            case HandshakeCompleted():
                congestion = self._server.configuration.congestion_control_algorithm
                self._server.events.write("connected", path=self.path, congestion=congestion, transport="quic")
            case StreamDataReceived():
                try:
                    self._on_data(event.stream_id, event.data, event.end_stream)
                except EndpointError as error:
                    print(f"connection from {self.path}: {error}", file=sys.stderr, flush=True)
                    self.peer.connection.close(error_code=_WRONG, reason_phrase=str(error))
            case ConnectionTerminated():
                self.ended = True

    def _on_data(self, stream: int, data: bytes, ended: bool) -> None:
        state = self._streams.setdefault(stream, _Stream())
        if state.request is None:
            state.head += data
            if len(state.head) < REQUEST_SIZE:
                if ended:
                    raise EndpointError(f"stream {stream} ended within its request")
                return
            request = Request.decode(bytes(state.head[:REQUEST_SIZE]))
            request.check(self._server.setting)
            state.request = request
            data = bytes(state.head[REQUEST_SIZE:])
            state.head.clear()
        self._serve(stream, state, state.request, data, ended)
        if ended:
            del self._streams[stream]

    def _serve(self, stream: int, state: _Stream, request: Request, data: bytes, ended: bool) -> None:
        if request.objects:
            state.head += data
            if ended:
                self._answer_object(stream, bytes(state.head))
        elif request.testcase in ("download", "objects"):
            if data:
                raise EndpointError("the client sent more than its request")
            if ended:
                self._send(stream, request)
        elif request.testcase == "upload":
            self._receive(stream, request, data, ended)
        elif data:
            self.peer.connection.send_stream_data(stream, data)

    def _answer_object(self, stream: int, number: bytes) -> None:
        wanted = self._server.setting.objects
        if wanted is None or len(number) != objects.REQUEST_SIZE:
            raise EndpointError("the client asks for an object, and the server was told of none, or not which")
        content = objects.content(wanted.seed, objects.decode_number(number), wanted.size)
        self.peer.connection.send_stream_data(stream, content, end_stream=True)

    def _send(self, stream: int, request: Request) -> None:
        if request.stream in self._sent:
            raise EndpointError(f"the client opened stream {request.stream} twice")
        begin, end = slice_bounds(request.size, request.streams, request.stream)
        self.peer.connection.send_stream_data(stream, bytes(self._server.payload[begin:end]), end_stream=True)
        self._sent.add(request.stream)
        if len(self._sent) == request.streams:
            self._server.events.write("sent", bytes=request.size)

    def _receive(self, stream: int, request: Request, data: bytes, ended: bool) -> None:
        events = self._server.events
        if self._assembly is None:
            self._assembly = Assembly(request.size, request.streams)
        if data:
            if not self._received_any:
                self._received_any = True
                events.write("first_byte", stream=request.stream)
            self._assembly.feed(request.stream, data)
            events.received(len(data), request.stream, self.path)
        if not ended:
            return
        begin, end = slice_bounds(request.size, request.streams, request.stream)
        self._waiting[stream] = end - begin
        if self._assembly.finish(request.stream):
            whole, parts = self._assembly.digest()
            events.write("done", sha256=whole, bytes=request.size, streams=parts if request.streams > 1 else None)
            # A client ends only after 'done' is on record, so that whoever waits for the client finds it there.
            for waiting, count in self._waiting.items():
                self.peer.connection.send_stream_data(waiting, count.to_bytes(8, "big"), end_stream=True)


class Server:
    """A server; `Edge.stop` makes `serve` return."""

    def __init__(self, setting: Setting, events: EventLog, configuration: QuicConfiguration, edge: Edge) -> None:
        self.setting = setting
        self.events = events
        self.configuration = configuration
        self.payload = memoryview(b"")
        self._edge = edge
        self._clients: list[_Served] = []
        self._by_cid: dict[bytes, _Served] = {}
        self._sockets: dict[Address, socket.socket] = {}

    def serve(self) -> None:
        """Serve clients until the edge is stopped.

        Raises:
            EndpointError: an address cannot be bound, or the payload cannot be read.

        """
        if self.setting.sends("server"):
            assert self.setting.payload is not None, "the setting is checked for it"
            self.payload = map_payload(self.setting.payload, self.setting.bytes)
        for address in dict.fromkeys(self.setting.listen):
            self._listen(udp_socket(address, self.setting.port))
        self.events.write("listening", port=self.setting.port)
        self._edge.run(self._advance)
        for client in self._clients:
            client.peer.connection.close()
            client.peer.advance(time.monotonic())

    def _listen(self, sock: socket.socket) -> None:
        def on_datagram(data: bytes, sender: Address, now: float) -> None:
            client = self._client_of(data)
            if client is not None:
                # What goes to an address leaves by the socket that it is reached by.
                self._sockets[sender] = sock
                client.peer.receive(data, sender, now)

        self._edge.add(sock, on_datagram)

    def _client_of(self, data: bytes) -> _Served | None:
        """Return whose datagram this is: of a connection that stands, or of one that it opens."""
        try:
            header = pull_quic_header(Buffer(data=data), host_cid_length=self.configuration.connection_id_length)
        except ValueError:
            return None
        client = self._by_cid.get(header.destination_cid)
        opens = header.packet_type == QuicPacketType.INITIAL and len(data) >= SMALLEST_MAX_DATAGRAM_SIZE
        if client is None and opens and header.version in self.configuration.supported_versions:
            connection = QuicConnection(
                configuration=self.configuration, original_destination_connection_id=header.destination_cid
            )
            client = _Served(self, connection)
            self._clients.append(client)
            self.name(client, header.destination_cid)
            self.name(client, connection.host_cid)
        return client

    def name(self, client: _Served, cid: bytes) -> None:
        """Take note that a connection is called by this connection ID, too."""
        client.cids.add(cid)
        self._by_cid[cid] = client

    def forget(self, client: _Served, cid: bytes) -> None:
        """Take note that a connection is not called so any more."""
        client.cids.discard(cid)
        self._by_cid.pop(cid, None)

    def send(self, data: bytes, address: Address) -> None:
        """Send a datagram to a client's address."""
        try:
            self._sockets[address].sendto(data, address)
        except OSError:
            return  # the path is down: to QUIC this datagram is lost

    def _advance(self, now: float) -> float | None:
        for client in self._clients:
            client.peer.advance(now)
        for client in [client for client in self._clients if client.ended]:
            self._clients.remove(client)
            for cid in list(client.cids):
                self.forget(client, cid)
        due = [client.peer.due_at for client in self._clients]
        return min((moment for moment in due if moment is not None), default=None)
