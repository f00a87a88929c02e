"""The seven frames: their bytes, several in a record, and records that are wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impl.tcpls.frames import (
    Ack,
    ConnectionReset,
    Frame,
    NewToken,
    Padding,
    Ping,
    Stream,
    decode_frames,
)
from impl.tls13.alerts import TLSError
from impl.tls13.registries import AlertDescription

U32, U64 = st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1)
FRAMES: st.SearchStrategy[Frame] = st.one_of(
    st.builds(Padding, st.integers(1, 50)),
    st.just(Ping()),
    st.builds(Stream, U32, st.integers(0, 2**64 - 1 - 40), st.binary(max_size=40), st.booleans()),
    st.builds(Ack, U32, U64),
    st.builds(NewToken, st.integers(0, 255), st.binary(min_size=32, max_size=32)),
    st.builds(ConnectionReset, U32),
)
EXAMPLES: list[tuple[Frame, str]] = [
    (Padding(3), "000000"),
    (Ping(), "01"),
    (Stream(0x01020304, 0x05060708090A0B0C, b"hi"), "02 01020304 05060708090a0b0c 0002 6869"),
    (Stream(1, 2, b"", fin=True), "03 00000001 0000000000000002 0000"),
    (Ack(5, 2**33), "04 00000005 0000000200000000"),
    (NewToken(255, b"\xaa" * 32), "05 ff" + "aa" * 32),
    (ConnectionReset(7), "06 00000007"),
]


def decoded(record: bytes) -> list[Frame]:
    return list(decode_frames(memoryview(record)))


def plain(frame: Frame) -> Frame:
    """With bytes in place of a view."""
    return Stream(frame.stream_id, frame.offset, bytes(frame.data), frame.fin) if isinstance(frame, Stream) else frame


def merged(frames: list[Frame]) -> list[Frame]:
    """Padding frames side by side are as one."""
    out: list[Frame] = []
    for frame in frames:
        if isinstance(frame, Padding) and out and isinstance(out[-1], Padding):
            out[-1] = Padding(out[-1].size + frame.size)
        else:
            out.append(frame)
    return out


class TestBytes:
    @pytest.mark.parametrize(("frame", "wire"), EXAMPLES, ids=lambda value: type(value).__name__)
    def test_of_each_frame(self, frame: Frame, wire: str) -> None:
        assert frame.encode() == bytes.fromhex(wire)
        assert [plain(found) for found in decoded(frame.encode())] == [frame]

    @given(st.lists(FRAMES, max_size=12))
    def test_records_hold_frames_one_behind_the_other(self, frames: list[Frame]) -> None:
        record = b"".join(frame.encode() for frame in frames)
        assert [plain(found) for found in decoded(record)] == merged(frames)

    def test_data_are_a_view_of_the_record(self) -> None:
        record = bytearray(Stream(0, 0, b"abc").encode())
        (frame,) = decode_frames(memoryview(record))
        record[-3:] = b"xyz"
        assert isinstance(frame, Stream)
        assert frame.data == b"xyz"


class TestAcknowledgement:
    def test_is_not_elicited_by_padding_and_ack(self) -> None:
        assert {type(frame).__name__ for frame, _ in EXAMPLES if not frame.elicits_ack} == {"Padding", "Ack"}


class TestWrongRecords:
    @pytest.mark.parametrize(("frame", "wire"), [entry for entry in EXAMPLES if len(entry[0].encode()) > 3], ids=str)
    def test_a_frame_is_cut_off_anywhere(self, frame: Frame, wire: str) -> None:
        whole = frame.encode()
        for size in range(1, len(whole)):
            with pytest.raises(TLSError, match=r"at byte 1 does not fit into its record") as caught:
                decoded(Ping().encode() + whole[:size])
            assert caught.value.alert is AlertDescription.DECODE_ERROR

    @pytest.mark.parametrize("kind", [7, 8, 0x40, 0xFF])
    def test_unknown_types(self, kind: int) -> None:
        with pytest.raises(TLSError, match=f"unknown type {kind:#04x} at byte 2"):
            decoded(bytes((0, 1, kind, 0)))

    def test_a_stream_beyond_64_bits(self) -> None:
        assert len(decoded(Stream(0, 2**64 - 3, b"xx").encode())) == 1
        with pytest.raises(TLSError, match=r"beyond 2\^64 - 1"):
            decoded(Stream(0, 2**64 - 2, b"xx").encode())

    @given(st.binary(max_size=200))
    def test_any_bytes_are_frames_or_one_clear_error(self, record: bytes) -> None:
        frames, alert = [], None
        try:
            for frame in decode_frames(memoryview(record)):
                frames.append(frame.encode())
        except TLSError as error:
            alert = error.alert
        assert record.startswith(b"".join(frames))
        assert alert is (None if sum(map(len, frames)) == len(record) else AlertDescription.DECODE_ERROR)
