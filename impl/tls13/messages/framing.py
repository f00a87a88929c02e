"""What handshake messages share: their header and their blocks of extensions (RFC 8446, sections 4 and 4.2)."""

import struct
from collections.abc import Mapping
from typing import Final

from impl.tls13.alerts import TLSError, decode_error, illegal_parameter
from impl.tls13.registries import ExtensionType, HandshakeType
from impl.tls13.wire import vector16

HEADER_SIZE: Final = 4
"""Bytes of a handshake header: a type and a length of three bytes."""

_EXTENSION_HEADER: Final = struct.Struct(">HH")
_KNOWN: Final = frozenset(ExtensionType)


def handshake_header(handshake_type: HandshakeType, body: bytes) -> bytes:
    """The header that goes before a body (section 4); ValueError if the body is longer than the header can say."""
    size = len(body)
    if size > 0xFFFFFF:
        raise ValueError(f"a {handshake_type.name.lower()} of {size} bytes does not fit a handshake message")
    return (handshake_type << 24 | size).to_bytes(HEADER_SIZE, "big")


def encode_message(handshake_type: HandshakeType, body: bytes) -> bytes:
    """A handshake message of header and body; ValueError if the body is too long."""
    return handshake_header(handshake_type, body) + body


def encode_extensions(extensions: Mapping[int, bytes]) -> bytes:
    """Encode a block of extensions with its length, in the order of the mapping; ValueError if one does not fit."""
    parts: list[bytes] = []
    try:
        for extension_type, data in extensions.items():
            parts.append(_EXTENSION_HEADER.pack(extension_type, len(data)))
            parts.append(data)
    except struct.error as error:
        raise ValueError(f"an extension cannot be encoded: {error}") from None
    return vector16(b"".join(parts))


def decode_extensions(data: bytes, what: str) -> dict[int, bytes]:
    """Read the content of a block of extensions, without its length, into types and data in the order of the wire.

    Types that nobody knows are kept. TLSError: decode_error if an extension ends early or an unknown one comes twice,
    illegal_parameter if a known one comes twice.
    """
    extensions: dict[int, bytes] = {}
    offset = 0
    end = len(data)
    while offset < end:
        start = offset + 4
        if start > end:
            raise decode_error(f"the extensions of {what} end inside a header")
        extension_type, size = _EXTENSION_HEADER.unpack_from(data, offset)
        offset = start + size
        if offset > end:
            raise decode_error(f"extension {extension_type} of {what} says {size} bytes and has {end - start}")
        if extension_type in extensions:
            raise _repeated(extension_type, what)
        extensions[extension_type] = data[start:offset]
    return extensions


def _repeated(extension_type: int, what: str) -> TLSError:
    # Section 4.2 forbids it and names no alert. Two values of a known extension contradict each other; of an unknown
    # one nothing but the form of the block can be wrong. Conformance suites expect this distinction, too.
    reason = f"extension {extension_type} comes twice in {what}"
    return illegal_parameter(reason) if extension_type in _KNOWN else decode_error(reason)
