"""The loop that delays packets: reads arrivals from NFQUEUE, lets them out when due. The harness's only hot path."""

import os
import select
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.elements.inject import Injector, is_syn
from harness.elements.line import Counters, Line, Verdict
from harness.elements.model import shortest_delay_ns
from harness.network.namespaces import enter
from harness.spec.link import Link, SynLoss
from impl.nfqueue import Queue

_SO_TIMESTAMPNS = 35
_MAX_LENGTH = 1 << 20  # packets in one queue; only memory bounds it, so that the element itself never is a queue limit

GROUPING_NS = 300_000
"""Packets due within this time of each other are let out together, so each is at most half of it early or late."""

_COPY_LENGTH_ONLY = 20  # less than any packet, so that the kernel tells each packet's length
_COPY_HEADERS = 120
_COPY_ALL = 65531

_READ_INTERVAL_NS = 2_000_000
_SHORT_INTERVAL_NS = 250_000
_WATCH_BELOW_NS = 300_000
_BYTES_PER_ARRIVAL = 1024  # what one packet's message takes of the socket's buffer, as the kernel counts it
_OFFSET_AGE_NS = 10_000_000
_WRITE_INTERVAL_NS = 10_000_000
_DROPS_INTERVAL_NS = 100_000_000
_CLOCK_TOLERANCE_NS = 100_000_000
_CLOCK_READ_NS = 20_000
_MAX_ADVANCE_NS = 100_000


def copy_needed(link: Link) -> int:
    """Return how many bytes of each packet must come to user space."""
    if link.duplicate or link.corrupt:
        return _COPY_ALL
    return _COPY_HEADERS if isinstance(link.loss, SynLoss) else _COPY_LENGTH_ONLY


