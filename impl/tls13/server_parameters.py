"""What a server says beside its choices: the extensions of EncryptedExtensions and CertificateRequest (section 4.3)."""

from impl.tls13.config import ServerConfig
from impl.tls13.extensions import (
    INDICATION,
    encode_record_size_limit,
    encode_selected_protocol,
    encode_signature_algorithms,
)
from impl.tls13.registries import ExtensionType


def encrypted_extensions(
    *, named: bool, alpn_protocol: bytes | None, record_size_limit: int | None, early_data: bool
) -> dict[int, bytes]:
    """The built-in extensions of EncryptedExtensions.

    Args:
        named: the client's host name was used.
        alpn_protocol: the application protocol, if one was chosen.
        record_size_limit: the largest record content that we take, if the client knows such limits (RFC 8449).
        early_data: the client's early data are taken.

    """
    extensions: dict[int, bytes] = {}
    if named:
        extensions[ExtensionType.SERVER_NAME] = INDICATION
    if alpn_protocol is not None:
        extensions[ExtensionType.APPLICATION_LAYER_PROTOCOL_NEGOTIATION] = encode_selected_protocol(alpn_protocol)
    if record_size_limit is not None:
        extensions[ExtensionType.RECORD_SIZE_LIMIT] = encode_record_size_limit(record_size_limit)
    if early_data:
        extensions[ExtensionType.EARLY_DATA] = INDICATION
    return extensions


def request_extensions(config: ServerConfig) -> dict[int, bytes]:
    """The extensions of a CertificateRequest."""
    extensions: dict[int, bytes] = {
        ExtensionType.SIGNATURE_ALGORITHMS: encode_signature_algorithms(config.signature_schemes)
    }
    if config.certificate_signature_schemes is not None:
        extensions[ExtensionType.SIGNATURE_ALGORITHMS_CERT] = encode_signature_algorithms(
            config.certificate_signature_schemes
        )
    return extensions
