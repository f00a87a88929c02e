"""What the machine left for the run, sampled each second: idle CPU, steal, CPU pressure, lateness of a bare timer.

As a program (``python -m harness.measure.machine``) it is a small process of its own, so that no work of the harness
delays its timer: what the timer shows is the machine's share of every lateness that is measured elsewhere.
"""

import gc
import json
import math
import os
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.measure.helper import HelperProcess, claim_precision, read_configuration
from harness.measure.periodic import next_deadline
from harness.measure.rows import RowFile, seconds

COLUMNS = (
    "time_s", "idle", "steal", "pressure", "timer_late_p50_ms", "timer_late_p99_ms", "timer_late_max_ms", "element_cpu",
)  # fmt: skip
TICK_NS = 5_000_000
PERIOD_NS = 1_000_000_000


class Machine(HelperProcess):
    """The sampler as the orchestrator sees it; writes machine.csv.

    After ``start``, ``details`` holds ``scheduler`` (``fifo``, or ``other`` where real-time scheduling is not allowed)
    and ``missing``: columns that stay empty, since this kernel does not have what they need.
    """

    def __init__(self, path: Path, zero_ns: int, element_pid: int | None = None) -> None:
        super().__init__(
            "machine sampler",
            "harness.measure.machine",
            {"path": str(path), "zero_ns": zero_ns, "element_pid": element_pid},
        )


@dataclass(frozen=True)
class CpuTimes:
    """Ticks of all CPUs together since boot."""

    total: int
    idle: int
    steal: int


def parse_cpu_times(stat: str) -> CpuTimes:
    """Read the first line of /proc/stat; guest time is part of user time and not counted twice."""
    fields = [int(word) for word in stat.split("\n", 1)[0].split()[1:]]
    fields += [0] * (8 - len(fields))
    # user nice system idle iowait irq softirq steal
    return CpuTimes(total=sum(fields[:8]), idle=fields[3] + fields[4], steal=fields[7])


def parse_pressure(text: str) -> int:
    """Read the µs in which some task waited for a CPU since boot, from /proc/pressure/cpu.

    Raises:
        ValueError: the text has no such line.

    """
    for line in text.splitlines():
        words = line.split()
        if words and words[0] == "some":
            return int(dict(word.split("=") for word in words[1:])["total"])
    raise ValueError("/proc/pressure/cpu has no line 'some'")


def percentile(ordered: Sequence[int], share: float) -> int:
    """Return the smallest value that at least ``share`` of the values do not exceed (nearest rank)."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def lateness(deadline: int, now: int, tick: int) -> list[int]:
    """Return the lateness of every deadline from ``deadline`` on that has passed at ``now``.

    After a stall of 50 ms ten deadlines have passed: each counts with its own lateness. Counting only the one that
    was slept for would make a stall look as rare as a single tick.
    """
    return list(range(now - deadline, -1, -tick))


class _ProcFile:
    """A file of /proc, kept open and read again from its start."""

    def __init__(self, path: str) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def read(self) -> str:
        return os.pread(self._descriptor, 4096, 0).decode()


@dataclass(frozen=True)
class _Reading:
    now_ns: int
    cpu: CpuTimes
    pressure_us: int | None
    element_ns: int | None


class Sampler:
    """Reads the sources and turns the difference of two readings into one row."""

    def __init__(self, zero_ns: int, element_pid: int | None) -> None:
        self._zero_ns = zero_ns
        # The CPU-time clock of another process, as clock_getcpuclockid(3) builds it: exact where /proc has 10 ms.
        self._element_clock = None if element_pid is None else (~element_pid << 3) | 2
        self._stat = _ProcFile("/proc/stat")
        self._pressure: _ProcFile | None = None
        self.missing: list[str] = []
        try:
            self._pressure = _ProcFile("/proc/pressure/cpu")
            parse_pressure(self._pressure.read())
        except (OSError, ValueError):
            # Kernels without pressure stall information, or with it switched off at boot (reading gives EOPNOTSUPP).
            self._pressure = None
            self.missing.append("pressure")
        if element_pid is None:
            self.missing.append("element_cpu")
        self._last = self._read()

    def _read(self) -> _Reading:
        element: int | None = None
        if self._element_clock is not None:
            with suppress(OSError):  # it has ended; whoever supervises it says so
                element = time.clock_gettime_ns(self._element_clock)
        return _Reading(
            now_ns=time.monotonic_ns(),
            cpu=parse_cpu_times(self._stat.read()),
            pressure_us=None if self._pressure is None else parse_pressure(self._pressure.read()),
            element_ns=element,
        )

    def row(self, late_ns: list[int]) -> list[str | None]:
        """Return the row of the time since the last one; ``late_ns`` holds the timer's lateness in it."""
        last, now = self._last, self._read()
        self._last = now
        elapsed_ns = now.now_ns - last.now_ns
        ticks = now.cpu.total - last.cpu.total
        idle = steal = pressure = element = None
        if ticks > 0:
            # The kernel's idle count may step back by a tick.
            idle = f"{min(1.0, max(0.0, (now.cpu.idle - last.cpu.idle) / ticks)):.4f}"
            steal = f"{min(1.0, max(0.0, (now.cpu.steal - last.cpu.steal) / ticks)):.4f}"
        if now.pressure_us is not None and last.pressure_us is not None:
            pressure = f"{min(1.0, (now.pressure_us - last.pressure_us) * 1000 / elapsed_ns):.4f}"
        if now.element_ns is not None and last.element_ns is not None:
            element = f"{(now.element_ns - last.element_ns) / elapsed_ns:.4f}"
        ordered = sorted(late_ns)
        late = [f"{value / 1e6:.4f}" for value in (percentile(ordered, 0.5), percentile(ordered, 0.99), ordered[-1])]
        return [seconds(now.now_ns, self._zero_ns), idle, steal, pressure, *late, element]


def _watch_stdin(closed: threading.Event) -> None:
    while os.read(0, 4096):
        pass
    closed.set()


def run(configuration: dict[str, Any], closed: threading.Event) -> None:
    """Sample until ``closed`` is set; what was measured since the last full second is written as well."""
    with RowFile(Path(configuration["path"]), COLUMNS) as file:
        scheduler = claim_precision()
        sampler = Sampler(configuration["zero_ns"], configuration["element_pid"])
        print(json.dumps({"scheduler": scheduler, "missing": sampler.missing}), flush=True)
        # A collection in the middle of a second would look like a late timer; nothing here makes cycles.
        gc.disable()
        late: list[int] = []
        deadline = time.monotonic_ns() + TICK_NS
        due = deadline + PERIOD_NS
        while not closed.is_set():
            now = time.monotonic_ns()
            if now < deadline:
                time.sleep((deadline - now) / 1e9)
                now = time.monotonic_ns()
            passed = lateness(deadline, now, TICK_NS)
            late += passed
            deadline += len(passed) * TICK_NS
            if now >= due:
                file.write([sampler.row(late)])
                late = []
                due = next_deadline(due, now, PERIOD_NS)
        if len(late) * TICK_NS >= PERIOD_NS // 4:  # less would be a row of noise
            file.write([sampler.row(late)])


def main() -> None:
    """Read the configuration from the first line of stdin, then sample until stdin closes."""
    configuration = read_configuration("machine sampler")
    closed = threading.Event()
    threading.Thread(target=_watch_stdin, args=(closed,), daemon=True).start()
    run(configuration, closed)


if __name__ == "__main__":
    main()
