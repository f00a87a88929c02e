"""What a client makes of the server's answer: checks against the offer, and the choices it tells (section 4.1.1)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from impl.tls13.alerts import TLSError, illegal_parameter, unexpected_message
from impl.tls13.cipher_suites import CIPHER_SUITES, CipherSuite
from impl.tls13.client_offer import Offer, OfferedKey
from impl.tls13.config import ClientConfig
from impl.tls13.extensions import (
    check_request,
    check_response,
    decode_certificate_authorities,
    decode_cookie,
    decode_indication,
    decode_oid_filters,
    decode_record_size_limit,
    decode_selected_group,
    decode_selected_identity,
    decode_selected_protocol,
    decode_selected_version,
    decode_server_share,
    decode_signature_algorithms,
    decode_supported_groups,
)
from impl.tls13.key_exchange import KeyExchange
from impl.tls13.messages import DOWNGRADE_TLS11, DOWNGRADE_TLS12, CertificateRequest, ServerHello
from impl.tls13.records import MAX_PLAINTEXT
from impl.tls13.registries import (
    LEGACY_VERSION,
    SSL3,
    TLS13,
    AlertDescription,
    ExtensionType,
    HandshakeType,
    NamedGroup,
)


def check_server_hello(
    hello: ServerHello, config: ClientConfig, offer: Offer, retried: CipherSuite | None
) -> CipherSuite:
    """Check a ServerHello or HelloRetryRequest (sections 4.1.3 and 4.1.4).

    Args:
        hello: the message.
        config: the client's settings.
        offer: what was sent.
        retried: the suite of a HelloRetryRequest that came before.

    Returns:
        The suite.

    Raises:
        TLSError: protocol_version, unsupported_extension, illegal_parameter; unexpected_message for a second
            HelloRetryRequest.

    """
    if retried is not None and ExtensionType.SUPPORTED_VERSIONS not in hello.extensions:
        raise illegal_parameter("ServerHello has another version than HelloRetryRequest (section 4.1.4)")
    _check_version(hello)
    check_response(hello.extension_row, hello.extensions, offer.hello.extensions)
    if hello.legacy_session_id_echo != offer.hello.legacy_session_id:
        raise illegal_parameter("the server echoes another legacy_session_id")
    suite = CIPHER_SUITES.get(hello.cipher_suite)
    if suite is None or suite not in config.cipher_suites:
        raise illegal_parameter(f"the server chooses cipher suite {hello.cipher_suite:#06x}, which was not offered")
    if retried is not None and hello.is_hello_retry_request:
        raise unexpected_message("a second HelloRetryRequest")
    if retried is not None and suite is not retried:
        raise illegal_parameter("ServerHello has another cipher suite than HelloRetryRequest (section 4.1.4)")
    return suite


def _check_version(hello: ServerHello) -> None:
    """The server must have chosen TLS 1.3, in the one form that says so (sections 4.1.3 and 4.2.1)."""
    body = hello.extensions.get(ExtensionType.SUPPORTED_VERSIONS)
    if hello.legacy_version <= SSL3:
        raise TLSError(AlertDescription.PROTOCOL_VERSION, "the server speaks SSL 3.0 or older (appendix D.5)")
    if body is None:
        if hello.random[-8:] in (DOWNGRADE_TLS11, DOWNGRADE_TLS12):
            raise illegal_parameter("the server knows TLS 1.3, and somebody made it choose an older version")
        raise TLSError(AlertDescription.PROTOCOL_VERSION, "the server chooses an older version than TLS 1.3")
    version = decode_selected_version(body)
    if version != TLS13:
        raise illegal_parameter(f"the server chooses version {version:#06x} in supported_versions (section 4.2.1)")
    if hello.legacy_version != LEGACY_VERSION:
        raise illegal_parameter(f"ServerHello has legacy_version {hello.legacy_version:#06x}, not 0x0303")


def chosen_key(hello: ServerHello, offer: Offer, suite: CipherSuite) -> OfferedKey | None:
    """The pre-shared key that the server takes, if any; TLSError (illegal_parameter) if it cannot be (4.2.11)."""
    body = hello.extensions.get(ExtensionType.PRE_SHARED_KEY)
    if body is None:
        return None
    index = decode_selected_identity(body)
    if index >= len(offer.keys):
        raise illegal_parameter(f"the server chooses pre-shared key {index} of {len(offer.keys)}")
    key = offer.keys[index]
    if key.suite.hash.name != suite.hash.name:
        raise illegal_parameter("the server chooses a pre-shared key and a suite of another hash (section 4.2.11)")
    return key


def chosen_exchange(hello: ServerHello, offer: Offer) -> tuple[KeyExchange, bytes]:
    """Our half of the key exchange that the server has chosen, and the server's share (section 4.2.8).

    Raises:
        TLSError: missing_extension without a share, illegal_parameter for a group that we have sent none of.

    """
    if ExtensionType.KEY_SHARE not in hello.extensions:
        raise TLSError(AlertDescription.MISSING_EXTENSION, "ServerHello has no key_share")
    share = decode_server_share(hello.extensions[ExtensionType.KEY_SHARE])
    exchange = offer.key_exchanges.get(share.group)
    if exchange is None:
        raise illegal_parameter(f"the server chooses group {share.group:#06x}, for which no share was sent")
    return exchange, share.key_exchange


def requested_change(hello: ServerHello, config: ClientConfig, offer: Offer) -> tuple[NamedGroup | None, bytes | None]:
    """The group and the cookie of a HelloRetryRequest, at least one of them.

    Raises:
        TLSError: illegal_parameter if it asks for no change, for a group that was not offered, or for one whose share
            it has.

    """
    cookie_body = hello.extensions.get(ExtensionType.COOKIE)
    cookie = None if cookie_body is None else decode_cookie(cookie_body)
    group_body = hello.extensions.get(ExtensionType.KEY_SHARE)
    if group_body is None:
        if cookie is None:
            raise illegal_parameter("HelloRetryRequest asks for no change")
        return None, cookie
    number = decode_selected_group(group_body)
    if number not in config.groups:
        raise illegal_parameter(f"HelloRetryRequest asks for group {number:#06x}, which was not offered")
    if number in offer.key_exchanges:
        raise illegal_parameter(f"HelloRetryRequest asks for group {number:#06x}, of which a share was sent")
    return NamedGroup(number), cookie


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """What EncryptedExtensions says.

    Attributes:
        alpn_protocol: the application protocol, or None.
        record_size_limit: the largest record content that the server takes, content type included, or None.
        early_data: the server takes the early data.

    """

    alpn_protocol: bytes | None
    record_size_limit: int | None
    early_data: bool


def read_parameters(extensions: Mapping[int, bytes], config: ClientConfig, offer: Offer) -> Parameters:
    """Read EncryptedExtensions (section 4.3.1).

    Raises:
        TLSError: unsupported_extension, illegal_parameter or decode_error.

    """
    check_response(HandshakeType.ENCRYPTED_EXTENSIONS, extensions, offer.hello.extensions)
    protocol_body = extensions.get(ExtensionType.APPLICATION_LAYER_PROTOCOL_NEGOTIATION)
    protocol = None if protocol_body is None else decode_selected_protocol(protocol_body)
    if protocol is not None and protocol not in config.alpn_protocols:
        raise illegal_parameter(f"the server chooses the application protocol {protocol!r}, which was not offered")
    limit_body = extensions.get(ExtensionType.RECORD_SIZE_LIMIT)
    limit = None if limit_body is None else decode_record_size_limit(limit_body)
    if limit is not None and limit > MAX_PLAINTEXT + 1:
        raise illegal_parameter(f"record_size_limit is {limit}; more than 16385 is not allowed (RFC 8449)")
    if ExtensionType.SUPPORTED_GROUPS in extensions:
        decode_supported_groups(extensions[ExtensionType.SUPPORTED_GROUPS])
    for indication in (ExtensionType.SERVER_NAME, ExtensionType.EARLY_DATA):
        if indication in extensions:
            decode_indication(extensions[indication], indication)
    return Parameters(
        alpn_protocol=protocol, record_size_limit=limit, early_data=ExtensionType.EARLY_DATA in extensions
    )


_REQUEST_DECODERS: Final[Mapping[int, Callable[[bytes], object]]] = {
    # What a client may pass over must have the right form all the same.
    ExtensionType.SIGNATURE_ALGORITHMS: decode_signature_algorithms,
    ExtensionType.SIGNATURE_ALGORITHMS_CERT: decode_signature_algorithms,
    ExtensionType.CERTIFICATE_AUTHORITIES: decode_certificate_authorities,
    ExtensionType.OID_FILTERS: decode_oid_filters,
}


def check_certificate_request(request: CertificateRequest) -> None:
    """Check a CertificateRequest of the handshake (section 4.3.2); TLSError (illegal_parameter or decode_error)."""
    if request.context:
        raise illegal_parameter("a certificate_request_context during the handshake (section 4.3.2)")
    check_request(HandshakeType.CERTIFICATE_REQUEST, request.extensions)
    for number, decode in _REQUEST_DECODERS.items():
        if number in request.extensions:
            decode(request.extensions[number])
