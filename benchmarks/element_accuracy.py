"""Measures the emulated links against their specification: ``python -m benchmarks.element_accuracy`` (about 3 minutes).

Delay of single packets, goodput of one TCP flow, share of losses, forwarding capacity and processor time, all in one
sandbox. Writes ``docs/element-accuracy.md`` and its figure.
"""

import argparse
import json
import math
import os
import platform
import random
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.element_report import Point, Report, Share, write
from harness import sandbox
from harness.elements import Elements, available_elements, resolve, shaper
from harness.network.namespaces import popen_in, run_in
from harness.network.paths import PathInstance
from harness.spec.link import Link
from tests.harness.elements.chain import chain
from tests.harness.elements.traffic import Receiver, sender

GRID = (
    (1, 1),
    (1, 50),
    (1, 200),
    (25, 1),
    (25, 20),
    (25, 200),
    (100, 10),
    (100, 50),
    (200, 1),
    (200, 20),
    (200, 100),
    (200, 200),
)
GOODPUT_SHARE = 1448 / 1514
_SENDER_STALL_NS = 100_000
_BUSY = 0.1


@dataclass(frozen=True)
class Machine:
    """Processor time of the whole machine, in units of one core's seconds."""

    busy: float
    total: float

    @classmethod
    def now(cls) -> "Machine":
        """Read /proc/stat."""
        ticks = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
        hertz = os.sysconf("SC_CLK_TCK")
        return cls((sum(ticks) - ticks[3] - ticks[4]) / hertz, sum(ticks) / hertz)

    def cores_since(self, before: "Machine") -> float:
        """Return how many cores were busy on average."""
        share = (self.busy - before.busy) / max(self.total - before.total, 1e-9)
        return share * (os.cpu_count() or 1)


def link(**fields: object) -> Link:
    """Make a link from its description as in a topology file."""
    return Link.model_validate(fields)


def probe(path: PathInstance, receiver: Receiver, delay_ms: float, seconds: float) -> list[float]:
    """Send probes at random times; return each one's delay minus the specified one, in ms."""
    numbers = random.Random()
    sent: dict[int, int] = {}
    arrived: list[tuple[int, int]] = []
    with sender(path) as out:
        end = time.monotonic() + seconds
        number = 0
        while time.monotonic() < end:
            time.sleep(numbers.expovariate(1 / 0.004))
            before = time.time_ns()
            out.send(number.to_bytes(4, "big").ljust(100, b"."))
            if time.time_ns() - before < _SENDER_STALL_NS:  # otherwise the sending was late, not the link
                sent[number] = before
            number += 1
        arrived = receiver.take(number, timeout=delay_ms / 1e3 + 10)
    return [(at - sent[number]) / 1e6 - delay_ms for number, at in arrived if number in sent]


class Flow:
    """One TCP flow (cubic) through a path, for a warm-up and a measured time."""

    def __init__(self, path: PathInstance, warm_up: float, seconds: float) -> None:
        me = [sys.executable, "-m", "benchmarks.element_helpers"]
        times = [str(warm_up), str(seconds)]
        self._sink = popen_in(path.to.pid, [*me, "sink", path.to_address, *times], stdout=subprocess.PIPE)
        assert self._sink.stdout is not None
        self._sink.stdout.readline()
        self._source = popen_in(path.from_.pid, [*me, "source", path.to_address])

    def bits_per_second(self) -> float:
        """Wait for the end and return the receiver's goodput."""
        result = float(self._sink.communicate()[0])
        self._source.wait()
        return result


def measure_point(
    elements: Elements, idle: PathInstance, loaded: PathInstance, rate: int, delay: int, seconds: float
) -> Point:
    """Measure delays on one path while one TCP flow fills another one, both with this rate and delay."""
    there = link(rate=f"{rate}mbit", delay=f"{delay}ms", queue={"bytes": f"{max(60_000, rate * 125 * (delay + 5))}B"})
    back = link(delay="1ms")
    for path in (idle, loaded):
        elements.change(path.name, "forward", there)
        elements.change(path.name, "backward", back)
    warm_up = 2 + delay / 50 + rate * delay / 10_000  # slow start overshoots, and mends that round trip by round trip
    flow = Flow(loaded, warm_up, seconds)
    timer = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.element_helpers", "timer", str(warm_up + seconds)], stdout=subprocess.PIPE
    )
    before = Machine.now()
    with Receiver(idle) as receiver:
        errors = probe(idle, receiver, delay, warm_up + seconds)
    cores = Machine.now().cores_since(before)
    lateness = json.loads(timer.communicate()[0])
    goodput = flow.bits_per_second() / 1e6
    return Point(rate, delay, errors, lateness, goodput, goodput / (rate * GOODPUT_SHARE), cores)


def measure_losses(element: str, count: int = 20_000) -> list[Share]:
    """Count the losses of several models over so many packets."""
    shares = []
    with chain("l", 3) as path:
        links = {direction.key: link() for direction in path.directions}
        with Elements.setup([path], links, element=element, seed=1) as elements, Receiver(path) as receiver:
            for probability in (0.001, 0.01, 0.1):
                elements.change("l", "forward", link(delay="1ms", loss=probability))
                arrived = 0
                with sender(path) as out:
                    for number in range(count):
                        out.send(number.to_bytes(4, "big"))
                        if number % 1000 == 999:
                            arrived += len(receiver.rest(0.02))
                lost = count - arrived - len(receiver.rest(0.5))
                # The 99 % interval of a binomial share, by its normal approximation and half a packet.
                width = 2.576 * math.sqrt(count * probability * (1 - probability)) + 0.5
                shares.append(Share(probability, count, lost, count * probability - width, count * probability + width))
    return shares