def read_interval_ns(link: Link) -> int:
    """Return how long arrivals may stay unread; 0: they must be read at once.

    The kernel stamps each packet's arrival, so that reading it late costs nothing as long as it is not due.
    """
    shortest = shortest_delay_ns(link)
    if round(link.delay * 1e9) < _WATCH_BELOW_NS:
        return 0
    if link.reorder is not None:
        return _SHORT_INTERVAL_NS  # overtaking packets are due on arrival
    return max(_SHORT_INTERVAL_NS, min(_READ_INTERVAL_NS, shortest * 3 // 4))


@dataclass(frozen=True)
class DirectionConfig:
    """One direction as the loop needs it; ``pid`` stands for the network namespace of its element's node."""

    key: str
    pid: int
    queue: int
    interface: str
    link: Link
    seed: int


class ElementDirection:
    """One direction: its queue in the kernel, and the line that decides.

    Raises:
        OSError: the namespace cannot be entered, or the queue not be bound.

    """

    def __init__(self, config: DirectionConfig) -> None:
        self.config = config
        self.line = Line(config.link, config.seed, config.key)
        self.interval = read_interval_ns(config.link)
        self.watched = True  # wait for the next packet in select; otherwise look for it at next_read
        self.next_read = 0
        self._last_read = 0
        self._copy = copy_needed(config.link)
        self._injector: Injector | None = None
        with enter(config.pid):
            self.queue = Queue(config.queue, copy=self._copy, max_length=_MAX_LENGTH)
            # Opened here: a file below /proc/net belongs to the namespace in which it was opened.
            self._statistics = os.open("/proc/thread-self/net/netfilter/nfnetlink_queue", os.O_RDONLY | os.O_CLOEXEC)
        self._prepare_injector(config.link)
        self.fileno = self.queue.fileno()
        self._capacity = max(64, self.queue.receive_buffer // _BYTES_PER_ARRIVAL)

    def change(self, link: Link, now: int, offset: int) -> None:
        """Take another description for packets that arrive from now on."""
        self.read(now, offset)
        copy = copy_needed(link)
        if copy != self._copy:
            self._prepare_injector(link)
            self.queue.set_copy(copy)
            self._copy = copy
        self.line.change(link)
        self.interval = read_interval_ns(link)
        self.watched = True

    def _prepare_injector(self, link: Link) -> None:
        if link.duplicate and self._injector is None:
            with enter(self.config.pid):
                self._injector = Injector(self.config.interface)

    def read(self, now: int, offset: int) -> None:
        """Take what has arrived. ``offset`` is CLOCK_REALTIME minus CLOCK_MONOTONIC."""
        count = self._read_brief(now, offset) if self._copy == _COPY_LENGTH_ONLY else self._read_whole(now, offset)
        elapsed, self._last_read = now - self._last_read, now
        if count and self.interval:
            # At this rate the socket's buffer must not be more than a quarter full at the next read.
            self.next_read = now + min(self.interval, elapsed * self._capacity // (4 * count))
            self.watched = False
        else:
            self.watched = True

    def _read_brief(self, now: int, offset: int) -> int:
        arrivals = self.queue.receive_arrivals()
        if not arrivals:
            return 0
        if not self._credible(arrivals[0][1] - offset, now) or not self._credible(arrivals[-1][1] - offset, now):
            arrivals = [(packet_id, now + offset, length) for packet_id, _, length in arrivals]
        verdicts = self.line.arrive(arrivals, offset)
        if verdicts:
            self.apply(verdicts)
        return len(arrivals)

    def _credible(self, arrival: int, now: int) -> bool:
        """Tell a real arrival time from a missing one, and from one before the machine's clock was set."""
        return self._last_read - _CLOCK_TOLERANCE_NS < arrival < now + _CLOCK_TOLERANCE_NS

    def _read_whole(self, now: int, offset: int) -> int:
        count = 0
        while packets := self.queue.receive():
            count += len(packets)
            verdicts = []
            for packet in packets:
                arrival = packet.time_ns - offset
                verdict = self.line.arrive_whole(
                    packet.id,
                    arrival if self._credible(arrival, now) else now,
                    packet.length,
                    is_syn=is_syn(packet.payload),
                    payload=packet.payload if len(packet.payload) == packet.length else None,
                )
                if verdict is not None:
                    verdicts.append(verdict)
            if verdicts:
                self.apply(verdicts)
        return count

    def apply(self, verdicts: list[Verdict]) -> None:
        """Give verdicts to the kernel."""
        queue = self.queue
        for kind, packet_id, payload, copy in verdicts:
            if kind == "pass_up_to":
                queue.accept_up_to(packet_id)
            elif kind == "drop":
                queue.drop(packet_id)
            else:
                queue.accept(packet_id, payload=payload)
                if copy is not None and self._injector is not None:
                    queue.flush()  # the original first
                    self._injector.send(copy)
        queue.flush()

    def read_overflow(self) -> None:
        """Count the packets that the kernel dropped because the queue or the socket's buffer was full."""
        for row in os.pread(self._statistics, 65536, 0).splitlines():
            columns = row.split()
            if int(columns[0]) == self.config.queue:
                self.line.counters.overflow = int(columns[5]) + int(columns[6])

    def close(self) -> None:
        """Give up the queue; packets that wait are lost."""
        self.queue.close()
        os.close(self._statistics)
        if self._injector is not None:
            self._injector.close()


class ElementLoop:
    """Serves all directions in one thread until ``stop`` is called.

    While nothing waits, it sleeps in select until a packet comes. While packets wait, it wakes when the next group is
    due, and reads new arrivals then: at 2000 packets a second and direction that is once for several packets.

    Args:
        directions: what it serves.
        control: descriptor whose readiness calls ``on_control``.
        on_control: called in the loop, between two steps.
        write: called with the time and all counters, every 10 ms while they change.

    """

    def __init__(
        self,
        directions: Sequence[ElementDirection],
        control: int,
        on_control: Callable[[], None],
        write: Callable[[int, list[Counters]], None],
    ) -> None:
        self._directions = list(directions)
        self._counters = [direction.line.counters for direction in directions]
        self._control = control
        self._on_control = on_control
        self._write = write
        self._stopped = False
        self._dirty = True
        self._next_write = self._next_overflow = 0
        self._oversleep = 0.0
        self._offset = self._offset_time = 0
        # An open socket with this option makes the kernel stamp every packet of the machine on arrival, and NFQUEUE
        # hands the stamps on.
        self._stamps = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._stamps.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._update_offset(time.monotonic_ns())

    def stop(self) -> None:
        """Leave ``run`` after this step."""
        self._stopped = True

    def change(self, index: int, link: Link) -> int:
        """Change a direction's link; return when, CLOCK_MONOTONIC in ns."""
        now = time.monotonic_ns()
        self._update_offset(now)
        self._directions[index].change(link, now, self._offset)
        return now

    def restart(self) -> int:
        """Start the random choices of all directions anew; return when, CLOCK_MONOTONIC in ns."""
        now = time.monotonic_ns()
        self._update_offset(now)
        for direction in self._directions:
            direction.read(now, self._offset)  # what has arrived by now belongs to the time before
            direction.line.restart()
        return now

    def run(self) -> None:
        """Serve until stopped."""
        clock = time.monotonic_ns
        descriptors = [self._control]
        watched: list[ElementDirection] = []
        while not self._stopped:
            wake = self._next_wake()
            if [direction for direction in self._directions if direction.watched] != watched:
                watched = [direction for direction in self._directions if direction.watched]
                descriptors = [self._control, *(direction.fileno for direction in watched)]
            if wake is None:
                ready = select.select(descriptors, (), ())[0]
                now = clock()
            else:
                wake -= int(self._oversleep)
                ready = select.select(descriptors, (), (), max(0, wake - clock()) * 1e-9)[0]
                now = clock()
                if not ready:
                    # The usual delay between deadline and wake-up, to set the alarm that much earlier.
                    self._oversleep += (min(max(now - wake, 0), _MAX_ADVANCE_NS) - self._oversleep) / 32
            self._step(now, ready)
            if self._dirty and now >= self._next_write:
                self.update_counters(now)
            if ready and ready[0] == self._control:
                self._on_control()

    def _next_wake(self) -> int | None:
        """Return when to wake at the latest, CLOCK_MONOTONIC in ns."""
        directions = self._directions
        wake = self._next_write if self._dirty else None
        first = None
        for direction in directions:
            waiting = direction.line.waiting
            if waiting and (first is None or waiting[0][0] < first):
                first = waiting[0][0]
            if not direction.watched and (wake is None or direction.next_read < wake):
                wake = direction.next_read
        if first is None:
            return wake
        # The middle of the group, so that no packet is more than half the group's width early or late.
        last = first
        end = first + GROUPING_NS
        for direction in directions:
            if direction.line.waiting:
                last = max(last, direction.line.last_due_within(end))
        middle = (first + last) >> 1
        return middle if wake is None or middle < wake else wake

    def _step(self, now: int, ready: list[int]) -> None:
        limit = now + GROUPING_NS // 2
        if now - self._offset_time > _OFFSET_AGE_NS:
            self._update_offset(now)
        for direction in self._directions:
            if direction.fileno in ready if direction.watched else direction.next_read <= limit:
                direction.read(now, self._offset)
                self._dirty = True
            waiting = direction.line.waiting
            if waiting and waiting[0][0] <= limit:
                direction.apply(direction.line.release(now, limit))
                self._dirty = True

    def update_counters(self, now: int) -> None:
        """Publish the counters, and every 0.1 s look for packets that the kernel dropped."""
        self._next_write = now + _WRITE_INTERVAL_NS
        self._dirty = now < self._next_overflow  # come back once more for the overflows
        if not self._dirty:
            self._next_overflow = now + _DROPS_INTERVAL_NS
            for direction in self._directions:
                direction.read_overflow()
        self._write(now, self._counters)

    def _update_offset(self, now: int) -> None:
        before = time.monotonic_ns()
        real = time.time_ns()
        after = time.monotonic_ns()
        if after - before < _CLOCK_READ_NS or not self._offset:  # otherwise something came in between: keep the old one
            self._offset = real - (before + after) // 2
            self._offset_time = now
