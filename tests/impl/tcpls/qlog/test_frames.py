"""Tests of impl.tcpls.qlog.frames: what is logged of frames, and what is not."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impl.tcpls.frames import Ack, ConnectionReset, Frame, NewToken, Padding, Ping, Stream
from impl.tcpls.qlog import FrameData, describe
from impl.tcpls.qlog.frames import describe_record

u32 = st.integers(0, 2**32 - 1)
u64 = st.integers(0, 2**64 - 1)
frames = st.one_of(
    st.builds(Padding, st.integers(1, 2**14)),
    st.just(Ping()),
    st.builds(Stream, u32, st.integers(0, 2**64 - 41), st.binary(max_size=40), st.booleans()),
    st.builds(Ack, u32, u64),
    st.builds(NewToken, st.integers(1, 255), st.binary(min_size=32, max_size=32)),
    st.builds(ConnectionReset, u32),
)


class TestDescribing:
    @pytest.mark.parametrize(
        ("frame", "expected"),
        [
            (Padding(3), {"frame_type": "padding", "length": 3}),
            (Ping(), {"frame_type": "ping"}),
            (
                Stream(4, 2**40, memoryview(b"abc"), True),
                {"frame_type": "stream", "stream_id": 4, "offset": 2**40, "length": 3, "fin": True},
            ),
            (Ack(1, 44), {"frame_type": "ack", "connection_id": 1, "sequence": 44}),
            (NewToken(7, bytes(32)), {"frame_type": "new_token", "sequence": 7}),
            (ConnectionReset(2), {"frame_type": "connection_reset", "connection_id": 2}),
        ],
    )
    def test_each_frame(self, frame: Frame, expected: FrameData) -> None:
        assert describe(frame) == expected

    @given(frames)
    def test_every_frame_is_json_without_contents(self, frame: Frame) -> None:
        described = describe(frame)
        assert json.loads(json.dumps(described)) == described
        assert not any(isinstance(value, bytes | memoryview) for value in described.values())


class TestRecords:
    @given(st.lists(frames, max_size=5))
    def test_all_frames_in_order(self, inside: list[Frame]) -> None:
        content = b"".join(frame.encode() for frame in inside)
        record = describe_record(3, 17, memoryview(content))
        assert (record["connection_id"], record["sequence"], record["length"]) == (3, 17, len(content))
        assert "error" not in record
        described = [described for frame in inside if (described := describe(frame))["frame_type"] != "padding"]
        assert [frame for frame in record["frames"] if frame["frame_type"] != "padding"] == described
        padding = sum(frame.size for frame in inside if isinstance(frame, Padding))
        assert sum(frame["length"] for frame in record["frames"] if frame["frame_type"] == "padding") == padding

    def test_a_malformed_one_as_far_as_it_goes(self) -> None:
        record = describe_record(0, 0, memoryview(b"\x01\x77"))
        assert record["frames"] == [{"frame_type": "ping"}]
        assert "unknown type 0x77" in record["error"]
