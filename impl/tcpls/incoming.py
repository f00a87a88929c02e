"""What a session receives: frames to streams in order, within bounded memory (sections 4.1 and 5.2 of the draft)."""

from collections.abc import Callable
from typing import Final

from impl.tcpls.connection import Connection
from impl.tcpls.errors import limit_exceeded
from impl.tcpls.events import Event, StreamOpened, StreamReadable
from impl.tcpls.frames import STREAM_HEADER, STREAM_OVERHEAD, Frame, Padding, Ping, Stream, decode_frames
from impl.tcpls.registries import MAX_STREAM_SIZE, FrameType
from impl.tcpls.settings import Settings
from impl.tcpls.streams.receiving import Chunk, ReceiveState, ReceiveStream
from impl.tcpls.streams.table import Stream as BothSides
from impl.tcpls.streams.table import StreamTable

_LARGE: Final = STREAM_OVERHEAD + 2**10
"""Runs of records of this size or more are taken together."""
_PIECE_COST: Final = 200
"""Bytes that a piece takes besides its content: tiny ones must not be a way around the limit."""
_TOGETHER: Final = 4
"""Records whose data are put together: of larger pieces the C library gives the memory back to the kernel each time."""
_STREAM_TYPES: Final = (FrameType.STREAM.value, FrameType.STREAM_FIN.value)


