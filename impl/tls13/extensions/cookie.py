"""The extension cookie (RFC 8446, section 4.2.2)."""

from impl.tls13.wire import Reader, vector16


def encode_cookie(cookie: bytes) -> bytes:
    """Encode a cookie of at least one byte, for a HelloRetryRequest and the ClientHello that answers it."""
    return vector16(cookie)


def decode_cookie(data: bytes) -> bytes:
    """Read a cookie; TLSError (decode_error) also if it is empty."""
    reader = Reader(data, "cookie")
    cookie = reader.vector16(1)
    reader.finish()
    return cookie
