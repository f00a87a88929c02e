"""The messages Certificate, CertificateVerify, Finished and EndOfEarlyData (RFC 8446, sections 4.4 and 4.5)."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from impl.tls13.alerts import TLSError, decode_error
from impl.tls13.messages.framing import decode_extensions, encode_extensions, encode_message
from impl.tls13.registries import AlertDescription, HandshakeType
from impl.tls13.wire import Reader, vector8, vector16, vector24


@dataclass(frozen=True, slots=True)
class CertificateEntry:
    """One certificate of a chain.

    Attributes:
        data: the certificate in DER.
        extensions: data by type, such as an OCSP response.

    """

    data: bytes
    extensions: Mapping[int, bytes]


@dataclass(frozen=True, slots=True)
class Certificate:
    """A chain of certificates, the sender's own first (section 4.4.2).

    Attributes:
        context: certificate_request_context of the request that this answers; empty from a server.
        entries: none if a client has no certificate.

    """

    handshake_type: ClassVar = HandshakeType.CERTIFICATE

    context: bytes
    entries: tuple[CertificateEntry, ...]

    def encode(self) -> bytes:
        """The message with its header."""
        parts: list[bytes] = []
        for entry in self.entries:
            parts.append(vector24(entry.data))
            parts.append(encode_extensions(entry.extensions))
        return encode_message(HandshakeType.CERTIFICATE, vector8(self.context) + vector24(b"".join(parts)))

    @classmethod
    def decode(cls, body: bytes) -> Self:
        """Read a body.

        An empty chain can be read: a client may send it. A client that gets it raises decode_error (section 4.4.2.4).
        """
        reader = Reader(body, "Certificate")
        context = reader.vector8()
        certificate_list = Reader(reader.vector24(), "Certificate.certificate_list")
        reader.finish()
        entries: list[CertificateEntry] = []
        while certificate_list.left:
            data = certificate_list.vector24(1)
            extensions = decode_extensions(certificate_list.vector16(), "CertificateEntry")
            entries.append(CertificateEntry(data, extensions))
        return cls(context, tuple(entries))


@dataclass(frozen=True, slots=True)
class CertificateVerify:
    """The proof that the sender has the certificate's key (section 4.4.3).

    Attributes:
        scheme: the SignatureScheme, also one that nobody knows.
        signature: the signature in the scheme's form.

    """

    handshake_type: ClassVar = HandshakeType.CERTIFICATE_VERIFY

    scheme: int
    signature: bytes

    def encode(self) -> bytes:
        """The message with its header."""
        return encode_message(
            HandshakeType.CERTIFICATE_VERIFY, self.scheme.to_bytes(2, "big") + vector16(self.signature)
        )

    @classmethod
    def decode(cls, body: bytes) -> Self:
        """Read a body."""
        reader = Reader(body, "CertificateVerify")
        scheme = reader.u16()
        signature = reader.vector16()
        reader.finish()
        return cls(scheme, signature)


@dataclass(frozen=True, slots=True)
class Finished:
    """The proof that the handshake was seen whole and unchanged (section 4.4.4).

    Attributes:
        verify_data: an HMAC of the hash's size.

    """

    handshake_type: ClassVar = HandshakeType.FINISHED

    verify_data: bytes

    def encode(self) -> bytes:
        """The message with its header."""
        return encode_message(HandshakeType.FINISHED, self.verify_data)

    @classmethod
    def decode(cls, body: bytes) -> Self:
        """Read a body, whose right length depends on the hash: see verify."""
        return cls(body)

    def verify(self, expected: bytes) -> None:
        """Compare with the verify_data that must be there, in constant time.

        TLSError: decode_error if the length is wrong, decrypt_error if the value is (section 4.4.4).
        """
        if len(self.verify_data) != len(expected):
            raise decode_error(f"Finished has {len(self.verify_data)} bytes; its hash has {len(expected)}")
        if not hmac.compare_digest(self.verify_data, expected):
            raise TLSError(AlertDescription.DECRYPT_ERROR, "Finished does not fit the handshake")


@dataclass(frozen=True, slots=True)
class EndOfEarlyData:
    """The client has sent all its early data (section 4.5)."""

    handshake_type: ClassVar = HandshakeType.END_OF_EARLY_DATA

    def encode(self) -> bytes:
        """The message, which is a header alone."""
        return encode_message(HandshakeType.END_OF_EARLY_DATA, b"")

    @classmethod
    def decode(cls, body: bytes) -> Self:
        """Read a body, which must be empty."""
        if body:
            raise decode_error(f"EndOfEarlyData has {len(body)} bytes too many")
        return cls()
