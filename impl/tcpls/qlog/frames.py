"""What is logged of frames."""

from typing import Literal, NotRequired, TypedDict

from impl.tcpls.frames import Ack, ConnectionReset, Frame, NewToken, Padding, Ping, Stream, decode_frames
from impl.tls13.alerts import TLSError


class FrameData(TypedDict):
    """A frame as it is logged; which fields there are depends on ``frame_type``.

    ``stream`` has ``stream_id``, ``offset``, ``length`` and ``fin``; ``ack`` has ``connection_id`` and ``sequence``;
    ``new_token`` has ``sequence``; ``connection_reset`` has ``connection_id``; ``padding`` has ``length``, the number
    of Padding frames that follow one another; ``ping`` has none.
    """

    frame_type: Literal["padding", "ping", "stream", "ack", "new_token", "connection_reset"]
    stream_id: NotRequired[int]
    offset: NotRequired[int]
    length: NotRequired[int]
    fin: NotRequired[bool]
    connection_id: NotRequired[int]
    sequence: NotRequired[int]


def describe(frame: Frame) -> FrameData:
    """Make of a frame what is logged of it: neither data of streams nor tokens."""
    match frame:
        case Stream(stream_id, offset, data, fin):
            return {
                "frame_type": "stream",
                "stream_id": stream_id,
                "offset": offset,
                "length": len(data),
                "fin": fin,
            }
        case Ack(connection_id, highest):
            return {"frame_type": "ack", "connection_id": connection_id, "sequence": highest}
        case Padding(size):
            return {"frame_type": "padding", "length": size}
        case Ping():
            return {"frame_type": "ping"}
        case NewToken(sequence):
            return {"frame_type": "new_token", "sequence": sequence}
        case ConnectionReset(connection_id):
            return {"frame_type": "connection_reset", "connection_id": connection_id}


class RecordData(TypedDict):
    """A record as it is logged; ``error`` says what is wrong with the frames that are not in ``frames``."""

    connection_id: int
    sequence: int
    length: int
    frames: list[FrameData]
    error: NotRequired[str]


def describe_record(connection_id: int, sequence: int, content: memoryview) -> RecordData:
    """Make of a record what is logged of it; a malformed one is logged as far as it can be read."""
    frames: list[FrameData] = []
    record = RecordData(connection_id=connection_id, sequence=sequence, length=len(content), frames=frames)
    try:
        frames.extend(map(describe, decode_frames(content)))
    except TLSError as error:
        record["error"] = str(error)
    return record
