"""The extension padding, with which a client lengthens its ClientHello (RFC 7685); a server need not look at it."""


def encode_padding(length: int) -> bytes:
    """The data of a padding of `length` bytes, to which type and length add another four."""
    return bytes(length)
