"""The sending side of a stream: data until it is acknowledged, what was never sent, what must be sent again."""

from bisect import bisect_right
from enum import Enum, auto
from typing import Final

from impl.tcpls.errors import StreamError
from impl.tcpls.frames import Stream
from impl.tcpls.registries import MAX_STREAM_SIZE
from impl.tcpls.streams.ranges import RangeSet

_COPIED: Final = 2**10
"""Pieces that are shorter are put together, so that a user who writes byte by byte costs no segment for each."""


class SendState(Enum):
    """Where the sending side stands."""

    OPEN = auto()
    FINISHED = auto()
    """The user has marked the end."""
    ACKNOWLEDGED = auto()
    """The peer has everything, the end included."""


class SendStream:
    """What goes to the peer on one stream.

    Data stays here until the peer has acknowledged it, on whatever connection it was sent: a connection that fails
    has its share marked as lost, and that is sent again on another one (section 4.2.2). Offsets are those of Stream
    frames.

    Attributes:
        stream_id: the stream.
        pinned: the connection that carries this stream, or None if any may.
        waiting: whether it stands in a queue of those that have something to send; kept by the queues.
        announced: whether the user was told that the peer has everything; kept by the session.

    """

    __slots__ = (
        "_acked", "_begins", "_end", "_fin_acked", "_fin_lost", "_fin_sent", "_lost", "_next", "_segments", "_short",
        "_una", "announced", "finished", "pinned", "stream_id", "waiting",
    )  # fmt: skip

    def __init__(self, stream_id: int, pinned: int | None = None) -> None:
        self.stream_id = stream_id
        self.pinned = pinned
        self.waiting = False
        self.finished = False
        self.announced = False
        self._segments: list[memoryview] = []  # data in order, each with its offset in _begins
        self._begins: list[int] = []
        self._short: bytearray | None = None  # of the last segment, while it may grow
        self._una = 0  # all before this is acknowledged
        self._next = 0  # all from here on was never sent
        self._end = 0
        self._acked = RangeSet()
        self._lost = RangeSet()
        self._fin_sent = self._fin_lost = self._fin_acked = False

    @property
    def state(self) -> SendState:
        """Where it stands."""
        if not self.finished:
            return SendState.OPEN
        return SendState.ACKNOWLEDGED if self._fin_acked and self._una == self._end else SendState.FINISHED

    @property
    def written(self) -> int:
        """How many bytes the user has written."""
        return self._end

    @property
    def unsent(self) -> int:
        """How many bytes were never sent."""
        return self._end - self._next

    @property
    def unacknowledged(self) -> int:
        """How many bytes are kept: written, and not acknowledged in order."""
        return self._end - self._una

    @property
    def has_new(self) -> bool:
        """Whether there are bytes, or an end, that were never sent."""
        return self._next < self._end or (self.finished and not self._fin_sent)

    @property
    def has_lost(self) -> bool:
        """Whether something must be sent again."""
        return bool(self._lost) or self._fin_lost

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Add data. Bytes are kept as they are; others are copied, since their owner may change them.

        Raises:
            StreamError: the end of the stream was marked, or it would be longer than offsets can say.

        """
        if self.finished:
            raise StreamError(f"stream {self.stream_id} was finished: nothing can be written behind its end")
        size = len(data)
        if self._end + size > MAX_STREAM_SIZE:
            raise StreamError(f"stream {self.stream_id} would be longer than 2^64 - 1 bytes (section 5.2.3)")
        if not size:
            return
        if size < _COPIED:
            self._write_short(data)
        else:
            self._short = None
            self._add(memoryview(data if isinstance(data, bytes) else bytes(data)))
        self._end += size

    def finish(self) -> None:
        """Mark the end (section 4.1)."""
        self.finished = True

    def take_new(self, most: int) -> tuple[int, int, bool]:
        """Take up to `most` bytes that were never sent: start and end, and whether the stream ends there."""
        start = self._next
        self._next = end = min(start + most, self._end)
        fin = self.finished and end == self._end
        self._fin_sent |= fin
        return start, end, fin

    def take_lost(self, most: int) -> tuple[int, int, bool]:
        """Take up to `most` bytes that must be sent again, as `take_new`."""
        if not self._lost:
            self._fin_lost = False
            return self._end, self._end, True
        start, stop = self._lost.first
        end = min(stop, start + most)
        self._lost.discard(start, end)
        fin = self._fin_lost and end == self._end
        self._fin_lost &= not fin
        return start, end, fin

    def view(self, start: int, end: int) -> list[memoryview]:
        """The bytes of a range that is not acknowledged, as views of what the user wrote."""
        i = bisect_right(self._begins, start) - 1
        parts = []
        while start < end:
            begin = self._begins[i]
            part = self._segments[i][start - begin : end - begin]
            parts.append(part)
            start += len(part)
            i += 1
        return parts

    def empty_frame(self) -> bytes:
        """A Stream frame without data or end, at the offset that comes next: it says nothing but where we send."""
        return Stream(self.stream_id, self._next, b"").encode()

    def acknowledge(self, start: int, end: int, *, fin: bool) -> int:
        """The peer has this range, and the end of the stream too if `fin`. Ranges may come twice and in any order.

        Returns:
            How many bytes need not be kept any more.

        """
        before = self._una
        if fin:
            self._fin_acked = True
            self._fin_lost = False
        if self._lost:
            self._lost.discard(start, end)
        if end <= before:
            return 0
        if start > before:
            self._acked.add(start, end)
            return 0
        self._una = end
        if self._acked:
            self._acked.discard(0, end)
            if self._acked and self._acked.first[0] <= end:
                self._una = self._acked.first[1]
                self._acked.discard(0, self._una)
        self._drop()
        return self._una - before

    def lose(self, start: int, end: int, *, fin: bool) -> None:
        """A range was sent on a connection that failed: send again what of it the peer has not acknowledged."""
        for gap in self._acked.missing(max(start, self._una), end):
            self._lost.add(*gap)
        self._fin_lost |= fin and not self._fin_acked

    def find(self, start: int, end: int, *, fin: bool) -> None:
        """A range that was given up is under way after all: do not send it again."""
        self._lost.discard(start, end)
        self._fin_lost &= not fin

    def unacknowledged_parts(self, start: int, end: int) -> list[tuple[int, int]]:
        """What of a range the peer has not acknowledged."""
        return self._acked.missing(max(start, self._una), end)

    def is_acknowledged(self, start: int, end: int, *, fin: bool) -> bool:
        """Whether the peer has all of a range, and the end if `fin`."""
        return (not fin or self._fin_acked) and self._acked.covers(max(start, self._una), end)

    def _write_short(self, data: bytes | bytearray | memoryview) -> None:
        short = self._short
        if short is None or len(short) + len(data) > _SHORT_CAPACITY:
            self._short = bytearray(data)
            self._add(memoryview(bytes(data)))
            return
        # The segment is made anew with each piece: views of the old one may be with whoever sends.
        short += data
        self._segments[-1] = memoryview(bytes(short))

    def _add(self, segment: memoryview) -> None:
        self._segments.append(segment)
        self._begins.append(self._end)

    def _drop(self) -> None:
        """Let go of segments that are acknowledged."""
        keep = bisect_right(self._begins, self._una) - 1
        if keep >= 0 and self._una == self._end:
            keep += 1
        if keep > 0:
            del self._segments[:keep]
            del self._begins[:keep]
            if not self._segments:
                self._short = None


_SHORT_CAPACITY: Final = 2**12
