"""Schedulers that give each connection its share."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impl.tcpls.schedulers import AHEAD, RECORD, RoundRobin, Scheduler, Weighted
from tests.impl.tcpls.schedulers.simulated import FakePath, path, transfer


def spread(scheduler: Scheduler, paths: list[FakePath], records: int) -> None:
    """Hand out so many records, as far as they are granted."""
    for _ in range(records):
        for entry in scheduler.order(paths):
            chosen = next(other for other in paths if other.id == entry.id)
            if not chosen.blocked and scheduler.grant(entry, paths, 2**40, 0.0):
                chosen.sent += RECORD
                break


class TestTurns:
    def test_paths_take_turns_of_one_record(self) -> None:
        paths = [FakePath(0), FakePath(1), FakePath(2)]
        scheduler = RoundRobin()
        for place in range(9):
            granted = [entry.id for entry in paths if scheduler.grant(entry, paths, 2**40, 0.0)]
            assert granted == [place % 3]
            paths[place % 3].sent += RECORD

    def test_turns_do_not_depend_on_weights(self) -> None:
        paths = [FakePath(0, weight=9.0), FakePath(1)]
        spread(RoundRobin(), paths, 100)
        assert paths[0].sent == paths[1].sent

    def test_a_short_turn_is_made_up_for(self) -> None:
        paths = [FakePath(0), FakePath(1)]
        scheduler = RoundRobin()
        scheduler.order(paths)
        paths[0].sent, paths[1].sent = 100, RECORD
        assert scheduler.grant(paths[0], paths, 2**40, 0.0) == RECORD
        assert scheduler.grant(paths[1], paths, 2**40, 0.0) == 0


class TestShares:
    @given(st.lists(st.floats(0.1, 10.0), min_size=2, max_size=5))
    def test_shares_follow_the_weights_to_the_granularity_of_a_record(self, weights: list[float]) -> None:
        paths = [FakePath(number, weight=weight) for number, weight in enumerate(weights)]
        spread(Weighted(), paths, 600)
        total = sum(entry.sent for entry in paths)
        for entry in paths:
            share = total * entry.weight / sum(weights)
            assert abs(entry.sent - share) <= RECORD * (1 + max(weights) / min(weights)) * entry.weight / min(weights)

    def test_weights_of_one_to_three_on_links(self) -> None:
        paths = [path(0, 10, 40, weight=1.0), path(1, 30, 40, weight=3.0)]
        taken = transfer(Weighted(), paths, 10_000_000)
        assert paths[1].sent == pytest.approx(3 * paths[0].sent, abs=AHEAD + RECORD)
        assert taken < 1.05 * 2.02

    @pytest.mark.parametrize("scheduler", [RoundRobin, Weighted])
    def test_equal_paths_are_filled(self, scheduler: type[Scheduler]) -> None:
        paths = [path(0, 25, 40), path(1, 25, 40)]
        assert transfer(scheduler(), paths, 5_000_000) < 1.05 * 0.82
        assert paths[0].sent == pytest.approx(paths[1].sent, rel=0.02)

    def test_the_slowest_path_sets_the_pace(self) -> None:
        paths = [path(0, 5, 40), path(1, 50, 40)]
        transfer(RoundRobin(), paths, 6_000_000)
        assert paths[1].sent - paths[0].sent <= AHEAD + RECORD


class TestRunningAhead:
    def test_others_run_ahead_of_a_blocked_path_by_a_bounded_amount(self) -> None:
        paths = [FakePath(0, blocked=True, queued=1), FakePath(1)]
        scheduler = RoundRobin()
        spread(scheduler, paths, 1000)
        assert AHEAD <= paths[1].sent < AHEAD + RECORD

    def test_the_one_behind_catches_up(self) -> None:
        paths = [FakePath(0, blocked=True, queued=1), FakePath(1)]
        scheduler = RoundRobin()
        spread(scheduler, paths, 1000)
        paths[0].blocked = False
        spread(scheduler, paths, AHEAD // RECORD)
        assert paths[0].sent == pytest.approx(paths[1].sent, abs=RECORD)

    def test_a_path_that_becomes_unusable_is_waited_for_no_longer(self) -> None:
        paths = [FakePath(0, blocked=True, queued=1), FakePath(1)]
        scheduler = RoundRobin()
        spread(scheduler, paths, 1000)
        paths[0].usable = False
        assert scheduler.grant(paths[1], paths, 2**40, 0.0) == RECORD


class TestComingLate:
    def test_a_new_path_takes_its_share_from_then_on(self) -> None:
        paths = [FakePath(0), FakePath(1)]
        scheduler = RoundRobin()
        spread(scheduler, paths, 1000)
        paths.append(FakePath(2))
        before = [entry.sent for entry in paths]
        spread(scheduler, paths, 300)
        gained = [entry.sent - sent for entry, sent in zip(paths, before, strict=True)]
        assert gained == pytest.approx([100 * RECORD] * 3, abs=2 * RECORD)

    def test_a_path_that_comes_back_does_not_make_up_for_its_absence(self) -> None:
        paths = [FakePath(0), FakePath(1)]
        scheduler = RoundRobin()
        spread(scheduler, paths, 10)
        paths[0].usable = False
        spread(scheduler, paths, 1000)
        paths[0].usable = True
        before = [entry.sent for entry in paths]
        spread(scheduler, paths, 100)
        assert paths[0].sent - before[0] == pytest.approx(50 * RECORD, abs=RECORD)

    def test_what_a_path_carried_beside_its_turns_is_owed_within_a_bound(self) -> None:
        paths = [FakePath(0), FakePath(1)]
        scheduler = RoundRobin()
        spread(scheduler, paths, 10)
        paths[0].sent += 10**9
        before = paths[0].sent
        spread(scheduler, paths, 2 * AHEAD // RECORD + 20)
        assert before < paths[0].sent <= before + 20 * RECORD
