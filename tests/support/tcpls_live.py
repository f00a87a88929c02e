"""TCPLS over loopback: servers, clients and a proxy between them that can stall, reset and refuse."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from impl.tcpls.api import ClientSession, Hooks, Refused, Server, Session, Stream, connect, serve
from impl.tcpls.detection import DetectionSettings
from impl.tcpls.events import Event
from impl.tcpls.paths import Candidate, Policy
from impl.tcpls.settings import Settings
from impl.tls13.config import ServerConfig
from tests.support.tls_streams import client_config, server_config, until

HOST = "127.0.0.1"
RESET = b"\x01\0\0\0\0\0\0\0"
QUICK = Settings(detection=DetectionSettings(patience=0.3, verdict_after=20, verdict_limit=20))
"""A peer that leaves records unacknowledged is suspected after 0.3 s, and is not given up during a test."""
_PROXY_BUFFER = 2**16

Handler = Callable[[Session], Awaitable[None]]


@dataclass
class Live:
    """A server of a test, with what came of it.

    Attributes:
        server: the server.
        sessions: those that began, in their order.
        refused: what became part of none.

    """

    server: Server
    sessions: list[Session] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)

    @property
    def port(self) -> int:
        return self.server.addresses[0].port

    @property
    def reasons(self) -> list[str]:
        return [refused.reason for refused in self.refused]

    async def session(self, number: int = 0) -> Session:
        """A session, once it has begun."""
        await until(lambda: len(self.sessions) > number)
        return self.sessions[number]


@asynccontextmanager
async def serving(
    handler: Handler | None = None, *addresses: str, config: ServerConfig | None = None, **options: Any
) -> AsyncIterator[Live]:
    """Serve during the context, by default without a word; at its end all handlers must come to theirs."""
    lives: list[Live] = []

    async def handle(session: Session) -> None:
        lives[0].sessions.append(session)
        await (handler or silent)(session)

    server = await serve(
        handle,
        addresses or (HOST,),
        0,
        config or server_config(),
        on_refused=lambda refused: lives[0].refused.append(refused),
        **options,
    )
    lives.append(Live(server))
    async with server:
        yield lives[0]


async def silent(session: Session) -> None:
    """A handler that leaves the session to the test."""
    await session.wait_closed()


async def echo(session: Session) -> None:
    """A handler that gives back what comes, on each stream."""

    async def answer(stream: Stream) -> None:
        while data := await stream.read(2**18):
            stream.write(data)
            await stream.drain()
        stream.write_eof()

    async with asyncio.TaskGroup() as tasks:
        async for stream in session:
            tasks.create_task(answer(stream))


def sender(data: bytes, piece: int = 2**16) -> Handler:
    """A handler that sends data on each stream that the client opens."""

    async def handle(session: Session) -> None:
        async for stream in session:
            for start in range(0, len(data), piece):
                stream.write(data[start : start + piece])
                await stream.drain()
            stream.write_eof()

    return handle


async def client(live: Live, host: str = HOST, **options: Any) -> ClientSession:
    """Connect to the server of a test."""
    config = options.pop("config", None) or client_config()
    return await connect(host, live.port, config, options.pop("settings", None), **options)


@asynccontextmanager
async def both(
    *, server: dict[str, Any] | None = None, settings: Settings | None = None, **options: Any
) -> AsyncIterator[tuple[ClientSession, Session]]:
    """Both ends of a session; it is closed at the end unless that was done."""
    async with (
        serving(None, **({"settings": settings} | (server or {}))) as live,
        await client(live, settings=settings, **options) as session,
    ):
        yield session, await live.session()


async def streams(near: Session, far: Session) -> tuple[Stream, Stream]:
    """Both ends of a new stream that `near` has opened; a byte has gone over it."""
    stream = near.open_stream()
    stream.write(b"!")
    other = await far.accept_stream()
    assert await other.readexactly(1) == b"!"
    return stream, other


def ways(*remotes: str) -> list[Candidate]:
    """Ways to some addresses, from those that the kernel chooses."""
    return [Candidate(None, remote) for remote in remotes]


def local_ways(*locals_: str) -> list[Candidate]:
    """Ways from some addresses to the server."""
    return [Candidate(local, HOST) for local in locals_]


@asynccontextmanager
async def over(
    live: Live, candidates: list[Candidate], policy: Policy = Policy.ALL, **options: Any
) -> AsyncIterator[tuple[ClientSession, list[Event]]]:
    """A session over several ways, with its events."""
    events: list[Event] = []
    hooks = Hooks(on_event=events.append)
    async with await client(live, candidates=candidates, policy=policy, hooks=hooks, **options) as session:
        yield session, events


def of(events: list[Event], kind: type[Event]) -> list[Any]:
    """The events of one kind."""
    return [event for event in events if isinstance(event, kind)]


async def joined(session: Session, count: int) -> None:
    """Wait until so many connections have been joined and work."""
    await until(lambda: [s.state for s in session.stats()] == ["open"] * count)


class Proxy:
    """Forwards connections from an address of its own to the server, which has the same port.

    Attributes:
        accepted: how many connections came.

    """

    def __init__(self, address: str, live: Live) -> None:
        self.accepted = 0
        self._target = (HOST, live.port)
        self._address = (address, live.port)
        self._going = asyncio.Event()
        self._going.set()
        self._pairs: dict[asyncio.Task[None], tuple[socket.socket, socket.socket]] = {}
        self._listener: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Proxy":
        self.listen()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.refuse()
        await self.reset()

    def listen(self) -> None:
        """Take connections."""
        self._listener = socket.create_server(self._address)
        self._listener.setblocking(False)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _PROXY_BUFFER)
        self._accepting = asyncio.get_running_loop().create_task(self._accept(self._listener))

    async def refuse(self) -> None:
        """Take no more connections; those that are there go on."""
        if self._accepting is not None and self._listener is not None:
            await _cancel(self._accepting)
            self._listener.close()
            self._accepting = self._listener = None

    def stall(self) -> None:
        """Forward nothing: kernels acknowledge what their buffers take."""
        self._going.clear()

    def go_on(self) -> None:
        """Forward again what has waited."""
        self._going.set()

    async def reset(self) -> None:
        """Reset all connections, in both directions."""
        pairs, self._pairs = self._pairs, {}
        for task, ends in pairs.items():
            await _cancel(task)
            for end in ends:
                with contextlib.suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                end.close()

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            near, _ = await loop.sock_accept(listener)
            self.accepted += 1
            far = socket.socket()
            far.setblocking(False)
            far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _PROXY_BUFFER)
            try:
                await loop.sock_connect(far, self._target)
            except OSError:
                near.close()
                far.close()
                continue
            task = loop.create_task(self._carry(near, far))
            self._pairs[task] = (near, far)

    async def _carry(self, near: socket.socket, far: socket.socket) -> None:
        await asyncio.gather(self._pump(near, far), self._pump(far, near))

    async def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError):
            while data := await loop.sock_recv(source, _PROXY_BUFFER):
                await self._going.wait()
                await loop.sock_sendall(sink, data)
                await self._going.wait()
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


@contextmanager
def black_hole(address: str, port: int) -> Iterator[None]:
    """An address on which connections are not answered: SYNs are dropped since the queue of the listener is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server((address, port), backlog=0))
        assert listener is not None
        for _ in range(2):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex((address, port))
        yield
