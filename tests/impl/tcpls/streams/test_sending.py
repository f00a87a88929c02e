"""The sending side of a stream, against a model that knows the state of each byte."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from impl.tcpls.errors import StreamError
from impl.tcpls.frames import decode_frames
from impl.tcpls.registries import MAX_STREAM_SIZE
from impl.tcpls.streams.sending import SendState, SendStream


def joined(stream: SendStream, start: int, end: int) -> bytes:
    return b"".join(stream.view(start, end))


class TestData:
    def test_is_given_out_in_order_as_it_was_written(self) -> None:
        stream = SendStream(0)
        stream.write(b"a" * 5000)
        stream.write(b"bc")
        assert stream.take_new(4000) == (0, 4000, False)
        assert stream.take_new(4000) == (4000, 5002, False)
        assert joined(stream, 4998, 5002) == b"aabc"
        assert stream.unsent == 0
        assert stream.unacknowledged == stream.written == 5002

    def test_what_its_owner_may_change_is_copied(self) -> None:
        for size in (10, 5000):
            stream = SendStream(0)
            data = bytearray(b"x" * size)
            stream.write(data)
            data[:] = b"y" * size
            assert joined(stream, 0, size) == b"x" * size

    def test_bytes_one_by_one_share_segments(self) -> None:
        stream = SendStream(0)
        for number in range(10_000):
            stream.write(bytes((number % 256,)))
        assert len(stream.view(0, 10_000)) <= 4
        assert joined(stream, 0, 10_000) == bytes(number % 256 for number in range(10_000))

    def test_views_stay_as_they_are_while_more_is_written(self) -> None:
        stream = SendStream(0)
        stream.write(b"one")
        view = stream.view(0, 3)
        stream.write(b"two")
        assert b"".join(view) == b"one"
        assert joined(stream, 0, 6) == b"onetwo"

    def test_nothing_is_written_behind_the_end(self) -> None:
        stream = SendStream(4)
        stream.finish()
        with pytest.raises(StreamError, match="stream 4 was finished"):
            stream.write(b"more")

    def test_offsets_end_at_64_bits(self) -> None:
        stream = SendStream(0)
        stream._end = MAX_STREAM_SIZE - 1
        with pytest.raises(StreamError, match=r"2\^64 - 1"):
            stream.write(b"xx")


class TestEnd:
    def test_goes_with_the_last_byte(self) -> None:
        stream = SendStream(0)
        stream.write(b"xy")
        stream.finish()
        assert stream.take_new(1) == (0, 1, False)
        assert stream.take_new(9) == (1, 2, True)
        assert not stream.has_new

    def test_alone_if_it_was_marked_later(self) -> None:
        stream = SendStream(0)
        stream.write(b"xy")
        stream.take_new(2)
        assert not stream.has_new
        stream.finish()
        assert stream.has_new
        assert stream.take_new(0) == (2, 2, True)

    def test_states(self) -> None:
        stream = SendStream(0)
        stream.write(b"xy")
        states = [stream.state]
        stream.finish()
        stream.take_new(2)
        assert stream.acknowledge(1, 2, fin=True) == 0
        states.append(stream.state)
        assert stream.acknowledge(0, 1, fin=False) == 2
        assert [*states, stream.state] == [SendState.OPEN, SendState.FINISHED, SendState.ACKNOWLEDGED]

    def test_is_sent_again_if_it_is_lost(self) -> None:
        stream = SendStream(0)
        stream.finish()
        stream.take_new(0)
        stream.lose(0, 0, fin=True)
        assert stream.has_lost
        assert stream.take_lost(5) == (0, 0, True)
        assert not stream.has_lost

    def test_is_not_sent_again_once_it_is_acknowledged(self) -> None:
        stream = SendStream(0)
        stream.finish()
        stream.take_new(0)
        stream.acknowledge(0, 0, fin=True)
        stream.lose(0, 0, fin=True)
        assert not stream.has_lost


class TestLostData:
    def test_only_what_is_not_acknowledged_is_sent_again(self) -> None:
        stream = SendStream(0)
        stream.write(bytes(100))
        stream.take_new(100)
        stream.acknowledge(20, 40, fin=False)
        stream.lose(10, 60, fin=False)
        assert stream.take_lost(100) == (10, 20, False)
        assert stream.take_lost(5) == (40, 45, False)
        stream.acknowledge(45, 50, fin=False)
        assert stream.take_lost(100) == (50, 60, False)
        assert not stream.has_lost

    def test_what_is_found_is_not_sent_again(self) -> None:
        stream = SendStream(0)
        stream.write(bytes(100))
        stream.finish()
        stream.take_new(100)
        stream.lose(50, 100, fin=True)
        stream.find(70, 100, fin=True)
        assert stream.take_lost(100) == (50, 70, False)
        assert not stream.has_lost


class TestEmptyFrame:
    def test_says_where_the_stream_stands(self) -> None:
        stream = SendStream(6)
        stream.write(b"abc")
        stream.take_new(2)
        (frame,) = decode_frames(memoryview(stream.empty_frame()))
        assert (frame.stream_id, frame.offset, len(frame.data), frame.fin) == (6, 2, 0, False)  # type: ignore[union-attr]


@settings(max_examples=60)
@given(st.integers(0, 2**32))
def test_against_a_model(seed: int) -> None:
    """Sends at random over two connections that lose things, and keeps account of every byte."""
    rng = random.Random(seed)
    stream = SendStream(0)
    data = bytearray()
    flights: list[tuple[int, int, bool, bool]] = []  # start, end, fin, given up
    acked: set[int] = set()
    fin_acked = False
    for _ in range(rng.randrange(5, 60)):
        match rng.randrange(7):
            case 0 | 1 if not stream.finished:
                piece = rng.randbytes(rng.choice((1, 7, 900, 3000)))
                stream.write(piece)
                data += piece
            case 2 if stream.has_new:
                flights.append((*stream.take_new(rng.choice((1, 100, 5000))), False))
            case 3 if stream.has_lost:
                flights.append((*stream.take_lost(rng.choice((1, 100, 5000))), False))
            case 4 if flights:
                start, end, fin, _ = flights.pop(rng.randrange(len(flights)))
                before = stream.unacknowledged
                freed = stream.acknowledge(start, end, fin=fin)
                assert stream.unacknowledged == before - freed
                acked |= set(range(start, end))
                fin_acked |= fin
            case 5 if flights:
                i = rng.randrange(len(flights))
                start, end, fin, _ = flights[i]
                if rng.random() < 0.5:
                    flights.pop(i)  # its connection is gone
                else:
                    flights[i] = (start, end, fin, True)
                stream.lose(start, end, fin=fin)
            case 6:
                if rng.random() < 0.1:
                    stream.finish()
                elif flights and flights[0][3]:
                    start, end, fin, _ = flights[0]
                    flights[0] = (start, end, fin, False)
                    stream.find(start, end, fin=fin)
        in_order = next((n for n in range(len(data)) if n not in acked), len(data))
        assert stream.unacknowledged == len(data) - in_order
        if in_order < len(data):
            assert joined(stream, in_order, len(data)) == data[in_order:]
    # Whatever happened, one good connection brings the rest: what is under way, lost or new.
    stream.finish()
    for start, end, fin, _ in flights:
        stream.acknowledge(start, end, fin=fin)
    while stream.has_lost or stream.has_new:
        start, end, fin = stream.take_lost(700) if stream.has_lost else stream.take_new(700)
        assert end > start or fin
        stream.acknowledge(start, end, fin=fin)
    assert stream.state is SendState.ACKNOWLEDGED
    assert stream.unacknowledged == 0
