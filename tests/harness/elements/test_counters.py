"""Tests of harness.elements.counters: what one process writes, another reads."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.elements.counters import CounterReader, CounterWriter, file_size
from harness.elements.line import COUNTER_NAMES, Counters

counters = st.builds(Counters, **{name: st.integers(-(2**63), 2**63 - 1) for name in COUNTER_NAMES})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("counters")


class TestFile:
    @given(st.lists(counters, max_size=5))
    def test_what_is_written_is_read(self, folder: Path, written: list[Counters]) -> None:
        path = folder / "file"
        path.write_bytes(bytes(file_size(len(written))))
        writer = CounterWriter(str(path), len(written), priority=10)
        writer.write(123, written)
        with CounterReader(str(path)) as reader:
            assert reader.read() == written
            state = reader.process()
            assert (state.written_ns, state.priority) == (123, 10)
            writer.write(124, written)
            assert reader.process().written_ns == 124
        writer.close()

    def test_another_file_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "file"
        path.write_bytes(bytes(1000))
        with pytest.raises(ValueError, match="not a counter file"):
            CounterReader(str(path))

    def test_too_short_a_file_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "file"
        path.write_bytes(bytes(10))
        with pytest.raises(OSError, match="shorter"):
            CounterWriter(str(path), 2)

    def test_a_record_torn_by_a_death_is_noticed(self, tmp_path: Path) -> None:
        path = tmp_path / "file"
        path.write_bytes(bytes(file_size(1)))
        writer = CounterWriter(str(path), 1)
        writer.write(1, [Counters()])
        writer.close()
        data = bytearray(path.read_bytes())
        data[64] ^= 1  # the first of the two sequence numbers
        path.write_bytes(data)
        with CounterReader(str(path)) as reader, pytest.raises(OSError, match="died"):
            reader.read()
