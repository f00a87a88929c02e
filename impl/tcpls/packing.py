"""Packs frames into the contents of records: all of one size, no frame across two (section 4 of the draft)."""

from collections.abc import Iterator
from typing import Final

from impl.tcpls.frames import STREAM_HEADER, STREAM_OVERHEAD
from impl.tcpls.ledger import Run
from impl.tcpls.padding import PaddingPolicy
from impl.tcpls.registries import FrameType
from impl.tcpls.streams.sending import SendStream

_SILENT: Final = (FrameType.ACK, FrameType.PADDING)
"""Frames that elicit no acknowledgement (section 5.2, table 2)."""
_FIN: Final = FrameType.STREAM_FIN.value
_STREAM: Final = FrameType.STREAM.value


class Packer:
    """Fills a buffer with the contents of consecutive records.

    All have `record_size` bytes but the last one, so that they can be protected as a batch. A record whose rest is too
    small for the next frame is filled up with Padding frames.

    Args:
        plain: the buffer; it stays in use until the records are protected.
        record_size: bytes of content in a record.
        records: how many records there may be.

    Attributes:
        used: bytes in the buffer.
        runs: what must be acknowledged; record sequence numbers count from 0 here.
        elicits_ack: whether any frame asks for an acknowledgement.
        pings: the records that have a Ping.

    """

    __slots__ = ("_end", "_plain", "_size", "elicits_ack", "pings", "runs", "used")

    def __init__(self, plain: bytearray, record_size: int, records: int) -> None:
        self._plain = plain
        self._size = record_size
        self._end = min(records, len(plain) // record_size) * record_size
        self.used = 0
        self.runs: list[Run] = []
        self.elicits_ack = False
        self.pings: list[int] = []

    @property
    def room(self) -> int:
        """How many bytes of stream data have room at least."""
        rest = self._end - self.used
        if not rest:
            return 0
        here = rest % self._size or self._size
        full = (rest - here) // self._size * (self._size - STREAM_OVERHEAD)
        return full + max(here - STREAM_OVERHEAD, 0)

    def contents(self) -> Iterator[memoryview]:
        """The contents of the records, in order."""
        plain = memoryview(self._plain)
        for start in range(0, self.used, self._size):
            yield plain[start : min(start + self._size, self.used)]

    @property
    def records(self) -> int:
        """How many records there are."""
        return -(-self.used // self._size)

    def frame(self, encoded: bytes, *, resend: bool) -> bool:
        """Add a frame without stream data; False if there is no room.

        Args:
            encoded: its bytes.
            resend: it must be sent again if it is lost.

        """
        if not self._make_room(len(encoded)):
            return False
        start = self.used
        self._plain[start : start + len(encoded)] = encoded
        self.used += len(encoded)
        if encoded[0] not in _SILENT:
            self.elicits_ack = True
            index = start // self._size
            self.runs.append(Run(index, index, None, frame=encoded if resend else b""))
            if encoded[0] == FrameType.PING:
                self.pings.append(index)
        return True

    def stream(self, stream: SendStream, start: int, end: int, *, fin: bool) -> None:
        """Add a range of a stream, as many frames as it takes; there must be room for it.

        Raises:
            ValueError: there is no room.

        """
        plain, size = self._plain, self._size
        stream_id = stream.stream_id
        parts = stream.view(start, end)
        self.elicits_ack = True
        offset = start
        while True:
            if not self._make_room(STREAM_OVERHEAD + (offset < end)):
                raise ValueError(f"no room for bytes {offset} to {end} of stream {stream_id}")
            here = self.used
            most = size - here % size - STREAM_OVERHEAD
            if most == size - STREAM_OVERHEAD and end - offset > 2 * most and len(parts[0]) >= most:
                offset = self._full_records(stream, offset, min(len(parts[0]), end - offset - 1) // most, parts)
                continue
            stop = min(end, offset + most)
            ends_stream = fin and stop == end
            STREAM_HEADER.pack_into(plain, here, _FIN if ends_stream else _STREAM, stream_id, offset, stop - offset)
            self._copy(parts, here + STREAM_OVERHEAD, stop - offset)
            index = here // size
            self.runs.append(Run(index, index, stream, offset, stop, stop - offset, fin=ends_stream))
            self.used = here + STREAM_OVERHEAD + stop - offset
            offset = stop
            if offset == end:
                return

    def pad(self, policy: PaddingPolicy) -> None:
        """Let the policy fill up the last record with Padding frames."""
        here = self.used % self._size
        if here:
            size = policy(here, self._size - here)
            self._plain[self.used : self.used + size] = bytes(size)
            self.used += size

    def _full_records(self, stream: SendStream, offset: int, count: int, parts: list[memoryview]) -> int:
        """Fill whole records with one part of a stream's data: what a bulk transfer does all the time."""
        plain, size = self._plain, self._size
        payload = size - STREAM_OVERHEAD
        count = min(count, (self._end - self.used) // size)
        part = parts[0]
        here, stream_id = self.used, stream.stream_id
        pack_into = STREAM_HEADER.pack_into
        first = here // size
        start = offset
        for begin in range(0, count * payload, payload):
            pack_into(plain, here, _STREAM, stream_id, offset, payload)
            plain[here + STREAM_OVERHEAD : here + size] = part[begin : begin + payload]
            here += size
            offset += payload
        if len(part) > count * payload:
            parts[0] = part[count * payload :]
        else:
            del parts[0]
        self.runs.append(Run(first, first + count - 1, stream, start, offset, payload))
        self.used = here
        return offset

    def _copy(self, parts: list[memoryview], here: int, size: int) -> None:
        """Copy bytes from the front of the parts, and take them away."""
        while size:
            part = parts[0][:size]
            self._plain[here : here + len(part)] = part
            here += len(part)
            size -= len(part)
            if len(part) == len(parts[0]):
                del parts[0]
            else:
                parts[0] = parts[0][len(part) :]

    def _make_room(self, size: int) -> bool:
        """Make sure that so many bytes fit into the record that is being filled; begin the next one if not."""
        rest = self._size - self.used % self._size
        if size > rest:
            if self.used + rest + size > self._end:
                return False
            self._plain[self.used : self.used + rest] = bytes(rest)
            self.used += rest
        return self.used + size <= self._end
