"""What holds for every scheduler."""

from copy import deepcopy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impl.tcpls.schedulers import SCHEDULERS, make_scheduler
from tests.impl.tcpls.schedulers.drawn import offer_round, paths
from tests.impl.tcpls.schedulers.simulated import FakePath, path, transfer

ALL = sorted(SCHEDULERS)
BACKLOGS = st.sampled_from([1, 1000, 16384, 10**6, 2**62])


class TestNames:
    @pytest.mark.parametrize("name", ALL)
    def test_each_is_made_by_its_name(self, name: str) -> None:
        assert make_scheduler(name).name == name

    def test_each_session_has_its_own(self) -> None:
        assert make_scheduler("weighted") is not make_scheduler("weighted")

    def test_an_unknown_name_is_answered_with_the_known_ones(self) -> None:
        with pytest.raises(ValueError, match=r"no scheduler 'fastest'; .*primary-backup.*redundant"):
            make_scheduler("fastest")

    def test_only_the_redundant_one_copies(self) -> None:
        assert [name for name in ALL if make_scheduler(name).copies] == ["redundant"]


class TestProgress:
    @pytest.mark.parametrize("name", ALL)
    @given(drawn=st.lists(paths(), min_size=1, max_size=4), backlog=BACKLOGS)
    def test_something_is_granted_or_something_is_queued(
        self, name: str, drawn: list[list[FakePath]], backlog: int
    ) -> None:
        scheduler = make_scheduler(name)
        for now, offered in enumerate(drawn):
            usable = [entry for entry in offered if entry.usable]
            queued = any(entry.queued for entry in usable)
            granted = offer_round(scheduler, offered, backlog, float(now))
            assert not usable or queued or any(granted.values())

    @pytest.mark.parametrize("name", ALL)
    @given(offered=paths(least=2), backlog=BACKLOGS)
    def test_only_usable_paths_are_offered_and_granted(self, name: str, offered: list[FakePath], backlog: int) -> None:
        scheduler = make_scheduler(name)
        usable = {entry.id for entry in offered if entry.usable}
        assert {entry.id for entry in scheduler.order(offered)} == usable
        for entry in offered:
            if scheduler.grant(entry, offered, backlog, 0.0):
                assert entry.id in usable

    @pytest.mark.parametrize("name", ALL)
    @given(offered=paths(), backlog=BACKLOGS)
    def test_asking_changes_nothing(self, name: str, offered: list[FakePath], backlog: int) -> None:
        scheduler = make_scheduler(name)
        before = deepcopy(offered)
        answers = [[scheduler.grant(entry, offered, backlog, 1.0) for entry in offered] for _ in range(2)]
        assert answers[0] == answers[1]
        assert offered == before

    @pytest.mark.parametrize("name", ALL)
    def test_a_lone_path_is_used_up_to_its_rate(self, name: str) -> None:
        assert transfer(make_scheduler(name), [path(0, 25, 40)], 2_000_000) < 1.02 * (0.64 + 0.02)
