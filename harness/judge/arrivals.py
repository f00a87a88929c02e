"""Payload arriving over time: totals, gaps, rates and bins. Pure computations on sorted times."""

import statistics
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise
from typing import Self

BIN_S = 0.1
"""Width of the bins in which goodput is drawn and its deviation taken, as in the papers this follows."""


class Arrivals:
    """Moments (seconds, sorted) at which payload arrived, and how many bytes.

    Bytes of one moment may have come at any time within ``resolution`` before it.
    """

    def __init__(self, moments: Iterable[tuple[float, int]], resolution: float) -> None:
        ordered = sorted((time, size) for time, size in moments if size > 0)
        self.times = [time for time, _ in ordered]
        self.sizes = [size for _, size in ordered]
        self.resolution = resolution
        self._sums = [0, *accumulate(self.sizes)]

    @property
    def total(self) -> int:
        """All bytes."""
        return self._sums[-1]

    @property
    def first(self) -> float | None:
        """Moment of the first arrival."""
        return self.times[0] if self.times else None

    @property
    def last(self) -> float | None:
        """Moment of the last arrival."""
        return self.times[-1] if self.times else None

    def since(self, moment: float) -> Self:
        """Return the arrivals at or after ``moment``."""
        place = bisect_left(self.times, moment)
        return type(self)(zip(self.times[place:], self.sizes[place:], strict=True), self.resolution)

    def bytes_between(self, start: float, end: float) -> int:
        """Return the bytes that arrived in [start, end)."""
        return self._sums[bisect_left(self.times, end)] - self._sums[bisect_left(self.times, start)]

    def mbps_between(self, start: float, end: float) -> float | None:
        """Return the mean rate in [start, end) in Mbit/s, None for an empty interval."""
        return self.bytes_between(start, end) * 8e-6 / (end - start) if end > start else None

    def mean_mbps(self) -> float | None:
        """Return the mean rate from the first to the last arrival; None unless there are two.

        What arrived at the first moment came before the interval begins, so it is not counted.
        """
        if len(self.times) < 2:
            return None
        return (self.total - self.sizes[0]) * 8e-6 / (self.times[-1] - self.times[0])

    def gaps(self, until: float | None = None) -> list[tuple[float, float]]:
        """Return the intervals between neighbouring arrivals, and the one from the last to ``until`` if it is later."""
        gaps = list(pairwise(self.times))
        if self.times and until is not None and until > self.times[-1]:
            gaps.append((self.times[-1], until))
        return gaps

    def longest_gap(self, until: float | None = None) -> tuple[float, float] | None:
        """Return the longest of the gaps, the earliest of equal ones; None when there is none."""
        return max(self.gaps(until), key=lambda gap: gap[1] - gap[0], default=None)

    def bins(self, start: float, end: float, width: float = BIN_S) -> list[float]:
        """Return the rate (Mbit/s) of each whole bin in [start, end]; bins start at multiples of ``width``."""
        # Times are decimal fractions: 0.30000000000000004 must not lose the bin that starts at 0.3.
        first = -int(-(start / width - 1e-6) // 1)
        stop = int((end / width + 1e-6) // 1)
        return [
            self.bytes_between(index * width - 1e-9, (index + 1) * width - 1e-9) * 8e-6 / width
            for index in range(first, stop)
        ]

    def deviation(self, start: float, end: float) -> float | None:
        """Return the standard deviation (Mbit/s) of the whole bins in [start, end]; None for fewer than two."""
        return spread(self.bins(start, end))


def spread(values: Sequence[float]) -> float | None:
    """Return the sample standard deviation; None for fewer than two values."""
    return statistics.stdev(values) if len(values) > 1 else None


def percentile(values: Iterable[float], share: float) -> float | None:
    """Return the smallest value that at least ``share`` of all do not exceed (nearest rank); None without values."""
    ordered = sorted(values)
    if not ordered:
        return None
    rank = max(1, -int(-(share * len(ordered)) // 1))
    return ordered[min(rank, len(ordered)) - 1]
