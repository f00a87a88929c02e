"""Begins sessions: the first connection by Happy Eyeballs, further ones by joining (section 4.2.1 of the draft)."""

import asyncio
from collections.abc import Sequence
from typing import Final

from impl.tcpls.api.driver import Workspace, wall_offset
from impl.tcpls.api.joining import Joiner
from impl.tcpls.api.session import Hooks, Session
from impl.tcpls.api.stream import Stream
from impl.tcpls.api.watching import AddressGuard
from impl.tcpls.client import ClientSession as Core
from impl.tcpls.errors import SessionOver
from impl.tcpls.events import Event, SessionEnded
from impl.tcpls.joining import JoinMode
from impl.tcpls.paths import Candidate, PathManager, PathSettings, Policy, pair_up, without_crossing
from impl.tcpls.settings import Settings
from impl.tcpls.sockets import Connected, Endpoint, Link, connect_first, connect_tcp, resolve
from impl.tcpls.trace import NO_TRACE, Trace
from impl.tls13.config import ClientConfig

HANDSHAKE_LIMIT: Final = 10.0


class ClientSession(Session):
    """The client's end of a session for an asyncio program.

    Attributes:
        joiner: opens its connections.
        connected: how the first connection was made.
        first_stream: the one that carries the early data that ``connect`` was given.

    """

    core: Core

    def __init__(
        self,
        core: Core,
        hooks: Hooks,
        manager: PathManager,
        port: int,
        connected: Connected,
        *,
        mode: JoinMode,
        congestion: str | None,
    ) -> None:
        super().__init__(core, Workspace(), hooks)
        self.connected = connected
        self.first_stream: Stream | None = None
        self.joiner = Joiner(self, core, manager, port, mode=mode, congestion=congestion)
        self._guard = AddressGuard(lambda: (self,), self.joiner.addresses, self.joiner.routes)

    async def join(self, remote: str, *, local: str | None = None) -> int:
        """Add a connection between two addresses, and wait until it has joined; its Connection ID.

        A connection that fails is opened again as long as the policy of the session's paths wants it.

        Raises:
            ValueError: an address is not numeric, or they are of different families.
            SessionOver: the session ended before.
            StreamError: the peer speaks plain TLS.

        """
        return await self.joiner.join(Candidate(local, remote))

    def take_events(self, events: list[Event]) -> None:
        """The session has something to tell."""
        for event in events:
            self.joiner.take_event(event)
            if isinstance(event, SessionEnded):
                self._guard.close()
        super().take_events(events)


async def connect(
    host: str | Sequence[str],
    port: int,
    config: ClientConfig,
    settings: Settings | None = None,
    *,
    local: Sequence[str] = (),
    candidates: Sequence[Candidate] | None = None,
    policy: Policy = Policy.ALL,
    paths: PathSettings | None = None,
    mode: JoinMode = JoinMode.DIRECT,
    hooks: Hooks | None = None,
    trace: Trace = NO_TRACE,
    handshake_limit: float = HANDSHAKE_LIMIT,
    fast_open: bool = False,
    early_data: bytes | None = None,
    congestion: str | None = None,
) -> ClientSession:
    """Connect to a server, and return once the handshake is over. Further connections follow as the policy says.

    Args:
        host: name or numeric address of the server, or several addresses of it.
        port: TCP port.
        config: of TLS. `host` is not verified: ``config.server_name`` is.
        settings: of the session.
        local: our numeric addresses, if the kernel shall not choose.
        candidates: pairs of addresses to connect between, in order of preference; in place of all pairs of `local` and
            `host` that have no address in common.
        policy: which of them get a connection.
        paths: how fast they are tried again.
        mode: how connections are joined.
        hooks: whom to tell what.
        trace: is told what happens.
        handshake_limit: for how long TCP's and TLS's handshakes may last together, seconds.
        fast_open: send the ClientHello in the SYN (RFC 7413) if the kernel knows the server.
        early_data: written to stream 0, with its end, before everything else: in the first flight, if `config` allows
            early data and has a session with this server that was begun with TCPLS; else after the handshake. The
            session's ``first_stream`` has the answer. Anybody may replay early data (RFC 8446, section 8).
        congestion: congestion control of all connections; None for the kernel's default.

    Raises:
        SessionOver: the handshake failed, or took too long.
        AllFailed: no connection could be made.
        SocketError: the name or an address cannot be used.
        ValueError: addresses do not fit together.

    """
    loop = asyncio.get_running_loop()
    if candidates is None:
        names = [host] if isinstance(host, str) else host
        remote = [address for name in names for address in await resolve(name, port)]
        candidates = without_crossing(pair_up(local, remote))
    core = Core(config, settings or Settings(), loop.time(), wall=wall_offset(), trace=trace)
    first = None
    if early_data is not None:
        first = core.open_stream()
        core.write(first, early_data)
        core.finish(first)
    core.start(loop.time())
    hello = core.first_bytes() if fast_open else None

    async def attempt(candidate: Candidate) -> Connected:
        return await connect_tcp(
            candidate.local,
            candidate.remote,
            port,
            fast_open=hello,
            timeout=handshake_limit,
            congestion=congestion,
        )

    try:
        async with asyncio.timeout(handshake_limit):
            chosen, connected = await connect_first(candidates, attempt, discard=lambda other: other.sock.close())
            manager = PathManager(candidates, policy, paths, now=loop.time())
            session = ClientSession(core, hooks or Hooks(), manager, port, connected, mode=mode, congestion=congestion)
            try:
                if first is not None:
                    session.first_stream = session.stream(first)
                session.joiner.adopt(chosen, 0)
                session.driver.attach(Link(connected.sock, session.driver), 0, unsent=connected.taken)
                await session.wait_started()
            except BaseException as error:
                session.abort(str(error) or type(error).__name__)
                await session.wait_disconnected()
                session.driver.detach_all()
                raise
    except TimeoutError:
        where = Endpoint(host, port) if isinstance(host, str) else f"{', '.join(host)}, port {port}"
        raise SessionOver(f"no handshake with {where} within {handshake_limit:g} s") from None
    session.joiner.work()
    return session
