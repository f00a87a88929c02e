"""The client's path manager."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impl.tcpls.paths import Candidate, Connect, PathManager, PathSettings, Policy, Refusal
from tests.impl.tcpls.paths.opening import FIRST, SECOND, THIRD, Behaviour, User


def gaps(moments: list[float]) -> list[float]:
    return [later - earlier for earlier, later in pairwise(moments)]


class TestPolicies:
    @pytest.mark.parametrize("policy", [Policy.ALL, Policy.BACKUP])
    def test_every_candidate_is_joined_at_once(self, policy: Policy) -> None:
        user = User(policy=policy)
        user.manager.adopt(FIRST, 0.0)
        user.run(10.0)
        assert user.opened == [(0.04, SECOND), (0.04, THIRD)]
        assert user.manager.connected == (FIRST, SECOND, THIRD)
        assert user.manager.deadline() is None

    def test_on_failure_nothing_is_opened_while_a_connection_works(self) -> None:
        user = User(policy=Policy.ON_FAILURE)
        user.manager.adopt(FIRST, 0.0)
        user.run(10.0)
        assert not user.starts

    def test_on_failure_the_next_one_is_opened_at_once(self) -> None:
        user = User(policy=Policy.ON_FAILURE)
        user.manager.adopt(FIRST, 0.0)
        user.run(1.0)
        user.paths[FIRST].rtt = None
        user.manager.lost(FIRST, 1.0)
        user.run(10.0)
        assert user.opened == [(1.04, SECOND)]
        assert user.starts == [(1.0, SECOND)]

    def test_on_failure_a_silent_candidate_is_not_waited_for(self) -> None:
        user = User(policy=Policy.ON_FAILURE)
        user.manager.adopt(FIRST, 0.0)
        user.paths[FIRST].rtt = user.paths[SECOND].rtt = None
        user.manager.lost(FIRST, 0.0)
        user.run(10.0)
        assert user.opened == [(0.29, THIRD)]
        assert not user.under_way

    def test_on_failure_a_refusal_leads_to_the_next_one_at_once(self) -> None:
        user = User(policy=Policy.ON_FAILURE)
        user.manager.adopt(FIRST, 0.0)
        user.paths[SECOND].refuses = True
        user.manager.lost(FIRST, 0.0)
        user.run(10.0)
        assert user.opened == [(0.08, THIRD)]

    def test_on_failure_the_lost_one_itself_is_tried_again(self) -> None:
        user = User(policy=Policy.ON_FAILURE)
        user.manager.adopt(FIRST, 0.0)
        user.paths[SECOND].rtt = user.paths[THIRD].rtt = None
        user.manager.lost(FIRST, 0.0)
        user.run(10.0)
        assert user.opened == [(0.54, FIRST)]

    def test_manual_opens_what_is_requested_once(self) -> None:
        user = User(policy=Policy.MANUAL)
        user.run(5.0)
        assert not user.starts
        user.manager.request(SECOND, 5.0)
        user.run(6.0)
        assert user.opened == [(5.04, SECOND)]
        user.manager.lost(SECOND, 6.0)
        user.run(20.0)
        assert len(user.opened) == 1

    def test_a_request_is_tried_until_it_is_withdrawn(self) -> None:
        user = User(policy=Policy.MANUAL)
        user.paths[SECOND].rtt = None
        user.manager.request(SECOND, 0.0)
        user.run(1.0)
        assert user.under_way
        user.manager.withdraw(SECOND, 1.0)
        user.run(1.0)
        assert not user.under_way
        assert user.manager.deadline() is None

    def test_a_candidate_may_be_added(self) -> None:
        user = User(candidates=(FIRST, SECOND))
        user.run(1.0)
        user.paths[THIRD] = Behaviour()
        user.manager.add(THIRD, 1.0)
        user.manager.add(FIRST, 1.0)
        user.run(2.0)
        assert user.opened_at(THIRD) == pytest.approx(1.04)
        assert user.manager.candidates == (FIRST, SECOND, THIRD)

    def test_an_unknown_candidate_is_an_error(self) -> None:
        manager = PathManager([FIRST], Policy.ALL, now=0.0)
        with pytest.raises(ValueError, match=r"no candidate goes from 10\.0\.0\.2 .* candidates are: 10\.0\.0\.1 to"):
            manager.lost(SECOND, 0.0)


class TestSilence:
    def test_attempts_follow_each_other_beside_one_that_is_not_answered(self) -> None:
        user = User(candidates=(FIRST,))
        user.paths[FIRST].rtt = None
        user.run(1.0)
        assert user.starts_of(FIRST) == pytest.approx([0.0, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.95])
        assert user.most[FIRST] == 4

    def test_the_pace_slows_down_after_ten_seconds(self) -> None:
        user = User(candidates=(FIRST,))
        user.paths[FIRST].rtt = None
        user.run(30.0)
        starts = user.starts_of(FIRST)
        assert max(gaps([start for start in starts if start <= 10.2])[1:]) == pytest.approx(0.1)
        slow = gaps([start for start in starts if start > 10.3])
        assert slow[:5] == pytest.approx([0.2, 0.4, 0.8, 1.6, 2.0])
        assert max(gaps(starts)) <= 2.0 + 1e-9

    def test_one_attempt_is_left_alone_for_three_seconds(self) -> None:
        user = User(candidates=(FIRST,))
        user.paths[FIRST].rtt = None
        user.run(9.5)
        long = [lived for _, _, lived in user.cancelled if lived > 1.0]
        assert len(long) == 3
        assert min(long) >= 3.0

    @pytest.mark.parametrize("rtt", [0.001, 0.04, 0.2, 0.35, 0.6, 1.0, 2.5])
    def test_a_long_round_trip_is_no_obstacle(self, rtt: float) -> None:
        user = User(candidates=(FIRST,))
        user.paths[FIRST].rtt = rtt
        user.run(10.0)
        assert [moment for moment, _ in user.opened] == pytest.approx([rtt])
        assert not user.under_way

    @given(down=st.floats(0.0, 9.5), rtt=st.floats(0.001, 0.2))
    def test_a_path_that_comes_back_is_found_within_a_pause_and_a_round_trip(self, down: float, rtt: float) -> None:
        user = User(candidates=(FIRST, SECOND))
        user.paths[FIRST].rtt = user.paths[SECOND].rtt = rtt
        user.run(1.0)
        user.paths[FIRST].rtt = None
        user.manager.lost(FIRST, 1.0)
        user.run(1.0 + down)
        user.paths[FIRST].rtt = rtt
        user.opened.clear()
        user.run(1.0 + down + 0.21 + rtt)
        assert user.opened_at(FIRST) <= 1.0 + down + max(0.1, rtt) + rtt + 1e-6

    def test_pauses_are_as_long_as_connecting_took(self) -> None:
        user = User(candidates=(FIRST,))
        user.paths[FIRST].rtt = 0.3
        user.run(1.0)
        user.paths[FIRST].rtt = None
        user.manager.lost(FIRST, 1.0)
        user.run(4.0)
        assert min(gaps(user.starts_of(FIRST)[2:])) == pytest.approx(0.3)

    def test_a_connection_time_spoilt_by_a_lost_syn_slows_nothing_down(self) -> None:
        user = User(candidates=(FIRST,))
        user.paths[FIRST].rtt = 2.9
        user.run(3.0)
        user.paths[FIRST].rtt = None
        user.manager.lost(FIRST, 3.0)
        user.run(6.0)
        assert max(gaps(user.starts_of(FIRST)[-5:])) <= 1 / 3 + 1e-9


class TestRefusal:
    def test_a_refused_attempt_is_repeated_soon(self) -> None:
        user = User(candidates=(FIRST,))
        user.paths[FIRST].refuses = True
        user.run(2.05)
        assert gaps(user.starts_of(FIRST)) == pytest.approx([0.1] * 20)
        user.paths[FIRST].refuses = False
        user.run(3.0)
        assert user.opened_at(FIRST) <= 2.15

    def test_a_refusal_after_a_long_time_keeps_the_slow_pace(self) -> None:
        user = User(candidates=(FIRST,))
        user.paths[FIRST].refuses = True
        user.run(30.0)
        assert min(gaps([start for start in user.starts_of(FIRST) if start > 14.0])) >= 1.9

    def test_a_refused_token_is_not_followed_by_another_for_a_second(self) -> None:
        user = User(candidates=(FIRST,))
        user.paths[FIRST].token_refused = True
        user.run(4.5)
        assert min(gaps(user.starts_of(FIRST))) >= 1.0
        assert user.manager.connected == ()
        user.manager.addresses([], 4.5)
        user.manager.addresses(["10.0.0.1"], 4.5)
        user.run(4.6)
        assert min(gaps(user.starts_of(FIRST))) >= 1.0

    def test_a_failure_of_an_attempt_that_is_over_is_ignored(self) -> None:
        manager = PathManager([FIRST], Policy.ALL, now=0.0)
        manager.tokens(2)
        (connect,) = manager.actions(0.0)
        assert isinstance(connect, Connect)
        assert manager.opened(connect.attempt, 0.1)
        manager.lost(FIRST, 0.2)
        manager.adopt(FIRST, 0.3)
        manager.refused(connect.attempt, Refusal.UNREACHABLE, 0.4)
        manager.refused(999, Refusal.UNREACHABLE, 0.4)
        assert manager.connected == (FIRST,)


class TestWinner:
    def test_the_first_to_get_through_wins_and_the_others_are_cancelled(self) -> None:
        user = User(candidates=(FIRST,))
        user.paths[FIRST].rtt = 0.4
        user.run(0.39)
        assert len(user.under_way) == 3
        user.run(1.0)
        assert [moment for moment, _ in user.opened] == pytest.approx([0.4])
        assert not user.under_way

    def test_a_second_one_at_the_same_moment_is_not_wanted(self) -> None:
        manager = PathManager([FIRST], Policy.ALL, now=0.0)
        manager.tokens(5)
        first, second = (manager.actions(moment)[0] for moment in (0.0, 0.25))
        assert manager.opened(second.attempt, 0.3)
        assert not manager.opened(first.attempt, 0.3)

    def test_on_failure_one_connection_is_enough(self) -> None:
        manager = PathManager([FIRST, SECOND], Policy.ON_FAILURE, now=0.0)
        manager.tokens(5)
        attempts = {}
        for action in manager.actions(0.0) + manager.actions(0.25):
            assert isinstance(action, Connect)
            attempts[action.candidate] = action.attempt
        assert set(attempts) == {FIRST, SECOND}
        assert manager.opened(attempts[SECOND], 0.3)
        assert not manager.opened(attempts[FIRST], 0.3)


class TestTokens:
    def test_without_a_token_nothing_is_tried(self) -> None:
        user = User(tokens=0)
        user.run(5.0)
        assert not user.starts
        user.tokens = 1
        user.manager.tokens(1)
        user.run(6.0)
        assert len(user.opened) == 1

    def test_a_silent_candidate_holds_no_token_back(self) -> None:
        user = User(tokens=1, candidates=(FIRST, SECOND))
        user.paths[FIRST].rtt = None
        user.run(1.0)
        assert user.opened == [(0.04, SECOND)]

    def test_the_last_token_taken_ends_the_other_attempts(self) -> None:
        user = User(tokens=1, candidates=(FIRST, SECOND))
        user.paths[FIRST].rtt = None
        user.run(1.0)
        assert not user.under_way
        assert user.manager.deadline() is None

    def test_two_answers_and_one_token(self) -> None:
        user = User(tokens=1, candidates=(FIRST, SECOND))
        user.run(1.0)
        assert len(user.opened) == 1
        assert user.unwanted + len(user.cancelled) == 1


class TestSuspicion:
    def connected(self, policy: Policy) -> User:
        user = User(policy=policy)
        user.manager.adopt(FIRST, 0.0)
        user.run(5.0)
        user.paths[FIRST].rtt = None
        user.starts.clear()
        user.opened.clear()
        return user

    def test_on_failure_another_one_is_opened_before_the_verdict(self) -> None:
        user = self.connected(Policy.ON_FAILURE)
        user.manager.suspect(FIRST, True, 5.0)
        user.run(8.0)
        assert user.opened == [(5.04, SECOND)]
        assert {candidate for _, candidate in user.starts} == {SECOND}

    def test_on_failure_recovery_ends_the_attempts(self) -> None:
        user = self.connected(Policy.ON_FAILURE)
        user.paths[SECOND].rtt = user.paths[THIRD].rtt = None
        user.manager.suspect(FIRST, True, 5.0)
        user.run(5.4)
        assert user.under_way
        user.manager.suspect(FIRST, False, 5.4)
        user.run(8.0)
        assert not user.under_way
        assert not user.opened

    def test_a_connection_suspected_for_long_is_replaced(self) -> None:
        user = self.connected(Policy.ALL)
        user.manager.suspect(FIRST, True, 5.0)
        user.run(7.0)
        assert user.starts[0] == (5.5, FIRST)
        user.paths[FIRST].rtt = 0.04
        user.run(8.0)
        assert user.opened_at(FIRST) <= 7.15
        assert user.manager.deadline() is None

    def test_a_short_suspicion_opens_nothing(self) -> None:
        user = self.connected(Policy.ALL)
        user.manager.suspect(FIRST, True, 5.0)
        user.run(5.4)
        user.manager.suspect(FIRST, False, 5.4)
        user.run(8.0)
        assert not user.starts

    def test_suspicion_of_what_is_not_connected_is_ignored(self) -> None:
        user = User(candidates=(FIRST,), tokens=0)
        user.manager.suspect(FIRST, True, 0.0)
        assert user.manager.connected == ()


class TestAddresses:
    def test_a_candidate_without_its_address_waits_for_it(self) -> None:
        user = User(candidates=(FIRST, SECOND))
        user.manager.addresses(["10.0.0.1"], 0.0)
        user.run(5.0)
        assert {candidate for _, candidate in user.starts} == {FIRST}
        user.manager.addresses(["10.0.0.1", "10.0.0.2"], 5.0)
        user.run(6.0)
        assert user.opened_at(SECOND) == pytest.approx(5.04)

    def test_an_address_that_goes_ends_the_attempts(self) -> None:
        user = User(candidates=(FIRST,))
        user.paths[FIRST].rtt = None
        user.run(1.0)
        user.manager.addresses([], 1.0)
        user.run(1.0)
        assert not user.under_way
        assert user.manager.deadline() is None

    def test_an_address_that_comes_back_is_tried_at_once_and_eagerly(self) -> None:
        user = User(candidates=(FIRST,))
        user.paths[FIRST].rtt = None
        user.run(40.0)
        user.manager.addresses([], 40.0)
        user.run(50.0)
        user.starts.clear()
        user.manager.addresses(["10.0.0.1"], 50.0)
        user.run(51.05)
        assert user.starts_of(FIRST) == pytest.approx([50.0 + 0.1 * n for n in range(11)])

    def test_any_new_address_is_a_reason_to_try_where_the_kernel_chooses(self) -> None:
        anywhere = Candidate(None, "10.0.1.1")
        user = User(candidates=(anywhere,))
        user.paths[anywhere].rtt = None
        user.manager.addresses(["10.0.0.1"], 0.0)
        user.run(40.05)
        user.manager.addresses(["10.0.0.1", "10.0.0.9"], 40.05)
        user.run(40.05)
        assert user.starts_of(anywhere)[-1] == 40.05

    def test_spelling_and_scope_do_not_matter(self) -> None:
        local = Candidate("fe80::1%eth0", "fe80::2%eth0")
        user = User(candidates=(local,))
        user.manager.addresses(["FE80:0::1"], 0.0)
        user.run(1.0)
        assert user.opened


STEPS = st.lists(
    st.tuples(
        st.floats(0.0, 3.0),
        st.sampled_from(["path", "lost", "suspect", "tokens", "addresses", "request", "withdraw"]),
        st.sampled_from([FIRST, SECOND, THIRD]),
        st.booleans(),
        st.sampled_from([None, 0.01, 0.3, 1.0]),
    ),
    max_size=25,
)


class TestProperties:
    @given(STEPS, st.sampled_from(Policy), st.integers(2, 5))
    def test_histories(
        self, steps: list[tuple[float, str, Candidate, bool, float | None]], policy: Policy, parallel: int
    ) -> None:
        # User.act asserts that there are never more than `parallel` attempts, and that the deadline moves on.
        user = User(policy=policy, settings=PathSettings(parallel=parallel), tokens=3)
        user.manager.adopt(FIRST, 0.0)
        present = {FIRST.local, SECOND.local, THIRD.local}
        for pause, what, candidate, flag, rtt in steps:
            user.run(user.now + pause)
            match what:
                case "path":
                    user.paths[candidate] = Behaviour(rtt, refuses=flag)
                case "lost":
                    user.manager.lost(candidate, user.now)
                case "suspect":
                    user.manager.suspect(candidate, flag, user.now)
                case "tokens":
                    user.tokens = 2 * flag
                    user.manager.tokens(user.tokens)
                case "addresses":
                    present = present | {candidate.local} if flag else present - {candidate.local}
                    user.manager.addresses([address for address in present if address], user.now)
                case "request":
                    user.manager.request(candidate, user.now)
                case "withdraw":
                    user.manager.withdraw(candidate, user.now)
            user.act()
            for which, _ in user.under_way.values():
                assert which.local in present
                assert user.tokens > 0

    @given(STEPS)
    def test_a_candidate_that_is_missing_is_always_tried_again_in_time(
        self, steps: list[tuple[float, str, Candidate, bool, float | None]]
    ) -> None:
        user = User(tokens=10**6)
        for pause, what, candidate, flag, rtt in steps:
            user.run(user.now + pause)
            if what == "path":
                user.paths[candidate] = Behaviour(rtt, refuses=flag)
            elif what == "lost":
                user.manager.lost(candidate, user.now)
            else:
                continue
            user.act()
        begin = user.now
        for candidate in user.candidates:
            user.paths[candidate] = Behaviour(0.01)
        user.run(begin + 3.5)
        assert set(user.manager.connected) == {FIRST, SECOND, THIRD}
