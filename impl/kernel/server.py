"""The server of the kernel's transports: listens on every address, and serves clients until it is told to end."""

import contextlib
import selectors
import socket
import ssl
import sys
import threading
from dataclasses import dataclass, field
from typing import Final

from impl.contract import objects
from impl.contract.eventlog import EventLog
from impl.contract.setting import EndpointError, Setting
from impl.contract.transfer import (
    EXCHANGE,
    REQUEST_SIZE,
    Assembly,
    PeerClosed,
    Request,
    map_payload,
    receive_exactly,
    send_all,
    send_count,
    slice_bounds,
)
from impl.kernel.client import why
from impl.kernel.sockets import SocketMaker, Transport, fallback_reason, mixed, plain_address, server_context

_HANDSHAKE_LIMIT: Final = 30.0


@dataclass
class _Client:
    """The connections of one client, which share a token."""

    assembly: Assembly
    streams: set[int] = field(default_factory=set)
    finished: int = 0
    done: threading.Event = field(default_factory=threading.Event)


class Server:
    """A server; `close` makes `serve` return."""

    def __init__(self, setting: Setting, transport: Transport, events: EventLog) -> None:
        self._setting = setting
        self._transport = transport
        self._events = events
        self._context = server_context(setting) if transport.encrypted else None
        self._maker = SocketMaker(transport, setting.congestion, mapped=mixed(setting.listen))
        self._lock = threading.Lock()
        self._clients: dict[int, _Client] = {}
        self._first_byte = threading.Event()
        self._fallback_told = threading.Event()
        self._payload = memoryview(b"")
        self._wake_read, self._wake_write = socket.socketpair()

    def close(self) -> None:
        """Make `serve` return; may be called from a signal handler or another thread."""
        with contextlib.suppress(OSError):
            self._wake_write.send(b"\0")

    def serve(self) -> None:
        """Accept connections until `close` is called, each served by a thread of its own.

        Raises:
            EndpointError: an address cannot be bound, or the payload cannot be read.

        """
        with contextlib.ExitStack() as stack:
            if self._setting.sends("server"):
                assert self._setting.payload is not None
                self._payload = map_payload(self._setting.payload, self._setting.bytes)
            selector = stack.enter_context(selectors.DefaultSelector())
            selector.register(self._wake_read, selectors.EVENT_READ)
            for address in dict.fromkeys(self._setting.listen):
                listener = stack.enter_context(self._maker.listener(address, self._setting.port))
                listener.setblocking(False)
                selector.register(listener, selectors.EVENT_READ)
            self._events.write("listening", port=self._setting.port)
            while True:
                for key, _ in selector.select():
                    ready = key.fileobj
                    assert isinstance(ready, socket.socket)
                    if ready is self._wake_read:
                        return
                    self._accept(ready)

    def _accept(self, listener: socket.socket) -> None:
        try:
            accepted, peer = listener.accept()
        except (BlockingIOError, ConnectionError):
            return  # the client has gone away in between
        accepted.setblocking(True)
        name = plain_address(peer[0])
        threading.Thread(target=self._serve_one, args=[accepted, name], name=f"client {name}", daemon=True).start()

    def _serve_one(self, sock: socket.socket, path: str) -> None:
        with contextlib.ExitStack() as stack:
            stack.callback(lambda: sock.close())
            try:
                congestion = self._maker.set_congestion(sock)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if self._context is not None:
                    sock.settimeout(_HANDSHAKE_LIMIT)
                    sock = self._context.wrap_socket(sock, server_side=True)
                    sock.settimeout(None)
                request = Request.decode(receive_exactly(sock, REQUEST_SIZE))
                client = self._join(request)
                self._events.write(
                    "connected", path=path, stream=request.stream, congestion=congestion, transport=str(self._transport)
                )
                self._look_for_fallback(sock, path)
                if request.objects:
                    assert self._setting.objects is not None
                    objects.serve(sock, self._setting.objects)
                elif request.testcase in ("download", "objects"):
                    self._send(sock, request, client)
                elif request.testcase == "upload":
                    self._receive(sock, request, client, path)
                else:
                    self._answer(sock, request)
                self._look_for_fallback(sock, path)
            except (EndpointError, OSError) as error:
                print(f"connection from {path}: {why(error)}", file=sys.stderr, flush=True)

    def _join(self, request: Request) -> _Client:
        setting = self._setting
        request.check(setting)
        if request.objects and setting.objects is None:
            raise EndpointError("the client asks for objects, the server was told of none")
        with self._lock:
            client = self._clients.get(request.token)
            if client is None:
                client = _Client(Assembly(setting.bytes, setting.streams))
                self._clients[request.token] = client
            if not request.objects:
                if request.stream in client.streams:
                    raise EndpointError(f"the client opened stream {request.stream} twice")
                client.streams.add(request.stream)
        return client

    def _look_for_fallback(self, sock: socket.socket, path: str) -> None:
        if not self._transport.multipath or self._fallback_told.is_set():
            return
        reason = fallback_reason(sock)
        if reason is not None:
            self._fallback_told.set()
            self._events.write("fallback", path=path, reason=reason)

    def _send(self, sock: socket.socket, request: Request, client: _Client) -> None:
        begin, end = slice_bounds(request.size, request.streams, request.stream)
        send_all(sock, self._payload[begin:end], self._setting.record_size if self._context else None)
        with self._lock:
            client.finished += 1
            last = client.finished == request.streams
        if last:
            self._events.write("sent", bytes=request.size)
        with contextlib.suppress(ssl.SSLError):
            if sock.recv(1):
                raise EndpointError("the client sent more than its request")

    def _receive(self, sock: socket.socket, request: Request, client: _Client, path: str) -> None:
        named = None if self._transport.multipath else path

        def count(size: int) -> None:
            if not self._first_byte.is_set():
                self._first_byte.set()
                self._events.write("first_byte", stream=request.stream)
            self._events.received(size, request.stream, named)

        if client.assembly.receive(sock, request.stream, count):
            whole, streams = client.assembly.digest()
            several = streams if request.streams > 1 else None
            self._events.write("done", sha256=whole, bytes=request.size, streams=several)
            client.done.set()
        # A client ends only after 'done' is on record, so that whoever waits for the client finds it there.
        client.done.wait()
        begin, end = slice_bounds(request.size, request.streams, request.stream)
        send_count(sock, end - begin)

    def _answer(self, sock: socket.socket, request: Request) -> None:
        for begin in range(0, request.size, EXCHANGE):
            try:
                sock.sendall(receive_exactly(sock, min(EXCHANGE, request.size - begin)))
            except PeerClosed:
                raise EndpointError(f"the client left after {begin // EXCHANGE} exchanges") from None
