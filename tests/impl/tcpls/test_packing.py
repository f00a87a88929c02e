"""Frames packed into records: all of one size, no frame across two, and nothing lost on the way."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from impl.tcpls.frames import Ack, ConnectionReset, Padding, Ping, Stream, decode_frames
from impl.tcpls.packing import Packer
from impl.tcpls.padding import pad_to_block
from impl.tcpls.streams.sending import SendStream


def packer(size: int = 100, records: int = 4) -> tuple[Packer, bytearray]:
    plain = bytearray(b"\xee" * (size * records))
    return Packer(plain, size, records), plain


def written(data: bytes, stream_id: int = 0, piece: int = 10**9) -> SendStream:
    stream = SendStream(stream_id)
    for start in range(0, len(data), piece):
        stream.write(data[start : start + piece])
    return stream


def contents(packed: Packer, plain: bytearray, size: int) -> list[bytes]:
    return [bytes(plain[start : min(start + size, packed.used)]) for start in range(0, packed.used, size)]


class TestFrames:
    def test_share_a_record(self) -> None:
        packed, plain = packer()
        assert packed.frame(Ack(0, 5).encode(), resend=False)
        assert packed.frame(Ping().encode(), resend=False)
        packed.stream(written(b"abc"), 0, 3, fin=True)
        assert contents(packed, plain, 100) == [
            Ack(0, 5).encode() + Ping().encode() + Stream(0, 0, b"abc", True).encode()
        ]

    def test_that_do_not_fit_begin_the_next_record(self) -> None:
        packed, plain = packer(64)
        for number in range(10):
            assert packed.frame(Ack(number, 5).encode(), resend=False)
        records = contents(packed, plain, 64)
        assert [len(record) for record in records] == [64, 64, 26]
        assert records[0] == b"".join(Ack(i, 5).encode() for i in range(4)) + bytes(12)

    def test_without_room_are_refused(self) -> None:
        packed, _ = packer(64, 1)
        assert [packed.frame(Ack(0, 5).encode(), resend=False) for _ in range(5)] == [True] * 4 + [False]
        assert packed.used == 52

    def test_what_must_be_acknowledged(self) -> None:
        packed, _ = packer()
        packed.frame(Ack(0, 5).encode(), resend=False)
        assert not packed.elicits_ack
        assert packed.runs == []
        packed.frame(Ping().encode(), resend=False)
        packed.frame(ConnectionReset(3).encode(), resend=True)
        assert packed.elicits_ack
        assert packed.pings == [0]
        assert [run.frame for run in packed.runs] == [b"", ConnectionReset(3).encode()]


class TestStreamData:
    @pytest.mark.parametrize("size", [85, 170, 84, 86, 340])
    def test_that_fill_records_exactly(self, size: int) -> None:
        packed, plain = packer()
        data = random.Random(size).randbytes(size)
        packed.stream(written(data), 0, size, fin=size < 340)
        records = contents(packed, plain, 100)
        frames = [frame for record in records for frame in decode_frames(memoryview(record))]
        assert b"".join(frame.data for frame in frames if isinstance(frame, Stream)) == data
        assert [frame.fin for frame in frames if isinstance(frame, Stream)][-1] == (size < 340)
        assert packed.used <= 400

    def test_without_room(self) -> None:
        packed, _ = packer()
        assert packed.room == 4 * 85
        with pytest.raises(ValueError, match="no room for bytes"):
            packed.stream(written(bytes(341)), 0, 341, fin=False)

    def test_an_end_without_data(self) -> None:
        packed, plain = packer()
        packed.stream(written(b""), 0, 0, fin=True)
        assert contents(packed, plain, 100) == [Stream(0, 0, b"", True).encode()]


class TestPadding:
    def test_fills_the_last_record(self) -> None:
        packed, plain = packer()
        packed.frame(Ping().encode(), resend=False)
        packed.pad(pad_to_block(16))
        assert contents(packed, plain, 100) == [Ping().encode() + bytes(15)]

    def test_nothing_for_full_records(self) -> None:
        packed, _ = packer()
        packed.stream(written(bytes(85)), 0, 85, fin=False)
        packed.pad(pad_to_block(1000))
        assert packed.used == 100


@settings(max_examples=80)
@given(st.integers(0, 2**32))
def test_everything_packed_decodes_back(seed: int) -> None:
    rng = random.Random(seed)
    size, records = rng.choice((64, 100, 257, 1500)), rng.randrange(1, 12)
    packed, plain = packer(size, records)
    streams = [
        written(rng.randbytes(rng.choice((0, 1, 50, 3000, 20_000))), 2 * i, rng.choice((30, 1100, 10**9)))
        for i in range(3)
    ]
    for stream in streams:
        stream.finish()
    packed_frames: list[Ack | Ping] = []
    runs: dict[int, bytearray] = {stream.stream_id: bytearray() for stream in streams}
    while packed.room and any(stream.has_new for stream in streams):
        if rng.random() < 0.3:
            small = rng.choice((Ack(rng.randrange(9), rng.randrange(99)), Ping()))
            if packed.frame(small.encode(), resend=False):
                packed_frames.append(small)
        stream = rng.choice([stream for stream in streams if stream.has_new])
        if not packed.room:
            break
        start, end, fin = stream.take_new(min(packed.room, rng.choice((1, 100, 10**9))))
        packed.stream(stream, start, end, fin=fin)
    if rng.random() < 0.5:
        packed.pad(lambda used, room: rng.randrange(room + 1))
    pieces = contents(packed, plain, size)
    # All records but the last one are full, and there are no more than were allowed.
    assert len(pieces) == packed.records <= records
    assert all(len(piece) == size for piece in pieces[:-1])
    frames = [(index, f) for index, piece in enumerate(pieces) for f in decode_frames(memoryview(piece))]
    assert [f for _, f in frames if isinstance(f, Ack | Ping)] == packed_frames
    for stream in streams:
        own = [f for _, f in frames if isinstance(f, Stream) and f.stream_id == stream.stream_id]
        for frame in own:
            assert frame.offset == len(runs[stream.stream_id])
            runs[stream.stream_id] += frame.data
        sent = stream.written - stream.unsent
        assert runs[stream.stream_id] == b"".join(stream.view(0, sent))
        assert sum(frame.fin for frame in own) == (not stream.has_new)
    # The runs say which record holds what.
    found = {(i, f.stream_id, f.offset, f.offset + len(f.data), f.fin) for i, f in frames if isinstance(f, Stream)}
    said = set()
    for run in packed.runs:
        if run.stream is None:
            continue
        for i in range(run.first, run.last + 1):
            start = run.start + (i - run.first) * run.step
            end = run.end if i == run.last else start + run.step
            said.add((i, run.stream.stream_id, start, end, run.fin and i == run.last))
    assert said == found
    assert {i for i, f in frames if not isinstance(f, Padding | Ack)} == {
        i for run in packed.runs for i in range(run.first, run.last + 1)
    }
