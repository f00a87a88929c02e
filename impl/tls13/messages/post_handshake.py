"""The messages NewSessionTicket and KeyUpdate (RFC 8446, section 4.6)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final, Self

from impl.tls13.alerts import decode_error, illegal_parameter
from impl.tls13.messages.framing import decode_extensions, encode_extensions, encode_message
from impl.tls13.registries import HandshakeType, KeyUpdateRequest
from impl.tls13.wire import Reader, vector8, vector16

MAX_TICKET_LIFETIME: Final = 604800
"""Seconds, a week: a server must not send more, and a client must not keep a ticket for longer (section 4.6.1)."""


@dataclass(frozen=True, slots=True)
class NewSessionTicket:
    """A ticket for resuming the session (section 4.6.1).

    Attributes:
        lifetime: seconds from now, by the server's word; see MAX_TICKET_LIFETIME.
        age_add: what is added, modulo 2**32, to the ticket's age in milliseconds.
        nonce: up to 255 bytes, other ones for each ticket of a connection.
        ticket: at least a byte: the identity of the pre-shared key.
        extensions: data by type.

    """

    handshake_type: ClassVar = HandshakeType.NEW_SESSION_TICKET

    lifetime: int
    age_add: int
    nonce: bytes
    ticket: bytes
    extensions: Mapping[int, bytes]

    def encode(self) -> bytes:
        """The message with its header."""
        return encode_message(
            HandshakeType.NEW_SESSION_TICKET,
            self.lifetime.to_bytes(4, "big")
            + self.age_add.to_bytes(4, "big")
            + vector8(self.nonce)
            + vector16(self.ticket)
            + encode_extensions(self.extensions),
        )

    @classmethod
    def decode(cls, body: bytes) -> Self:
        """Read a body, with any lifetime."""
        reader = Reader(body, "NewSessionTicket")
        lifetime = reader.u32()
        age_add = reader.u32()
        nonce = reader.vector8()
        ticket = reader.vector16(1)
        extensions = decode_extensions(reader.vector16(0, 0xFFFE), "NewSessionTicket")
        reader.finish()
        return cls(lifetime, age_add, nonce, ticket, extensions)


@dataclass(frozen=True, slots=True)
class KeyUpdate:
    """The sender goes on with new keys (section 4.6.3).

    Attributes:
        request: whether the receiver shall do so too.

    """

    handshake_type: ClassVar = HandshakeType.KEY_UPDATE

    request: KeyUpdateRequest

    def encode(self) -> bytes:
        """The message with its header."""
        return encode_message(HandshakeType.KEY_UPDATE, self.request.to_bytes(1, "big"))

    @classmethod
    def decode(cls, body: bytes) -> Self:
        """Read a body; TLSError (illegal_parameter) if its value is none of KeyUpdateRequest."""
        if len(body) != 1:
            raise decode_error(f"KeyUpdate has {len(body)} bytes, not one")
        if body[0] > KeyUpdateRequest.UPDATE_REQUESTED:
            raise illegal_parameter(f"KeyUpdate has the request {body[0]}; allowed are 0 and 1")
        return cls(KeyUpdateRequest(body[0]))
