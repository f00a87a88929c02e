"""What a server makes of a ClientHello: the offer in typed form, and the choices it leads to (section 4.1.1)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

from impl.tls13.alerts import TLSError, illegal_parameter
from impl.tls13.certificates import Credentials
from impl.tls13.cipher_suites import CipherSuite
from impl.tls13.config import ServerConfig
from impl.tls13.extensions import (
    OfferedPsks,
    check_key_shares,
    check_request,
    decode_certificate_authorities,
    decode_cookie,
    decode_indication,
    decode_key_shares,
    decode_protocols,
    decode_psk_key_exchange_modes,
    decode_record_size_limit,
    decode_server_name,
    decode_signature_algorithms,
    decode_supported_groups,
    decode_supported_versions,
)
from impl.tls13.messages import ClientHello
from impl.tls13.registries import (
    SSL3,
    TLS13,
    AlertDescription,
    ExtensionType,
    HandshakeType,
    NamedGroup,
    PskKeyExchangeMode,
    SignatureScheme,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerOffer:
    """A ClientHello whose extensions have been read and held against each other.

    Attributes:
        hello: the message.
        server_name: the host name that the client wants, or None.
        groups: for the key exchange, in the client's order.
        shares: the client's public values by group.
        signature_schemes: that the client can verify; empty if it does not say.
        alpn_protocols: in the client's order.
        psks: pre-shared keys, or None.
        psk_with_dhe: pre-shared keys may be used together with a key exchange.
        early_data: early data follows.
        cookie: from a HelloRetryRequest, or None.
        record_size_limit: the largest record content that the client takes, content type included, or None.

    """

    hello: ClientHello
    server_name: str | None
    groups: tuple[int, ...]
    shares: Mapping[int, bytes]
    signature_schemes: tuple[int, ...]
    alpn_protocols: tuple[bytes, ...]
    psks: OfferedPsks | None
    psk_with_dhe: bool
    early_data: bool
    cookie: bytes | None
    record_size_limit: int | None

    @classmethod
    def of(cls, hello: ClientHello) -> Self:
        """Read the extensions of a ClientHello.

        Raises:
            TLSError: protocol_version if TLS 1.3 is not offered; missing_extension, illegal_parameter or decode_error
                if what is offered breaks a rule of section 4.1.2, 4.2 or 9.2.

        """
        extensions = hello.extensions
        if hello.legacy_version <= SSL3:
            raise TLSError(AlertDescription.PROTOCOL_VERSION, "the client speaks SSL 3.0 or older (appendix D.5)")
        versions = extensions.get(ExtensionType.SUPPORTED_VERSIONS)
        if versions is None or TLS13 not in decode_supported_versions(versions):
            raise TLSError(AlertDescription.PROTOCOL_VERSION, "the client does not offer TLS 1.3")
        hello.check_compression()
        check_request(HandshakeType.CLIENT_HELLO, extensions)
        groups, shares = _key_exchange(extensions)
        psks = modes = None
        if ExtensionType.PSK_KEY_EXCHANGE_MODES in extensions:
            modes = decode_psk_key_exchange_modes(extensions[ExtensionType.PSK_KEY_EXCHANGE_MODES])
        if ExtensionType.PRE_SHARED_KEY in extensions:
            if modes is None:
                raise _missing("pre_shared_key without psk_key_exchange_modes (section 4.2.9)")
            psks = OfferedPsks.decode(extensions[ExtensionType.PRE_SHARED_KEY])
        elif ExtensionType.SIGNATURE_ALGORITHMS not in extensions:
            raise _missing("ClientHello has neither signature_algorithms nor pre_shared_key (section 9.2)")
        early_data = ExtensionType.EARLY_DATA in extensions
        if early_data:
            decode_indication(extensions[ExtensionType.EARLY_DATA], ExtensionType.EARLY_DATA)
        server_name = extensions.get(ExtensionType.SERVER_NAME)
        schemes = extensions.get(ExtensionType.SIGNATURE_ALGORITHMS)
        _check_forms(extensions)
        protocols = extensions.get(ExtensionType.APPLICATION_LAYER_PROTOCOL_NEGOTIATION)
        cookie = extensions.get(ExtensionType.COOKIE)
        limit = extensions.get(ExtensionType.RECORD_SIZE_LIMIT)
        return cls(
            hello=hello,
            server_name=None if server_name is None else decode_server_name(server_name),
            groups=groups,
            shares=shares,
            signature_schemes=() if schemes is None else decode_signature_algorithms(schemes),
            alpn_protocols=() if protocols is None else decode_protocols(protocols),
            psks=psks,
            psk_with_dhe=modes is not None and PskKeyExchangeMode.PSK_DHE_KE in modes,
            early_data=early_data,
            cookie=None if cookie is None else decode_cookie(cookie),
            record_size_limit=None if limit is None else decode_record_size_limit(limit),
        )

    def check_repeats(self, first: Self, group: NamedGroup | None) -> None:
        """Check that this offer answers a HelloRetryRequest: only what section 4.1.2 names differs from the first.

        Args:
            first: the offer before the HelloRetryRequest.
            group: of which a share was asked for; None if only a cookie was given.

        Raises:
            TLSError: illegal_parameter.

        """
        if group is not None and list(self.shares) != [group]:
            raise illegal_parameter(f"the second ClientHello must have a share of {group.name} and no other")
        if self.early_data:
            raise illegal_parameter("early_data in a second ClientHello (section 4.2.10)")
        if _unchangeable(self.hello) != _unchangeable(first.hello):
            raise illegal_parameter("the second ClientHello differs from the first in what must not change (4.1.2)")


def _unchangeable(hello: ClientHello) -> tuple[object, ...]:
    changeable = {
        ExtensionType.KEY_SHARE,
        ExtensionType.EARLY_DATA,
        ExtensionType.COOKIE,
        ExtensionType.PRE_SHARED_KEY,
        ExtensionType.PADDING,
    }
    extensions = [extension for extension in hello.extensions.items() if extension[0] not in changeable]
    return (
        hello.legacy_version,
        hello.random,
        hello.legacy_session_id,
        hello.cipher_suites,
        hello.legacy_compression_methods,
        extensions,
    )


_OBSOLETE_GROUPS: Final = (range(0x0001, 0x0017), range(0x001A, 0x001D), range(0xFF01, 0xFF03))


def _check_forms(extensions: Mapping[int, bytes]) -> None:
    """What a server may pass over must have the right form all the same."""
    if ExtensionType.SIGNATURE_ALGORITHMS_CERT in extensions:
        decode_signature_algorithms(extensions[ExtensionType.SIGNATURE_ALGORITHMS_CERT])
    if ExtensionType.CERTIFICATE_AUTHORITIES in extensions:
        decode_certificate_authorities(extensions[ExtensionType.CERTIFICATE_AUTHORITIES])
    if ExtensionType.POST_HANDSHAKE_AUTH in extensions:
        decode_indication(extensions[ExtensionType.POST_HANDSHAKE_AUTH], ExtensionType.POST_HANDSHAKE_AUTH)


def _key_exchange(extensions: Mapping[int, bytes]) -> tuple[tuple[int, ...], Mapping[int, bytes]]:
    groups_body = extensions.get(ExtensionType.SUPPORTED_GROUPS)
    shares_body = extensions.get(ExtensionType.KEY_SHARE)
    if groups_body is None and shares_body is None and ExtensionType.PRE_SHARED_KEY in extensions:
        raise TLSError(AlertDescription.HANDSHAKE_FAILURE, "the client wants a pre-shared key without a key exchange")
    if groups_body is None:
        raise _missing("ClientHello has no supported_groups (section 9.2)")
    if shares_body is None:
        raise _missing("ClientHello has no key_share (section 9.2)")
    groups = decode_supported_groups(groups_body)
    shares = decode_key_shares(shares_body)
    check_key_shares(shares, groups)
    for share in shares:
        if any(share.group in obsolete for obsolete in _OBSOLETE_GROUPS):
            # Such groups may be meant for TLS 1.2; but shares are for TLS 1.3, which must not offer them.
            raise illegal_parameter(f"key_share has the obsolete group {share.group:#06x} (appendix B.3.1.4)")
    return groups, {share.group: share.key_exchange for share in shares}


def _missing(reason: str) -> TLSError:
    return TLSError(AlertDescription.MISSING_EXTENSION, reason)


def choose_suite(config: ServerConfig, offer: PeerOffer, hash_name: str | None = None) -> CipherSuite | None:
    """The first of our suites that the client offers, too; of this hash, if one is named."""
    offered = offer.hello.cipher_suites
    for suite in config.cipher_suites:
        if suite.code in offered and hash_name in (None, suite.hash.name):
            return suite
    return None


def require_suite(config: ServerConfig, offer: PeerOffer) -> CipherSuite:
    """The suite of a handshake; TLSError (handshake_failure) if there is none in common."""
    suite = choose_suite(config, offer)
    if suite is None:
        raise TLSError(AlertDescription.HANDSHAKE_FAILURE, "no cipher suite in common with the client")
    return suite


def choose_group(config: ServerConfig, offer: PeerOffer) -> NamedGroup:
    """The group of the key exchange: the first of ours with a share, else the first in common.

    Raises:
        TLSError: handshake_failure if there is none in common.

    """
    common = [group for group in config.groups if group in offer.groups]
    if not common:
        raise TLSError(AlertDescription.HANDSHAKE_FAILURE, "no group in common with the client")
    return next((group for group in common if group in offer.shares), common[0])


def choose_alpn(config: ServerConfig, offer: PeerOffer) -> bytes | None:
    """The first of our application protocols that the client offers (RFC 7301, section 3.2).

    Raises:
        TLSError: no_application_protocol if both sides have some, and none in common.

    """
    if not config.alpn_protocols or not offer.alpn_protocols:
        return None
    for protocol in config.alpn_protocols:
        if protocol in offer.alpn_protocols:
            return protocol
    raise TLSError(AlertDescription.NO_APPLICATION_PROTOCOL, "no application protocol in common with the client")


def choose_credentials(candidates: Sequence[Credentials], offer: PeerOffer) -> tuple[Credentials, SignatureScheme]:
    """The chain to show and the scheme to sign with (section 4.4.2.2).

    The first that is for the client's host name and that it can verify, else the first that it can verify.

    Raises:
        TLSError: handshake_failure if the client can verify none.

    """
    fitting: tuple[Credentials, SignatureScheme] | None = None
    for credentials in candidates:
        scheme = next((scheme for scheme in credentials.schemes if scheme in offer.signature_schemes), None)
        if scheme is None:
            continue
        if offer.server_name is None or credentials.is_for(offer.server_name):
            return credentials, scheme
        fitting = fitting or (credentials, scheme)
    if fitting is None:
        raise TLSError(AlertDescription.HANDSHAKE_FAILURE, "no certificate that the client's signature_algorithms fit")
    return fitting
