"""Calibrating all paths at once: one-way delay, order, rate and loss of both directions, on the idle network.

Each direction goes through the same steps by itself: greetings until one arrives (they also resolve the addresses of
the link layer, which would delay the first probe), single small probes for the delay, a train for the rate, and a wait
for what is under way. All of it happens in one thread that wakes each half millisecond, or more often for a fast
train: arrivals are stamped by the kernel and departures just before the system call, so that the thread's own lateness
enters no result.
"""

import asyncio
import os
import random
import struct
import threading
import time
from collections.abc import Sequence
from enum import Enum, auto

from harness.elements.shaper import burst_bytes
from harness.measure.calibration import Calibration, Measured, Target, When, configured, with_round_trips
from harness.measure.datagrams import BATCH, Datagram, Receiver, Train, open_socket, pack_address, unpack_address
from harness.measure.errors import MeasurementError
from harness.measure.machine import percentile
from harness.measure.shapers import RootQdisc
from harness.measure.trains import ETHERNET_HEADER, Pacer, TrainPlan, estimate_rate, in_order, plan_train
from harness.network.namespaces import enter
from harness.network.paths import Attachment, Direction, PathInstance
from harness.network.quiet import MARK
from harness.spec.link import Link

PROBES = 24
BATCHES_PER_TURN = 3
PROBE_SPACING_NS = 3_500_000
GREETING_INTERVAL_NS = 10_000_000
GREETING_LIMIT_NS = 600_000_000
MARGIN_NS = 60_000_000
TICK_NS = 500_000
SHORTEST_TICK_NS = 100_000
ENOUGH_FOR_LOSS = 100
# Without a limit there is no rate to measure, but a loss model still wants enough packets: they are sent at this rate.
LOSS_TRAIN_RATE = 50e6
CLOCK_STEP_NS = 1_000_000
_HEADER = struct.Struct("!8sBxI4x")
_GREETING, _PROBE, _TRAIN = range(3)
_UDP_IP = {"ipv4": 28, "ipv6": 48}


class _Step(Enum):
    GREET = auto()
    PROBE = auto()
    SETTLE = auto()
    TRAIN = auto()
    DRAIN = auto()
    DONE = auto()


class _End:
    """A socket at one end of a path, and whom it sends to."""

    def __init__(self, path: PathInstance, at: Attachment, address: str) -> None:
        with enter(at.pid):
            self.socket = open_socket(path.family, address, mark=MARK)
        self.receiver = Receiver(self.socket)
        self.address = (address, self.socket.getsockname()[1])
        self.peer = self.address


