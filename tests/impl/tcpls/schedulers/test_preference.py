"""Schedulers that prefer one connection to another."""

from hypothesis import given

from impl.tcpls.schedulers import BULK, LowestRtt, PrimaryBackup, Redundant
from tests.impl.tcpls.schedulers.drawn import paths
from tests.impl.tcpls.schedulers.simulated import FakePath, path, transfer


class TestPrimaryBackup:
    def test_the_preferred_path_carries_everything_even_if_it_is_blocked(self) -> None:
        first, second = FakePath(0, rank=1), FakePath(1, rank=0, blocked=True, queued=1)
        scheduler = PrimaryBackup()
        assert scheduler.grant(first, [first, second], 10**6, 0.0) == 0
        assert scheduler.grant(second, [first, second], 10**6, 0.0) == BULK

    def test_another_rank_moves_everything(self) -> None:
        first, second = FakePath(0, rank=0), FakePath(1, rank=1)
        scheduler = PrimaryBackup()
        assert scheduler.grant(first, [first, second], 1, 0.0) == BULK
        first.rank, second.rank = 1, 0
        assert scheduler.grant(first, [first, second], 1, 0.0) == 0
        assert scheduler.grant(second, [first, second], 1, 0.0) == BULK

    def test_the_backup_takes_over_while_the_primary_cannot_be_used(self) -> None:
        first, second = FakePath(0, rank=0, usable=False), FakePath(1, rank=1)
        assert PrimaryBackup().grant(second, [first, second], 1, 0.0) == BULK

    @given(paths())
    def test_exactly_one_usable_path_is_granted(self, offered: list[FakePath]) -> None:
        granted = [entry for entry in offered if PrimaryBackup().grant(entry, offered, 1, 0.0)]
        assert len(granted) == any(entry.usable for entry in offered)


class TestLowestRtt:
    def test_a_slower_path_waits_until_all_quicker_ones_are_blocked(self) -> None:
        offered = [FakePath(0, srtt=0.08), FakePath(1, srtt=0.02), FakePath(2, srtt=0.04)]
        scheduler = LowestRtt()
        assert [scheduler.grant(entry, offered, 1, 0.0) for entry in offered] == [0, BULK, 0]
        offered[1].blocked = True
        assert [scheduler.grant(entry, offered, 1, 0.0) for entry in (offered[0], offered[2])] == [0, BULK]
        offered[2].blocked = True
        assert scheduler.grant(offered[0], offered, 1, 0.0) == BULK

    def test_quicker_paths_come_first(self) -> None:
        offered = [FakePath(0, srtt=0.08), FakePath(1, srtt=0.02)]
        assert [entry.id for entry in LowestRtt().order(offered)] == [1, 0]

    def test_both_paths_are_filled(self) -> None:
        assert transfer(LowestRtt(), [path(0, 25, 20), path(1, 25, 40)], 5_000_000) < 1.1 * 0.8


class TestRedundant:
    def test_every_path_that_can_be_used_is_granted_everything(self) -> None:
        offered = [FakePath(0), FakePath(1, usable=False), FakePath(2, blocked=True, queued=9)]
        assert [Redundant().grant(entry, offered, 5, 0.0) for entry in offered] == [BULK, 0, BULK]
