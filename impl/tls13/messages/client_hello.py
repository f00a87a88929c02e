"""The ClientHello message (RFC 8446, section 4.1.2)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Self

from impl.tls13.alerts import decode_error, illegal_parameter
from impl.tls13.messages.framing import decode_extensions, encode_extensions, encode_message, handshake_header
from impl.tls13.registries import LEGACY_VERSION, ExtensionType, HandshakeType
from impl.tls13.wire import Reader, encode_u16_list, u16_list, vector8, vector16


@dataclass(frozen=True, slots=True)
class ClientHello:
    """What a client offers.

    Attributes:
        random: 32 bytes.
        legacy_session_id: up to 32 bytes, which the server echoes.
        cipher_suites: in the client's order, unknown ones too.
        extensions: data by type, in the order of the wire, unknown ones too.
        legacy_version: 0x0303 in TLS 1.3; what counts is the extension supported_versions.
        legacy_compression_methods: the null method alone in TLS 1.3; see check_compression.
        raw: the whole message with its header, as it was received; empty for one that was not decoded.

    """

    handshake_type: ClassVar = HandshakeType.CLIENT_HELLO

    random: bytes
    legacy_session_id: bytes
    cipher_suites: tuple[int, ...]
    extensions: Mapping[int, bytes]
    legacy_version: int = LEGACY_VERSION
    legacy_compression_methods: bytes = b"\0"
    # Not an argument, so that dataclasses.replace does not carry old bytes over to a changed message.
    raw: bytes = field(default=b"", init=False, repr=False, compare=False)

    def encode(self) -> bytes:
        """The message with its header: as it was received, or else made of the fields."""
        if self.raw:
            return self.raw
        return encode_message(
            HandshakeType.CLIENT_HELLO,
            self.legacy_version.to_bytes(2, "big")
            + self.random
            + vector8(self.legacy_session_id)
            + vector16(encode_u16_list(self.cipher_suites))
            + vector8(self.legacy_compression_methods)
            # Without extensions there is no block of them either: that is how clients of old write it.
            + (encode_extensions(self.extensions) if self.extensions else b""),
        )

    @classmethod
    def decode(cls, body: bytes) -> Self:
        """Read a body, also that of an older version's ClientHello, which may have no extensions.

        TLSError: illegal_parameter if pre_shared_key is not the last extension (section 4.2.11).
        The methods of compression are not judged, since other versions allow more of them.
        """
        reader = Reader(body, "ClientHello")
        legacy_version = reader.u16()
        random = reader.take(32)
        legacy_session_id = reader.vector8(0, 32)
        cipher_suites = u16_list(reader.vector16(2, 0xFFFE), "ClientHello.cipher_suites")
        legacy_compression_methods = reader.vector8(1)
        extensions: dict[int, bytes] = {}
        if reader.left:
            extensions = decode_extensions(reader.vector16(), "ClientHello")
            reader.finish()
            if (
                ExtensionType.PRE_SHARED_KEY in extensions
                and next(reversed(extensions)) != ExtensionType.PRE_SHARED_KEY
            ):
                raise illegal_parameter("pre_shared_key is not the last extension of ClientHello")
        hello = cls(random, legacy_session_id, cipher_suites, extensions, legacy_version, legacy_compression_methods)
        object.__setattr__(hello, "raw", handshake_header(HandshakeType.CLIENT_HELLO, body) + body)
        return hello

    def check_compression(self) -> None:
        """Raise TLSError (illegal_parameter) if this hello, in TLS 1.3, has other methods of compression than null."""
        if self.legacy_compression_methods != b"\0":
            raise illegal_parameter("a ClientHello of TLS 1.3 has other methods of compression than null")

    @property
    def binders_offset(self) -> int:
        """Where in the encoded message the list of binders starts: the length of Truncate(ClientHello) (4.2.11.2).

        ValueError if there is no pre_shared_key; TLSError (decode_error) if that extension has no room for binders.
        """
        psk = self.extensions.get(ExtensionType.PRE_SHARED_KEY)
        if psk is None:
            raise ValueError("a ClientHello without pre_shared_key has no binders")
        size = len(psk) - 2 - int.from_bytes(psk[:2], "big")
        if size < 0:
            raise decode_error("pre_shared_key ends early")
        return len(self.encode()) - size
