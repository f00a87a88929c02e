"""The scheduler for bulk data."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impl.tcpls.schedulers import BULK, RECORD, EarliestCompletion, LowestRtt
from tests.impl.tcpls.schedulers.simulated import FakePath, SimulatedPath, path, transfer

MB = 1_000_000


def unequal() -> list[SimulatedPath]:
    return [path(0, 10, 20), path(1, 40, 80)]


class TestBulk:
    @given(
        st.lists(st.tuples(st.sampled_from([1, 10, 40]), st.sampled_from([10, 80, 400])), min_size=2, max_size=4),
    )
    def test_with_a_large_backlog_every_path_is_granted(self, kinds: list[tuple[int, int]]) -> None:
        paths = [path(number, mbps, rtt) for number, (mbps, rtt) in enumerate(kinds)]
        assert all(EarliestCompletion().grant(entry, paths, 2**40, 0.0) for entry in paths)

    def test_the_sum_of_unequal_paths_is_reached(self) -> None:
        rate = 20 * MB * 8 / transfer(EarliestCompletion(), unequal(), 20 * MB)
        assert rate >= 0.94 * 50e6

    def test_the_grant_is_the_part_with_which_all_finish_together(self) -> None:
        paths = [FakePath(0, rate=1e6, srtt=0.1), FakePath(1, rate=3e6, srtt=0.1)]
        scheduler = EarliestCompletion()
        assert [scheduler.grant(entry, paths, 4 * MB, 0.0) for entry in paths] == pytest.approx([MB, 3 * MB])

    def test_a_lone_path_is_granted_everything(self) -> None:
        assert EarliestCompletion().grant(FakePath(0), [FakePath(0), FakePath(1, usable=False)], 1, 0.0) == BULK


class TestTail:
    @pytest.mark.parametrize("size", [64 * 1024, 256 * 1024, MB, 4 * MB, 20 * MB])
    @pytest.mark.parametrize(
        "kinds",
        [
            [(10, 20), (40, 80)],
            [(10, 80), (40, 20)],
            [(25, 40), (25, 40)],
            [(50, 20), (2, 300)],
            [(10, 20), (20, 60), (30, 100)],
        ],
    )
    def test_the_last_byte_is_there_no_later_than_by_lowest_rtt(self, kinds: list[tuple[int, int]], size: int) -> None:
        by_completion, by_rtt = (
            transfer(scheduler, [path(number, mbps, rtt) for number, (mbps, rtt) in enumerate(kinds)], size)
            for scheduler in (EarliestCompletion(), LowestRtt())
        )
        assert by_completion <= by_rtt + 1e-9

    def test_a_slow_path_is_not_given_what_a_quick_one_delivers_earlier(self) -> None:
        quick, slow = FakePath(0, rate=5e6, srtt=0.02, blocked=True, queued=50_000), FakePath(1, rate=1e6, srtt=0.4)
        scheduler = EarliestCompletion()
        assert scheduler.grant(slow, [quick, slow], 20_000, 0.0) == 0
        assert scheduler.grant(slow, [quick, slow], 2 * MB, 0.0) > 0

    def test_waiting_is_not_better_behind_a_long_queue(self) -> None:
        quick, slow = FakePath(0, rate=5e6, srtt=0.02, blocked=True, queued=3 * MB), FakePath(1, rate=1e6, srtt=0.4)
        assert EarliestCompletion().grant(slow, [quick, slow], 20_000, 0.0) >= RECORD

    def test_equal_idle_paths_do_not_wait_for_each_other(self) -> None:
        paths = [FakePath(0), FakePath(1), FakePath(2)]
        granted = [EarliestCompletion().grant(entry, paths, 5000, 0.0) for entry in paths]
        assert granted[0] >= RECORD


class TestUnknownRates:
    def test_a_path_of_unknown_rate_is_tried(self) -> None:
        paths = [FakePath(0, rate=5e6), FakePath(1, rate=0.0, srtt=1.0)]
        assert EarliestCompletion().grant(paths[1], paths, 1, 0.0) == BULK

    def test_it_is_not_counted_on(self) -> None:
        paths = [FakePath(0, rate=1e3, srtt=1.0), FakePath(1, rate=0.0, srtt=0.001)]
        assert EarliestCompletion().grant(paths[0], paths, 1, 0.0) > 0


class TestBooks:
    def test_a_burst_on_an_idle_link_delays_what_follows_it(self) -> None:
        # 100 kB were given to a link that was idle: all of it waits before the link, although one round trip's worth
        # is under way. The other link is as good, and idle.
        first, second = FakePath(0, rate=1e6, srtt=0.2), FakePath(1, rate=1e6, srtt=0.2)
        scheduler = EarliestCompletion()
        assert scheduler.grant(first, [first, second], 150_000, 0.0) > 0
        first.sent = first.queued = 100_000
        assert scheduler.grant(first, [first, second], 50_000, 0.0) == 0
        assert scheduler.grant(second, [first, second], 50_000, 0.0) > 0

    def test_a_link_that_has_been_busy_for_long_has_delivered_part_of_what_is_not_acknowledged(self) -> None:
        first, second = FakePath(0, rate=1e6, srtt=0.2), FakePath(1, rate=1e6, srtt=0.26)
        scheduler = EarliestCompletion()
        scheduler.grant(first, [first, second], MB, 0.0)
        first.sent = first.queued = 100_000
        scheduler.grant(first, [first, second], MB, 0.0)
        # Half a round trip later the whole burst has passed the link.
        assert scheduler.grant(first, [first, second], 10_000, 0.1) > 0
        assert scheduler.grant(second, [first, second], 10_000, 0.1) == 0