class _DirectionRun:
    """One direction on its way through the steps."""

    def __init__(
        self, target: Target, direction: Direction, link: Link, ends: tuple[_End, _End], seed: random.Random
    ) -> None:
        self.direction = direction
        self.link = link
        self.step = _Step.GREET
        self.reason: str | None = None
        self._sender, self._receiver = ends
        self._family = target.path.family
        self._token = seed.randbytes(8)
        self._sent: tuple[dict[int, int], dict[int, int]] = ({}, {})
        self._arrived: tuple[dict[int, int], dict[int, int]] = ({}, {})
        self._order: tuple[list[int], list[int]] = ([], [])
        self._error: str | None = None
        self._greeted = False
        jitter = link.jitter.amount if link.jitter else 0.0
        # Long enough for what is late by jitter (a normal one rarely exceeds four deviations) or by the machine.
        self._patience_ns = round((link.delay + 5 * jitter) * 1e9) + MARGIN_NS
        small = (_HEADER.size + _UDP_IP[self._family] + ETHERNET_HEADER) * 8e9 / (link.rate or 1e12)
        spacing = max(PROBE_SPACING_NS, round(4 * small))
        self._phases = [round((i + seed.random()) * spacing) for i in range(PROBES)]
        self._shaper = RootQdisc(direction.shaper)
        self._drops = 0
        self._plan: TrainPlan | None = None
        if link.rate is not None:
            round_trip = target.forward.delay + target.backward.delay
            frame = target.mtu + ETHERNET_HEADER
            self._plan = plan_train(link.rate, link.queue_bytes(round_trip, frame), burst_bytes(link.rate), frame)
        elif link.loss is not None:
            self._plan = plan_train(LOSS_TRAIN_RATE, 0, 0, target.mtu + ETHERNET_HEADER)
        self._train: Train | None = None
        self._pacer: Pacer | None = None
        if self._plan is not None:
            heads = [_HEADER.pack(self._token, _TRAIN, i) for i in range(self._plan.count)]
            self._train = Train(heads, self._plan.frame - ETHERNET_HEADER - _UDP_IP[self._family])
        self._began = self._next_greeting = time.monotonic_ns()
        self._deadline = self._began + GREETING_LIMIT_NS + 2 * self._patience_ns

    @property
    def tick_ns(self) -> int:
        """How often ``advance`` wants to be called: often enough that a train's backlog does not vanish between."""
        if self._plan is None or self.step is not _Step.TRAIN:
            return TICK_NS
        return min(TICK_NS, max(SHORTEST_TICK_NS, round(self._plan.backlog * 8e9 / self._plan.rate / 3)))

    def advance(self, now: int) -> None:
        """Send what is due at ``now`` (CLOCK_MONOTONIC) and go on to the next step where this one is complete."""
        if self.step is _Step.GREET:
            self._greet(now)
        elif self.step is _Step.PROBE:
            self._probe(now)
        elif self.step is _Step.SETTLE:
            if now >= self._deadline or len(self._arrived[0]) == len(self._sent[0]):
                self._after_probes(now)
        elif self.step is _Step.TRAIN:
            self._send_train(now)
        elif self.step is _Step.DRAIN:
            assert self._plan is not None
            if now >= self._deadline or len(self._arrived[1]) == self._plan.count:
                self._drops = self._queue_drops() - self._drops
                self.step = _Step.DONE

    def _queue_drops(self) -> int:
        qdisc = self._shaper.read()
        return qdisc.drops if qdisc else 0

    def close(self) -> None:
        """Close what reads the shaper."""
        self._shaper.close()

    def accept(self, datagram: Datagram) -> None:
        """Take a datagram that arrived at this direction's receiver."""
        if len(datagram.head) < _HEADER.size:
            return
        token, kind, sequence = _HEADER.unpack(datagram.head)
        if token != self._token:
            return
        if kind == _GREETING:
            self._greeted = True
            # Behind address translation this is where answers have to go.
            self._receiver.peer = unpack_address(datagram.sender)
            return
        arrived, order = self._arrived[kind - _PROBE], self._order[kind - _PROBE]
        arrived.setdefault(sequence, datagram.arrived_ns)
        order.append(sequence)

    def _send(self, kind: int, sequence: int) -> int:
        """Send one small packet; return the CLOCK_REALTIME just before."""
        packet = _HEADER.pack(self._token, kind, sequence)
        before = time.time_ns()
        try:
            self._sender.socket.sendto(packet, self._sender.peer)
        except OSError as error:
            # Unreachable, filtered or without its address: that is the path's state, not a failure of measuring.
            self._error = os.strerror(error.errno or 0)
        return before

    def _greet(self, now: int) -> None:
        if self._greeted:
            self.step, self._began = _Step.PROBE, now
        elif now >= self._deadline:
            waited = (now - self._began) / 1e9
            self.reason = f"no packet arrived within {waited:.1f} s" + (f" ({self._error})" if self._error else "")
            self.step = _Step.DONE
        elif now >= self._next_greeting:
            self._send(_GREETING, 0)
            self._next_greeting = now + GREETING_INTERVAL_NS

    def _probe(self, now: int) -> None:
        sent = self._sent[0]
        while len(sent) < PROBES and now >= self._began + self._phases[len(sent)]:
            sent[len(sent)] = self._send(_PROBE, len(sent))
        if len(sent) == PROBES:
            self.step, self._deadline = _Step.SETTLE, now + self._patience_ns

    def _after_probes(self, now: int) -> None:
        if self._train is None or self._plan is None:
            self.step = _Step.DONE
            return
        self._train.aim(pack_address(self._family, self._sender.peer))
        self._drops = self._queue_drops()
        self._pacer = Pacer(self._plan, time.monotonic_ns())
        self.step = _Step.TRAIN

    def _send_train(self, now: int) -> None:
        assert self._plan is not None
        assert self._train is not None
        assert self._pacer is not None
        sent = self._sent[1]
        first = len(sent)
        now = time.monotonic_ns()
        wanted = self._pacer.wanted(now)
        if wanted > 0:
            before = time.time_ns()
            try:
                count = self._train.send(self._sender.socket, first, wanted)
            except OSError as error:
                self._error, count = error.strerror, wanted
            step = (time.time_ns() - before) / max(1, count)
            sent.update((first + i, before + round(i * step)) for i in range(count))
            self._pacer.sent(now, count)
        if len(sent) == self._plan.count:
            self.step = _Step.DRAIN
            self._deadline = now + self._plan.drain_ns * 2 + self._patience_ns

    def measured(self) -> Measured | None:
        """Return what the packets say; None (and a reason) if no probe arrived."""
        delays = sorted(at - self._sent[0][seq] for seq, at in self._arrived[0].items() if seq in self._sent[0])
        if not delays:
            self.reason = self.reason or "no probe arrived" + (f" ({self._error})" if self._error else "")
            return None
        rate, sender_limited = None, False
        median = percentile(delays, 0.5)
        if self._plan is not None and self.link.rate is not None:
            times = [self._sent[1][i] for i in range(len(self._sent[1]))]
            estimate = estimate_rate(times, self._arrived[1], self._plan, median, self._drops)
            rate, sender_limited = estimate.rate, estimate.sender_limited
            if rate is None:
                self.reason = f"{len(self._arrived[1])} of {len(times)} packets of the train arrived: too few"
        sent = sum(map(len, self._sent))
        received = sum(map(len, self._arrived))
        drops = self._receiver.receiver.overflowed
        enough = sent >= ENOUGH_FOR_LOSS and not drops and not self._drops
        if self._drops:
            self.reason = (
                f"the shaper's queue dropped {self._drops} packets of the train, sized for the configured rate"
            )
        return Measured(
            rate_mbps=None if rate is None else rate / 1e6,
            delay_ms=median / 1e6,
            delay_min_ms=delays[0] / 1e6,
            delay_p99_ms=percentile(delays, 0.99) / 1e6,
            loss=1 - received / sent if enough else None,
            in_order=all(in_order(order) for order in self._order),
            sent=sent,
            received=received,
            receiver_drops=drops,
            sender_limited=sender_limited,
        )


