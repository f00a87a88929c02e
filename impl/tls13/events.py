"""What a connection tells its user: the events that ``receive`` returns, in the order in which they happened."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from cryptography import x509

from impl.tls13.messages import ClientHello
from impl.tls13.registries import AlertDescription, NamedGroup
from impl.tls13.sessions import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientHelloReceived:
    """A server that holds its handshakes has a ClientHello and waits for ``Server.proceed`` or ``Server.refuse``.

    Attributes:
        hello: the message, with all its extensions; after a HelloRetryRequest this is the second one.
        server_name: the host name that the client asks for, if it names one.
        alpn_protocols: the protocols that the client offers, in its order of preference.

    """

    hello: ClientHello
    server_name: str | None
    alpn_protocols: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EncryptedExtensionsReceived:
    """A client that holds its handshakes has the server's extensions and waits for ``Client.proceed`` or ``refuse``.

    Attributes:
        extensions: bodies by type: all of EncryptedExtensions, the built-in ones among them.

    """

    extensions: Mapping[int, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretDerived:
    """A secret of the key schedule is there, under the label of the key log (SSLKEYLOGFILE)."""

    label: str
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class HandshakeCompleted:
    """The handshake is over: the peer's Finished was right, and data may flow in both directions.

    Attributes:
        cipher_suite: name of the suite.
        group: of the key exchange.
        alpn_protocol: chosen by the server, or None.
        server_name: the host name that the client sent, or None.
        resumed: a pre-shared key took the place of certificates.
        early_data_accepted: the server took the client's early data.
        hello_retry_request: a HelloRetryRequest cost another round trip.
        peer_chain: the peer's certificates, its own first; empty if it did not show any.

    """

    cipher_suite: str
    group: NamedGroup
    alpn_protocol: bytes | None
    server_name: str | None
    resumed: bool
    early_data_accepted: bool
    hello_retry_request: bool
    peer_chain: tuple[x509.Certificate, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlyDataRejected:
    """The server did not take the early data: what ``Client.send_early`` has sent is lost and may be sent again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationDataReceived:
    """Application data of one or several records that came one after the other.

    Attributes:
        data: the content; where the boundaries of pieces lie depends on how the bytes arrived.
        ends: where in `data` each record ends; the last one is its length.
        early: it is 0-RTT data, which an attacker may have replayed (section 8).

    """

    data: bytes
    ends: tuple[int, ...]
    early: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketReceived:
    """The server offers to resume: keep the session and put it into the next connection's ClientConfig."""

    session: Session


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysUpdated:
    """The peer writes with new keys from here on (section 4.6.3).

    Attributes:
        generation: of the peer's keys; 0 are those of the handshake's end.
        answer_requested: the peer asked for new keys in the other direction too, and gets them before the next data.

    """

    generation: int
    answer_requested: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerClosed:
    """The peer has sent close_notify: no more data will come from it; the other direction may still be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The connection is over because of an error; nothing comes after this event.

    Attributes:
        alert: what was wrong; None if the transport just ended.
        reason: the same in words.
        by: who found it: ``local`` (the peer is sent the alert), ``peer`` (it sent the alert), or ``transport``.

    """

    alert: AlertDescription | None
    reason: str
    by: Literal["local", "peer", "transport"]


Event = (
    ClientHelloReceived
    | EncryptedExtensionsReceived
    | SecretDerived
    | HandshakeCompleted
    | EarlyDataRejected
    | ApplicationDataReceived
    | TicketReceived
    | KeysUpdated
    | PeerClosed
    | Failed
)
