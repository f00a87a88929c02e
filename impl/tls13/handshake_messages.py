"""Handshake messages out of the records that carry them: put together, never across a change of keys (section 5.1)."""

from typing import Final, NamedTuple

from impl.tls13.alerts import decode_error, unexpected_message
from impl.tls13.messages import HEADER_SIZE
from impl.tls13.registries import HandshakeType

MAX_MESSAGE_SIZE: Final = 2**17
"""The longest message that is taken, bytes; a certificate chain of this size would be the longest ever seen."""

_ON_THE_WIRE: Final = frozenset(HandshakeType) - {HandshakeType.HELLO_RETRY_REQUEST, HandshakeType.MESSAGE_HASH}


class RawMessage(NamedTuple):
    """A whole handshake message.

    Attributes:
        type: of the message.
        body: what follows the header.
        encoded: header and body, as the transcript takes it.

    """

    type: HandshakeType
    body: bytes
    encoded: bytes


class HandshakeReassembly:
    """Cuts the contents of handshake records into messages, which may be split and coalesced at will."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def pending(self) -> bool:
        """Whether bytes are left: part of a message, or further messages."""
        return bool(self._buffer)

    def feed(self, content: bytes) -> None:
        """Take the content of a record."""
        self._buffer += content

    def next_message(self) -> RawMessage | None:
        """The next whole message, or None.

        Raises:
            TLSError: unexpected_message for a type that TLS 1.3 does not have, decode_error for an excessive length;
                both as soon as the header is there.

        """
        buffer = self._buffer
        if not buffer:
            return None
        if buffer[0] not in _ON_THE_WIRE:
            raise unexpected_message(f"handshake message type {buffer[0]} does not exist in TLS 1.3")
        if len(buffer) < HEADER_SIZE:
            return None
        length = int.from_bytes(buffer[1:HEADER_SIZE], "big")
        if length > MAX_MESSAGE_SIZE:
            raise decode_error(f"a handshake message of {length} bytes; at most {MAX_MESSAGE_SIZE} are taken")
        end = HEADER_SIZE + length
        if len(buffer) < end:
            return None
        encoded = bytes(buffer[:end])
        del buffer[:end]
        return RawMessage(HandshakeType(encoded[0]), encoded[HEADER_SIZE:], encoded)
