"""The ServerHello message and HelloRetryRequest, which has the same form (RFC 8446, sections 4.1.3 and 4.1.4)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final, Self

from impl.tls13.alerts import decode_error
from impl.tls13.messages.framing import decode_extensions, encode_extensions, encode_message
from impl.tls13.registries import LEGACY_VERSION, HandshakeType
from impl.tls13.wire import Reader, vector8

HELLO_RETRY_REQUEST_RANDOM: Final = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
"""The random value, SHA-256 of "HelloRetryRequest", that makes a ServerHello a HelloRetryRequest."""

DOWNGRADE_TLS12: Final = b"DOWNGRD\x01"
"""The last 8 bytes of the random value of a server that could have spoken TLS 1.3 and chose TLS 1.2."""

DOWNGRADE_TLS11: Final = b"DOWNGRD\x00"
"""The same where TLS 1.1 or an older version was chosen."""


@dataclass(frozen=True, slots=True)
class ServerHello:
    """What a server has chosen.

    Attributes:
        random: 32 bytes; HELLO_RETRY_REQUEST_RANDOM makes this a HelloRetryRequest.
        legacy_session_id_echo: the client's legacy_session_id, up to 32 bytes.
        cipher_suite: the chosen one.
        extensions: data by type, in the order of the wire, unknown ones too.
        legacy_version: 0x0303 in TLS 1.3; what counts is the extension supported_versions.
        legacy_compression_method: always null.

    """

    handshake_type: ClassVar = HandshakeType.SERVER_HELLO

    random: bytes
    legacy_session_id_echo: bytes
    cipher_suite: int
    extensions: Mapping[int, bytes]
    legacy_version: int = LEGACY_VERSION
    legacy_compression_method: int = 0

    @property
    def is_hello_retry_request(self) -> bool:
        """Whether this is a HelloRetryRequest."""
        return self.random == HELLO_RETRY_REQUEST_RANDOM

    @property
    def extension_row(self) -> HandshakeType:
        """The message as the table of extensions knows it (section 4.2): SERVER_HELLO or HELLO_RETRY_REQUEST."""
        return HandshakeType.HELLO_RETRY_REQUEST if self.is_hello_retry_request else HandshakeType.SERVER_HELLO

    def encode(self) -> bytes:
        """The message with its header."""
        return encode_message(
            HandshakeType.SERVER_HELLO,
            self.legacy_version.to_bytes(2, "big")
            + self.random
            + vector8(self.legacy_session_id_echo)
            + self.cipher_suite.to_bytes(2, "big")
            + self.legacy_compression_method.to_bytes(1, "big")
            + (encode_extensions(self.extensions) if self.extensions else b""),
        )

    @classmethod
    def decode(cls, body: bytes) -> Self:
        """Read a body, also that of an older version's ServerHello, which may have no extensions.

        TLSError: decode_error if a method of compression is chosen, as the syntax has a constant there (section 3.7).
        """
        reader = Reader(body, "ServerHello")
        legacy_version = reader.u16()
        random = reader.take(32)
        legacy_session_id_echo = reader.vector8(0, 32)
        cipher_suite = reader.u16()
        legacy_compression_method = reader.u8()
        extensions: dict[int, bytes] = {}
        if reader.left:
            extensions = decode_extensions(reader.vector16(), "ServerHello")
            reader.finish()
        if legacy_compression_method:
            raise decode_error(f"ServerHello chooses compression method {legacy_compression_method}, not null")
        return cls(random, legacy_session_id_echo, cipher_suite, extensions, legacy_version, legacy_compression_method)
