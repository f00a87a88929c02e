"""The receiving side of a stream: puts chunks in order, drops what comes twice, gives the data to the user."""

from bisect import bisect_left
from collections import deque
from enum import Enum, auto
from typing import Final, NamedTuple

from impl.tcpls.errors import protocol_violation

_PIECE: Final = 2**14


class ReceiveState(Enum):
    """Where the receiving side stands."""

    OPEN = auto()
    SIZE_KNOWN = auto()
    """The end was seen, but not all before it."""
    COMPLETE = auto()
    """Everything was received; the user may not have read all of it."""


class Chunk(NamedTuple):
    """Bytes of a stream in order, and the connection that brought them."""

    data: bytes | memoryview
    connection_id: int


class ReceiveStream:
    """What comes from the peer on one stream.

    Attributes:
        stream_id: the stream.
        buffered: bytes that are here: in order and not read, or ahead of a gap.
        readable: bytes that can be read.
        dropped: nobody reads them any more.

    """

    __slots__ = (
        "_ahead", "_end", "_next", "_offsets", "_ready", "_size", "buffered", "dropped", "readable", "stream_id",
    )  # fmt: skip

    def __init__(self, stream_id: int) -> None:
        self.stream_id = stream_id
        self.buffered = 0
        self.readable = 0
        self.dropped = False
        self._next = 0  # all before this is in order
        self._end = 0  # the highest offset seen
        self._size: int | None = None
        self._ready: deque[Chunk] = deque()
        self._offsets: list[int] = []  # of the chunks ahead, in order; chunks do not overlap
        self._ahead: dict[int, Chunk] = {}

    @property
    def state(self) -> ReceiveState:
        """Where it stands."""
        if self._size is None:
            return ReceiveState.OPEN
        return ReceiveState.COMPLETE if self._next == self._size else ReceiveState.SIZE_KNOWN

    @property
    def pieces(self) -> int:
        """In how many pieces the buffered bytes are."""
        return len(self._ready) + len(self._offsets)

    @property
    def at_end(self) -> bool:
        """Whether the user has read everything up to the end."""
        return self._next == self._size and not self._ready

    @property
    def highest(self) -> int:
        """The highest offset seen: where the data ends that came, with gaps or without."""
        return self._end

    @property
    def received(self) -> int:
        """How many bytes came in order."""
        return self._next

    def expects(self, offset: int) -> bool:
        """Whether data at this offset is what comes next, and nothing else is known about what follows."""
        return offset == self._next == self._end and self._size is None

    def append(self, chunk: Chunk) -> int:
        """Take a chunk that is what comes next (see `expects`); how many bytes it has."""
        new = len(chunk.data)
        self._ready.append(chunk)
        self._next = self._end = self._next + new
        self.readable += new
        self.buffered += new
        return new

    def receive(self, offset: int, data: memoryview, connection_id: int, *, fin: bool) -> int:
        """Take the data of a frame.

        Args:
            offset: of its first byte.
            data: the bytes, which are copied.
            connection_id: where they came.
            fin: the stream ends behind them.

        Returns:
            How many of the bytes are new.

        Raises:
            TLSError: illegal_parameter, the end of the stream lies elsewhere than another frame has said (5.2.3).

        """
        end = offset + len(data)
        self._check_size(end, fin=fin)
        if offset == self._next and not self._offsets:  # by far the most frequent case
            if end > offset:
                self._ready.append(Chunk(bytes(data), connection_id))
                self._next = end
                self._end = max(self._end, end)  # an empty frame may have come from further ahead
                self.readable += end - offset
                self.buffered += end - offset
            return end - offset
        before = self.buffered
        self._end = max(self._end, end)
        self._insert(offset, data, connection_id)
        self._advance()
        return self.buffered - before

    def read_piece(self, most: int) -> bytes:
        """Take up to `most` bytes, at least one, as one piece; empty if there are none.

        A large chunk is not followed by another one: to put it together with that would only cost time.
        """
        if not self._ready:
            return b""
        data = self._ready[0].data
        size = len(data)
        if not _PIECE <= size <= most:
            return b"".join([chunk.data for chunk in self.read(most)])
        self._ready.popleft()
        self.readable -= size
        self.buffered -= size
        return bytes(data)

    def read(self, most: int = -1) -> list[Chunk]:
        """Take up to `most` bytes, by default all that is in order, as chunks."""
        chunks = []
        left = self.readable if most < 0 else min(most, self.readable)
        self.readable -= left
        self.buffered -= left
        while left:
            chunk = self._ready.popleft()
            size = len(chunk.data)
            if size > left:
                view = memoryview(chunk.data)
                self._ready.appendleft(Chunk(view[left:], chunk.connection_id))
                chunk = Chunk(view[:left], chunk.connection_id)
                size = left
            chunks.append(chunk)
            left -= size
        return chunks

    def _check_size(self, end: int, *, fin: bool) -> None:
        if self._size is not None:
            if end > self._size or (fin and end != self._size):
                raise protocol_violation(
                    f"stream {self.stream_id} ended at {self._size} and a frame says {end} (section 5.2.3)"
                )
        elif fin:
            if end < self._end:
                raise protocol_violation(
                    f"stream {self.stream_id} ends at {end}, and {self._end} bytes were seen (section 5.2.3)"
                )
            self._size = end

    def _insert(self, offset: int, data: memoryview, connection_id: int) -> None:
        """Put the parts that are not here yet between the chunks ahead."""
        end = offset + len(data)
        start = max(offset, self._next)
        i = bisect_left(self._offsets, start)
        if i and (other := self._offsets[i - 1]) + len(self._ahead[other].data) > start:
            start = other + len(self._ahead[other].data)
        while start < end:
            stop = min(end, self._offsets[i]) if i < len(self._offsets) else end
            if start < stop:
                self._offsets.insert(i, start)
                self._ahead[start] = Chunk(bytes(data[start - offset : stop - offset]), connection_id)
                self.buffered += stop - start
                i += 1
            if i == len(self._offsets):
                break
            other = self._offsets[i]
            start = max(stop, other + len(self._ahead[other].data))
            i += 1

    def _advance(self) -> None:
        """Move the chunks that are in order now to those that can be read."""
        moved = 0
        for offset in self._offsets:
            if offset != self._next:
                break
            chunk = self._ahead.pop(offset)
            self._ready.append(chunk)
            self._next += len(chunk.data)
            self.readable += len(chunk.data)
            moved += 1
        del self._offsets[:moved]
