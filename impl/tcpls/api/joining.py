"""Opens the connections that join a client's session, as its path manager says, and replaces those that have failed."""

import asyncio
from typing import Final

from impl.tcpls.api.session import Session
from impl.tcpls.client import ClientSession
from impl.tcpls.connection import ConnectionState
from impl.tcpls.errors import SessionOver, StreamError
from impl.tcpls.events import (
    ConnectionClosed,
    ConnectionJoined,
    ConnectionRecovered,
    ConnectionSuspected,
    Event,
    SessionEnded,
    TokensReceived,
)
from impl.tcpls.joining import JoinMode
from impl.tcpls.paths import Candidate, Connect, PathManager, Refusal
from impl.tcpls.paths.candidates import parse_address
from impl.tcpls.sockets import ConnectFailed, Link, SocketError, connect_tcp
from impl.tls13.registries import AlertDescription

CONNECT_LIMIT: Final = 10.0
_TOKEN_REFUSED: Final = AlertDescription.ILLEGAL_PARAMETER.name.lower()


class Joiner:
    """The sockets that a session's path manager wants.

    Args:
        session: of the client.
        core: of that session.
        manager: decides what to open.
        port: the server's.
        mode: how connections are joined.
        congestion: congestion control of the sockets; None for the kernel's default.

    Attributes:
        errors: why the newest attempt between two addresses has failed; none for those that have a connection.

    """

    def __init__(
        self,
        session: Session,
        core: ClientSession,
        manager: PathManager,
        port: int,
        *,
        mode: JoinMode,
        congestion: str | None,
    ) -> None:
        self.manager = manager
        self.mode = mode
        self.errors: dict[Candidate, str] = {}
        self._session = session
        self._core = core
        self._port = port
        self._congestion = congestion
        self._loop = asyncio.get_running_loop()
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._candidates: dict[int, Candidate] = {}
        self._attempts: dict[int, int] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._waiting: dict[Candidate, list[asyncio.Future[int]]] = {}

    def adopt(self, candidate: Candidate, connection_id: int) -> None:
        """The session has this connection already."""
        self._candidates[connection_id] = candidate
        self.manager.adopt(candidate, self._loop.time())

    def candidate_of(self, connection_id: int) -> Candidate | None:
        """Between which addresses a connection is."""
        return self._candidates.get(connection_id)

    def addresses(self, present: frozenset[str]) -> None:
        """The local addresses that can be used now."""
        # All of 127.0.0.0/8 can be used, and the kernel lists 127.0.0.1 alone.
        own = (candidate.local for candidate in self.manager.candidates)
        loopback = {local for local in own if local is not None and parse_address(local).is_loopback}
        self.manager.addresses(present | loopback, self._loop.time())
        self.work()

    def routes(self) -> None:
        """Routes came or went: what could not be reached may be."""
        self.manager.retry_all(self._loop.time())
        self.work()

    async def join(self, candidate: Candidate) -> int:
        """Open a connection, whatever the policy, and wait until it has joined; its Connection ID.

        Raises:
            SessionOver: the session has ended before.
            StreamError: the peer speaks plain TLS.

        """
        if not self._core.tcpls:
            raise StreamError("the peer speaks plain TLS: no connection can be joined")
        if self._core.ended is not None:
            raise SessionOver(self._core.ended.reason)
        now = self._loop.time()
        self.manager.add(candidate, now)
        there = self._connection_of(candidate)
        if there is not None and self._core.connections[there].state is not ConnectionState.JOINING:
            return there
        self.manager.request(candidate, now)
        waiter: asyncio.Future[int] = self._loop.create_future()
        self._waiting.setdefault(candidate, []).append(waiter)
        self.work()
        try:
            return await waiter
        except asyncio.CancelledError:
            waiting = self._waiting.get(candidate, [])
            if waiter in waiting:
                waiting.remove(waiter)
            if not waiting:
                self._waiting.pop(candidate, None)
                self.manager.withdraw(candidate, self._loop.time())
            raise

    def take_event(self, event: Event) -> None:
        """Something has happened in the session."""
        now = self._loop.time()
        if isinstance(event, TokensReceived):
            self.manager.tokens(self._core.tokens)
        elif isinstance(event, ConnectionSuspected | ConnectionRecovered):
            candidate = self._candidates.get(event.connection_id)
            if candidate is not None and self._connection_of(candidate) == event.connection_id:
                # A peer that only does not read would not read from another connection either.
                suspected = isinstance(event, ConnectionSuspected) and event.by_path
                self.manager.suspect(candidate, suspected, now)
        elif isinstance(event, ConnectionClosed):
            self._closed(event, now)
        elif isinstance(event, ConnectionJoined):
            self._joined(event.connection_id)
        elif isinstance(event, SessionEnded):
            self.close(event.reason)
            return
        else:
            return
        self._loop.call_soon(self.work)

    def close(self, reason: str) -> None:
        """Open no more connections."""
        for task in self._tasks.values():
            task.cancel()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for waiters in self._waiting.values():
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_exception(SessionOver(reason))
        self._waiting.clear()

    def work(self) -> None:
        """Do what the manager wants."""
        if self._core.closing or self._core.ended is not None or not self._core.tcpls:
            return
        now = self._loop.time()
        for action in self.manager.actions(now):
            if isinstance(action, Connect):
                task = self._loop.create_task(self._attempt(action))
                self._tasks[action.attempt] = task
            elif (cancelled := self._tasks.pop(action.attempt, None)) is not None:
                cancelled.cancel()
        self._set_timer()

    async def _attempt(self, connect: Connect) -> None:
        candidate, attempt = connect.candidate, connect.attempt
        try:
            connected = await connect_tcp(
                candidate.local, candidate.remote, self._port, timeout=CONNECT_LIMIT, congestion=self._congestion
            )
        except (ConnectFailed, SocketError) as error:
            self.errors[candidate] = str(error)
            self._tasks.pop(attempt, None)
            self.manager.refused(attempt, Refusal.UNREACHABLE, self._loop.time())
            self.work()
            return
        self._tasks.pop(attempt, None)
        now = self._loop.time()
        if self._core.closing or not self._core.tokens or not self.manager.opened(attempt, now):
            connected.sock.close()
            self.work()
            return
        replaced = self._connection_of(candidate)
        connection_id = self._core.join(now, self.mode)
        self.manager.tokens(self._core.tokens)
        self._candidates[connection_id] = candidate
        self._attempts[connection_id] = attempt
        self._session.driver.attach(Link(connected.sock, self._session.driver), connection_id)
        if replaced is not None:
            self._candidates.pop(replaced, None)
            self._core.lost(replaced, "a new connection takes its place", now)
            self._session.driver.work()
        self.work()

    def _joined(self, connection_id: int) -> None:
        candidate = self._candidates.get(connection_id)
        if candidate is not None:
            self.errors.pop(candidate, None)
        for waiter in self._waiting.pop(candidate, []) if candidate is not None else ():
            if not waiter.done():
                waiter.set_result(connection_id)

    def _closed(self, event: ConnectionClosed, now: float) -> None:
        candidate = self._candidates.pop(event.connection_id, None)
        attempt = self._attempts.pop(event.connection_id, None)
        if candidate is None:
            return
        if attempt is not None and event.reason.endswith(_TOKEN_REFUSED):
            self.manager.refused(attempt, Refusal.TOKEN, now)
        elif self._connection_of(candidate) is None:
            self.manager.lost(candidate, now)
        if candidate in self._waiting and self._connection_of(candidate) is None:
            self.manager.request(candidate, now)  # it is tried until it succeeds
        if not self._core.connections and not self._core.tokens and self._core.ended is None:
            self._session.abort(f"no connection is left, and no token to join another one: {event.reason}")

    def _connection_of(self, candidate: Candidate) -> int | None:
        ids = [number for number, other in self._candidates.items() if other == candidate]
        return max(ids, default=None)

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self.manager.deadline()
        if deadline is not None:
            self._timer = self._loop.call_at(deadline, self.work)
