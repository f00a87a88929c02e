"""The extension supported_versions, in its two forms (RFC 8446, section 4.2.1)."""

from collections.abc import Sequence

from impl.tls13.wire import Reader, encode_u16_list, u16_list, vector8


def encode_supported_versions(versions: Sequence[int]) -> bytes:
    """Encode the versions that a client offers, in order of preference."""
    return vector8(encode_u16_list(versions))


def decode_supported_versions(data: bytes) -> tuple[int, ...]:
    """Read the versions that a client offers, in order of preference."""
    reader = Reader(data, "supported_versions")
    versions = reader.vector8(2, 254)
    reader.finish()
    return u16_list(versions, "supported_versions")


def encode_selected_version(version: int) -> bytes:
    """Encode the version that a ServerHello or HelloRetryRequest chooses."""
    return version.to_bytes(2, "big")


def decode_selected_version(data: bytes) -> int:
    """Read the version that a ServerHello or HelloRetryRequest chooses; which one it may be is the client's to say."""
    reader = Reader(data, "supported_versions of ServerHello")
    version = reader.u16()
    reader.finish()
    return version
