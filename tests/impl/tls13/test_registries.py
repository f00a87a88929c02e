"""The numbers of the registries, against those of the RFC's appendix B."""

import pytest

from impl.tls13.registries import (
    AlertDescription,
    ContentType,
    ExtensionType,
    HandshakeType,
    NamedGroup,
    SignatureScheme,
)


@pytest.mark.parametrize(
    ("member", "number"),
    [
        (ContentType.CHANGE_CIPHER_SPEC, 20),
        (ContentType.APPLICATION_DATA, 23),
        (HandshakeType.CLIENT_HELLO, 1),
        (HandshakeType.ENCRYPTED_EXTENSIONS, 8),
        (HandshakeType.KEY_UPDATE, 24),
        (ExtensionType.SUPPORTED_GROUPS, 10),
        (ExtensionType.RECORD_SIZE_LIMIT, 28),
        (ExtensionType.PRE_SHARED_KEY, 41),
        (ExtensionType.KEY_SHARE, 51),
        (AlertDescription.DECODE_ERROR, 50),
        (AlertDescription.MISSING_EXTENSION, 109),
        (AlertDescription.CERTIFICATE_REQUIRED, 116),
        (NamedGroup.SECP256R1, 23),
        (NamedGroup.X25519, 29),
        (NamedGroup.X25519MLKEM768, 4588),
        (SignatureScheme.ED25519, 0x0807),
        (SignatureScheme.RSA_PSS_PSS_SHA512, 0x080B),
    ],
)
def test_numbers(member: int, number: int) -> None:
    assert member == number
