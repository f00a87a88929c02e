"""What the user of a connection decides beforehand: settings that both sides share, the client's, and the server's."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from impl.tls13.anti_replay import ReplayGuard
from impl.tls13.certificates import Credentials, TrustStore
from impl.tls13.certificates.server_names import parse_server_name
from impl.tls13.cipher_suites import CIPHER_SUITES, CipherSuite
from impl.tls13.key_exchange import KeyExchange, generate, respond, supported_groups
from impl.tls13.records import PaddingPolicy
from impl.tls13.registries import NamedGroup
from impl.tls13.sessions import ExternalPsk, Session
from impl.tls13.signatures import CERTIFICATE_SCHEMES, SIGNATURE_SCHEMES
from impl.tls13.tickets import TicketProtection


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of both sides.

    Attributes:
        cipher_suites: allowed suites in order of preference.
        groups: allowed groups in order of preference.
        signature_schemes: what the peer may sign its CertificateVerify with, in order of preference. What we sign with
            is said by our credentials.
        certificate_signature_schemes: what may stand in the peer's certificates; None: the same.
        alpn_protocols: application protocols in order of preference; empty for none.
        trust: whose certificates are believed.
        record_size_limit: the largest record content that we want to receive, content type included, 64 to 16385 bytes
            (RFC 8449); None to leave the extension out.
        padding: how much padding records get (section 5.4); None for none.
        hold: wait in the middle of the handshake until the user has seen the peer's extensions and says ``proceed``.
        extensions: further extensions of ClientHello (clients) or EncryptedExtensions (servers), bodies by type. One
            that stands here takes the place of a built-in one of the same type.
        extension_order: types in the order in which that message shall have them; others follow.
        random: source of random values and session ids.

    """

    cipher_suites: Sequence[CipherSuite] = tuple(CIPHER_SUITES.values())
    groups: Sequence[NamedGroup] = field(default_factory=supported_groups)
    signature_schemes: Sequence[int] = SIGNATURE_SCHEMES
    certificate_signature_schemes: Sequence[int] | None = CERTIFICATE_SCHEMES
    alpn_protocols: Sequence[bytes] = ()
    trust: TrustStore | None = None
    record_size_limit: int | None = None
    padding: PaddingPolicy | None = None
    hold: bool = False
    extensions: Mapping[int, bytes] = field(default_factory=dict)
    extension_order: Sequence[int] = ()
    random: Callable[[int], bytes] = os.urandom

    def __post_init__(self) -> None:
        if not self.cipher_suites:
            raise ValueError("no cipher suite is allowed: name at least one of " + ", ".join(_suite_names()))
        if not self.groups:
            raise ValueError(
                "no group is allowed: name at least one of " + ", ".join(g.name for g in supported_groups())
            )
        if self.record_size_limit is not None and not 64 <= self.record_size_limit <= 2**14 + 1:
            raise ValueError(f"a record size limit lies between 64 and 16385, not {self.record_size_limit} (RFC 8449)")
        for protocol in self.alpn_protocols:
            if not 0 < len(protocol) < 256:
                raise ValueError(f"an ALPN protocol has 1 to 255 bytes, not {len(protocol)} (RFC 7301)")

    def arranged(self, built_in: Mapping[int, bytes], further: Mapping[int, bytes]) -> dict[int, bytes]:
        """The extensions of a message: the user's take the place of built-in ones, all in the order wished for."""
        extensions = {**built_in, **further}
        first = {number: extensions[number] for number in self.extension_order if number in extensions}
        return first | extensions


@dataclass(frozen=True, kw_only=True)
class ClientConfig(Config):
    """Settings of a client.

    Attributes:
        server_name: the host name or IP address that the server's certificate must be for; a host name is also sent.
        verify: whether the server's certificate is verified at all. Without it anybody can be the server.
        credentials: shown when the server asks for a certificate that fits; None for none.
        session: resume this one, if it is still good.
        psk: offer a key from elsewhere.
        early_data: allow early data if the session does; anybody may replay them (section 8).
        key_shares: groups to send a share of at once; by default the first of `groups`, and the first elliptic curve.
        compatibility_mode: look like TLS 1.2 to middleboxes (appendix D.4).
        generate: makes the client's half of a key exchange.

    """

    server_name: str | None
    verify: bool = True
    credentials: Credentials | None = None
    session: Session | None = None
    psk: ExternalPsk | None = None
    early_data: bool = False
    key_shares: Sequence[NamedGroup] | None = None
    compatibility_mode: bool = True
    generate: Callable[[NamedGroup], KeyExchange] = generate

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.server_name is not None:
            parse_server_name(self.server_name)
        if self.verify and self.trust is None:
            raise ValueError(
                "to verify servers a client needs a trust store: give trust=, or verify=False for no check"
            )
        for group in self.key_shares or ():
            if group not in self.groups:
                raise ValueError(f"a key share of {group.name} needs the group to be among the allowed ones")


class ClientAuthentication(Enum):
    """Whether a server asks clients for certificates (section 4.3.2)."""

    NONE = "none"
    OPTIONAL = "optional"
    REQUIRED = "required"


@dataclass(frozen=True, kw_only=True)
class ServerConfig(Config):
    """Settings of a server.

    Attributes:
        credentials: certificate chains with their keys; the first one that fits the client's name and algorithms is
            shown, or else the first that fits its algorithms.
        client_authentication: whether clients are asked for a certificate, which `trust` verifies.
        tickets: seals session tickets; share one among connections. None for no resumption.
        tickets_per_handshake: how many tickets a client gets after each handshake.
        max_early_data: how many bytes of early data tickets allow; 0 for none.
        replay_guard: needed for early data; share one among all connections that share `tickets`.
        psks: keys from elsewhere.
        cookie: makes the cookie of a HelloRetryRequest, which the client must send back (section 4.2.2); None for none.
        respond: makes the server's half of a key exchange from the client's share: our share, and the shared secret.

    """

    credentials: Sequence[Credentials] = ()
    client_authentication: ClientAuthentication = ClientAuthentication.NONE
    tickets: TicketProtection | None = None
    tickets_per_handshake: int = 1
    max_early_data: int = 0
    replay_guard: ReplayGuard | None = None
    psks: Sequence[ExternalPsk] = ()
    cookie: Callable[[], bytes] | None = None
    respond: Callable[[NamedGroup, bytes], tuple[bytes, bytes]] = respond

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.credentials and not self.psks:
            raise ValueError("a server needs credentials or pre-shared keys to prove who it is")
        if self.client_authentication is not ClientAuthentication.NONE and self.trust is None:
            raise ValueError("to verify clients a server needs a trust store: give trust=")
        if self.max_early_data and (self.tickets is None or self.replay_guard is None):
            raise ValueError("early data needs tickets and a replay guard (section 8)")


def _suite_names() -> list[str]:
    return [suite.name for suite in CIPHER_SUITES.values()]
