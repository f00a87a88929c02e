"""Measuring a rate with a train of packets: how it is paced, and what its arrivals say; no I/O."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

ETHERNET_HEADER = 14
MIN_TRAIN_S = 0.15
MAX_TRAIN_S = 2.0
MIN_FRAMES = 40
FEWEST_FRAMES = 8
MAX_EXCESS = 0.25
QUEUE_SHARE = 0.6
QUEUE_TIME_S = 0.06
FEWEST_QUEUED = 4
MIN_STRETCH_SHARE = 0.5


@dataclass(frozen=True)
class TrainPlan:
    """A train: ``kick`` frames at once, then one each ``interval_ns``, ``count`` in all.

    The kick uses up the tokens that the shaper saved while idle and leaves a backlog; the pace above the rate lets the
    backlog grow to ``QUEUE_SHARE`` of the queue at the end, or to QUEUE_TIME_S where the queue holds more (draining it
    would take long on a slow path). From the kick on, the shaper never has nothing to send.

    Attributes:
        frame: bytes of one Ethernet frame without preamble and checksum, as a shaper counts them.
        count: frames in all.
        kick: frames sent at once at the start.
        interval_ns: time between the others.
        rate: the configured rate in bits per second.
        burst: bytes that the shaper lets pass at once after it was idle.
        backlog: bytes in the queue after the kick.
        peak: bytes in the queue at the end, the most that it may hold of this train.

    """

    frame: int
    count: int
    kick: int
    interval_ns: float
    rate: float
    burst: int
    backlog: int
    peak: int

    def due(self, elapsed_ns: int) -> int:
        """Return how many frames are to have been sent ``elapsed_ns`` after the start."""
        if elapsed_ns < 0:
            return 0
        return min(self.count, self.kick + int(elapsed_ns / self.interval_ns))

    @property
    def duration_ns(self) -> int:
        """Time from the first to the last frame."""
        return round((self.count - self.kick) * self.interval_ns)

    @property
    def drain_ns(self) -> int:
        """Time that the shaper needs, after the last frame was sent, for what is queued then."""
        queued = self.count * self.frame - self.burst - self.rate * self.duration_ns / 8e9
        return max(0, round(queued * 8e9 / self.rate))


def plan_train(rate: float, queue: int, burst: int, frame: int) -> TrainPlan:
    """Plan a train for a rate in bits per second, and a queue and a burst in bytes.

    It lasts long enough for the rate to show and, on slow paths, for enough frames, within MAX_TRAIN_S.
    """
    assert rate > 0
    assert frame > 0
    frame_ns = frame * 8e9 / rate
    duration_ns = min(max(MIN_TRAIN_S * 1e9, MIN_FRAMES * frame_ns), MAX_TRAIN_S * 1e9)
    steady = max(FEWEST_FRAMES, duration_ns / frame_ns)
    room = min(QUEUE_SHARE * queue, max(FEWEST_QUEUED * frame, QUEUE_TIME_S * rate / 8))
    backlog = max(1, int(room / 2 / frame))
    growth = max(0.0, room - backlog * frame) / frame
    excess = min(MAX_EXCESS, growth / steady)
    kick = backlog + -(-burst // frame)
    return TrainPlan(
        frame=frame,
        count=kick + round(steady * (1 + excess)),
        kick=kick,
        interval_ns=frame_ns / (1 + excess),
        rate=rate,
        burst=burst,
        backlog=backlog * frame,
        peak=backlog * frame + round(steady * excess * frame),
    )


class Bucket:
    """A token bucket of the configured rate, followed through the times at which frames are sent."""

    def __init__(self, plan: TrainPlan) -> None:
        self._plan = plan
        self._last: int | None = None
        # Bytes that wait for tokens; below zero: tokens at hand.
        self._level = -float(plan.burst)

    def _pass(self, now_ns: int) -> None:
        if self._last is not None:
            drained = self._plan.rate * (now_ns - self._last) / 8e9
            self._level = max(-float(self._plan.burst), self._level - drained)
        self._last = now_ns

    def room(self, now_ns: int) -> int:
        """Return how many frames may be sent at ``now_ns`` without exceeding the plan's peak."""
        self._pass(now_ns)
        return max(0, int((self._plan.peak + self._plan.frame - self._level) // self._plan.frame))

    def send(self, now_ns: int) -> tuple[bool, bool]:
        """Add a frame; return whether the shaper had been kept busy until then, and whether the frame has to wait."""
        self._pass(now_ns)
        busy = self._level >= 0
        self._level += self._plan.frame
        return busy, self._level > 0


class Pacer:
    """Says how many frames of a plan to send, and when."""

    def __init__(self, plan: TrainPlan, start_ns: int) -> None:
        self._plan = plan
        self._bucket = Bucket(plan)
        self._start_ns = start_ns
        self._sent = 0

    def wanted(self, now_ns: int) -> int:
        """Return how many frames to send at ``now_ns``.

        After a stall longer than the backlog lasts, catching up at once would overflow the queue: what does not fit is
        postponed, and all after it.
        """
        due = self._plan.due(now_ns - self._start_ns) - self._sent
        wanted = min(due, self._bucket.room(now_ns))
        self._start_ns += round(max(0, due - wanted) * self._plan.interval_ns)
        return wanted

    def sent(self, now_ns: int, count: int) -> None:
        """Take note of the frames that were sent at ``now_ns``."""
        self._sent += count
        for _ in range(count):
            self._bucket.send(now_ns)


def busy_stretch(sent_ns: Sequence[int], plan: TrainPlan) -> tuple[int, int]:
    """Return first and last index of the longest stretch in which the shaper always had something to send.

    Where the sender was late enough for the backlog to vanish, arrivals show the sender and not the rate.
    """
    best = (0, 0)
    first: int | None = None
    bucket = Bucket(plan)
    for index, now in enumerate(sent_ns):
        busy, waits = bucket.send(now)
        if not busy:
            first = None
        if waits:
            first = index if first is None else first
            if index - first > best[1] - best[0]:
                best = (first, index)
    return best


@dataclass(frozen=True)
class RateEstimate:
    """What a train says about the rate.

    Attributes:
        rate: bits per second in whole Ethernet frames; None if too few frames arrived.
        sender_limited: the train did not keep the shaper busy, because the sender was late or the path is faster than
            its configuration says; the rate is then at least the one given.

    """

    rate: float | None
    sender_limited: bool


def estimate_rate(
    sent_ns: Sequence[int], arrived_ns: Mapping[int, int], plan: TrainPlan, base_ns: int, queue_drops: int = 0
) -> RateEstimate:
    """Estimate the rate from the times of sending and arrival, by sequence number, of a train.

    Frames lost behind the shaper have used their time in it, so that time is counted by sequence numbers. Frames that
    the shaper's own queue dropped (``queue_drops``; none if the rate is what the plan took it for) have not: then
    arrivals are counted, and those that were lost behind the shaper are added by their share.

    The median over pairs that lie half the train apart is used, and not first against last: neither jitter nor a stall
    of the machine nor the ticks of an emulator can then move the result by more than a fraction of themselves.

    ``base_ns`` is the path's delay without queue: a train that does not wait longer than that met no bottleneck.
    """
    first, last = busy_stretch(sent_ns, plan)
    too_short = last - first + 1 < len(sent_ns) * MIN_STRETCH_SHARE
    if too_short:
        first, last = 0, len(sent_ns) - 1
    points = sorted((seq, at) for seq, at in arrived_ns.items() if first <= seq <= last)
    if len(points) < FEWEST_FRAMES // 2:
        return RateEstimate(None, sender_limited=too_short)
    waited = statistics.median(at - sent_ns[seq] for seq, at in points) - base_ns
    passed = 1.0
    if queue_drops:
        points = list(enumerate(sorted(at for _, at in points)))
        passed = min(1.0, len(arrived_ns) / max(1, len(sent_ns) - queue_drops))
    half = len(points) // 2
    per_frame = statistics.median(
        (points[i + half][1] - points[i][1]) / (points[i + half][0] - points[i][0]) for i in range(len(points) - half)
    )
    if per_frame <= 0:
        return RateEstimate(None, sender_limited=True)
    expected = plan.backlog * 8e9 / plan.rate
    return RateEstimate(plan.frame * 8e9 / per_frame / passed, sender_limited=too_short or waited < expected / 4)


def in_order(sequence: Sequence[int]) -> bool:
    """Return whether sequence numbers arrived in the order of sending; a duplicate counts only if it came late."""
    return all(a <= b for a, b in pairwise(sequence))
