"""The extension psk_key_exchange_modes (RFC 8446, section 4.2.9)."""

from collections.abc import Sequence

from impl.tls13.wire import Reader, vector8


def encode_psk_key_exchange_modes(modes: Sequence[int]) -> bytes:
    """Encode the modes in which a client uses pre-shared keys."""
    return vector8(bytes(modes))


def decode_psk_key_exchange_modes(data: bytes) -> tuple[int, ...]:
    """Read the modes in which a client uses pre-shared keys; TLSError (decode_error) also if there are none."""
    reader = Reader(data, "psk_key_exchange_modes")
    modes = reader.vector8(1)
    reader.finish()
    return tuple(modes)
