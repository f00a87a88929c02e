"""The presentation language: reading and writing integers and vectors (RFC 8446, section 3)."""

import struct
from collections.abc import Sequence
from typing import Final

from impl.tls13.alerts import decode_error

MAX_U16: Final = 0xFFFF


class Reader:
    """Reads a structure from its first byte to its last.

    Every method raises TLSError (decode_error) where the data ends early or a length is outside its bounds; `what`
    names the structure in the message.
    """

    __slots__ = ("data", "end", "offset", "what")

    def __init__(self, data: bytes, what: str) -> None:
        self.data = data
        self.offset = 0
        self.end = len(data)
        self.what = what

    def u8(self) -> int:
        """An integer of one byte."""
        offset = self.offset
        if offset >= self.end:
            raise decode_error(f"{self.what} ends early")
        self.offset = offset + 1
        return self.data[offset]

    def u16(self) -> int:
        """An integer of two bytes."""
        offset = self.offset
        if offset + 2 > self.end:
            raise decode_error(f"{self.what} ends early")
        self.offset = offset + 2
        return self.data[offset] << 8 | self.data[offset + 1]

    def u24(self) -> int:
        """An integer of three bytes."""
        return int.from_bytes(self.take(3), "big")

    def u32(self) -> int:
        """An integer of four bytes."""
        return int.from_bytes(self.take(4), "big")

    def take(self, length: int) -> bytes:
        """The next `length` bytes, an opaque field of fixed size."""
        offset = self.offset
        end = offset + length
        if end > self.end:
            raise decode_error(f"{self.what} ends early")
        self.offset = end
        return self.data[offset:end]

    def vector8(self, minimum: int = 0, maximum: int = 0xFF) -> bytes:
        """The content of a vector with a length of one byte, between `minimum` and `maximum` bytes long."""
        return self._vector(self.u8(), minimum, maximum)

    def vector16(self, minimum: int = 0, maximum: int = MAX_U16) -> bytes:
        """The content of a vector with a length of two bytes."""
        return self._vector(self.u16(), minimum, maximum)

    def vector24(self, minimum: int = 0, maximum: int = 0xFFFFFF) -> bytes:
        """The content of a vector with a length of three bytes."""
        return self._vector(self.u24(), minimum, maximum)

    def _vector(self, length: int, minimum: int, maximum: int) -> bytes:
        if not minimum <= length <= maximum:
            raise decode_error(f"{self.what} has a vector of {length} bytes; allowed are {minimum} to {maximum}")
        # As take does it, without another call: vectors are most of what there is.
        offset = self.offset
        end = offset + length
        if end > self.end:
            raise decode_error(f"{self.what} ends early")
        self.offset = end
        return self.data[offset:end]

    @property
    def left(self) -> int:
        """The number of bytes that have not been read."""
        return self.end - self.offset

    def finish(self) -> None:
        """Raise TLSError if anything is left over."""
        if self.offset != self.end:
            raise decode_error(f"{self.what} has {self.left} bytes too many")


def vector8(content: bytes) -> bytes:
    """Encode a vector with a length of one byte; ValueError if the content is longer than that can say."""
    if len(content) > 0xFF:
        raise ValueError(f"a vector of {len(content)} bytes does not fit a length of one byte")
    return len(content).to_bytes(1, "big") + content


def vector16(content: bytes) -> bytes:
    """Encode a vector with a length of two bytes; ValueError if the content is longer than that can say."""
    if len(content) > MAX_U16:
        raise ValueError(f"a vector of {len(content)} bytes does not fit a length of two bytes")
    return len(content).to_bytes(2, "big") + content


def vector24(content: bytes) -> bytes:
    """Encode a vector with a length of three bytes; ValueError if the content is longer than that can say."""
    if len(content) > 0xFFFFFF:
        raise ValueError(f"a vector of {len(content)} bytes does not fit a length of three bytes")
    return len(content).to_bytes(3, "big") + content


def u16_list(content: bytes, what: str) -> tuple[int, ...]:
    """Read a vector of two-byte integers; TLSError (decode_error) if its length is odd."""
    if len(content) % 2:
        raise decode_error(f"{what} has an odd number of bytes")
    return struct.unpack(f">{len(content) // 2}H", content)


def encode_u16_list(values: Sequence[int]) -> bytes:
    """Encode integers of two bytes, one after the other; ValueError if one does not fit."""
    try:
        return struct.pack(f">{len(values)}H", *values)
    except struct.error as error:
        raise ValueError(f"an integer of two bytes cannot be encoded: {error}") from None
