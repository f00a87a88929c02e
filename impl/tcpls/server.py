"""The server's end of sessions: new ones, connections that join them, tokens (sections 4.2 and 5.1 of the draft)."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from impl.tcpls.connection import Connection, ConnectionState
from impl.tcpls.errors import protocol_violation
from impl.tcpls.events import ConnectionJoined
from impl.tcpls.extensions import TCPLS, check_tcpls
from impl.tcpls.frames import NewToken
from impl.tcpls.joining import JoinMode, mode_of, server_flight, token_of
from impl.tcpls.session import Session
from impl.tcpls.settings import Settings
from impl.tcpls.tokens import TokenIssuer, TokenRegistry
from impl.tcpls.trace import NO_TRACE, Trace
from impl.tls13.alerts import TLSError
from impl.tls13.config import ClientAuthentication, ServerConfig
from impl.tls13.events import ClientHelloReceived, Failed, HandshakeCompleted
from impl.tls13.events import Event as RecordEvent
from impl.tls13.messages import ClientHello
from impl.tls13.server import Server


class ServerSession(Session):
    """The server's end of one session; a ``Listener`` makes them.

    Args:
        core: the TLS server, which has its ClientHello and waits.
        config: of TLS.
        registry: of the tokens of all sessions.
        settings: of the session.
        now: monotonic seconds.
        wall: what to add to `now` for POSIX seconds.
        trace: is told what happens.

    """

    is_client = False

    def __init__(
        self,
        core: Server,
        config: ServerConfig,
        registry: TokenRegistry["ServerSession"],
        settings: Settings,
        now: float,
        *,
        wall: float,
        trace: Trace = NO_TRACE,
    ) -> None:
        self._server = core
        self._config = config
        self._registry = registry
        self._issuer = TokenIssuer(settings.connections, self._issue)
        super().__init__(core, settings, now, wall=wall, trace=trace)

    def begin(self, hello: ClientHello, now: float) -> None:
        """Answer the ClientHello of the first connection."""
        self._now = now
        body = hello.extensions.get(self.settings.tcpls_extension)
        if body is not None:
            check_tcpls(body)
        self.tcpls = body is not None
        config = self._config
        extensions = dict(config.extensions)
        if self.tcpls:
            extensions[self.settings.tcpls_extension] = TCPLS
        self._take_events(self._first, self._server.proceed(now + self._wall, extensions=extensions))
        if self.tcpls and self._server.can_send and config.client_authentication is ClientAuthentication.NONE:
            # Tokens go with the server's first flight: the client can join as soon as it has finished its handshake.
            # One that is to show a certificate gets none before that: joined connections do not wait for it.
            self._replenish()

    def _start(self, connection: Connection, event: HandshakeCompleted) -> None:
        super()._start(connection, event)
        if self.tcpls:
            self._replenish()  # if begin() could not

    def join(self, hello: ClientHello, connection_id: int, now: float) -> int:
        """A client joins a connection with a valid token; returns its Connection ID.

        Raises:
            TLSError: the ClientHello cannot be answered.

        """
        self._now = now
        mode = mode_of(hello)
        flight = server_flight(hello, self._config, self._suite) if mode is JoinMode.APPARENT else b""
        self._issuer.used()
        self._add_joined(connection_id, self._config, ConnectionState.OPEN, hello.random, flight, now)
        self._events.append(ConnectionJoined(connection_id=connection_id))
        self.trace.event(now, "connection_joined", {"connection_id": connection_id, "mode": mode.value})
        return connection_id

    def token_wasted(self) -> None:
        """A token of this session was used in vain."""
        self._issuer.used()
        self._replenish()

    def _never_came(self, connection_id: int) -> bool:
        token = self._issuer.token(connection_id)
        if token is not None and self._registry.use(token) is not None:
            self.token_wasted()
        return token is not None

    def _issue(self, sequence: int) -> bytes:
        return self._registry.issue(self, sequence)

    def _replenish(self) -> None:
        if self.closing:
            return
        for frame in self._issuer.replenish(len(self.connections)):
            self._outgoing.send(frame.encode(), prefer=self._first)
            self.trace.event(self._now, "token_issued", {"sequence": frame.sequence})

    def _connection_gone(self, connection: Connection) -> None:
        if self.tcpls:
            self._replenish()

    def _session_over(self) -> None:
        self._registry.withdraw(self._issuer.issued)

    def _take_token(self, frame: NewToken) -> None:
        raise protocol_violation("a client sends New Token, which only servers may (section 5.2.5)")

    def _take_handshake_event(self, connection: Connection, event: RecordEvent) -> None:
        """Nothing else happens in a server's handshake that matters here."""

    def _preamble_over(self, connection: Connection) -> None:
        """What the client sends before its records has no meaning for us."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A TCP connection has become part of a session.

    Attributes:
        session: the session.
        connection_id: its number there.
        new: the session began with it.

    """

    session: ServerSession
    connection_id: int
    new: bool


class Listener:
    """What all sessions of a server share: its configuration and the tokens.

    Args:
        config: of TLS.
        settings: of the sessions.
        wall: what to add to `now` for POSIX seconds.
        trace: makes the trace of a new session.

    """

    def __init__(
        self, config: ServerConfig, settings: Settings, *, wall: float, trace: Callable[[], Trace] = lambda: NO_TRACE
    ) -> None:
        self.config = replace(config, hold=True)
        self.settings = settings
        self.wall = wall
        self.tokens: TokenRegistry[ServerSession] = TokenRegistry(config.random)
        self.make_trace = trace

    def accept(self) -> "Arrival":
        """A client has connected."""
        return Arrival(self)


class Arrival:
    """A TCP connection of which nobody knows yet to which session it belongs.

    Attributes:
        failed: why it belongs to none.

    """

    def __init__(self, listener: Listener) -> None:
        self.failed: Failed | None = None
        self._listener = listener
        self._server = Server(listener.config)
        self._arrived: Arrived | None = None

    def receive(self, data: bytes | bytearray | memoryview, now: float) -> Arrived | None:
        """Take bytes, and say to which session they belong as soon as that is known; `unread` has the rest of them."""
        for event in self._server.receive(data, now + self._listener.wall):
            if isinstance(event, ClientHelloReceived):
                try:
                    return self._sort(event.hello, now)
                except TLSError as error:
                    self.failed = self._abort(error)
            elif isinstance(event, Failed):
                self.failed = event
        return None

    def unread(self) -> bytes:
        """The bytes that came behind the ClientHello of a join."""
        return self._server.take_unread()

    def data_to_send(self) -> bytes:
        """What to tell a client that was refused."""
        return self._server.data_to_send()

    def _sort(self, hello: ClientHello, now: float) -> Arrived:
        listener = self._listener
        token = token_of(hello, listener.settings.join_extension)
        if token is None:
            session = ServerSession(
                self._server,
                listener.config,
                listener.tokens,
                listener.settings,
                now,
                wall=listener.wall,
                trace=listener.make_trace(),
            )
            session.begin(hello, now)
            return Arrived(session, 0, new=True)
        found = listener.tokens.use(token)
        if found is None:
            raise protocol_violation("the token of tcpls_join is not valid, or was used (section 5.1.2)")
        session, sequence = found
        try:
            return Arrived(session, session.join(hello, sequence, now), new=False)
        except TLSError:
            session.token_wasted()
            raise

    def _abort(self, error: TLSError) -> Failed:
        self._server.abort(error.alert, error.reason)
        return Failed(alert=error.alert, reason=error.reason, by="local")
