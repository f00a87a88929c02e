"""Summaries of capture files."""

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.measure.pcap import PcapSummary, summarize


def _file(order: str, magic: int, frames: list[tuple[int, int]]) -> bytes:
    header = struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, 96, 1)
    return header + b"".join(struct.pack(f"{order}IIII", 1, 2, kept, long) + bytes(kept) for kept, long in frames)


class TestSummary:
    @given(
        st.sampled_from("<>"),
        st.sampled_from([0xA1B2C3D4, 0xA1B23C4D]),
        st.lists(st.integers(1, 2000)),
        st.integers(0, 15),
    )
    def test_frames(self, order: str, magic: int, sizes: list[int], extra: int) -> None:
        import tempfile

        frames = [(min(96, size), size) for size in sizes]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "a.pcap")
            path.write_bytes(_file(order, magic, frames) + bytes(extra))
            assert summarize(path) == PcapSummary(len(sizes), max(sizes, default=0), 96, truncated=extra > 0)

    def test_killed_within_a_frame(self, tmp_path: Path) -> None:
        path = tmp_path / "a.pcap"
        path.write_bytes(_file("<", 0xA1B2C3D4, [(60, 60), (60, 60)])[:-1])
        assert summarize(path) == PcapSummary(1, 60, 96, truncated=True)

    @pytest.mark.parametrize("data", [b"", b"\xd4\xc3\xb2\xa1", b"time_s,bytes\n" * 10])
    def test_no_capture(self, tmp_path: Path, data: bytes) -> None:
        path = tmp_path / "a.pcap"
        path.write_bytes(data)
        with pytest.raises(ValueError, match="not a pcap file"):
            summarize(path)
