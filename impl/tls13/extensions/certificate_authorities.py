"""The extension certificate_authorities (RFC 8446, section 4.2.4)."""

from collections.abc import Sequence

from impl.tls13.wire import Reader, vector16


def encode_certificate_authorities(authorities: Sequence[bytes]) -> bytes:
    """Encode distinguished names, each in DER."""
    return vector16(b"".join([vector16(authority) for authority in authorities]))


def decode_certificate_authorities(data: bytes) -> tuple[bytes, ...]:
    """Read distinguished names, each in DER, which is not looked into."""
    reader = Reader(data, "certificate_authorities")
    names = Reader(reader.vector16(3), "certificate_authorities")
    reader.finish()
    authorities: list[bytes] = []
    while names.left:
        authorities.append(names.vector16(1))
    return tuple(authorities)
