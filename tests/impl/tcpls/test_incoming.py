"""Frames to streams: the short ways for bulk data do what the long way does."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from impl.tcpls.connection import Connection
from impl.tcpls.events import Event, StreamOpened, StreamReadable
from impl.tcpls.frames import Ack, Frame, Padding, Ping, Stream
from impl.tcpls.incoming import Incoming
from impl.tcpls.settings import Settings
from impl.tcpls.streams.table import StreamTable
from impl.tls13.alerts import TLSError
from tests.support.tcpls import Net, Path


class Receiver:
    """The receiving part of a server."""

    def __init__(self, **options: object) -> None:
        net = Net()
        net.start(Path())
        self.connection: Connection = net.server.connections[0]
        self.connection.received = self.connection.duplicate = 0
        self.streams = StreamTable(client=False, limit=100)
        self.events: list[Event] = []
        self.frames: list[Frame] = []
        self.incoming = Incoming(
            self.streams,
            Settings(**options),  # type: ignore[arg-type]
            self.events.append,
            lambda _, frame: self.frames.append(frame),
        )

    def take(self, *records: bytes) -> int:
        ends, end = [], 0
        for record in records:
            end += len(record)
            ends.append(end)
        eliciting = self.incoming.records(self.connection, memoryview(b"".join(records)), tuple(ends))
        self.incoming.flush()
        return eliciting

    def read(self, stream_id: int = 0) -> bytes:
        return b"".join(chunk.data for chunk in self.streams[stream_id].receiving.read())


class TestFrames:
    def test_those_that_are_for_others_are_handed_on(self) -> None:
        receiver = Receiver()
        assert receiver.take(bytes(5) + Ack(0, 1).encode(), Ping().encode() + Ack(0, 2).encode()) == 1
        assert receiver.frames == [Ack(0, 1), Ack(0, 2)]

    def test_records_count_once_however_many_frames_ask(self) -> None:
        receiver = Receiver()
        assert receiver.take(Ping().encode() * 3, Stream(0, 0, b"x").encode() + Ping().encode(), b"") == 2

    def test_a_ping_is_answered_at_once(self) -> None:
        receiver = Receiver()
        receiver.connection.ack_due = None
        receiver.take(Ping().encode())
        assert receiver.connection.ack_due == 0.0

    def test_a_stream_frame_without_anything_says_where_the_peer_sends(self) -> None:
        receiver = Receiver()
        receiver.take(Stream(0, 0, b"x").encode(), Stream(0, 1, b"", True).encode())
        assert receiver.incoming.newest is None
        receiver.take(Stream(0, 1, b"").encode())
        assert receiver.incoming.newest is receiver.connection


class TestEvents:
    def test_streams_become_readable_once_for_all_records_of_a_turn(self) -> None:
        receiver = Receiver()
        receiver.take(Stream(2, 0, b"ab").encode(), Stream(2, 2, b"c").encode())
        assert receiver.events == [StreamOpened(stream_id=0), StreamOpened(stream_id=2), StreamReadable(stream_id=2)]

    def test_nothing_to_read_is_no_event(self) -> None:
        receiver = Receiver()
        receiver.take(Stream(0, 5, b"later").encode())
        assert receiver.events == [StreamOpened(stream_id=0)]

    def test_the_end_is_one(self) -> None:
        receiver = Receiver()
        receiver.take(Stream(0, 0, b"", True).encode())
        receiver.take(Stream(0, 0, b"", True).encode())
        assert receiver.events == [StreamOpened(stream_id=0), StreamReadable(stream_id=0)]


class TestShortWays:
    @pytest.mark.parametrize("records", [1, 2, 3, 17])
    def test_bulk_data(self, records: int) -> None:
        receiver = Receiver()
        data = random.Random(records).randbytes(16_000 * records)
        frames = [Stream(0, start, data[start : start + 16_000]).encode() for start in range(0, len(data), 16_000)]
        receiver.take(Stream(0, 0, b"").encode())
        assert receiver.take(*frames) == records
        assert receiver.incoming.buffered == receiver.incoming.unread == len(data)
        assert receiver.connection.received == len(data)
        assert receiver.read() == data

    def test_bulk_data_may_be_too_much(self) -> None:
        receiver = Receiver(receive_buffer=1000, receive_limit=20_000)
        receiver.take(Stream(0, 0, b"").encode())
        with pytest.raises(TLSError, match="32000 bytes wait"):
            receiver.take(Stream(0, 0, bytes(16_000)).encode(), Stream(0, 16_000, bytes(16_000)).encode())

    def test_a_whole_record_beyond_the_end_of_all_streams(self) -> None:
        receiver = Receiver()
        with pytest.raises(TLSError, match=r"beyond 2\^64 - 1"):
            receiver.take(Stream(0, 2**64 - 2, b"xx").encode())

    def test_what_is_kept_does_not_change_with_the_buffer(self) -> None:
        receiver = Receiver()
        frames = [Stream(0, start, b"a" * 9000).encode() for start in (0, 9000)]
        buffer = bytearray(Stream(0, 18_000, b"b").encode() + b"".join(frames))
        size = len(buffer) - 2 * 9015
        ends = (size, size + 9015, size + 2 * 9015)
        receiver.incoming.records(receiver.connection, memoryview(buffer), ends)
        buffer[:] = bytes(len(buffer))
        assert receiver.read() == b"a" * 18_000 + b"b"


@settings(max_examples=60)
@given(st.integers(0, 2**32))
def test_any_order_and_grouping_gives_the_same(seed: int) -> None:
    rng = random.Random(seed)
    receiver = Receiver()
    data = rng.randbytes(60_000)
    frames, start = [], 0
    while start < len(data):
        size = rng.choice((1, 50, 9000, 9000, 16_000))
        frames.append(Stream(0, start, data[start : start + size], start + size >= len(data)))
        start += size
    if rng.random() < 0.7:
        for _ in range(rng.randrange(5)):
            i = rng.randrange(len(frames))
            frames.insert(rng.randrange(len(frames)), frames[i])  # comes twice
    if rng.random() < 0.5:
        rng.shuffle(frames)
    got, waiting = b"", list(frames)
    while waiting:
        count = rng.randrange(1, 6)
        group, waiting = waiting[:count], waiting[count:]
        receiver.take(*(frame.encode() + Padding(rng.choice((0, 0, 3))).encode() for frame in group))
        assert receiver.incoming.buffered == receiver.streams[0].receiving.buffered
        if rng.random() < 0.3:
            part = receiver.read()
            receiver.incoming.buffered -= len(part)
            got += part
    assert got + receiver.read() == data
    assert receiver.connection.received == len(data)
    assert receiver.connection.duplicate == sum(len(frame.data) for frame in frames) - len(data)
    assert receiver.incoming.incomplete == 0
