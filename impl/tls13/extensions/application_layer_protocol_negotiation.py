"""The extension application_layer_protocol_negotiation, ALPN (RFC 7301, section 3.1)."""

from collections.abc import Sequence

from impl.tls13.alerts import decode_error
from impl.tls13.wire import Reader, vector8, vector16


def encode_protocols(protocols: Sequence[bytes]) -> bytes:
    """Encode what a client offers in its ClientHello, such as b"http/1.1", in order of preference."""
    return vector16(b"".join([vector8(protocol) for protocol in protocols]))


def decode_protocols(data: bytes) -> tuple[bytes, ...]:
    """Read the offer of a ClientHello; TLSError (decode_error) also if it is empty or has an empty name."""
    reader = Reader(data, "application_layer_protocol_negotiation")
    names = Reader(reader.vector16(2), "application_layer_protocol_negotiation")
    reader.finish()
    protocols: list[bytes] = []
    while names.left:
        protocols.append(names.vector8(1))
    return tuple(protocols)


def encode_selected_protocol(protocol: bytes) -> bytes:
    """Encode a server's choice in EncryptedExtensions."""
    return encode_protocols((protocol,))


def decode_selected_protocol(data: bytes) -> bytes:
    """Read a server's choice in EncryptedExtensions; TLSError (decode_error) unless it is exactly one."""
    protocols = decode_protocols(data)
    if len(protocols) != 1:
        raise decode_error(f"application_layer_protocol_negotiation selects {len(protocols)} protocols, not one")
    return protocols[0]
