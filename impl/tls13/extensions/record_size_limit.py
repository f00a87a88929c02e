"""The extension record_size_limit (RFC 8449, section 4)."""

from typing import Final

from impl.tls13.alerts import illegal_parameter
from impl.tls13.wire import Reader

MIN_RECORD_SIZE_LIMIT: Final = 64
"""The least limit, in bytes of a TLSInnerPlaintext, that may be asked for."""


def encode_record_size_limit(limit: int) -> bytes:
    """Encode the largest TLSInnerPlaintext that the sender takes: content, type and padding, in bytes."""
    return limit.to_bytes(2, "big")


def decode_record_size_limit(data: bytes) -> int:
    """Read the largest TLSInnerPlaintext that the sender takes: content, type and padding, in bytes.

    TLSError: illegal_parameter if it is less than 64. More than 2**14 + 1 is given back as it is: a server must bear
    that, and a client may refuse it.
    """
    reader = Reader(data, "record_size_limit")
    limit = reader.u16()
    reader.finish()
    if limit < MIN_RECORD_SIZE_LIMIT:
        raise illegal_parameter(f"record_size_limit is {limit}; the least is {MIN_RECORD_SIZE_LIMIT}")
    return limit
