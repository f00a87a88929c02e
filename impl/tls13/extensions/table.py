"""Which extension may stand in which message (RFC 8446, section 4.2)."""

from collections.abc import Collection, Mapping
from typing import Final

from impl.tls13.alerts import TLSError, illegal_parameter
from impl.tls13.registries import AlertDescription, ExtensionType, HandshakeType

_CH: Final = HandshakeType.CLIENT_HELLO
_SH: Final = HandshakeType.SERVER_HELLO
_HRR: Final = HandshakeType.HELLO_RETRY_REQUEST
_EE: Final = HandshakeType.ENCRYPTED_EXTENSIONS
_CT: Final = HandshakeType.CERTIFICATE
_CR: Final = HandshakeType.CERTIFICATE_REQUEST
_NST: Final = HandshakeType.NEW_SESSION_TICKET

ALLOWED: Final[Mapping[int, frozenset[HandshakeType]]] = {
    ExtensionType.SERVER_NAME: frozenset({_CH, _EE}),
    ExtensionType.MAX_FRAGMENT_LENGTH: frozenset({_CH, _EE}),
    ExtensionType.STATUS_REQUEST: frozenset({_CH, _CR, _CT}),
    ExtensionType.SUPPORTED_GROUPS: frozenset({_CH, _EE}),
    ExtensionType.SIGNATURE_ALGORITHMS: frozenset({_CH, _CR}),
    ExtensionType.USE_SRTP: frozenset({_CH, _EE}),
    ExtensionType.HEARTBEAT: frozenset({_CH, _EE}),
    ExtensionType.APPLICATION_LAYER_PROTOCOL_NEGOTIATION: frozenset({_CH, _EE}),
    ExtensionType.SIGNED_CERTIFICATE_TIMESTAMP: frozenset({_CH, _CR, _CT}),
    ExtensionType.CLIENT_CERTIFICATE_TYPE: frozenset({_CH, _EE}),
    ExtensionType.SERVER_CERTIFICATE_TYPE: frozenset({_CH, _EE}),
    ExtensionType.PADDING: frozenset({_CH}),
    ExtensionType.RECORD_SIZE_LIMIT: frozenset({_CH, _EE}),
    ExtensionType.KEY_SHARE: frozenset({_CH, _SH, _HRR}),
    ExtensionType.PRE_SHARED_KEY: frozenset({_CH, _SH}),
    ExtensionType.PSK_KEY_EXCHANGE_MODES: frozenset({_CH}),
    ExtensionType.EARLY_DATA: frozenset({_CH, _EE, _NST}),
    ExtensionType.COOKIE: frozenset({_CH, _HRR}),
    ExtensionType.SUPPORTED_VERSIONS: frozenset({_CH, _SH, _HRR}),
    ExtensionType.CERTIFICATE_AUTHORITIES: frozenset({_CH, _CR}),
    ExtensionType.OID_FILTERS: frozenset({_CR}),
    ExtensionType.POST_HANDSHAKE_AUTH: frozenset({_CH}),
    ExtensionType.SIGNATURE_ALGORITHMS_CERT: frozenset({_CH, _CR}),
}
"""The messages of each extension that is known; HELLO_RETRY_REQUEST is a row of its own, though it is a ServerHello."""


def check_response(message: HandshakeType, extensions: Collection[int], offered: Collection[int]) -> None:
    """Check the types of extensions that answer others: in SH, HRR, EE and CT.

    `offered` are those of the ClientHello, or of the CertificateRequest for a client's Certificate. TLSError:
    unsupported_extension for one that was not offered, but for a HelloRetryRequest's cookie; else illegal_parameter for
    one that may not stand in `message`.
    """
    for extension_type in extensions:
        if extension_type not in offered and (extension_type, message) != (ExtensionType.COOKIE, _HRR):
            raise TLSError(
                AlertDescription.UNSUPPORTED_EXTENSION,
                f"{message.name.lower()} has extension {extension_type}, which was not offered",
            )
    check_request(message, extensions)


def check_request(message: HandshakeType, extensions: Collection[int]) -> None:
    """Check the types of extensions that answer none: in CH, CR and NST.

    TLSError: illegal_parameter for one that is known and may not stand in `message`. Unknown ones are let through.
    """
    for extension_type in extensions:
        allowed = ALLOWED.get(extension_type)
        if allowed is not None and message not in allowed:
            raise illegal_parameter(f"extension {extension_type} may not stand in {message.name.lower()}")
