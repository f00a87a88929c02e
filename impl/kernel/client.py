"""The client of the kernel's transports: connects by the first path that works, then downloads, uploads or asks."""

import hashlib
import os
import queue
import ssl
import sys
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from impl.contract.eventlog import EventLog
from impl.contract.objects import fetch
from impl.contract.setting import EndpointError, Setting, UnsupportedError
from impl.contract.transfer import (
    EXCHANGE,
    Assembly,
    Request,
    map_payload,
    receive_count,
    receive_into,
    send_all,
    slice_bounds,
)
from impl.kernel.migration import Migration, change_address
from impl.kernel.sockets import (
    Connection,
    SocketMaker,
    Transport,
    client_context,
    fallback_reason,
    mixed,
    open_connection,
)

EXCHANGE_SPACING: Final = 0.01
"""Seconds between the starts of two exchanges, at least."""


def why(error: BaseException) -> str:
    """Word an error of a connection in one line."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the server's certificate is not accepted: {error.verify_message}"
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(error)


class Client:
    """One run of the client."""

    def __init__(self, setting: Setting, transport: Transport, events: EventLog, *, connect_limit: float) -> None:
        self._setting = setting
        self._transport = transport
        self._events = events
        self._limit = connect_limit
        self._token = int.from_bytes(os.urandom(8), "big")
        self._context = client_context(setting) if transport.encrypted else None
        self._maker = SocketMaker(transport, setting.congestion, mapped=mixed([*setting.connect, *setting.local]))
        self._assembly = Assembly(setting.bytes, setting.streams)
        self._first_byte = threading.Event()
        self._fallback_told = threading.Event()
        self._received_all = threading.Event()
        self._migration = self._plan_migration()
        if setting.objects is not None and setting.objects.placement == "shared":
            raise UnsupportedError(f"a connection of {transport} has one stream: objects cannot share the payload's")

    def _plan_migration(self) -> Migration | None:
        if not self._setting.migrate:
            return None
        if not self._transport.multipath:
            raise UnsupportedError(f"{self._transport} cannot migrate: a connection stays on its path")
        return Migration(self._setting.migrate, self._setting.local, change_address, self._events)

    def run(self) -> None:
        """Do the test case.

        Raises:
            EndpointError: it failed; the message says why.
            UnsupportedError: the transport cannot do it.

        """
        first = self._connect_somehow()
        if self._migration is not None:
            self._migration.begin()
        if self._setting.testcase == "objects":
            self._download_with_objects(first)
        elif self._setting.testcase == "download":
            self._on_all_streams(first, self._download)
        if self._setting.sends("server"):
            whole, streams = self._assembly.digest()
            several = streams if self._setting.streams > 1 else None
            self._events.write("done", sha256=whole, bytes=self._setting.bytes, streams=several)
            return
        assert self._setting.payload is not None
        payload = map_payload(self._setting.payload, self._setting.bytes)
        if self._setting.testcase == "latency":
            self._exchange(first, payload)
            return
        self._on_all_streams(first, lambda connection, stream: self._upload(connection, stream, payload))
        self._events.write("sent", bytes=self._setting.bytes)

    def _connect_somehow(self) -> Connection:
        reasons = []
        for local, remote in self._setting.pairs():
            try:
                return self._connect(local, remote, 0)
            except OSError as error:
                reason = f"{local or 'any address'} to {remote} port {self._setting.port}: {why(error)}"
                reasons.append(reason)
                print(f"cannot connect from {reason}", file=sys.stderr, flush=True)
                if local is not None:
                    self._events.write("path_failed", path=local, reason=why(error))
        raise EndpointError(f"no path to the server: {'; '.join(reasons)}")

    def _connect(self, local: str | None, remote: str, stream: int) -> Connection:
        port = self._setting.port
        connection = open_connection(self._maker, self._context, local, remote, port, self._limit)
        self._events.write(
            "connected",
            path=connection.path,
            stream=stream,
            connect_ms=connection.connect_ms,
            handshake_ms=connection.handshake_ms,
            congestion=connection.congestion,
            transport=str(self._transport),
        )
        self._look_for_fallback(connection)
        return connection

    def _look_for_fallback(self, connection: Connection) -> None:
        if not self._transport.multipath or self._fallback_told.is_set():
            return
        reason = fallback_reason(connection.socket)
        if reason is not None:
            self._fallback_told.set()
            self._events.write("fallback", path=connection.path, reason=reason)

    def _on_all_streams(self, first: Connection, work: Callable[[Connection, int], None]) -> None:
        """Run ``work`` for every stream in a thread of its own; the first error ends everything."""

        def stream(number: int) -> None:
            connection = first if number == 0 else self._connect(first.local, first.remote, number)
            with connection.socket:
                work(connection, number)
                self._look_for_fallback(connection)

        self._together({f"stream {number}": partial(stream, number) for number in range(self._setting.streams)})

    def _download_with_objects(self, first: Connection) -> None:
        """Download, and meanwhile ask for objects over a connection of their own, from the next path if any."""
        objects = self._setting.objects
        assert objects is not None
        local, remote = first.local, first.remote
        others = [pair for pair in self._setting.pairs() if pair != (local, remote)]
        if self._transport.multipath and others:
            local, remote = others[0]

        def payload() -> None:
            with first.socket:
                self._download(first, 0)
                self._look_for_fallback(first)
            self._received_all.set()

        def beside() -> None:
            connection = self._connect(local, remote, 1)
            with connection.socket as sock:
                self._request(connection, 0, objects=True)
                self._first_byte.wait()
                fetch(sock, objects, self._events, path=self._path(connection), ended=self._received_all.is_set)

        self._together({"stream 0": payload, "objects": beside})

    def _together(self, tasks: Mapping[str, Callable[[], None]]) -> None:
        """Run tasks by their names, each in a thread of its own, until all are done; the first error ends all."""
        results: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()

        def run(name: str, task: Callable[[], None]) -> None:
            try:
                task()
            except OSError as error:
                results.put(EndpointError(f"{name}: the connection broke: {why(error)}"))
            except Exception as error:
                results.put(error)
            else:
                results.put(None)

        for name, task in tasks.items():
            threading.Thread(target=run, args=[name, task], name=name, daemon=True).start()
        for _ in tasks:
            error = results.get()
            if error is not None:
                raise error

    def _request(self, connection: Connection, stream: int, *, objects: bool = False) -> None:
        setting = self._setting
        request = Request(
            testcase=setting.testcase,
            stream=stream,
            streams=setting.streams,
            size=setting.bytes,
            token=self._token,
            objects=objects,
        )
        connection.socket.sendall(request.encode())

    def _counter(self, connection: Connection, stream: int) -> Callable[[int], None]:
        path = self._path(connection)

        def count(size: int) -> None:
            if not self._first_byte.is_set():
                self._first_byte.set()
                self._events.write("first_byte", stream=stream)
            self._events.received(size, stream, path)
            if self._migration is not None:
                self._migration.received(size)

        return count

    def _path(self, connection: Connection) -> str | None:
        """Return the path of what a connection receives; None where only the kernel knows."""
        return None if self._transport.multipath else connection.path

    def _download(self, connection: Connection, stream: int) -> None:
        self._request(connection, stream)
        self._assembly.receive(connection.socket, stream, self._counter(connection, stream))

    def _upload(self, connection: Connection, stream: int, payload: memoryview) -> None:
        self._request(connection, stream)
        begin, end = slice_bounds(self._setting.bytes, self._setting.streams, stream)
        send_all(connection.socket, payload[begin:end], self._setting.record_size if self._context else None)
        count = receive_count(connection.socket)
        if count != end - begin:
            raise EndpointError(f"stream {stream}: the server received {count} of {end - begin} bytes")

    def _exchange(self, connection: Connection, payload: memoryview) -> None:
        digest = hashlib.sha256()
        count = self._counter(connection, 0)
        answer = memoryview(bytearray(EXCHANGE))
        sock = connection.socket
        with sock:
            try:
                self._request(connection, 0)
                for begin in range(0, len(payload), EXCHANGE):
                    question = payload[begin : begin + EXCHANGE]
                    began = time.monotonic()
                    sock.sendall(question)
                    receive_into(sock, answer[: len(question)], count)
                    took = time.monotonic() - began
                    digest.update(answer[: len(question)])
                    self._events.write("exchange", ms=round(took * 1e3, 4))
                    if begin + EXCHANGE < len(payload):
                        time.sleep(max(0.0, EXCHANGE_SPACING - took))
            except OSError as error:
                raise EndpointError(f"the connection broke: {why(error)}") from None
            self._look_for_fallback(connection)
        self._events.write("done", sha256=digest.hexdigest(), bytes=len(payload))