class _PathRun:
    """A path's two sockets and two directions."""

    def __init__(self, target: Target, when: When, seed: random.Random) -> None:
        self._target = target
        self._when = when
        self._ends: list[_End] = []
        self.directions: tuple[_DirectionRun, ...] = ()
        self._failure: str | None = None
        path = target.path
        try:
            self._ends.append(_End(path, path.from_, path.from_address))
            self._ends.append(_End(path, path.to, path.to_address))
            client, server = self._ends
            client.peer, server.peer = server.address, client.address
            self.directions = (
                _DirectionRun(target, path.forward, target.forward, (client, server), seed),
                _DirectionRun(target, path.backward, target.backward, (server, client), seed),
            )
        except FileNotFoundError as error:
            self.close()
            raise MeasurementError("calibration", f"a node of path {path.name!r} is gone: {error}") from error
        except OSError as error:
            self._failure = f"cannot be reached from its ends: {error.strerror or error}"

    def poll(self, now: int) -> bool:
        """Send what is due, take what arrived; return whether something remains to be done."""
        for run in self.directions:
            run.advance(now)
        for end, run in zip(self._ends, reversed(self.directions), strict=False):
            # Not until nothing is left: what waits is stamped already, and the trains have to be sent on time.
            for _ in range(BATCHES_PER_TURN):
                datagrams = end.receiver.receive()
                for datagram in datagrams:
                    run.accept(datagram)
                if len(datagrams) < BATCH:
                    break
        return any(run.step is not _Step.DONE for run in self.directions)

    def results(self, clock_stepped: bool) -> list[Calibration]:
        path = self._target.path
        measured: list[tuple[Measured | None, str | None]] = [(None, self._failure)] * 2
        if clock_stepped:
            measured = [(None, "the machine's clock was set during calibration")] * 2
        elif self.directions:
            measured = [(run.measured(), run.reason) for run in self.directions]
        links = (self._target.forward, self._target.backward)
        return [
            Calibration(path.name, direction.name, self._when, configured(link), result, reason, rtt_ms=None)
            for direction, link, (result, reason) in zip(path.directions, links, measured, strict=True)
        ]

    @property
    def tick_ns(self) -> int:
        return min((run.tick_ns for run in self.directions), default=TICK_NS)

    def close(self) -> None:
        for run in self.directions:
            run.close()
        for end in self._ends:
            end.socket.close()


def _clock_offset() -> int:
    return time.time_ns() - time.monotonic_ns()


def calibrate_now(
    targets: Sequence[Target], when: When, seed: int, stopping: threading.Event | None = None
) -> list[Calibration]:
    """Calibrate all paths at once; blocks for as long as the slowest of them needs.

    Args:
        targets: the paths, with the links they have now.
        when: before or after the run.
        seed: of the probes' random phases.
        stopping: ends it early, with what was measured until then.

    Raises:
        MeasurementError: a node of a path does not exist any more.

    """
    random_phases = random.Random(f"calibration {when} {seed}")
    offset = _clock_offset()
    runs: list[_PathRun] = []
    try:
        for target in targets:
            runs.append(_PathRun(target, when, random_phases))
        busy = True
        while runs and busy and not (stopping is not None and stopping.is_set()):
            now = time.monotonic_ns()
            busy = sum(run.poll(now) for run in runs) > 0
            time.sleep(min(run.tick_ns for run in runs) / 1e9)
        stepped = abs(_clock_offset() - offset) > CLOCK_STEP_NS
        return with_round_trips([result for run in runs for result in run.results(stepped)])
    finally:
        for run in runs:
            run.close()


async def calibrate(targets: Sequence[Target], when: When, seed: int) -> list[Calibration]:
    """Calibrate all paths at once from a thread, so that the event loop goes on; see ``calibrate_now``."""
    stopping = threading.Event()
    try:
        return await asyncio.to_thread(calibrate_now, targets, when, seed, stopping)
    finally:
        stopping.set()
