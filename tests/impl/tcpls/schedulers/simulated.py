"""A sender with several connections on virtual time: rates, delays, windows and socket buffers, and nothing else."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field

from impl.tcpls.schedulers import RECORD, Scheduler


@dataclass
class FakePath:
    """A path whose facts the test sets."""

    id: int
    usable: bool = True
    blocked: bool = False
    srtt: float = 0.05
    rate: float = 1e6
    queued: int = 0
    sent: int = 0
    weight: float = 1.0
    rank: int = 0


@dataclass
class SimulatedPath(FakePath):
    """A connection over a link: a window of bytes in flight, a socket buffer behind it, a shaper, and a delay."""

    window: int = 0
    buffer: int = 8 * RECORD
    in_flight: int = 0
    unsent: int = 0
    free_at: float = 0.0
    last_arrival: float = 0.0
    pieces: list[int] = field(default_factory=list)

    def push(self, now: float, agenda: list[tuple[float, int, int]]) -> None:
        """Put on the link what the window allows."""
        while self.pieces and (self.in_flight == 0 or self.in_flight + self.pieces[0] <= self.window):
            size = self.pieces.pop(0)
            self.unsent -= size
            self.in_flight += size
            self.free_at = max(self.free_at, now) + size / self.rate
            self.last_arrival = self.free_at + self.srtt / 2
            heapq.heappush(agenda, (self.free_at + self.srtt, self.id, size))
        self.queued = self.in_flight + self.unsent
        self.blocked = self.unsent >= self.buffer


def path(connection_id: int, mbps: float, rtt_ms: float, **more: float) -> SimulatedPath:
    """A path of this rate and round-trip time, whose window is one and a half times what it needs."""
    rate = mbps * 1e6 / 8
    rtt = rtt_ms / 1e3
    made = SimulatedPath(connection_id, rate=rate, srtt=rtt, window=int(1.5 * rate * rtt) + 2 * RECORD)
    for name, value in more.items():
        setattr(made, name, value)
    return made


def transfer(scheduler: Scheduler, paths: Sequence[SimulatedPath], size: int) -> float:
    """Seconds from the start until the last byte has arrived."""
    left = size
    now = 0.0
    agenda: list[tuple[float, int, int]] = []
    by_id = {entry.id: entry for entry in paths}
    while True:
        busy = True
        while left and busy:
            busy = False
            for entry in scheduler.order(paths):
                if entry.blocked or not left:
                    continue
                taken = min(scheduler.grant(entry, paths, left, now), RECORD, left)
                if taken:
                    chosen = by_id[entry.id]
                    chosen.pieces.append(taken)
                    chosen.unsent += taken
                    chosen.sent += taken
                    left -= taken
                    chosen.push(now, agenda)
                    busy = True
        if not agenda:
            assert not left, f"{left} bytes wait, and nothing is under way"
            return max(entry.last_arrival for entry in paths)
        now, connection_id, taken = heapq.heappop(agenda)
        by_id[connection_id].in_flight -= taken
        by_id[connection_id].push(now, agenda)
