"""Payload over time: what must hold for any arrivals, and examples worked out by hand."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.judge.arrivals import Arrivals, percentile, spread

moments = st.lists(st.tuples(st.floats(0, 100, allow_nan=False), st.integers(0, 10**6)), max_size=60)


class TestAnyArrivals:
    @given(moments)
    def test_total_and_order(self, given_moments: list[tuple[float, int]]) -> None:
        arrivals = Arrivals(given_moments, 0.01)
        assert arrivals.total == sum(size for _, size in given_moments)
        assert arrivals.times == sorted(arrivals.times)

    @given(moments, st.floats(0, 50), st.floats(0, 50))
    def test_parts_add_up(self, given_moments: list[tuple[float, int]], a: float, b: float) -> None:
        arrivals = Arrivals(given_moments, 0.01)
        first, second = sorted((a, b))
        parts = [(-1.0, first), (first, second), (second, 101.0)]
        assert sum(arrivals.bytes_between(*part) for part in parts) == arrivals.total

    @given(moments)
    def test_gaps_cover_first_to_last_and_the_longest_is_among_them(
        self, given_moments: list[tuple[float, int]]
    ) -> None:
        arrivals = Arrivals(given_moments, 0.01)
        gaps = arrivals.gaps()
        if arrivals.first is None or arrivals.last is None:
            assert gaps == []
            assert arrivals.longest_gap() is None
            return
        assert math.fsum(end - start for start, end in gaps) == pytest.approx(arrivals.last - arrivals.first)
        longest = arrivals.longest_gap()
        if longest is not None:
            assert all(end - start <= longest[1] - longest[0] for start, end in gaps)

    @given(moments)
    def test_since_keeps_what_comes_later(self, given_moments: list[tuple[float, int]]) -> None:
        arrivals = Arrivals(given_moments, 0.01)
        assert arrivals.since(50).total == arrivals.bytes_between(50, 1000)


class TestByHand:
    def test_mean_leaves_the_first_moment_out(self) -> None:
        assert Arrivals([(1.0, 999), (2.0, 125_000)], 0.01).mean_mbps() == pytest.approx(1.0)
        assert Arrivals([(1.0, 999)], 0.01).mean_mbps() is None

    def test_bins_at_decimal_edges(self) -> None:
        arrivals = Arrivals([(0.3, 12_500), (0.35, 12_500), (0.4, 25_000)], 0.01)
        assert arrivals.bins(0.3, 0.5) == pytest.approx([2.0, 2.0])

    def test_only_whole_bins(self) -> None:
        assert len(Arrivals([(0.0, 1)], 0.01).bins(0.15, 0.55)) == 3
        assert Arrivals([(0.0, 1)], 0.01).deviation(0.0, 0.1) is None

    def test_gap_to_the_end_of_an_unfinished_run(self) -> None:
        arrivals = Arrivals([(1.0, 1), (1.5, 1)], 0.01)
        assert arrivals.longest_gap() == (1.0, 1.5)
        assert arrivals.longest_gap(9.0) == (1.5, 9.0)

    def test_spread_and_percentile(self) -> None:
        assert spread([1.0]) is None
        assert spread([1.0, 3.0]) == pytest.approx(math.sqrt(2))
        assert percentile([], 0.5) is None
        assert percentile(range(1, 101), 0.99) == 99
        assert percentile([7.0], 0.99) == 7.0