def measure_capacity(element: str, seconds: float) -> tuple[float, int]:
    """Return the Gbps (with headers) that one flow of 1500-byte packets reaches, and packets dropped by the element."""
    with chain("c", 4) as path:
        links = {direction.key: link(delay="5ms") for direction in path.directions}
        with Elements.setup([path], links, element=element, seed=1) as elements:
            flow = Flow(path, 1, seconds)
            gbps = flow.bits_per_second() / GOODPUT_SHARE / 1e9
            return gbps, sum(counters.overflow for counters in elements.counters().values())


def measure_cost(element: str, seconds: float, rounds: int) -> tuple[float, float, float]:
    """Return busy cores of two loaded 25 Mbps paths without and with delay, and the element process's share."""
    without: list[float] = []
    with_delay: list[float] = []
    own: list[float] = []
    shaped = link(rate="25mbit", queue={"packets": 200})
    for _ in range(rounds):
        for delayed in (False, True):
            with chain("x", 5) as one, chain("y", 6) as two:
                paths = (one, two)
                elements = None
                if delayed:
                    slow = shaped.model_copy(update={"delay": 0.02})
                    links = {direction.key: slow for path in paths for direction in path.directions}
                    elements = Elements.setup(paths, links, element=element, seed=1)
                else:
                    setting = shaper.shaper(shaped, 0.04)
                    assert setting is not None
                    for direction in (direction for path in paths for direction in path.directions):
                        for command in shaper.add_commands(direction.shaper.interface, setting):
                            run_in(direction.shaper.pid, command)
                flows = [Flow(path, 1, seconds) for path in paths]
                time.sleep(1.5)
                before = Machine.now()
                process = elements.process if elements is not None else None
                started = process.state() if process is not None else None
                time.sleep(seconds - 1)
                (with_delay if delayed else without).append(Machine.now().cores_since(before))
                if process is not None and started is not None:
                    ended = process.state()
                    own.append((ended.cpu_ns - started.cpu_ns) / (ended.written_ns - started.written_ns))
                for flow in flows:
                    flow.bits_per_second()
                if elements is not None:
                    elements.close()
    return statistics.median(without), statistics.median(with_delay), statistics.median(own) if own else 0.0


def busy_before() -> float:
    """Return how many cores others keep busy, over two seconds."""
    before = Machine.now()
    time.sleep(2)
    return Machine.now().cores_since(before)


def measure(element: str, seconds: float, rounds: int) -> Report:
    """Measure everything, inside a sandbox."""
    others = busy_before()
    if others > _BUSY:
        print(f"warning: other programs keep {others:.2f} cores busy; the delays will show it", file=sys.stderr)
    points = []
    with chain("p", 1) as idle, chain("q", 2) as loaded:
        for pid in (loaded.from_.pid, loaded.to.pid):
            run_in(pid, ["sysctl", "-qw", "net.ipv4.tcp_rmem=4096 1000000 67108864"])
            run_in(pid, ["sysctl", "-qw", "net.ipv4.tcp_wmem=4096 1000000 67108864"])
        links = {direction.key: link() for path in (idle, loaded) for direction in path.directions}
        with Elements.setup([idle, loaded], links, element=element, seed=1) as elements:
            priority = elements.process.priority if elements.process is not None else 0
            for rate, delay in GRID:
                point = measure_point(elements, idle, loaded, rate, delay, seconds)
                points.append(point)
                print(point.line(), file=sys.stderr)
            overflow = sum(counters.overflow for counters in elements.counters().values())
    losses = measure_losses(element)
    capacity, dropped = measure_capacity(element, seconds)
    cost = measure_cost(element, seconds + 1, rounds)
    return Report(
        element=element,
        kernel=platform.release(),
        cores=os.cpu_count() or 1,
        priority=priority,
        others=others,
        points=points,
        losses=losses,
        capacity_gbps=capacity,
        overflow=overflow + dropped,
        cost=cost,
    )


def main() -> int:
    """Measure and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--element", default="auto", help="auto, netem or nfqueue")
    parser.add_argument("--seconds", type=float, default=4.0, help="measured time of each point")
    parser.add_argument("--rounds", type=int, default=2, help="pairs of measurements of the processor's time")
    parser.add_argument("--out", type=Path, default=Path("docs"), help="folder of the report")
    arguments = parser.parse_args()
    if not sandbox.inside():
        arguments.out.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "benchmarks.element_accuracy", *sys.argv[1:]]
        return sandbox.run(command, keep=[arguments.out], cwd=Path(__file__).parents[1])
    assert available_elements().names(), "no element"
    report = measure(resolve(arguments.element), arguments.seconds, arguments.rounds)
    write(report, arguments.out)
    print(report.verdict())
    return 0


if __name__ == "__main__":
    sys.exit(main())
