"""What a capture file says of itself without decoding packets: link type, number of frames, the largest one."""

import struct
from dataclasses import dataclass
from pathlib import Path

_MICROSECONDS, _NANOSECONDS = 0xA1B2C3D4, 0xA1B23C4D
_FILE_HEADER = 24
_RECORD_HEADER = 16


@dataclass(frozen=True)
class PcapSummary:
    """A capture file in short.

    Attributes:
        frames: whole records in it.
        largest_frame: bytes of the largest frame as it was on the link, 0 without frames; 14 more than the packet.
        snap_length: bytes kept of each frame at most.
        truncated: the file ends within a record (the capture was killed).

    """

    frames: int
    largest_frame: int
    snap_length: int
    truncated: bool


def summarize(path: Path) -> PcapSummary:
    """Read the record headers of a pcap file.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no pcap file.

    """
    with path.open("rb") as file:
        header = file.read(_FILE_HEADER)
        order = next((o for o in "<>" if header[:4] in (_magic(o, _MICROSECONDS), _magic(o, _NANOSECONDS))), None)
        if order is None or len(header) < _FILE_HEADER:
            raise ValueError(f"{path} is not a pcap file")
        (snap_length,) = struct.unpack_from(f"{order}I", header, 16)
        size = path.stat().st_size
        record = struct.Struct(f"{order}8xII")
        frames = largest = 0
        place = _FILE_HEADER
        while True:
            data = file.read(_RECORD_HEADER)
            if len(data) < _RECORD_HEADER:
                return PcapSummary(frames, largest, snap_length, truncated=bool(data))
            kept, length = record.unpack(data)
            place += _RECORD_HEADER + kept
            if place > size:
                return PcapSummary(frames, largest, snap_length, truncated=True)
            file.seek(kept, 1)
            frames += 1
            largest = max(largest, length)


def _magic(order: str, value: int) -> bytes:
    return struct.pack(f"{order}I", value)
