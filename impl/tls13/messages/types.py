"""Which type of handshake message has which form (RFC 8446, section 4 and appendix B.3)."""

from collections.abc import Mapping
from typing import Final, TypeAlias

from impl.tls13.alerts import unexpected_message
from impl.tls13.messages.authentication import Certificate, CertificateVerify, EndOfEarlyData, Finished
from impl.tls13.messages.client_hello import ClientHello
from impl.tls13.messages.post_handshake import KeyUpdate, NewSessionTicket
from impl.tls13.messages.server_hello import ServerHello
from impl.tls13.messages.server_parameters import CertificateRequest, EncryptedExtensions

Message: TypeAlias = (
    ClientHello
    | ServerHello
    | NewSessionTicket
    | EndOfEarlyData
    | EncryptedExtensions
    | Certificate
    | CertificateRequest
    | CertificateVerify
    | Finished
    | KeyUpdate
)

MESSAGE_TYPES: Final[Mapping[int, type[Message]]] = {
    message.handshake_type: message
    for message in (
        ClientHello,
        ServerHello,
        NewSessionTicket,
        EndOfEarlyData,
        EncryptedExtensions,
        Certificate,
        CertificateRequest,
        CertificateVerify,
        Finished,
        KeyUpdate,
    )
}
"""The messages that may come on the wire, by their type; a HelloRetryRequest comes as a ServerHello."""


def decode_message(handshake_type: int, body: bytes) -> Message:
    """Read the body of any message; TLSError: unexpected_message for a type that does not exist, else as its decode."""
    message = MESSAGE_TYPES.get(handshake_type)
    if message is None:
        raise unexpected_message(f"there is no handshake message of type {handshake_type}")
    return message.decode(body)
