"""The extension supported_groups (RFC 8446, section 4.2.7)."""

from collections.abc import Sequence

from impl.tls13.wire import Reader, encode_u16_list, u16_list, vector16


def encode_supported_groups(groups: Sequence[int]) -> bytes:
    """Encode the groups that the sender can use, in order of preference."""
    return vector16(encode_u16_list(groups))


def decode_supported_groups(data: bytes) -> tuple[int, ...]:
    """Read the groups that the sender can use, in order of preference."""
    reader = Reader(data, "supported_groups")
    groups = reader.vector16(2)
    reader.finish()
    return u16_list(groups, "supported_groups")
