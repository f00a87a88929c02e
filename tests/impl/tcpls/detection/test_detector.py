"""The judgement on one connection's path."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from impl.tcpls.detection import (
    Declared,
    DetectionSettings,
    FailureDetector,
    PathState,
    PingWanted,
    Recovered,
    Suspected,
)
from tests.impl.tcpls.detection.watched import INFO, Watched


def loaded(srtt: float = 0.04, until: float = 1.0, gap: float = 0.002) -> Watched:
    """A connection that has sent as fast as it could until a moment, and was acknowledged all the time."""
    watched = Watched()
    watched.kernel(srtt=srtt, unacked=100_000, unsent=50_000)
    while watched.now < until:
        watched.send(unsent=50_000)
        watched.kernel_ack()
        watched.detector.acknowledged(watched.now, True)
        watched.run(watched.now + gap)
    assert not watched.events
    return watched


def suspected(srtt: float = 0.04) -> Watched:
    """One that was suspected after an outage."""
    watched = loaded(srtt)
    watched.run(watched.now + 0.3)
    assert watched.detector.state is PathState.SUSPECT
    return watched


class TestBlackhole:
    @pytest.mark.parametrize("srtt", [0.001, 0.04, 0.065, 0.088])
    def test_it_is_suspected_soon_under_load(self, srtt: float) -> None:
        watched = loaded(srtt)
        last_ack = watched.info.last_ack if watched.info else 0
        watched.run(watched.now + 1)
        assert 0.15 <= watched.when(Suspected) - last_ack <= 0.17

    def test_the_reason_tells_how_long_nothing_was_heard(self) -> None:
        watched = suspected()
        assert watched.events == [Suspected("no acknowledgement for 0.150 s")]

    @pytest.mark.parametrize(("srtt", "wait"), [(0.04, 1.0), (0.5, 1.4), (2.5, 3.0)])
    def test_the_verdict_comes_after_a_second_or_two_timeouts(self, srtt: float, wait: float) -> None:
        watched = loaded(srtt)
        watched.run(watched.now + 10)
        assert watched.detector.state is PathState.FAILED
        assert watched.when(Declared) - watched.when(Suspected) == pytest.approx(wait)
        assert "no sign of life" in (watched.detector.declared or "")

    def test_after_the_verdict_nothing_more_is_due(self) -> None:
        watched = loaded()
        watched.run(watched.now + 100)
        assert [type(event) for event in watched.events] == [Suspected, Declared]
        assert watched.detector.deadline() is None

    def test_a_lone_record_that_gets_lost_raises_suspicion(self) -> None:
        watched = Watched(now=5.0)
        watched.send()
        watched.run(6.0)
        assert 5.15 <= watched.when(Suspected) <= 5.25

    @given(
        srtt=st.floats(0.001, 1.0),
        jitter=st.floats(0.0, 0.25),
        unsent=st.sampled_from([0, 100_000]),
        last=st.floats(0.1, 2.0),
    )
    def test_it_is_always_suspected_within_the_bound(
        self, srtt: float, jitter: float, unsent: int, last: float
    ) -> None:
        watched = Watched()
        watched.send(unsent=unsent)
        watched.kernel(srtt=srtt, rttvar=srtt * jitter)
        while watched.now < last:
            watched.kernel_ack()
            watched.run(watched.now + 0.01)
        watched.run(watched.now + 10)
        allowed = max(0.15, srtt * (1 + 4 * jitter + (2 if not unsent else 0)) + 0.06)
        assert 0 <= watched.when(Suspected) - last <= min(allowed, 3.0) + 0.011
        assert watched.detector.state is PathState.FAILED


class TestNoFalseAlarm:
    def test_a_queue_that_fills(self) -> None:
        watched = loaded()
        for step in range(100):
            watched.kernel(srtt=0.04 + 0.0005 * step, rttvar=0.01)
            watched.kernel_ack()
            watched.run(watched.now + 0.002)
        assert not watched.events

    def test_a_delayed_acknowledgement_behind_a_queue_that_others_filled(self) -> None:
        # The kernel knows of 40 ms; the segment meets 48 ms of queue, and its acknowledgement is delayed by 40 ms.
        watched = Watched()
        for _ in range(20):
            watched.send()
            watched.run(watched.now + 0.128)
            watched.kernel_ack(everything=True)
            watched.detector.acknowledged(watched.now, False)
            watched.run(watched.now + 0.5)
        assert not watched.events

    def test_a_loss_with_duplicate_acknowledgements(self) -> None:
        watched = loaded()
        for _ in range(200):  # nothing new is acknowledged, neither to TCP nor to TCPLS
            watched.kernel(last_ack=watched.now)
            watched.run(watched.now + 0.005)
        assert not watched.events

    @pytest.mark.parametrize("srtt", [0.01, 0.04, 0.088])
    def test_a_lost_last_segment_that_the_kernel_probes_for(self, srtt: float) -> None:
        watched = loaded(srtt)
        watched.kernel(unsent=0, unacked=3 * 1448)
        watched.run(watched.now + 3 * srtt)
        watched.kernel_ack(everything=True)
        watched.run(watched.now + 1)
        assert not watched.events

    def test_an_idle_connection(self) -> None:
        watched = Watched()
        watched.send()
        watched.run(watched.now + 0.04)
        watched.kernel_ack(everything=True)
        watched.detector.acknowledged(watched.now, False)
        watched.run(14.9)
        assert not watched.events

    def test_a_peer_whose_window_is_closed(self) -> None:
        watched = loaded()
        watched.kernel(send_window=0)
        watched.kernel_ack()
        watched.run(watched.now + 4.9)
        assert not watched.events

    def test_a_kernel_that_waits_with_sending(self) -> None:
        watched = loaded()
        watched.kernel(unacked=0, unsent=10_000)
        watched.run(watched.now + 4.9)
        assert not watched.events

    def test_silence_is_counted_from_what_was_sent_after_a_pause(self) -> None:
        watched = loaded()
        watched.kernel_ack(everything=True)
        watched.detector.acknowledged(watched.now, False)
        watched.run(watched.now + 10)
        sent = watched.now
        watched.send(unsent=1)
        watched.run(sent + 0.14)
        assert not watched.events
        watched.run(sent + 1)
        assert watched.when(Suspected) >= sent + 0.15

    @given(
        srtt=st.floats(0.001, 1.0),
        jitter=st.floats(0.0, 0.25),
        shares=st.lists(st.floats(0.0, 0.99), min_size=1, max_size=40),
        unsent=st.sampled_from([0, 100_000]),
        tcpls=st.booleans(),
    )
    def test_acknowledgements_within_the_bound(
        self, srtt: float, jitter: float, shares: list[float], unsent: int, tcpls: bool
    ) -> None:
        watched = Watched()
        watched.kernel(srtt=srtt, rttvar=jitter * srtt)
        allowed = min(max(0.15, srtt * (1 + 4 * jitter) + 0.06), 3.0)
        silent = 0.0
        for share in shares:
            watched.send(unsent=unsent)
            watched.run(watched.now + share * allowed)
            silent += share * allowed
            watched.kernel_ack()
            if tcpls or silent > 1.5:
                watched.detector.acknowledged(watched.now, True)
                silent = 0.0
        assert not watched.events


class TestReturn:
    def test_an_acknowledgement_of_the_kernel_clears_the_suspicion(self) -> None:
        watched = suspected()
        watched.kernel_ack()
        watched.detector.acknowledged(watched.now, True)  # has the user look
        watched.run(watched.now + 0.01)
        assert watched.events[1:] == [Recovered()]
        assert watched.detector.alive

    def test_a_record_clears_the_suspicion_at_once(self) -> None:
        watched = suspected()
        watched.detector.received(watched.now)
        assert watched.detector.alive
        assert watched.detector.deadline() == watched.now
        watched.run(watched.now + 0.01)
        assert watched.events[1:] == [Recovered()]

    def test_everything_acknowledged_clears_the_suspicion(self) -> None:
        watched = suspected()
        watched.kernel(unacked=0, unsent=0)
        watched.run(watched.now + 1)
        watched.look()
        watched.run(watched.now)
        assert Recovered() in watched.events

    def test_an_acknowledgement_from_before_the_suspicion_does_not(self) -> None:
        watched = suspected()
        watched.kernel(last_ack=watched.when(Suspected) - 0.01)
        # The peer's TCPLS acknowledgement of what had arrived may come late, on another connection.
        watched.detector.acknowledged(watched.now, True)
        watched.run(watched.now + 0.2)
        assert watched.detector.state is PathState.SUSPECT
        assert len(watched.events) == 1

    def test_a_new_silence_is_a_new_suspicion(self) -> None:
        watched = suspected()
        watched.detector.received(watched.now)
        back = watched.now
        watched.run(watched.now + 0.5)
        assert [type(event) for event in watched.events] == [Suspected, Recovered, Suspected]
        assert watched.said[-1][0] - back == pytest.approx(0.15)

    def test_a_connection_that_was_kept_comes_back_after_the_verdict(self) -> None:
        watched = loaded()
        watched.run(watched.now + 10)
        assert watched.detector.declared
        watched.kernel_ack()
        watched.detector.received(watched.now)
        watched.run(watched.now + 0.01)
        assert watched.detector.alive
        assert watched.detector.declared is None
        assert watched.events[-1] == Recovered()


class TestTimeouts:
    def deaf(self) -> Watched:
        """The peer is heard, but does not hear us."""
        watched = loaded()
        for count in range(3):
            watched.kernel(retransmits=count)
            for _ in range(40):
                watched.kernel(last_ack=watched.now)
                watched.detector.received(watched.now)
                watched.run(watched.now + 0.01)
        return watched

    def test_a_peer_that_is_heard_and_does_not_hear_us_is_suspected(self) -> None:
        watched = self.deaf()
        assert watched.events == [Suspected("2 retransmission timeouts in a row")]

    def test_what_is_heard_does_not_clear_that(self) -> None:
        watched = self.deaf()
        watched.detector.received(watched.now)
        watched.run(watched.now + 0.01)
        assert watched.detector.state is PathState.SUSPECT

    def test_an_answer_to_a_retransmission_does(self) -> None:
        watched = self.deaf()
        watched.kernel_ack()
        watched.detector.received(watched.now)
        watched.run(watched.now + 0.01)
        assert watched.events[1:] == [Recovered()]

    def test_without_one_the_verdict_follows(self) -> None:
        watched = self.deaf()
        watched.run(watched.now + 3)
        assert watched.detector.state is PathState.FAILED
        assert "no answer to retransmissions" in (watched.detector.declared or "")

    def test_a_silent_path_on_which_only_we_hear_does_not_come_back(self) -> None:
        watched = suspected()
        watched.kernel(retransmits=2)
        watched.look()
        watched.detector.received(watched.now)
        watched.run(watched.now + 0.1)
        assert watched.detector.state is PathState.SUSPECT
        watched.run(watched.now + 3)
        assert [type(event) for event in watched.events] == [Suspected, Declared]


class TestPeerThatDoesNotRead:
    def not_read(self, until: float) -> Watched:
        watched = Watched()
        watched.send()
        watched.run(0.04)
        watched.kernel_ack(everything=True)
        watched.run(until)
        return watched

    def test_it_is_suspected_after_a_long_patience(self) -> None:
        watched = self.not_read(6.0)
        assert watched.when(Suspected) == pytest.approx(5.0)
        assert watched.events == [Suspected("the peer reads nothing: no record acknowledged for 5 s", by_path=False)]

    def test_there_is_no_verdict(self) -> None:
        watched = self.not_read(1000.0)
        assert watched.detector.state is PathState.SUSPECT
        assert len(watched.events) == 1

    def test_it_comes_back_with_an_acknowledgement(self) -> None:
        watched = self.not_read(6.0)
        watched.detector.acknowledged(watched.now, False)
        watched.run(watched.now + 0.1)
        assert watched.events[1:] == [Recovered()]

    def test_the_kernel_s_acknowledgements_do_not_clear_it(self) -> None:
        watched = self.not_read(6.0)
        watched.send()
        watched.run(6.05)
        watched.kernel_ack(everything=True)
        watched.run(7.0)
        assert watched.detector.state is PathState.SUSPECT

    def test_if_the_kernel_is_silent_too_the_verdict_follows(self) -> None:
        watched = self.not_read(6.0)
        watched.send()
        watched.run(9.0)
        assert [type(event) for event in watched.events] == [Suspected, Declared]

    def test_if_the_kernel_is_not_answered_the_verdict_follows(self) -> None:
        watched = self.not_read(6.0)
        watched.send()
        watched.kernel(retransmits=2)
        watched.kernel(last_ack=6.0)
        watched.look()
        watched.run(9.0)
        assert [type(event) for event in watched.events] == [Suspected, Declared]


class TestPings:
    def answer(self, watched: Watched, outstanding: bool = False) -> None:
        watched.kernel_ack(everything=True)
        watched.detector.received(watched.now)
        watched.detector.acknowledged(watched.now, outstanding)

    def downloading(self) -> Watched:
        watched = Watched()
        watched.detector.expecting = True
        watched.look()
        for _ in range(100):
            watched.detector.received(watched.now)
            watched.run(watched.now + 0.002)
        assert not watched.events
        return watched

    def test_an_idle_connection_is_kept_alive(self) -> None:
        watched = Watched()
        watched.run(15.0)
        assert watched.said == [(15.0, PingWanted())]
        watched.send()
        watched.run(15.04)
        self.answer(watched)
        watched.run(30.0)
        assert watched.events == [PingWanted()]
        watched.run(30.1)
        assert watched.events == [PingWanted(), PingWanted()]

    @pytest.mark.parametrize(("srtt", "wait"), [(0.01, 0.1), (0.04, 0.12)])
    def test_data_that_stops_has_a_ping_follow_soon(self, srtt: float, wait: float) -> None:
        watched = self.downloading()
        watched.kernel(srtt=srtt)
        watched.look()
        last = watched.now - 0.002
        watched.run(watched.now + wait)
        assert watched.when(PingWanted) - last == pytest.approx(wait, abs=1e-6)

    def test_without_expectation_there_is_none(self) -> None:
        watched = self.downloading()
        watched.detector.expecting = False
        watched.run(watched.now + 14)
        assert not watched.events

    def test_pings_that_are_answered_become_rare(self) -> None:
        watched = self.downloading()
        begin = watched.now
        pings = 0
        while watched.now < begin + 60:
            watched.run(watched.now + 0.02)
            if len(watched.events) > pings:
                pings = len(watched.events)
                watched.send()
                watched.run(watched.now + 0.05)
                self.answer(watched)
        moments = [moment for moment, _ in watched.said]
        gaps = [later - earlier for earlier, later in pairwise(moments)]
        assert gaps[:4] == pytest.approx([0.24, 0.48, 0.96, 1.92], abs=0.1)
        assert max(gaps) <= 15.1
        assert set(watched.events) == {PingWanted()}

    def test_data_makes_them_quick_again(self) -> None:
        watched = self.downloading()
        for _ in range(2):
            watched.run(watched.now + 0.3)
            watched.send()
            watched.run(watched.now + 0.05)
            self.answer(watched)
        before = len(watched.events)
        watched.detector.received(watched.now)
        watched.run(watched.now + 0.13)
        assert len(watched.events) == before + 1

    def test_a_ping_into_a_blackhole_raises_suspicion(self) -> None:
        watched = self.downloading()
        last = watched.now
        watched.run(last + 0.121)
        assert watched.events == [PingWanted()]
        watched.send()
        watched.run(last + 1)
        assert watched.when(Suspected) - last <= 0.12 + 0.2

    def test_there_is_none_while_something_is_in_flight(self) -> None:
        watched = self.downloading()
        watched.send(elicits_ack=False)
        watched.run(watched.now + 1)
        assert [type(event) for event in watched.events] == [Suspected]

    def test_old_data_promises_no_more(self) -> None:
        watched = self.downloading()
        watched.detector.expecting = False
        watched.run(watched.now + 5)
        watched.detector.expecting = True
        watched.run(watched.now + 5)
        assert not watched.events


class TestWithoutTheKernel:
    def test_the_peer_s_acknowledgements_keep_it_alive(self) -> None:
        watched = Watched(info=None)
        for _ in range(50):
            watched.send()
            watched.run(watched.now + 0.4)
            watched.detector.acknowledged(watched.now, True)
        assert not watched.events

    def test_silence_raises_suspicion_and_the_verdict_follows(self) -> None:
        watched = Watched(info=None)
        for _ in range(40):
            watched.send()
            watched.run(watched.now + 0.06)
            watched.detector.acknowledged(watched.now, False)
        sent = watched.now
        watched.send()
        watched.run(sent + 10)
        assert watched.when(Suspected) - sent == pytest.approx(0.5)
        assert watched.when(Declared) - watched.when(Suspected) == pytest.approx(1.0)

    def test_an_unknown_or_long_round_trip_gets_more_time(self) -> None:
        watched = Watched(info=None)
        watched.send()
        watched.run(1.2)
        assert not watched.events
        watched.detector.acknowledged(watched.now, False)
        for _ in range(20):
            watched.send()
            watched.run(watched.now + 1.2)
            watched.detector.acknowledged(watched.now, False)
        assert not watched.events

    def test_an_acknowledgement_brings_it_back(self) -> None:
        watched = Watched(info=None)
        watched.send()
        watched.run(2.0)
        assert watched.detector.state is PathState.SUSPECT
        watched.detector.acknowledged(watched.now, False)
        watched.run(2.1)
        assert [type(event) for event in watched.events] == [Suspected, Recovered]

    def test_records_that_elicit_no_acknowledgement_are_not_waited_for(self) -> None:
        watched = Watched(info=None)
        watched.send(elicits_ack=False)
        watched.run(14.0)
        assert not watched.events


FACTS = st.lists(
    st.tuples(
        st.floats(0.0, 0.6),
        st.sampled_from(["sent", "ack only", "acknowledged", "received", "observed", "expecting", "tick", "wait"]),
        st.booleans(),
        st.integers(0, 3),
        st.floats(0.0, 0.3),
    ),
    max_size=40,
)


class TestDeadline:
    @settings(max_examples=300)
    @given(FACTS, st.booleans())
    def test_it_never_lies(self, facts: list[tuple[float, str, bool, int, float]], kernel: bool) -> None:
        now = 0.0
        detector = FailureDetector(DetectionSettings(), now)
        states = {PathState.ALIVE: {Suspected, PingWanted}, PathState.SUSPECT: {Declared, Recovered}}
        for pause, what, flag, count, age in facts:
            now += pause
            match what:
                case "sent" | "ack only":
                    detector.sent(now, what == "sent")
                case "acknowledged":
                    detector.acknowledged(now, flag)
                case "received":
                    detector.received(now)
                case "expecting":
                    detector.expecting = flag
                case "observed" if kernel:
                    watched = Watched(info=INFO)
                    watched.kernel(unacked=1448 * flag, retransmits=count, last_ack=max(now - age, 0.0), unsent=count)
                    assert watched.info is not None
                    detector.observed(watched.info, now)
            due = detector.deadline()
            if due is not None and due > now:
                before = detector.state
                assert detector.tick((now + due) / 2 if what == "wait" else now) == []
                assert detector.state is before
                assert detector.deadline() == due
            if what == "tick" and due is not None:
                now = max(now, due)
                said = detector.tick(now)
                if said and not any(isinstance(event, Recovered) for event in said):
                    assert any(type(said[0]) in kinds for kinds in states.values())
                later = detector.deadline()
                assert later is None or later > now
            assert detector.alive == (detector.state is PathState.ALIVE)
            assert (detector.declared is not None) == (detector.state is PathState.FAILED)

    @given(FACTS)
    def test_states_follow_each_other_as_they_should(self, facts: list[tuple[float, str, bool, int, float]]) -> None:
        watched = Watched()
        state = PathState.ALIVE
        taken = 0
        for pause, what, flag, count, age in facts:
            watched.run(watched.now + pause)
            match what:
                case "sent" | "ack only":
                    watched.send(elicits_ack=what == "sent")
                case "acknowledged":
                    watched.detector.acknowledged(watched.now, flag)
                case "received":
                    watched.detector.received(watched.now)
                case "observed":
                    watched.kernel(unacked=1448 * flag, retransmits=count, last_ack=max(watched.now - age, 0.0))
                case "expecting":
                    watched.detector.expecting = flag
            for event in watched.events[taken:]:
                match event:
                    case Suspected():
                        assert state is PathState.ALIVE
                        state = PathState.SUSPECT
                    case Declared():
                        assert state is PathState.SUSPECT
                        state = PathState.FAILED
                    case Recovered():
                        assert state is not PathState.ALIVE
                        state = PathState.ALIVE
                    case PingWanted():
                        assert state is PathState.ALIVE
            taken = len(watched.events)
