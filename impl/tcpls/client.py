"""The client's end of a session: it begins the session and joins connections (draft-piraux-tcpls-00, section 4.2.1)."""

from dataclasses import replace
from typing import Final

from impl.tcpls.connection import Connection, ConnectionState
from impl.tcpls.errors import StreamError
from impl.tcpls.events import TokensReceived
from impl.tcpls.extensions import TCPLS, check_tcpls
from impl.tcpls.frames import NewToken, Ping
from impl.tcpls.joining import JoinMode, client_flight, client_hello
from impl.tcpls.outgoing import BATCH
from impl.tcpls.packing import Packer
from impl.tcpls.registries import FIRST_CONNECTION
from impl.tcpls.session import Session
from impl.tcpls.settings import Settings
from impl.tcpls.tokens import TokenStore
from impl.tcpls.trace import NO_TRACE, Trace
from impl.tls13.client import Client
from impl.tls13.config import ClientConfig
from impl.tls13.events import EncryptedExtensionsReceived, Failed, HandshakeCompleted
from impl.tls13.events import Event as RecordEvent

_EARLY: Final = -1
"""In place of a record sequence number, for early data."""


class ClientSession(Session):
    """The client's end.

    Args:
        config: of TLS; the extension tcpls is added.
        settings: of the session.
        now: monotonic seconds.
        wall: what to add to `now` for POSIX seconds.
        trace: is told what happens.

    Attributes:
        tokens: how many connections can be joined.

    """

    is_client = True

    def __init__(
        self, config: ClientConfig, settings: Settings, now: float, *, wall: float, trace: Trace = NO_TRACE
    ) -> None:
        self._config = config
        extensions = {**config.extensions, settings.tcpls_extension: TCPLS}
        self._client = Client(replace(config, extensions=extensions, hold=True))
        self._tokens = TokenStore()
        super().__init__(self._client, settings, now, wall=wall, trace=trace)

    @property
    def tokens(self) -> int:
        """How many connections can be joined now."""
        return len(self._tokens)

    def start(self, now: float) -> None:
        """Begin the handshake; the first connection's ``transmit`` gives its bytes.

        What was written to streams before goes with it as early data, if `config` has a session that allows that and
        was begun with TCPLS. Anybody may replay it to the server (RFC 8446, section 8).
        """
        self._now = now
        self._take_events(self._first, self._client.start(now + self._wall))
        self._send_early(now)

    def _send_early(self, now: float) -> None:
        """Send frames as early data.

        The draft speaks of TCPLS after the handshake alone. Early data have keys and numbers of their own, which no ACK
        can name: they count as received when any record of the first connection is acknowledged, since the server has
        taken them before.
        """
        left = self._client.early_data_left
        if not left:
            return
        size = min(self.settings.record_size, left)
        records = min(BATCH, left // size)
        packer = Packer(bytearray(records * size), size, records)
        self._outgoing.fill_early(packer)
        for content in packer.contents():
            self._client.send_early(bytes(content))
        for run in packer.runs:
            run.first = run.last = _EARLY
            self._first.ledger.add(run)
        if self.trace.enabled:
            self.trace.records_sent(now, FIRST_CONNECTION, _EARLY, packer)

    def _start(self, connection: Connection, event: HandshakeCompleted) -> None:
        super()._start(connection, event)
        if not self.tcpls and len(self.streams) > 1:
            self._end(
                f"the server speaks plain TLS, which has one stream, and {len(self.streams)} were opened", clean=False
            )
        if not connection.ledger or self.ended is not None:
            return
        if not self.tcpls:
            self._records_failed(
                connection,
                Failed(
                    alert=None, by="local", reason="the server takes early data with frames in it and speaks plain TLS"
                ),
            )
        elif event.early_data_accepted:
            connection.control.append((Ping().encode(), False))  # its acknowledgement is that of early data, too
        else:
            self._outgoing.give_up(connection)

    def first_bytes(self) -> bytes:
        """The ClientHello, for the SYN of the first connection: ``transmit`` gives it nevertheless."""
        self._first.outgoing += self._client.data_to_send()
        return bytes(self._first.outgoing)

    def join(self, now: float, mode: JoinMode = JoinMode.DIRECT) -> int:
        """Add a connection to the session; ``transmit`` gives what is to be sent on its socket.

        Returns:
            Its Connection ID.

        Raises:
            SessionOver: the session is over or being closed.
            StreamError: there is no token, or the peer speaks plain TLS.

        """
        self._require_open()
        if not self.tcpls or not self.started:
            raise StreamError("connections can be joined once the peer has shown that it speaks TCPLS")
        token = self._tokens.take()
        if token is None:
            raise StreamError("the server has given no token that was not used: wait for TokensReceived")
        hello, random = client_hello(self._config, self.settings.join_extension, token.token, mode, now + self._wall)
        connection = self._add_joined(token.sequence, self._config, ConnectionState.JOINING, random, hello, now)
        connection.awaits_preamble = mode is JoinMode.APPARENT
        # A Ping asks for a sign that the join has worked; data need not wait for it.
        connection.control.append((Ping().encode(), False))
        self.trace.event(now, "token_used", {"connection_id": token.sequence, "mode": mode.value})
        return token.sequence

    def _take_handshake_event(self, connection: Connection, event: RecordEvent) -> None:
        if isinstance(event, EncryptedExtensionsReceived):
            body = event.extensions.get(self.settings.tcpls_extension)
            if body is not None:
                check_tcpls(body)
            self.tcpls = body is not None
            self._take_events(connection, self._client.proceed(self._now + self._wall))

    def _take_token(self, frame: NewToken) -> None:
        if self._tokens.add(frame):
            self._events.append(TokensReceived(count=1))

    def _preamble_over(self, connection: Connection) -> None:
        if connection.awaits_preamble:
            connection.awaits_preamble = False
            connection.outgoing += client_flight(self._config.random)