class Incoming:
    """The receiving part of one session.

    Args:
        streams: of the session.
        settings: of the session.
        emit: takes events for the user.
        on_frame: takes all frames but Stream, Padding and Ping.

    Attributes:
        buffered: bytes that wait for the user, or for bytes before them.
        unread: those of them that the user could read.
        pieces: in how many pieces they are.
        awaited: how many streams the user waits for, while nothing can be read on them.
        incomplete: how many streams may still bring something.
        newest: connection with a Stream frame that has no data and no end: with it the peer says that it sends there
            from now on (for 4.2.3); None since that was taken up.

    """

    def __init__(
        self,
        streams: StreamTable,
        settings: Settings,
        emit: Callable[[Event], None],
        on_frame: Callable[[Connection, Frame], None],
    ) -> None:
        self.buffered = 0
        self.unread = 0
        self.pieces = 0
        self.awaited = 0
        self.incomplete = 0
        self.newest: Connection | None = None
        self._streams = streams
        self._settings = settings
        self._emit = emit
        self._on_frame = on_frame
        self._readable: set[int] = set()

    def records(self, connection: Connection, content: memoryview, ends: tuple[int, ...]) -> int:
        """Take the contents of records that came one after the other; what is kept of them is copied.

        Returns:
            How many of them elicit an acknowledgement.

        Raises:
            TLSError: a frame breaks a rule, or the peer wants too much memory.

        """
        eliciting = self._bulk(connection, content, ends)
        start = ends[eliciting - 1] if eliciting else 0
        for end in ends[eliciting:]:
            size = end - start
            if size >= STREAM_OVERHEAD and content[start] in _STREAM_TYPES:
                kind, stream_id, offset, length = STREAM_HEADER.unpack_from(content, start)
                # The frame is all there is in the record, as in bulk transfers.
                if length == size - STREAM_OVERHEAD and offset + length <= MAX_STREAM_SIZE:
                    data = content[start + STREAM_OVERHEAD : end]
                    self._stream(connection, stream_id, offset, data, fin=kind == FrameType.STREAM_FIN)
                    eliciting += 1
                    start = end
                    continue
            eliciting += self._frames(connection, content[start:end])
            start = end
        if self.buffered + self.pieces * _PIECE_COST > self._settings.receive_limit:
            raise limit_exceeded(
                f"{self.buffered} bytes wait to be read or for bytes before them, in {self.pieces} pieces; allowed are "
                f"{self._settings.receive_limit} (receive_limit), of which a piece takes {_PIECE_COST} besides"
            )
        return eliciting

    def _bulk(self, connection: Connection, content: memoryview, ends: tuple[int, ...]) -> int:
        """Take the records at the front that hold one part after the other of one stream, in order: how many they are.

        It is what bulk transfers consist of, and worth a short way.
        """
        if len(ends) < 2 or ends[0] < _LARGE or content[0] != FrameType.STREAM:
            return 0
        _, stream_id, offset, _ = STREAM_HEADER.unpack_from(content, 0)
        stream = self._streams.get(stream_id)
        if stream is None or not stream.receiving.expects(offset):
            return 0
        parts = []
        start = 0
        unpack_from = STREAM_HEADER.unpack_from
        for end in ends:
            if end - start <= STREAM_OVERHEAD:
                break
            size = end - start - STREAM_OVERHEAD
            if unpack_from(content, start) != (FrameType.STREAM, stream_id, offset, size):
                break
            parts.append(content[start + STREAM_OVERHEAD : end])
            offset += size
            start = end
        if not parts:
            return 0
        new, pieces = 0, stream.receiving.pieces
        for first in range(0, len(parts), _TOGETHER):
            new += stream.receiving.append(Chunk(b"".join(parts[first : first + _TOGETHER]), connection.id))
        connection.received += new
        self.buffered += new
        self.unread += new
        self.pieces += stream.receiving.pieces - pieces
        if stream.receiving.dropped:
            self._drop(stream)
        else:
            self._readable.add(stream_id)
        return len(parts)

    def flush(self) -> None:
        """Tell the user which streams have become readable."""
        for stream_id in self._readable:
            self._emit(StreamReadable(stream_id=stream_id))
        self._readable.clear()

    @property
    def paused(self) -> bool:
        """Whether nothing should be read from any connection for now.

        Not as long as the user waits for a stream: any connection may bring what comes next on it.
        """
        return self.unread >= self._settings.receive_buffer and not self.awaited

    def received(self, receiving: ReceiveStream, size: int) -> None:
        """So many bytes came in order on a stream, of a plain TLS connection."""
        self.buffered += size
        self.unread += size
        self.pieces += 1
        self._readable.add(receiving.stream_id)

    def ended(self, receiving: ReceiveStream) -> None:
        """Nothing more comes on a stream, of a plain TLS connection."""
        self.incomplete -= 1
        self._readable.add(receiving.stream_id)

    def taken(self, size: int, pieces: int) -> None:
        """So many bytes were read, or dropped, and there are so many pieces less."""
        self.buffered -= size
        self.unread -= size
        self.pieces -= pieces

    def opened(self) -> None:
        """We have opened a stream: something may come on it."""
        self.incomplete += 1

    def _frames(self, connection: Connection, record: memoryview) -> bool:
        eliciting = False
        for frame in decode_frames(record):
            eliciting |= frame.elicits_ack
            if isinstance(frame, Stream):
                assert isinstance(frame.data, memoryview)
                self._stream(connection, frame.stream_id, frame.offset, frame.data, fin=frame.fin)
            elif isinstance(frame, Ping):
                connection.ack_due = 0.0  # it asks whether we are there: at once
            elif not isinstance(frame, Padding):
                self._on_frame(connection, frame)
        return eliciting

    def _stream(self, connection: Connection, stream_id: int, offset: int, data: memoryview, *, fin: bool) -> None:
        if not data and not fin:
            self.newest = connection
        stream = self._streams.get(stream_id) or self._open(stream_id)
        if stream is None:
            connection.duplicate += len(data)
            return
        receiving = stream.receiving
        before, pieces = receiving.readable, receiving.pieces
        was_complete = receiving.state is ReceiveState.COMPLETE
        new = receiving.receive(offset, data, connection.id, fin=fin)
        connection.received += new
        connection.duplicate += len(data) - new
        self.buffered += new
        self.unread += receiving.readable - before
        self.pieces += receiving.pieces - pieces
        complete = receiving.state is ReceiveState.COMPLETE
        if complete and not was_complete:
            self.incomplete -= 1
        if receiving.dropped:
            self._drop(stream)
        elif receiving.readable > before or (complete and not was_complete):
            self._readable.add(stream_id)

    def _drop(self, stream: BothSides) -> None:
        """Nobody reads this stream any more."""
        pieces = stream.receiving.pieces
        self.taken(sum(len(chunk.data) for chunk in stream.receiving.read()), pieces - stream.receiving.pieces)
        self._streams.drop_if_over(stream.receiving.stream_id)

    def _open(self, stream_id: int) -> BothSides | None:
        for number in self._streams.opened_by_peer(stream_id):
            self.incomplete += 1
            self._emit(StreamOpened(stream_id=number))
        return self._streams.get(stream_id)
