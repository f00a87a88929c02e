"""The receiving side of a stream: chunks that come twice, late, cut otherwise, or not at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impl.tcpls.streams.receiving import Chunk, ReceiveState, ReceiveStream
from impl.tls13.alerts import TLSError
from impl.tls13.registries import AlertDescription

DATA = bytes(range(200))
CHUNKS = st.lists(st.tuples(st.integers(0, 200), st.integers(0, 60)), max_size=40)


def put(stream: ReceiveStream, start: int, end: int, *, fin: bool = False, connection: int = 0) -> int:
    return stream.receive(start, memoryview(DATA)[start:end], connection, fin=fin)


def taken(stream: ReceiveStream, most: int = -1) -> bytes:
    return b"".join(chunk.data for chunk in stream.read(most))


class TestOrder:
    def test_what_is_next_can_be_read(self) -> None:
        stream = ReceiveStream(0)
        assert put(stream, 0, 10) == 10
        assert stream.readable == stream.buffered == 10
        assert taken(stream) == DATA[:10]
        assert stream.readable == stream.buffered == 0

    def test_what_is_ahead_waits(self) -> None:
        stream = ReceiveStream(0)
        put(stream, 10, 20)
        assert (stream.readable, stream.buffered, stream.highest, stream.received) == (0, 10, 20, 0)
        put(stream, 0, 10)
        assert taken(stream) == DATA[:20]

    def test_what_comes_twice_counts_once(self) -> None:
        stream = ReceiveStream(0)
        put(stream, 0, 10)
        assert put(stream, 5, 15) == 5
        assert put(stream, 0, 15) == 0
        assert taken(stream) == DATA[:15]

    def test_chunks_say_which_connection_brought_them(self) -> None:
        stream = ReceiveStream(0)
        put(stream, 5, 10, connection=2)
        put(stream, 0, 7, connection=1)
        assert [(bytes(c.data), c.connection_id) for c in stream.read()] == [(DATA[:5], 1), (DATA[5:10], 2)]

    def test_as_much_is_read_as_is_wanted(self) -> None:
        stream = ReceiveStream(0)
        put(stream, 0, 10)
        put(stream, 10, 20)
        assert taken(stream, 3) == DATA[:3]
        assert taken(stream, 9) == DATA[3:12]
        assert taken(stream, 0) == b""
        assert taken(stream, 99) == DATA[12:20]

    def test_whole_chunks_are_appended_where_nothing_speaks_against_it(self) -> None:
        stream = ReceiveStream(0)
        assert stream.expects(0)
        assert stream.append(Chunk(DATA[:10], 3)) == 10
        assert not stream.expects(0)
        assert stream.expects(10)
        put(stream, 15, 20)
        assert not stream.expects(10)
        put(stream, 10, 15)
        assert stream.expects(20)
        put(stream, 20, 20, fin=True)
        assert not stream.expects(20)
        assert taken(stream) == DATA[:20]
        assert stream.buffered == 0

    def test_what_comes_is_copied(self) -> None:
        stream, buffer = ReceiveStream(0), bytearray(b"abcd")
        stream.receive(0, memoryview(buffer)[:2], 0, fin=False)
        stream.receive(3, memoryview(buffer)[3:], 0, fin=False)
        buffer[:] = b"...."
        stream.receive(2, memoryview(b"c"), 0, fin=False)
        assert taken(stream) == b"abcd"

    def test_an_empty_frame_from_further_ahead_is_remembered(self) -> None:
        stream = ReceiveStream(0)
        put(stream, 50, 50)
        put(stream, 0, 20)
        assert stream.highest == 50


class TestEnd:
    def test_with_the_last_byte(self) -> None:
        stream = ReceiveStream(0)
        put(stream, 0, 10, fin=True)
        assert stream.state is ReceiveState.COMPLETE
        assert not stream.at_end
        taken(stream)
        assert stream.at_end

    def test_before_the_last_byte(self) -> None:
        stream = ReceiveStream(0)
        put(stream, 10, 10, fin=True)
        states = [stream.state]
        put(stream, 0, 10)
        assert [*states, stream.state] == [ReceiveState.SIZE_KNOWN, ReceiveState.COMPLETE]

    def test_of_an_empty_stream(self) -> None:
        stream = ReceiveStream(0)
        assert stream.state is ReceiveState.OPEN
        put(stream, 0, 0, fin=True)
        assert stream.at_end

    @pytest.mark.parametrize(
        "wrong", [(10, 21, False), (0, 5, True), (20, 21, False), (25, 25, True), (25, 25, False)], ids=str
    )
    def test_it_lies_where_it_lies(self, wrong: tuple[int, int, bool]) -> None:
        stream = ReceiveStream(8)
        put(stream, 10, 20, fin=True)
        with pytest.raises(TLSError, match="stream 8 ended at 20") as caught:
            put(stream, wrong[0], wrong[1], fin=wrong[2])
        assert caught.value.alert is AlertDescription.ILLEGAL_PARAMETER

    def test_it_is_not_before_what_was_seen(self) -> None:
        stream = ReceiveStream(8)
        put(stream, 10, 20)
        with pytest.raises(TLSError, match="ends at 15, and 20 bytes were seen"):
            put(stream, 0, 15, fin=True)

    def test_it_may_come_twice(self) -> None:
        stream = ReceiveStream(0)
        put(stream, 0, 10, fin=True)
        assert put(stream, 5, 10, fin=True) == 0
        assert put(stream, 10, 10, fin=True) == 0


class TestAnyOrder:
    @given(CHUNKS, st.booleans())
    def test_every_byte_is_delivered_once_and_in_order(self, chunks: list[tuple[int, int]], whole: bool) -> None:
        stream = ReceiveStream(0)
        have: set[int] = set()
        got = b""
        for start, size in chunks:
            end = min(start + size, len(DATA))
            new = set(range(start, end)) - have
            if whole and stream.expects(start):
                assert stream.append(Chunk(DATA[start:end], 0)) == len(new)
            else:
                assert put(stream, start, end) == len(new)
            have |= new
            in_order = next((n for n in range(len(DATA)) if n not in have), len(DATA))
            assert stream.received == in_order
            assert stream.readable == in_order - len(got)
            assert stream.buffered == len(have) - len(got)
            if size % 3 == 0:
                got += taken(stream, size)
        put(stream, 0, len(DATA), fin=True)
        assert got + taken(stream) == DATA
        assert stream.at_end
        assert stream.buffered == 0
