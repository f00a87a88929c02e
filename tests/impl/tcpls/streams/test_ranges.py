"""Sets of ranges, against sets of single numbers."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impl.tcpls.streams.ranges import RangeSet

RANGES = st.tuples(st.integers(0, 40), st.integers(0, 12)).map(lambda pair: (pair[0], pair[0] + pair[1]))
CHANGES = st.lists(st.tuples(st.booleans(), RANGES), max_size=20)


def built(changes: list[tuple[bool, tuple[int, int]]]) -> tuple[RangeSet, set[int]]:
    ranges, numbers = RangeSet(), set[int]()
    for added, (start, end) in changes:
        if added:
            ranges.add(start, end)
            numbers |= set(range(start, end))
        else:
            ranges.discard(start, end)
            numbers -= set(range(start, end))
    return ranges, numbers


class TestAgainstSetsOfNumbers:
    @given(CHANGES)
    def test_the_same_numbers_are_in_it(self, changes: list[tuple[bool, tuple[int, int]]]) -> None:
        ranges, numbers = built(changes)
        assert {number for start, end in ranges for number in range(start, end)} == numbers
        assert bool(ranges) == bool(numbers)

    @given(CHANGES)
    def test_ranges_are_in_order_and_do_not_touch(self, changes: list[tuple[bool, tuple[int, int]]]) -> None:
        ranges, _ = built(changes)
        parts = list(ranges)
        assert len(ranges) == len(parts)
        assert all(start < end for start, end in parts)
        assert all(before[1] < behind[0] for before, behind in pairwise(parts))
        if parts:
            assert ranges.first == parts[0]

    @given(CHANGES, RANGES)
    def test_what_is_missing(self, changes: list[tuple[bool, tuple[int, int]]], asked: tuple[int, int]) -> None:
        ranges, numbers = built(changes)
        missing = ranges.missing(*asked)
        assert [n for start, end in missing for n in range(start, end)] == sorted(set(range(*asked)) - numbers)
        assert all(start < end for start, end in missing)
        assert ranges.covers(*asked) == (not missing)


class TestEmptySet:
    def test_has_no_first_range(self) -> None:
        with pytest.raises(IndexError):
            _ = RangeSet().first
