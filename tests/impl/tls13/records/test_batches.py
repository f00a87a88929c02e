"""Tests of impl.tls13.records.batches: where records of a batch lie, and how far headers are equal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impl.tls13.records.batches import BATCH, SMALLEST_BATCH, batch_of, equal_headers, every, write_headers
from impl.tls13.records.format import HEADER_SIZE, OVERHEAD, protected_header


def as_view(data: bytearray, view: bool) -> bytearray | memoryview:
    return memoryview(data) if view else data


class TestBatch:
    @given(records=st.integers(SMALLEST_BATCH, BATCH), size=st.integers(1, 300))
    def test_halves_are_all_records(self, records: int, size: int) -> None:
        """Marked with the number of their record, views of both halves cover everything but headers."""
        batch = batch_of(records, size)
        contents, fragments = bytearray(records * size + 1), bytearray(records * batch.stride)
        for turn, half in enumerate((batch.first, batch.second)):
            for number, view in zip(range(turn, records, 2), half.contents(memoryview(contents)), strict=True):
                assert len(view) == size + 1
                view[:size] = bytes([number + 1]) * size
            for number, view in zip(range(turn, records, 2), half.fragments(memoryview(fragments)), strict=True):
                view[:] = bytes([number + 1]) * len(view)
        assert contents == b"".join(bytes([number + 1]) * size for number in range(records)) + b"\0"
        fragment = size + OVERHEAD - HEADER_SIZE
        assert fragments == b"".join(bytes(5) + bytes([number + 1]) * fragment for number in range(records))


class TestHeaders:
    @pytest.mark.parametrize("view", [False, True])
    @given(records=st.integers(SMALLEST_BATCH, BATCH), size=st.integers(1, 50), start=st.integers(0, 9), data=st.data())
    def test_written_and_counted(self, view: bool, records: int, size: int, start: int, data: st.DataObject) -> None:
        batch = batch_of(records, size)
        out = bytearray(start + records * batch.stride)
        write_headers(as_view(out, view), start, batch)
        record = protected_header(size + 17) + bytes(size + 17)
        assert out == bytes(start) + record * records
        assert equal_headers(as_view(out, view), start, batch) == records
        wrong = data.draw(st.integers(0, records - 1))
        out[start + wrong * batch.stride + data.draw(st.integers(0, 4))] ^= 1
        assert equal_headers(as_view(out, view), start, batch) == wrong


class TestEvery:
    @pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
    def test_is_a_copy(self, kind: type) -> None:
        memory = bytearray(range(20))
        part = every(kind(memory), 3, 18, 5)
        memory[:] = bytes(20)
        assert part == bytes([3, 8, 13])
