"""Sets of byte ranges of a stream: what was acknowledged, what is to be sent again."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator


class RangeSet:
    """Disjoint ranges [start, end) in order; those that touch are one.

    A set has few ranges: as many as connections have gaps, not as many as there are records.
    """

    __slots__ = ("_ends", "_starts")

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []

    def __bool__(self) -> bool:
        return bool(self._starts)

    def __len__(self) -> int:
        return len(self._starts)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(zip(self._starts, self._ends, strict=True))

    @property
    def first(self) -> tuple[int, int]:
        """The lowest range.

        Raises:
            IndexError: the set is empty.

        """
        return self._starts[0], self._ends[0]

    def add(self, start: int, end: int) -> None:
        """Add a range; nothing if it is empty."""
        if start >= end:
            return
        low = bisect_left(self._ends, start)
        high = bisect_right(self._starts, end)
        if low < high:
            start = min(start, self._starts[low])
            end = max(end, self._ends[high - 1])
        self._starts[low:high] = [start]
        self._ends[low:high] = [end]

    def discard(self, start: int, end: int) -> None:
        """Take a range out, as far as it is in the set."""
        if start >= end:
            return
        low = bisect_right(self._ends, start)
        high = bisect_left(self._starts, end)
        if low >= high:
            return
        before = (self._starts[low], start) if self._starts[low] < start else None
        behind = (end, self._ends[high - 1]) if self._ends[high - 1] > end else None
        rest = [part for part in (before, behind) if part is not None]
        self._starts[low:high] = [part[0] for part in rest]
        self._ends[low:high] = [part[1] for part in rest]

    def missing(self, start: int, end: int) -> list[tuple[int, int]]:
        """The parts of a range that are not in the set, in order."""
        gaps = []
        for i in range(bisect_right(self._ends, start), len(self._starts)):
            if self._starts[i] >= end:
                break
            if start < self._starts[i]:
                gaps.append((start, self._starts[i]))
            start = max(start, self._ends[i])
        if start < end:
            gaps.append((start, end))
        return gaps

    def covers(self, start: int, end: int) -> bool:
        """Whether all of a range is in the set."""
        return not self.missing(start, end)
