"""Handshake messages of TLS 1.3, bytes to values and back (RFC 8446, sections 4.1 to 4.6).

Every message is a frozen value with `encode()`, which gives the whole message with its four-byte header, and
`decode(body)`, which takes the body without the header. Decoders raise TLSError: decode_error where lengths are wrong
or bytes are missing or left over, illegal_parameter where a value is wrong. Encoders raise ValueError or OverflowError
where something does not fit its field; beyond that they encode what they are given.
"""

from impl.tls13.messages.authentication import (
    Certificate,
    CertificateEntry,
    CertificateVerify,
    EndOfEarlyData,
    Finished,
)
from impl.tls13.messages.client_hello import ClientHello
from impl.tls13.messages.framing import HEADER_SIZE, decode_extensions, encode_extensions, handshake_header
from impl.tls13.messages.post_handshake import MAX_TICKET_LIFETIME, KeyUpdate, NewSessionTicket
from impl.tls13.messages.server_hello import (
    DOWNGRADE_TLS11,
    DOWNGRADE_TLS12,
    HELLO_RETRY_REQUEST_RANDOM,
    ServerHello,
)
from impl.tls13.messages.server_parameters import CertificateRequest, EncryptedExtensions
from impl.tls13.messages.types import MESSAGE_TYPES, Message, decode_message

__all__ = [
    "DOWNGRADE_TLS11",
    "DOWNGRADE_TLS12",
    "HEADER_SIZE",
    "HELLO_RETRY_REQUEST_RANDOM",
    "MAX_TICKET_LIFETIME",
    "MESSAGE_TYPES",
    "Certificate",
    "CertificateEntry",
    "CertificateRequest",
    "CertificateVerify",
    "ClientHello",
    "EncryptedExtensions",
    "EndOfEarlyData",
    "Finished",
    "KeyUpdate",
    "Message",
    "NewSessionTicket",
    "ServerHello",
    "decode_extensions",
    "decode_message",
    "encode_extensions",
    "handshake_header",
]
