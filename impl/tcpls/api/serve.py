"""Listens for sessions, and for connections that join them."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from impl.tcpls.api.driver import Farewell, Workspace, wall_offset
from impl.tcpls.api.session import Hooks, Session
from impl.tcpls.api.watching import AddressGuard
from impl.tcpls.errors import SessionOver
from impl.tcpls.server import Arrival, Arrived, Listener
from impl.tcpls.settings import Settings
from impl.tcpls.sockets import Endpoint, Link, accept_tcp, listen_tcp
from impl.tcpls.trace import NO_TRACE, Trace
from impl.tls13.config import ServerConfig

HANDSHAKE_LIMIT: Final = 10.0
_ACCEPTED_AT_ONCE: Final = 64
_FIRST_BYTES: Final = 2**15
_NO_FILES: Final = 1.0
"""Seconds until connections are accepted again after the process has run out of files."""

Handler = Callable[[Session], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A connection that became part of no session.

    Attributes:
        peer: who it was.
        reason: why.

    """

    peer: Endpoint
    reason: str


class Server:
    """Listening sockets and the sessions that came in by them; ``serve`` makes one.

    Attributes:
        listener: what the sessions share.
        sessions: those that are not over.
        addresses: where it listens.

    """

    def __init__(
        self,
        handler: Handler,
        listener: Listener,
        sockets: list[socket.socket],
        *,
        hooks: Callable[[], Hooks],
        on_refused: Callable[[Refused], None] | None,
        handshake_limit: float,
        max_waiting: int,
        early_data: bool,
    ) -> None:
        self._early_data = early_data
        self.listener = listener
        self.sessions: set[Session] = set()
        self.addresses = [Endpoint(*sock.getsockname()[:2]) for sock in sockets]
        self._handler = handler
        self._sockets = sockets
        self._hooks = hooks
        self._on_refused = on_refused
        self._limit = handshake_limit
        self._max_waiting = max_waiting
        self._loop = asyncio.get_running_loop()
        self._workspace = Workspace()
        self._by_core: dict[int, Session] = {}
        self._waiting: set[_Waiting] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        self._guard = AddressGuard(lambda: self.sessions)
        for sock in sockets:
            self._loop.add_reader(sock, self._accept, sock)

    async def __aenter__(self) -> "Server":
        return self

    async def __aexit__(self, *error: object) -> None:
        self.close()
        await self.wait_closed()

    def close(self) -> None:
        """Accept no more connections, and close the sessions."""
        if self._closed:
            return
        self._closed = True
        for sock in self._sockets:
            self._loop.remove_reader(sock)
            sock.close()
        self._guard.close()
        for waiting in list(self._waiting):
            waiting.give_up()
        for session in list(self.sessions):
            if session.started is None or not session.core.connections:  # and none can come any more
                session.abort("the server was closed")
            else:
                session.close()

    async def wait_closed(self) -> None:
        """Wait until all sessions are over and their handlers have returned."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    # Inside

    def _accept(self, sock: socket.socket) -> None:
        for _ in range(_ACCEPTED_AT_ONCE):
            try:
                accepted = accept_tcp(sock)
            except OSError as error:
                self._pause(sock, error)
                return
            if accepted is None:
                return
            if len(self._waiting) >= self._max_waiting:
                accepted[0].close()
                self.refuse(accepted[1], f"{self._max_waiting} connections are in their handshake already")
            else:
                self._waiting.add(_Waiting(self, *accepted, limit=self._limit))

    def _pause(self, sock: socket.socket, error: OSError) -> None:
        """There are no more files: connections wait in the kernel until some are free."""
        self._loop.remove_reader(sock)
        self.refuse(Endpoint("", 0), f"cannot accept connections: {error.strerror}")

        def resume() -> None:
            if not self._closed:
                self._loop.add_reader(sock, self._accept, sock)

        self._loop.call_later(_NO_FILES, resume)

    def refuse(self, peer: Endpoint, reason: str) -> None:
        """Tell of a connection that became part of no session."""
        if self._on_refused is not None:
            self._on_refused(Refused(peer=peer, reason=reason))

    def forget(self, waiting: "_Waiting") -> None:
        """A connection is no longer waiting."""
        self._waiting.discard(waiting)

    def arrived(self, link: Link, arrived: Arrived, rest: bytes) -> None:
        """A connection has become part of a session."""
        core = arrived.session
        if arrived.new:
            session = Session(core, self._workspace, self._hooks())
            self._by_core[id(core)] = session
            self.sessions.add(session)
            task = self._loop.create_task(self._serve(session, link.remote))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._by_core[id(core)].driver.attach(link, arrived.connection_id, rest)

    async def _serve(self, session: Session, peer: Endpoint) -> None:
        try:
            try:
                async with asyncio.timeout(self._limit):
                    await session.wait_started(or_early_data=self._early_data)
            except TimeoutError:
                session.abort(f"the handshake took longer than {self._limit:g} s")
                self.refuse(peer, f"no whole handshake within {self._limit:g} s")
            except SessionOver as error:
                self.refuse(peer, str(error))
            if session.core.ended is None:
                try:
                    await self._handler(session)
                except* SessionOver:
                    pass  # the client may end the session in the middle; that is no failure of the handler
            session.close()
            await session.wait_closed()
        except asyncio.CancelledError:
            session.abort("the server is ended")
            raise
        except Exception as error:
            session.abort("the server's program has failed")
            self._loop.call_exception_handler({"message": f"the handler of {session!r} has failed", "exception": error})
        finally:
            session.driver.detach_all()
            self.sessions.discard(session)
            del self._by_core[id(session.core)]


class _Waiting:
    """A connection of which nobody knows yet to which session it belongs."""

    def __init__(self, server: Server, sock: socket.socket, peer: Endpoint, *, limit: float) -> None:
        self._server = server
        self._peer = peer
        self._arrival: Arrival = server.listener.accept()
        self._link = Link(sock, self, remote=peer)
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(limit, self._takes_too_long, limit)

    def readable(self, link: Link) -> None:
        """Something of the ClientHello is there."""
        buffer = bytearray(_FIRST_BYTES)
        count = link.receive_into(buffer)
        if count is None:
            return
        if count == 0:
            self._refuse("the client has closed the connection before its ClientHello was there")
            return
        arrived = self._arrival.receive(memoryview(buffer)[:count], self._loop.time())
        if arrived is not None:
            self._done()
            self._server.arrived(link, arrived, self._arrival.unread())
        elif self._arrival.failed is not None:
            self._done()
            self._server.refuse(self._peer, self._arrival.failed.reason)
            Farewell(link, self._arrival.data_to_send(), self._loop).send()

    def writable(self, link: Link) -> None:
        """Nothing is sent before the ClientHello is there."""

    def lost(self, link: Link, error: OSError) -> None:
        """The client is gone."""
        self._refuse(error.strerror or str(error))

    def give_up(self) -> None:
        """The server is closed."""
        self._refuse("the server was closed")

    def _takes_too_long(self, limit: float) -> None:
        self._refuse(f"no whole ClientHello within {limit:g} s")

    def _refuse(self, reason: str) -> None:
        self._done()
        self._server.refuse(self._peer, reason)
        self._link.abort()

    def _done(self) -> None:
        self._timer.cancel()
        self._server.forget(self)


async def serve(
    handler: Handler,
    addresses: Sequence[str],
    port: int,
    config: ServerConfig,
    settings: Settings | None = None,
    *,
    hooks: Callable[[], Hooks] = Hooks,
    trace: Callable[[], Trace] = lambda: NO_TRACE,
    on_refused: Callable[[Refused], None] | None = None,
    handshake_limit: float = HANDSHAKE_LIMIT,
    max_waiting: int = 1000,
    fast_open: bool = False,
    early_data: bool = False,
    congestion: str | None = None,
) -> Server:
    """Listen, and call the handler for each new session; the session is closed when it returns.

    Args:
        handler: ``async def handler(session)``.
        addresses: numeric addresses to listen on.
        port: TCP port; 0 for any, the same on all addresses.
        config: of TLS.
        settings: of the sessions.
        hooks: makes the hooks of a new session.
        trace: makes the trace of a new session.
        on_refused: is told of connections that became part of no session.
        handshake_limit: for how long a handshake may last, seconds.
        max_waiting: how many connections may be in their handshake; more are closed.
        fast_open: accept data in the SYN (RFC 7413).
        early_data: call the handler as soon as early data has opened a stream, if `config` allows early data. As long
            as the session's ``started`` is None, what is read may be a replay (RFC 8446, section 8).
        congestion: congestion control of all connections; None for the kernel's default.

    Raises:
        SocketError: an address cannot be listened on.

    """
    sockets = listen_tcp(addresses, port, fast_open=fast_open, congestion=congestion)
    listener = Listener(config, settings or Settings(), wall=wall_offset(), trace=trace)
    return Server(
        handler,
        listener,
        sockets,
        hooks=hooks,
        on_refused=on_refused,
        handshake_limit=handshake_limit,
        max_waiting=max_waiting,
        early_data=early_data,
    )
