"""What a session tells its user, in the order in which things happened."""

from dataclasses import dataclass, field

from impl.tls13.events import Failed, HandshakeCompleted, TicketReceived


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionStarted:
    """The handshake of the first connection is over.

    Attributes:
        tcpls: both ends speak TCPLS; if not, the connection is plain TLS 1.3, with stream 0 for its data.
        handshake: how it went.

    """

    tcpls: bool
    handshake: HandshakeCompleted


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOpened:
    """The peer has opened a stream; streams are announced in sequence (section 4.1)."""

    stream_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamReadable:
    """There is something to read on a stream, or its end."""

    stream_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamAcknowledged:
    """The peer has everything that was written on a stream, up to the end."""

    stream_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TokensReceived:
    """So many more connections may be joined now (section 4.2.1)."""

    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionJoined:
    """A connection belongs to the session: the peer's first record, or the join itself, was seen on it."""

    connection_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionSuspected:
    """Nothing comes from a connection that should: what was sent on it is sent on others, too.

    Attributes:
        connection_id: which one.
        reason: why, in words.
        by_path: its path seems to be dead; otherwise only the peer's program is silent.

    """

    connection_id: int
    reason: str
    by_path: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionRecovered:
    """A connection that was suspected works again."""

    connection_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionClosed:
    """A connection is no longer part of the session; its socket is to be closed.

    Attributes:
        connection_id: which one.
        reason: why, in words.
        failed: by a failure, so that its socket is to be reset; otherwise it came to its end.
        farewell: what is to be written to its socket before that is closed, unless it failed.

    """

    connection_id: int
    reason: str
    failed: bool
    farewell: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PathPreferred:
    """Stream data goes over this connection from now on, by our own word or because the client moved (4.2.3)."""

    connection_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PingAnswered:
    """A Ping that the user has asked for was acknowledged.

    Attributes:
        connection_id: on which connection it went.
        seconds: from its sending to the acknowledgement, the peer's delay included.

    """

    connection_id: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerClosing:
    """The peer has sent close_notify: no new data will come (section 4.4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEnded:
    """The session is over, and this is its last event.

    Attributes:
        reason: why, in words.
        clean: close_notify was exchanged in both directions; nothing was cut off.
        failure: what TLS found wrong on either side, if that is the reason.

    """

    reason: str
    clean: bool
    failure: Failed | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyLogLine:
    """A line for a key log (SSLKEYLOGFILE), without its end.

    Those of TLS are followed, for each connection that is joined, by the same secrets under the random value of its
    ClientHello, and by ``TCPLS_CONNECTION``, that value and the Connection ID: analysers need it for the nonces.
    """

    line: str = field(repr=False)


Event = (
    SessionStarted
    | StreamOpened
    | StreamReadable
    | StreamAcknowledged
    | TokensReceived
    | ConnectionJoined
    | ConnectionSuspected
    | ConnectionRecovered
    | ConnectionClosed
    | PathPreferred
    | PingAnswered
    | PeerClosing
    | SessionEnded
    | KeyLogLine
    | TicketReceived
)
