"""The machine sampler."""

import asyncio
import csv
import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.measure.machine import COLUMNS, Machine, lateness, parse_cpu_times, parse_pressure, percentile


class TestParsing:
    def test_cpu_times(self) -> None:
        times = parse_cpu_times("cpu  10 1 5 100 7 2 3 4 9 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n")
        assert (times.total, times.idle, times.steal) == (132, 107, 4)

    def test_cpu_times_of_old_kernels(self) -> None:
        assert parse_cpu_times("cpu 1 2 3 4\n").steal == 0

    def test_pressure(self) -> None:
        assert parse_pressure("some avg10=0.00 avg60=0.01 avg300=0.00 total=1234\nfull avg10=0 total=9\n") == 1234

    def test_pressure_without_some(self) -> None:
        with pytest.raises(ValueError, match="some"):
            parse_pressure("full avg10=0.00 total=9\n")


class TestLateness:
    @given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(1000, 10**8))
    def test_every_passed_deadline_counts_once(self, deadline: int, late: int, tick: int) -> None:
        values = lateness(deadline, deadline + late, tick)
        assert len(values) == late // tick + 1
        assert values[0] == late
        assert 0 <= values[-1] < tick

    def test_not_yet_due(self) -> None:
        assert lateness(100, 99, 5) == []


class TestPercentile:
    @given(st.lists(st.integers(0, 1000), min_size=1), st.floats(0.01, 1.0))
    def test_nearest_rank(self, values: list[int], share: float) -> None:
        ordered = sorted(values)
        found = percentile(ordered, share)
        assert sum(value <= found for value in ordered) >= share * len(ordered) - 1e-9
        assert sum(value < found for value in ordered) <= share * len(ordered) + 1e-9


class TestProcess:
    def test_samples_each_second(self, tmp_path: Path) -> None:
        file = tmp_path / "machine.csv"
        began = time.monotonic_ns()

        async def run() -> float:
            machine = Machine(file, began, os.getpid())
            await machine.start()
            assert machine.details["scheduler"] in ("fifo", "other")
            limit = time.monotonic() + 20
            while file.read_text().count("\n") < 3:
                machine.check()
                assert time.monotonic() < limit
                await asyncio.sleep(0.02)
            used = time.clock_gettime((~machine.pid << 3) | 2)
            await machine.stop()
            return used

        used = asyncio.run(run())
        elapsed = (time.monotonic_ns() - began) / 1e9
        rows = list(csv.DictReader(file.read_text().splitlines()))
        assert tuple(rows[0]) == COLUMNS
        assert 0.9 < float(rows[1]["time_s"]) - float(rows[0]["time_s"]) < 2
        for row in rows[:2]:
            assert 0 <= float(row["idle"]) <= 1
            assert 0 <= float(row["timer_late_p50_ms"]) <= float(row["timer_late_p99_ms"])
            assert float(row["timer_late_p99_ms"]) <= float(row["timer_late_max_ms"])
            assert 0 <= float(row["element_cpu"]) <= 1.5
            assert row["pressure"] == "" or 0 <= float(row["pressure"]) <= 1
        # Loading Python itself costs some 0.1 s; what remains must be small against the time sampled.
        assert used < 0.6 + 0.02 * elapsed
