"""Trains: their plan, and what is read from their arrivals."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.measure.trains import (
    FEWEST_FRAMES,
    MAX_TRAIN_S,
    QUEUE_SHARE,
    Bucket,
    Pacer,
    TrainPlan,
    busy_stretch,
    estimate_rate,
    in_order,
    plan_train,
)

FRAME = 1514
DELAY_NS = 20_000_000


def _schedule(plan: TrainPlan, stalls: dict[int, int] | None = None) -> list[int]:
    """Times at which a sender that wakes each half frame time and stalls (before frame → ns) sends a plan's frames."""
    stalls = dict(stalls or {})
    pacer = Pacer(plan, 0)
    now = 0.0
    times: list[int] = []
    while len(times) < plan.count:
        for place in [place for place in stalls if place <= len(times)]:
            now += stalls.pop(place)
        wanted = pacer.wanted(round(now))
        pacer.sent(round(now), wanted)
        times += [round(now)] * wanted
        now += plan.interval_ns / 2
    return times


def _shape(sent: list[int], rate: float, burst: int, limit: int) -> tuple[dict[int, int], int]:
    """A tbf: the arrivals behind it and DELAY_NS, and the number of frames that its queue dropped."""
    arrivals: dict[int, int] = {}
    tokens, last, free_at, drops = float(burst), 0.0, 0.0, 0
    queued: list[float] = []
    for i, now in enumerate(sent):
        queued = [leaves for leaves in queued if leaves > now]
        if len(queued) * FRAME >= limit:
            drops += 1
            continue
        start = max(now, free_at)
        tokens = min(burst, tokens + rate * (start - last) / 8e9)
        wait = max(0.0, (FRAME - tokens) * 8e9 / rate)
        leaves = start + wait
        tokens += rate * wait / 8e9 - FRAME
        last = free_at = leaves
        queued.append(leaves)
        arrivals[i] = round(leaves) + DELAY_NS
    return arrivals, drops


_RATES = st.floats(2e5, 5e8)


class TestPlan:
    @given(_RATES, st.integers(1, 400), st.integers(FRAME, 10**6))
    def test_bounds(self, rate: float, packets: int, burst: int) -> None:
        plan = plan_train(rate, packets * FRAME, burst, FRAME)
        frame_s = FRAME * 8 / rate
        assert plan.duration_ns <= max(MAX_TRAIN_S, FEWEST_FRAMES * frame_s) * 1e9 + plan.interval_ns * 2
        assert plan.due(-1) == 0
        assert plan.due(0) == plan.kick
        assert plan.due(plan.duration_ns + round(plan.interval_ns) + 1) == plan.count
        assert plan.interval_ns <= frame_s * 1e9 * (1 + 1e-9)

    @given(_RATES, st.integers(4, 400), st.integers(FRAME, 10**6))
    @settings(max_examples=30, deadline=None)
    def test_never_overflows_the_queue(self, rate: float, packets: int, burst: int) -> None:
        plan = plan_train(rate, packets * FRAME, burst, FRAME)
        _, drops = _shape(_schedule(plan), rate, burst, packets * FRAME)
        assert drops == 0
        assert plan.peak <= max(FRAME, QUEUE_SHARE * packets * FRAME) + 1

    def test_usual_path(self) -> None:
        plan = plan_train(25e6, 100 * FRAME, 6250, FRAME)
        assert 0.14 < plan.duration_ns / 1e9 < 0.16
        assert plan.drain_ns < 60_000_000
        assert 300 < plan.count < 500


class TestBucket:
    def test_room_after_a_stall(self) -> None:
        plan = plan_train(25e6, 100 * FRAME, 6250, FRAME)
        bucket = Bucket(plan)
        for _ in range(plan.kick):
            bucket.send(0)
        full = bucket.room(0)
        assert 0 < full < 60
        # After a long pause all tokens and the whole peak are free again, and not a frame more.
        assert bucket.room(10**10) == (plan.peak + plan.frame + plan.burst) // plan.frame


class TestBusyStretch:
    def test_punctual_sender(self) -> None:
        plan = plan_train(25e6, 100 * FRAME, 6250, FRAME)
        first, last = busy_stretch(_schedule(plan), plan)
        assert first <= plan.kick
        assert last == plan.count - 1

    def test_stall_splits(self) -> None:
        plan = plan_train(25e6, 100 * FRAME, 6250, FRAME)
        middle = plan.count // 3
        first, last = busy_stretch(_schedule(plan, {middle: 80_000_000}), plan)
        assert first >= middle
        assert last == plan.count - 1

    def test_empty(self) -> None:
        assert busy_stretch([], plan_train(25e6, FRAME, 0, FRAME)) == (0, 0)


