"""A delay line with impairments: packets go in with their arrival times, verdicts come out when due. Pure."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal, NamedTuple

from harness.elements.model import Fate, Impairments
from harness.spec.link import Link

_NS = 1_000_000_000
FRAME_HEADER = 14
"""Bytes that the counters add to each packet: the Ethernet header, which queue disciplines count too."""
LATE_NS = 1_000_000


class Verdict(NamedTuple):
    """What to do with packets now.

    Attributes:
        kind: ``drop`` or ``pass`` this packet, or ``pass_up_to``: all that wait, up to and including this one.
        packet_id: the packet's.
        payload: the bytes to replace its own with, or ``None``.
        copy: the bytes of a duplicate to send right behind it, or ``None``.

    """

    kind: Literal["drop", "pass", "pass_up_to"]
    packet_id: int
    payload: bytes | None = None
    copy: bytes | None = None


@dataclass(slots=True)
class Counters:
    """What one direction's element did since it was set up; bytes are whole frames without checksum.

    Attributes:
        packets_in, bytes_in: arrived at the element.
        packets_out, bytes_out: let out; duplicates included.
        lost, lost_bytes: dropped by the loss model.
        duplicated, corrupted, reordered: packets that this happened to.
        released: packets that waited and were let out; the lateness is theirs.
        late_sum_ns: sum over these of (release - due), where early ones count negative.
        late_max_ns: the greatest lateness.
        late_count: those more than 1 ms late.
        overflow: packets dropped by the kernel because queue or socket was full; a run with any is invalid.

    """

    packets_in: int = 0
    bytes_in: int = 0
    packets_out: int = 0
    bytes_out: int = 0
    lost: int = 0
    lost_bytes: int = 0
    duplicated: int = 0
    corrupted: int = 0
    reordered: int = 0
    released: int = 0
    late_sum_ns: int = 0
    late_max_ns: int = 0
    late_count: int = 0
    overflow: int = 0

    def values(self) -> tuple[int, ...]:
        """Return the values in the order of the fields."""
        return tuple(getattr(self, name) for name in COUNTER_NAMES)


COUNTER_NAMES = tuple(field.name for field in fields(Counters))


class _Special(NamedTuple):
    """Bytes that go with a waiting packet: its own, corrupted, and those of its copy."""

    payload: bytes | None
    copy: bytes | None


_Waiting = tuple[int, int, int, _Special | None]  # due, id, length, what is special


def flip_bit(packet: bytes, where: float) -> bytes:
    """Return the packet with one bit flipped, at this fraction of its bits."""
    bit = min(int(where * len(packet) * 8), len(packet) * 8 - 1)
    changed = bytearray(packet)
    changed[bit >> 3] ^= 0x80 >> (bit & 7)
    return bytes(changed)


class Line:
    """One direction's packets between arrival and release.

    Packets leave in order of arrival (except those that ``reorder`` lets overtake): each is due at its arrival plus
    delay and jitter, but not before the one that arrived before it. This holds across ``change`` too, which is why a
    change neither loses nor reorders anything: what waits keeps its time, and a packet that arrives after the
    delay was cut waits for the last of these.

    Args:
        link: what the direction does; its rate and queue are another's business.
        seed: the run's.
        key: names the direction in the choice of random numbers, such as ``"lte/forward"``.

    """

    def __init__(self, link: Link, seed: int, key: str) -> None:
        self._seed, self._key = seed, key
        self.impairments = Impairments(link, seed, key)
        self.counters = Counters()
        self.waiting: deque[_Waiting] = deque()
        self._last_due = 0
        self._delay = round(link.delay * _NS)

    def restart(self) -> None:
        """Make the random choices and counts of packet indexes from now on as if the line had just been made."""
        self.impairments = Impairments(self.impairments.link, self._seed, self._key)

    def change(self, link: Link) -> None:
        """Take another description for the packets that arrive from now on."""
        self.impairments.change(link)
        self._delay = round(link.delay * _NS)

    def arrive(self, arrivals: Sequence[tuple[int, int, int]], offset: int = 0) -> list[Verdict]:
        """Take packets that need no look inside, as (id, arrival in ns, length), in order of arrival.

        Args:
            arrivals: the packets.
            offset: to subtract from each arrival; spares callers with another clock a second pass.

        Returns:
            What to do at once: drops, and packets that overtake.

        """
        counters = self.counters
        counters.packets_in += len(arrivals)
        if not self.impairments.plain:
            immediate = []
            for packet_id, arrival, length in arrivals:
                counters.bytes_in += length + FRAME_HEADER
                verdict = self._decide(packet_id, arrival - offset, length, self.impairments.next(), None)
                if verdict is not None:
                    immediate.append(verdict)
            return immediate
        # The hot loop: every packet of an undisturbed line passes here (0.3 µs each).
        append = self.waiting.append
        add = self._delay - offset
        last = self._last_due
        size = FRAME_HEADER * len(arrivals)
        for packet_id, arrival, length in arrivals:
            due = arrival + add
            if due > last:
                last = due
            append((last, packet_id, length, None))
            size += length
        self._last_due = last
        counters.bytes_in += size
        return []

    def arrive_whole(
        self, packet_id: int, arrival: int, length: int, *, is_syn: bool, payload: bytes | memoryview | None
    ) -> Verdict | None:
        """Take one packet with its bytes (``None``: not all came, so it can be neither corrupted nor copied)."""
        self.counters.packets_in += 1
        self.counters.bytes_in += length + FRAME_HEADER
        return self._decide(packet_id, arrival, length, self.impairments.next(is_syn), payload)

    def _decide(
        self, packet_id: int, arrival: int, length: int, fate: Fate, payload: bytes | memoryview | None
    ) -> Verdict | None:
        counters = self.counters
        if fate.lost:
            counters.lost += 1
            counters.lost_bytes += length + FRAME_HEADER
            return Verdict("drop", packet_id)
        special = None
        if payload is not None and (fate.corrupt_at >= 0 or fate.duplicated):
            special = self._alter(fate, bytes(payload), length)
        if fate.overtakes:
            counters.reordered += 1
            counters.packets_out += 1
            counters.bytes_out += length + FRAME_HEADER
            return Verdict("pass", packet_id, *(special or ()))
        due = max(self._last_due, arrival + max(0, self._delay + fate.jitter_ns))
        self._last_due = due
        self.waiting.append((due, packet_id, length, special))
        return None

    def _alter(self, fate: Fate, packet: bytes, length: int) -> _Special:
        counters = self.counters
        changed = None
        if fate.corrupt_at >= 0:
            counters.corrupted += 1
            changed = packet = flip_bit(packet, fate.corrupt_at)
        if fate.duplicated:
            counters.duplicated += 1
            counters.packets_out += 1
            counters.bytes_out += length + FRAME_HEADER
        return _Special(changed, packet if fate.duplicated else None)

    def deadline(self) -> int | None:
        """Return when the next packet is due, or ``None`` while nothing waits."""
        return self.waiting[0][0] if self.waiting else None

    def last_due_within(self, end: int) -> int:
        """Return the due time of the last packet due up to ``end``; looks at eight packets, then answers ``end``."""
        last = 0
        for index, packet in enumerate(self.waiting):
            if packet[0] > end:
                return last
            if index == 8:
                return end
            last = packet[0]
        return last

    def release(self, now: int, limit: int) -> list[Verdict]:
        """Return the verdicts on all packets that are due at ``limit`` (a little after ``now``: those go early)."""
        waiting = self.waiting
        if not waiting or waiting[0][0] > limit:
            return []
        counters = self.counters
        late = now - waiting[0][0]
        if late > counters.late_max_ns:
            counters.late_max_ns = late
        popleft = waiting.popleft
        verdicts: list[Verdict] = []
        count = size = dues = 0
        last_plain = -1
        while waiting and waiting[0][0] <= limit:
            due, packet_id, length, special = popleft()
            count += 1
            size += length
            dues += due
            if now - due > LATE_NS:
                counters.late_count += 1
            if special is None:
                last_plain = packet_id
                continue
            if last_plain >= 0:
                verdicts.append(Verdict("pass_up_to", last_plain))
                last_plain = -1
            verdicts.append(Verdict("pass", packet_id, special.payload, special.copy))
        if last_plain >= 0:
            verdicts.append(Verdict("pass_up_to", last_plain))
        counters.packets_out += count
        counters.bytes_out += size + FRAME_HEADER * count
        counters.released += count
        counters.late_sum_ns += now * count - dues
        return verdicts
