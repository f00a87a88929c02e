"""Received application bytes in bins of 10 ms, from the events of an endpoint; no I/O."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

COLUMNS = ("time_s", "bytes", "stream", "path")
BIN_NS = 10_000_000
_MEMORY_NS = 5_000_000_000


@dataclass(frozen=True)
class Received:
    """Application bytes that arrived.

    Attributes:
        time_ns: CLOCK_MONOTONIC.
        bytes: how many.
        stream: the stream they belong to; empty if the endpoint has none.
        path: the path they came by; empty if the endpoint cannot tell.

    """

    time_ns: int
    bytes: int
    stream: str = ""
    path: str = ""


class GoodputBins:
    """Adds up events by bin, stream and path, and knows the current goodput for the progress line."""

    def __init__(self, zero_ns: int, bin_ns: int = BIN_NS) -> None:
        assert bin_ns > 0
        self._zero_ns = zero_ns
        self._bin_ns = bin_ns
        self._bins: dict[tuple[int, str, str], int] = {}
        self._recent: deque[tuple[int, int]] = deque()
        self.total_bytes = 0

    def add(self, event: Received) -> None:
        """Count an event; they may come in any order of time.

        Raises:
            ValueError: its number of bytes is negative.

        """
        if event.bytes < 0:
            raise ValueError(f"a received event has {event.bytes} bytes; allowed: 0 or more")
        # Floor division puts what came before the start into bins of negative time instead of hiding it in bin 0.
        key = ((event.time_ns - self._zero_ns) // self._bin_ns, event.stream, event.path)
        self._bins[key] = self._bins.get(key, 0) + event.bytes
        self.total_bytes += event.bytes
        self._recent.append((event.time_ns, event.bytes))
        while self._recent and self._recent[0][0] < event.time_ns - _MEMORY_NS:
            self._recent.popleft()

    def current_mbps(self, now_ns: int, window_ns: int = 1_000_000_000) -> float:
        """Return the goodput of the last ``window_ns`` (5 s at most) before ``now_ns`` in Mbit/s."""
        assert 0 < window_ns <= _MEMORY_NS
        total = sum(size for time_ns, size in self._recent if now_ns - window_ns < time_ns <= now_ns)
        return total * 8e3 / window_ns

    def rows(self) -> list[tuple[str, int, str, str]]:
        """Return the rows of goodput.csv: bins that hold bytes, by time, stream and path."""
        decimals = max(2, len(f"{self._bin_ns / 1e9:.9f}".rstrip("0").partition(".")[2]))
        return [
            (f"{index * self._bin_ns / 1e9:.{decimals}f}", size, stream, path)
            for (index, stream, path), size in sorted(self._bins.items())
            if size
        ]


def bin_goodput(events: Iterable[Received], zero_ns: int, bin_ns: int = BIN_NS) -> list[tuple[str, int, str, str]]:
    """Return the rows of goodput.csv for a whole run's events."""
    bins = GoodputBins(zero_ns, bin_ns)
    for event in events:
        bins.add(event)
    return bins.rows()
