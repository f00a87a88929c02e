"""The seven frames and how a record is taken apart into them (draft-piraux-tcpls-00, section 5.2)."""

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct
from typing import ClassVar, Final

from impl.tcpls.errors import malformed
from impl.tcpls.registries import MAX_STREAM_SIZE, TOKEN_SIZE, FrameType

STREAM_HEADER: Final = Struct("!BIQH")
"""Type, Stream ID, Offset, Length."""
STREAM_OVERHEAD: Final = STREAM_HEADER.size
_ACK: Final = Struct("!BIQ")
_NEW_TOKEN: Final = Struct(f"!BB{TOKEN_SIZE}s")
_CONNECTION_RESET: Final = Struct("!BI")


@dataclass(frozen=True, slots=True)
class Padding:
    """Bytes without meaning, against traffic analysis: as many Padding frames as follow one another (section 5.2.1)."""

    size: int
    elicits_ack: ClassVar[bool] = False

    def encode(self) -> bytes:
        """The frames' bytes."""
        return bytes(self.size)


@dataclass(frozen=True, slots=True)
class Ping:
    """Asks for an acknowledgement of the record it is in (section 5.2.2)."""

    elicits_ack: ClassVar[bool] = True

    def encode(self) -> bytes:
        """The frame's bytes."""
        return bytes((FrameType.PING,))


@dataclass(frozen=True, slots=True)
class Stream:
    """A chunk of a stream, at an offset (section 5.2.3).

    Attributes:
        stream_id: the stream.
        offset: of the first byte of data, in bytes.
        data: the bytes; a view is valid as long as the record it came in.
        fin: the stream ends behind the data.

    """

    stream_id: int
    offset: int
    data: bytes | memoryview
    fin: bool = False
    elicits_ack: ClassVar[bool] = True

    def encode(self) -> bytes:
        """The frame's bytes."""
        kind = FrameType.STREAM_FIN if self.fin else FrameType.STREAM
        return STREAM_HEADER.pack(kind, self.stream_id, self.offset, len(self.data)) + bytes(self.data)


@dataclass(frozen=True, slots=True)
class Ack:
    """All records of a connection up to a sequence number have been received (section 5.2.4).

    Attributes:
        connection_id: the connection on which they came, which need not be the one of this frame.
        highest: the highest record sequence number.

    """

    connection_id: int
    highest: int
    elicits_ack: ClassVar[bool] = False

    def encode(self) -> bytes:
        """The frame's bytes."""
        return _ACK.pack(FrameType.ACK, self.connection_id, self.highest)


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token for one more connection; from the server alone (section 5.2.5).

    Attributes:
        sequence: becomes the Connection ID of the connection that uses the token.
        token: 32 bytes.

    """

    sequence: int
    token: bytes
    elicits_ack: ClassVar[bool] = True

    def encode(self) -> bytes:
        """The frame's bytes."""
        return _NEW_TOKEN.pack(FrameType.NEW_TOKEN, self.sequence, self.token)


@dataclass(frozen=True, slots=True)
class ConnectionReset:
    """The receiver tells the sender that a connection has been reset (section 5.2.6)."""

    connection_id: int
    elicits_ack: ClassVar[bool] = True

    def encode(self) -> bytes:
        """The frame's bytes."""
        return _CONNECTION_RESET.pack(FrameType.CONNECTION_RESET, self.connection_id)


Frame = Padding | Ping | Stream | Ack | NewToken | ConnectionReset


def decode_frames(record: memoryview) -> Iterator[Frame]:
    """Take the content of a record apart into frames, which lie one behind the other and do not cross records.

    The data of Stream frames are views of the record.

    Raises:
        TLSError: decode_error: an unknown type, a frame that the record cuts off, or a stream beyond 2^64 - 1 bytes.

    """
    start, end = 0, len(record)
    while start < end:
        kind = record[start]
        if kind == FrameType.STREAM or kind == FrameType.STREAM_FIN:
            _require(record, start, STREAM_OVERHEAD, "Stream")
            _, stream_id, offset, length = STREAM_HEADER.unpack_from(record, start)
            _require(record, start, STREAM_OVERHEAD + length, "Stream")
            if offset + length > MAX_STREAM_SIZE:
                raise malformed(f"stream {stream_id} would end at {offset + length}, beyond 2^64 - 1 (section 5.2.3)")
            start += STREAM_OVERHEAD
            yield Stream(stream_id, offset, record[start : start + length], kind == FrameType.STREAM_FIN)
            start += length
        elif kind == FrameType.PADDING:
            size = _count_padding(record, start)
            yield Padding(size)
            start += size
        elif kind == FrameType.PING:
            yield Ping()
            start += 1
        elif kind == FrameType.ACK:
            _require(record, start, _ACK.size, "ACK")
            yield Ack(*_ACK.unpack_from(record, start)[1:])
            start += _ACK.size
        elif kind == FrameType.NEW_TOKEN:
            _require(record, start, _NEW_TOKEN.size, "New Token")
            yield NewToken(*_NEW_TOKEN.unpack_from(record, start)[1:])
            start += _NEW_TOKEN.size
        elif kind == FrameType.CONNECTION_RESET:
            _require(record, start, _CONNECTION_RESET.size, "Connection Reset")
            yield ConnectionReset(*_CONNECTION_RESET.unpack_from(record, start)[1:])
            start += _CONNECTION_RESET.size
        else:
            raise malformed(f"a frame of unknown type {kind:#04x} at byte {start} of a record (section 5.2)")


def _require(record: memoryview, start: int, size: int, name: str) -> None:
    if start + size > len(record):
        raise malformed(
            f"a {name} frame of {size} bytes at byte {start} does not fit into its record of {len(record)} (section 4)"
        )


def _count_padding(record: memoryview, start: int) -> int:
    rest = record[start:].tobytes()
    return len(rest) - len(rest.lstrip(b"\0"))
