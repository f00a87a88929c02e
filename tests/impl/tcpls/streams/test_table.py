"""Who opens which streams, in which order, and when they are over."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impl.tcpls.errors import StreamError
from impl.tcpls.registries import MAX_STREAM_ID
from impl.tcpls.streams.table import StreamTable
from impl.tls13.alerts import TLSError
from impl.tls13.registries import AlertDescription


class TestOurStreams:
    @pytest.mark.parametrize(("client", "numbers"), [(True, [0, 2, 4]), (False, [1, 3, 5])])
    def test_have_our_parity_in_sequence(self, client: bool, numbers: list[int]) -> None:
        table = StreamTable(client=client, limit=10)
        assert [table.open(None).sending.stream_id for _ in range(3)] == numbers
        assert len(table) == 3

    def test_end_at_32_bits(self) -> None:
        table = StreamTable(client=False, limit=10)
        table._next = MAX_STREAM_ID
        assert table.open(None).sending.stream_id == MAX_STREAM_ID
        with pytest.raises(StreamError, match="all 2\\^31 streams"):
            table.open(None)

    def test_cannot_be_opened_by_the_peer(self) -> None:
        table = StreamTable(client=True, limit=10)
        table.open(None)
        with pytest.raises(TLSError, match="stream 2, which is ours to open") as caught:
            table.opened_by_peer(2)
        assert caught.value.alert is AlertDescription.ILLEGAL_PARAMETER

    def test_that_are_over_are_not_opened_again(self) -> None:
        table = StreamTable(client=True, limit=10)
        table.open(None)
        assert over(table, 0)
        assert table.opened_by_peer(0) == []
        assert 0 not in table

    def test_one_that_is_not_open_is_an_error(self) -> None:
        with pytest.raises(StreamError, match="stream 7 is not open"):
            _ = StreamTable(client=True, limit=10)[7]


class TestThePeersStreams:
    def test_with_lower_numbers_are_opened_too(self) -> None:
        table = StreamTable(client=True, limit=10)
        assert table.opened_by_peer(5) == [1, 3, 5]
        assert table.opened_by_peer(3) == []
        assert table.opened_by_peer(7) == [7]

    def test_are_limited(self) -> None:
        table = StreamTable(client=False, limit=3)
        assert table.opened_by_peer(4) == [0, 2, 4]
        with pytest.raises(TLSError, match="opens stream 6 and has 3 open; 3 are allowed"):
            table.opened_by_peer(6)
        assert over(table, 2)
        assert table.opened_by_peer(6) == [6]

    def test_one_frame_cannot_open_them_all(self) -> None:
        table = StreamTable(client=False, limit=100)
        with pytest.raises(TLSError) as caught:
            table.opened_by_peer(MAX_STREAM_ID - 1)
        assert caught.value.alert is AlertDescription.INTERNAL_ERROR
        assert len(table) == 0

    @given(st.lists(st.integers(0, 30).map(lambda n: 2 * n + 1), max_size=20))
    def test_are_opened_once_each_and_in_sequence(self, frames: list[int]) -> None:
        table = StreamTable(client=True, limit=100)
        opened = [number for frame in frames for number in table.opened_by_peer(frame)]
        assert opened == list(range(1, max(frames, default=-1) + 1, 2))
        assert all(frame in table for frame in frames)


class TestTheEnd:
    def test_needs_both_sides(self) -> None:
        table = StreamTable(client=True, limit=10)
        stream = table.open(None)
        stream.receiving.receive(0, memoryview(b""), 0, fin=True)
        assert not table.drop_if_over(0)
        stream.sending.finish()
        stream.sending.take_new(0)
        assert not table.drop_if_over(0)
        stream.sending.acknowledge(0, 0, fin=True)
        assert table.drop_if_over(0)
        assert not table.drop_if_over(0)

    def test_needs_all_to_be_read(self) -> None:
        table = StreamTable(client=True, limit=10)
        stream = table.open(None)
        stream.sending.finish()
        stream.sending.acknowledge(0, 0, fin=True)
        stream.receiving.receive(0, memoryview(b"x"), 0, fin=True)
        assert not table.drop_if_over(0)
        stream.receiving.read()
        assert table.drop_if_over(0)


def over(table: StreamTable, stream_id: int) -> bool:
    """Bring a stream to its end on both sides."""
    stream = table[stream_id]
    stream.sending.finish()
    stream.sending.take_new(0)
    stream.sending.acknowledge(0, 0, fin=True)
    stream.receiving.receive(0, memoryview(b""), 0, fin=True)
    return table.drop_if_over(stream_id)
