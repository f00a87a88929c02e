"""The server: answers the clients of the harness on every address, until it is told to end."""

import asyncio
import contextlib
import itertools
import sys
from typing import Final

from impl.contract import objects
from impl.contract.eventlog import EventLog
from impl.contract.setting import EndpointError, Setting
from impl.contract.transfer import REQUEST_SIZE, Assembly, Request, map_payload, slice_bounds
from impl.tcpls.api import Hooks, Refused, Session, Stream, serve
from impl.tcpls.endpoint.options import Options, key_log, make_folder, open_trace
from impl.tcpls.errors import SessionOver, StreamError
from impl.tcpls.events import ConnectionClosed, ConnectionSuspected, Event
from impl.tcpls.sockets import SocketError
from impl.tcpls.trace import NO_TRACE, Trace
from impl.tls13.certificates.credentials import Credentials
from impl.tls13.config import ServerConfig

_PIECE: Final = 2**18
_LAST_WORDS: Final = 1.0
"""Seconds for clients to say good-bye after SIGTERM; the harness gives two."""


class Server:
    """One run of the server."""

    def __init__(self, setting: Setting, options: Options, events: EventLog) -> None:
        self._setting = setting
        self._options = options
        self._events = events
        self._payload = memoryview(b"")
        self._first_byte = False

    async def run(self) -> None:
        """Serve clients until it is cancelled.

        Raises:
            EndpointError: an address cannot be bound, or a file cannot be read.

        """
        setting = self._setting
        if setting.sends("server"):
            assert setting.payload is not None, "the setting is checked for it"
            self._payload = map_payload(setting.payload, setting.bytes)
        if setting.qlog is not None:
            make_folder(setting.qlog)  # or nobody would know before the first client comes
        with contextlib.ExitStack() as stack:
            log = stack.enter_context(key_log(setting.keylog))
            numbers = itertools.count()

            def trace() -> Trace:
                try:
                    opened = open_trace(setting.qlog, "server", next(numbers))
                except EndpointError as error:
                    print(f"server: {error}", file=sys.stderr, flush=True)
                    return NO_TRACE
                if opened is None:
                    return NO_TRACE
                stack.callback(opened.close)
                return opened

            try:
                server = await serve(
                    self._serve,
                    list(dict.fromkeys(setting.listen)),
                    setting.port,
                    self._config(),
                    self._options.settings,
                    hooks=lambda: Hooks(key_log=log, on_event=self._on_event),
                    trace=trace,
                    on_refused=self._refused,
                    congestion=setting.congestion,
                )
            except SocketError as error:
                raise EndpointError(str(error)) from None
            self._events.write("listening", port=setting.port)
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                server.close()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_LAST_WORDS):
                        await server.wait_closed()

    def _config(self) -> ServerConfig:
        certificate, key = self._setting.certificate, self._setting.key
        if certificate is None or key is None:
            raise EndpointError("HARNESS_CERTIFICATE and HARNESS_KEY are not set: a server must show who it is")
        try:
            return ServerConfig(credentials=[Credentials.from_files(certificate, key)])
        except (OSError, ValueError) as error:
            raise EndpointError(f"HARNESS_CERTIFICATE: {error}") from None

    def _refused(self, refused: Refused) -> None:
        print(f"connection from {refused.peer}: {refused.reason}", file=sys.stderr, flush=True)

    def _on_event(self, event: Event) -> None:
        if isinstance(event, ConnectionSuspected):
            self._events.write("note", text=f"connection {event.connection_id} is suspected: {event.reason}")
        elif isinstance(event, ConnectionClosed) and event.failed:
            self._events.write("note", text=f"connection {event.connection_id} has failed: {event.reason}")

    async def _serve(self, session: Session) -> None:
        self._events.write("connected", path=session.peer.address or None, transport="tcpls")
        client = _Client(session)
        tasks: set[asyncio.Task[None]] = set()
        async for stream in session:
            task = asyncio.get_running_loop().create_task(self._answer(client, stream))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        for task in tasks:
            task.cancel()

    async def _answer(self, client: "_Client", stream: Stream) -> None:
        try:
            chunks = await stream.read_chunks(REQUEST_SIZE)
            head = b"".join([chunk.data for chunk in chunks])
            if len(head) < REQUEST_SIZE:
                head += await stream.readexactly(REQUEST_SIZE - len(head))
            request = Request.decode(head)
            request.check(self._setting)
            if request.objects or request.testcase == "objects":
                # The client has chosen the connection: answer on the one where it asked.
                with contextlib.suppress(StreamError):  # it is gone: on any other, then
                    stream.session.core.pin(stream.id, chunks[0].connection_id)
            if request.objects:
                await self._send_object(stream)
            elif request.testcase in ("download", "objects"):
                await self._send(client, stream, request)
            elif request.testcase == "upload":
                await self._receive(client, stream, request)
            else:
                await self._echo(stream)
        except (EndpointError, asyncio.IncompleteReadError) as error:
            print(f"stream {stream.id}: {error}", file=sys.stderr, flush=True)
            stream.session.abort(str(error))  # or the client would wait for ever
        except SessionOver as error:
            print(f"stream {stream.id}: {error}", file=sys.stderr, flush=True)

    async def _send(self, client: "_Client", stream: Stream, request: Request) -> None:
        begin, end = slice_bounds(request.size, request.streams, request.stream)
        for start in range(begin, end, _PIECE):
            stream.write(bytes(self._payload[start : min(end, start + _PIECE)]))
            await stream.drain()
        stream.write_eof()
        client.sent += 1
        if client.sent == request.streams:
            self._events.write("sent", bytes=request.size)

    async def _send_object(self, stream: Stream) -> None:
        wanted = self._setting.objects
        if wanted is None:
            raise EndpointError("the client asks for an object, and the server was told of none")
        number = objects.decode_number(await stream.readexactly(objects.REQUEST_SIZE))
        stream.write(objects.content(wanted.seed, number, wanted.size))
        stream.write_eof()

    async def _receive(self, client: "_Client", stream: Stream, request: Request) -> None:
        if client.assembly is None:
            client.assembly = Assembly(request.size, request.streams)
        while chunks := await stream.read_chunks(_PIECE):
            for data, connection_id in chunks:
                if not self._first_byte:
                    self._first_byte = True
                    self._events.write("first_byte", stream=request.stream)
                client.assembly.feed(request.stream, data)
                self._events.received(len(data), request.stream, client.peer_of(connection_id))
        begin, end = slice_bounds(request.size, request.streams, request.stream)
        if client.assembly.finish(request.stream):
            whole, parts = client.assembly.digest()
            several = parts if request.streams > 1 else None
            self._events.write("done", sha256=whole, bytes=request.size, streams=several)
            client.done.set()
        # A client ends only after 'done' is on record, so that whoever waits for the client finds it there.
        await client.done.wait()
        stream.write((end - begin).to_bytes(8, "big"))
        stream.write_eof()

    async def _echo(self, stream: Stream) -> None:
        while data := await stream.read(_PIECE):
            stream.write(data)
            await stream.drain()


class _Client:
    """What is known of a client: its session, and how far its payload is."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.assembly: Assembly | None = None
        self.sent = 0
        self.done = asyncio.Event()
        self._peers: dict[int, str] = {}

    def peer_of(self, connection_id: int) -> str | None:
        """The client's address of a connection, also of one that has failed since."""
        link = self.session.driver.link(connection_id)
        if link is not None:
            self._peers[connection_id] = link.remote.address
        return self._peers.get(connection_id)
