"""The extension early_data in a NewSessionTicket (RFC 8446, section 4.2.10); elsewhere it is an indication."""

from impl.tls13.wire import Reader


def encode_max_early_data_size(size: int) -> bytes:
    """Encode how many bytes of early data a ticket allows."""
    return size.to_bytes(4, "big")


def decode_max_early_data_size(data: bytes) -> int:
    """Read how many bytes of early data a ticket allows."""
    reader = Reader(data, "early_data")
    size = reader.u32()
    reader.finish()
    return size
