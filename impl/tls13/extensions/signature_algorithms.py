"""The extensions signature_algorithms and signature_algorithms_cert, which have one form (RFC 8446, section 4.2.3)."""

from collections.abc import Sequence

from impl.tls13.wire import Reader, encode_u16_list, u16_list, vector16


def encode_signature_algorithms(schemes: Sequence[int]) -> bytes:
    """Encode the schemes of signatures that the sender can verify, in order of preference."""
    return vector16(encode_u16_list(schemes))


def decode_signature_algorithms(data: bytes) -> tuple[int, ...]:
    """Read the schemes of signatures that the sender can verify, in order of preference."""
    reader = Reader(data, "signature_algorithms")
    schemes = reader.vector16(2, 0xFFFE)
    reader.finish()
    return u16_list(schemes, "signature_algorithms")