class TestEstimate:
    @given(
        st.sampled_from([1e6, 5e6, 25e6, 200e6, 1e9]), st.integers(10, 300), st.floats(0, 0.3), st.integers(0, 2**32)
    )
    @settings(max_examples=40, deadline=None)
    def test_exact_in_spite_of_loss_behind_the_shaper(self, rate: float, packets: int, loss: float, seed: int) -> None:
        plan = plan_train(rate, packets * FRAME, round(rate / 4000) + 2 * FRAME, FRAME)
        sent = _schedule(plan)
        arrivals, drops = _shape(sent, rate, plan.burst, packets * FRAME)
        chance = random.Random(seed)
        arrivals = {seq: at for seq, at in arrivals.items() if chance.random() >= loss}
        estimate = estimate_rate(sent, arrivals, plan, DELAY_NS, drops)
        assert estimate.rate == pytest.approx(rate, rel=0.002)

    @given(st.integers(0, 2**32))
    @settings(max_examples=20, deadline=None)
    def test_ticks_and_jitter(self, seed: int) -> None:
        plan = plan_train(25e6, 100 * FRAME, 6250, FRAME)
        sent = _schedule(plan)
        arrivals, _ = _shape(sent, 25e6, plan.burst, 100 * FRAME)
        chance = random.Random(seed)
        noisy = {seq: -(-at // 500_000) * 500_000 + round(abs(chance.gauss(0, 1e6))) for seq, at in arrivals.items()}
        estimate = estimate_rate(sent, noisy, plan, DELAY_NS)
        assert estimate.rate == pytest.approx(25e6, rel=0.01)
        assert not estimate.sender_limited

    @pytest.mark.parametrize("real", [5e6, 10e6, 20e6, 24e6])
    def test_slower_than_configured(self, real: float) -> None:
        plan = plan_train(25e6, 100 * FRAME, 6250, FRAME)
        sent = _schedule(plan)
        arrivals, drops = _shape(sent, real, plan.burst, 100 * FRAME)
        assert estimate_rate(sent, arrivals, plan, DELAY_NS, drops).rate == pytest.approx(real, rel=0.02)

    @pytest.mark.parametrize("real", [30e6, 50e6, 1e9])
    def test_faster_than_configured_is_said(self, real: float) -> None:
        plan = plan_train(25e6, 100 * FRAME, 6250, FRAME)
        sent = _schedule(plan)
        arrivals, _ = _shape(sent, real, plan.burst, 100 * FRAME)
        estimate = estimate_rate(sent, arrivals, plan, DELAY_NS)
        assert estimate.rate is not None
        assert estimate.rate > 27e6
        # Where the backlog of the kick does not last, the rate is a lower bound.
        assert estimate.sender_limited or estimate.rate == pytest.approx(real, rel=0.01)

    @given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 200_000_000)), max_size=4))
    @settings(max_examples=30, deadline=None)
    def test_stalls_neither_overflow_nor_lower_the_rate(self, stalls: list[tuple[int, int]]) -> None:
        plan = plan_train(25e6, 100 * FRAME, 6250, FRAME)
        sent = _schedule(plan, dict(stalls))
        arrivals, drops = _shape(sent, 25e6, plan.burst, 100 * FRAME)
        assert drops == 0
        estimate = estimate_rate(sent, arrivals, plan, DELAY_NS)
        assert estimate.sender_limited or estimate.rate == pytest.approx(25e6, rel=0.005)

    def test_nothing_arrived(self) -> None:
        plan = plan_train(25e6, 100 * FRAME, 6250, FRAME)
        assert estimate_rate(_schedule(plan), {}, plan, DELAY_NS).rate is None

    def test_nothing_sent(self) -> None:
        assert estimate_rate([], {}, plan_train(25e6, FRAME, 0, FRAME), 0).rate is None


class TestOrder:
    @pytest.mark.parametrize(
        ("sequence", "ordered"),
        [([], True), ([1], True), ([1, 2, 5], True), ([1, 1, 2], True), ([2, 1], False), ([1, 2, 1], False)],
    )
    def test_in_order(self, sequence: list[int], ordered: bool) -> None:
        assert in_order(sequence) is ordered
