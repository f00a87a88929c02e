"""The streams of a session: who may open which, in which order, and when one is over (section 4.1)."""

from dataclasses import dataclass

from impl.tcpls.errors import StreamError, limit_exceeded, protocol_violation
from impl.tcpls.registries import MAX_STREAM_ID
from impl.tcpls.streams.receiving import ReceiveStream
from impl.tcpls.streams.sending import SendState, SendStream


@dataclass(slots=True)
class Stream:
    """Both sides of a stream."""

    sending: SendStream
    receiving: ReceiveStream

    @property
    def over(self) -> bool:
        """Whether nothing can happen on it any more."""
        return self.receiving.at_end and self.sending.state is SendState.ACKNOWLEDGED


class StreamTable:
    """The streams that are not over. A client opens even ones, a server odd ones, each in sequence.

    Args:
        client: whether we are the client.
        limit: how many the peer may have open at a time.

    """

    def __init__(self, *, client: bool, limit: int) -> None:
        self._streams: dict[int, Stream] = {}
        self._ours = self._next = 0 if client else 1
        self._theirs = 1 if client else 0
        self._limit = limit
        self._open_by_peer = 0

    def __len__(self) -> int:
        return len(self._streams)

    def __contains__(self, stream_id: int) -> bool:
        return stream_id in self._streams

    def __getitem__(self, stream_id: int) -> Stream:
        try:
            return self._streams[stream_id]
        except KeyError:
            raise StreamError(f"stream {stream_id} is not open") from None

    def get(self, stream_id: int) -> Stream | None:
        """The stream, None if it is not open."""
        return self._streams.get(stream_id)

    def all(self) -> list[Stream]:
        """All of them."""
        return list(self._streams.values())

    def open(self, pinned: int | None) -> Stream:
        """Open our next one.

        Raises:
            StreamError: there are no more numbers.

        """
        if self._next > MAX_STREAM_ID:
            raise StreamError("all 2^31 streams of this side have been used: begin another session")
        stream_id = self._next
        self._next += 2
        return self._add(stream_id, pinned)

    def opened_by_peer(self, stream_id: int) -> list[int]:
        """A frame names a stream that is not open: the streams that are opened by that, in sequence.

        Frames of several connections overtake one another, so that a stream may be seen before one with a lower number,
        which is open then, too. None are opened if the stream was there and is over.

        Raises:
            TLSError: illegal_parameter, it is one of ours that was never opened; internal_error, there are too many.

        """
        if stream_id % 2 == self._ours % 2:
            if stream_id >= self._next:
                raise protocol_violation(f"a frame of stream {stream_id}, which is ours to open (section 4.1)")
            return []
        new = range(self._theirs, stream_id + 1, 2)
        if not new:
            return []
        if self._open_by_peer + len(new) > self._limit:
            raise limit_exceeded(
                f"the peer opens stream {stream_id} and has {self._open_by_peer} open; {self._limit} are allowed"
            )
        self._theirs = stream_id + 2
        self._open_by_peer += len(new)
        for number in new:
            self._add(number, None)
        return list(new)

    def drop_if_over(self, stream_id: int) -> bool:
        """Forget a stream on which nothing can happen any more; whether it was one."""
        stream = self._streams.get(stream_id)
        if stream is None or not stream.over:
            return False
        del self._streams[stream_id]
        if stream_id % 2 != self._ours % 2:
            self._open_by_peer -= 1
        return True

    def _add(self, stream_id: int, pinned: int | None) -> Stream:
        stream = self._streams[stream_id] = Stream(SendStream(stream_id, pinned), ReceiveStream(stream_id))
        return stream
