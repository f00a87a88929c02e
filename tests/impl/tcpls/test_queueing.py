"""Tests of impl.tcpls.queueing: how much a path is given, and when others decide."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from impl.tcpls.queueing import QueueGuard
from impl.tcpls.transport_info import TransportInfo

RATE = 3_000_000.0
QUIET = TransportInfo(
    srtt=0.042,
    rttvar=0.002,
    min_rtt=0.04,
    cwnd=200_000,
    mss=1448,
    unacked=100_000,
    unsent=0,
    delivery_rate=RATE,
    app_limited=False,
    last_ack=0.0,
    retransmits=0,
    send_window=2**20,
    established=True,
)


class TestLimit:
    def test_none_before_anything_is_known(self) -> None:
        guard = QueueGuard(0.015)
        assert guard.limit is None
        guard.observe(replace(QUIET, delivery_rate=0.0), 0.0)
        guard.observe(replace(QUIET, min_rtt=0.0), 0.0)
        assert guard.limit is None

    def test_none_if_none_is_wanted(self) -> None:
        guard = QueueGuard(None)
        guard.observe(QUIET, 0.0)
        assert guard.limit is None

    def test_the_bandwidth_delay_product_and_a_little_queue(self) -> None:
        guard = QueueGuard(0.015)
        guard.observe(QUIET, 0.0)
        assert guard.limit == int(RATE * 0.055) + 2 * 2**14

    def test_the_highest_rate_of_five_seconds_counts(self) -> None:
        guard = QueueGuard(0.015)
        guard.observe(QUIET, 0.0)
        full = guard.limit
        for moment in range(1, 6):
            guard.observe(replace(QUIET, delivery_rate=RATE / 2), float(moment))
            assert guard.limit == full
        guard.observe(replace(QUIET, delivery_rate=RATE / 2), 5.1)
        assert guard.limit == int(RATE / 2 * 0.055) + 2 * 2**14

    @given(st.lists(st.tuples(st.floats(1e3, 1e9), st.floats(0.0, 2.0)), min_size=1, max_size=50))
    def test_it_is_that_of_the_highest_recent_rate(self, steps: list[tuple[float, float]]) -> None:
        guard = QueueGuard(0.015)
        now = 0.0
        seen: list[tuple[float, float]] = []
        for rate, pause in steps:
            now += pause
            seen.append((rate, now))
            guard.observe(replace(QUIET, delivery_rate=rate, unacked=0), now)
            highest = max(rate for rate, moment in seen if now - moment <= 5.0)
            assert guard.limit == int(highest * 0.055) + 2 * 2**14


class TestOthers:
    def filled(self, guard: QueueGuard, seconds: float, start: float = 0.0) -> float:
        """Others fill the queue: the round trip is long, though we keep to the limit."""
        now = start
        while now < start + seconds:
            now += 0.01
            guard.observe(replace(QUIET, srtt=0.15, unacked=10**6), now)
        return now

    def test_who_fill_the_queue_lift_the_limit_for_ten_seconds(self) -> None:
        guard = QueueGuard(0.015)
        guard.observe(QUIET, 0.0)
        now = self.filled(guard, 2.0)
        assert guard.limit is None
        guard.observe(QUIET, now + 7.0)
        assert guard.limit is None
        guard.observe(QUIET, now + 10.0)
        assert guard.limit is not None

    def test_a_short_burst_of_others_does_not(self) -> None:
        guard = QueueGuard(0.015)
        guard.observe(QUIET, 0.0)
        now = self.filled(guard, 0.5)
        guard.observe(QUIET, now + 0.01)
        self.filled(guard, 0.5, now + 0.02)
        assert guard.limit is not None

    def test_a_long_round_trip_with_little_of_ours_says_nothing(self) -> None:
        guard = QueueGuard(0.015)
        for step in range(500):
            guard.observe(replace(QUIET, srtt=0.15, unacked=1000), step * 0.01)
        assert guard.limit is not None
