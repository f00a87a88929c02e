"""Goodput in bins."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.measure.goodput import BIN_NS, GoodputBins, Received, bin_goodput

_EVENTS = st.lists(
    st.builds(
        Received, st.integers(0, 10**10), st.integers(0, 10**6), st.sampled_from(["", "1"]), st.sampled_from("ab")
    )
)


class TestBins:
    @given(_EVENTS)
    def test_nothing_is_lost_or_invented(self, events: list[Received]) -> None:
        rows = bin_goodput(events, 0)
        assert sum(size for _, size, _, _ in rows) == sum(event.bytes for event in events)
        assert all(size > 0 for _, size, _, _ in rows)
        keys = [(float(time), stream, path) for time, _, stream, path in rows]
        assert keys == sorted(set(keys))

    @given(_EVENTS, st.randoms())
    def test_order_of_events_does_not_matter(self, events: list[Received], random: object) -> None:
        assert bin_goodput(events, 0) == bin_goodput(list(reversed(events)), 0)

    def test_bin_starts_at_its_time(self) -> None:
        zero = 7_000_000_123
        events = [Received(zero + offset, 1) for offset in (0, BIN_NS - 1, BIN_NS, 25 * BIN_NS)]
        assert bin_goodput(events, zero) == [("0.00", 2, "", ""), ("0.01", 1, "", ""), ("0.25", 1, "", "")]

    def test_before_the_start(self) -> None:
        assert bin_goodput([Received(99, 5)], 100) == [("-0.01", 5, "", "")]

    def test_negative_bytes(self) -> None:
        with pytest.raises(ValueError, match="-1 bytes"):
            GoodputBins(0).add(Received(0, -1))


class TestCurrent:
    def test_last_second(self) -> None:
        bins = GoodputBins(0)
        for i in range(30):
            bins.add(Received(i * 100_000_000, 312_500))
        assert bins.current_mbps(2_900_000_000) == pytest.approx(25)
        assert bins.current_mbps(9_000_000_000) == 0
        assert bins.total_bytes == 30 * 312_500
