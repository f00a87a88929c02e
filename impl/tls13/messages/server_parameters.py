"""The messages EncryptedExtensions and CertificateRequest (RFC 8446, section 4.3)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from impl.tls13.alerts import TLSError
from impl.tls13.messages.framing import decode_extensions, encode_extensions, encode_message
from impl.tls13.registries import AlertDescription, ExtensionType, HandshakeType
from impl.tls13.wire import Reader, vector8


@dataclass(frozen=True, slots=True)
class EncryptedExtensions:
    """The server's answers to extensions that the keys do not depend on (section 4.3.1)."""

    handshake_type: ClassVar = HandshakeType.ENCRYPTED_EXTENSIONS

    extensions: Mapping[int, bytes]

    def encode(self) -> bytes:
        """The message with its header."""
        return encode_message(HandshakeType.ENCRYPTED_EXTENSIONS, encode_extensions(self.extensions))

    @classmethod
    def decode(cls, body: bytes) -> Self:
        """Read a body; TLSError also if an extension comes twice, as decode_extensions says."""
        reader = Reader(body, "EncryptedExtensions")
        extensions = decode_extensions(reader.vector16(), "EncryptedExtensions")
        reader.finish()
        return cls(extensions)


@dataclass(frozen=True, slots=True)
class CertificateRequest:
    """A server asks for the client's certificate (section 4.3.2).

    Attributes:
        context: certificate_request_context, which the client's Certificate repeats; empty in the main handshake.
        extensions: data by type; signature_algorithms always.

    """

    handshake_type: ClassVar = HandshakeType.CERTIFICATE_REQUEST

    context: bytes
    extensions: Mapping[int, bytes]

    def encode(self) -> bytes:
        """The message with its header."""
        body = vector8(self.context) + encode_extensions(self.extensions)
        return encode_message(HandshakeType.CERTIFICATE_REQUEST, body)

    @classmethod
    def decode(cls, body: bytes) -> Self:
        """Read a body; TLSError (missing_extension) if signature_algorithms is not there."""
        reader = Reader(body, "CertificateRequest")
        context = reader.vector8()
        extensions = decode_extensions(reader.vector16(2), "CertificateRequest")
        reader.finish()
        if ExtensionType.SIGNATURE_ALGORITHMS not in extensions:
            raise TLSError(AlertDescription.MISSING_EXTENSION, "CertificateRequest has no signature_algorithms")
        return cls(context, extensions)
