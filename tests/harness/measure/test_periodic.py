"""Sampling threads."""

import asyncio
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.measure.errors import MeasurementError
from harness.measure.periodic import Periodic, next_deadline


class TestDeadlines:
    @given(st.integers(0, 10**12), st.integers(0, 10**10), st.integers(1, 10**9))
    def test_first_of_the_grid_after_now(self, last: int, elapsed: int, interval: int) -> None:
        now = last + elapsed
        deadline = next_deadline(last, now, interval)
        assert deadline > now
        assert deadline - now <= interval
        assert (deadline - last) % interval == 0

    def test_clock_before_last_deadline(self) -> None:
        assert next_deadline(100, 90, 10) == 110


class TestPeriodic:
    def test_samples_until_stopped(self) -> None:
        enough = threading.Event()
        times: list[int] = []

        def sample(now: int) -> None:
            times.append(now)
            if len(times) == 4:
                enough.set()

        async def run() -> None:
            periodic = Periodic("thing", 1_000_000, sample)
            periodic.start()
            assert await asyncio.to_thread(enough.wait, 10)
            periodic.check()
            await periodic.stop()

        asyncio.run(run())
        assert times == sorted(times)

    def test_failure_is_told_by_name(self) -> None:
        failed = threading.Event()
        times: list[int] = []

        def sample(now: int) -> None:
            times.append(now)
            if len(times) == 3:
                failed.set()
                raise ValueError("no such counter")

        async def run() -> None:
            periodic = Periodic("path counters", 1_000_000, sample)
            periodic.start()
            assert await asyncio.to_thread(failed.wait, 10)
            with pytest.raises(MeasurementError, match=r"path counters: .*no such counter"):
                await periodic.stop()
            with pytest.raises(MeasurementError, match="path counters"):
                periodic.check()

        asyncio.run(run())

    def test_first_sample_is_taken_by_start(self) -> None:
        times: list[int] = []

        async def run() -> None:
            periodic = Periodic("thing", 10**12, times.append)
            periodic.start()
            assert len(times) == 1
            await periodic.stop()

        asyncio.run(run())
        assert len(times) == 1

    def test_failure_of_the_first_sample_is_raised_by_start(self) -> None:
        def sample(now: int) -> None:
            raise OSError("no such node")

        with pytest.raises(MeasurementError, match=r"thing: .*no such node"):
            Periodic("thing", 10**9, sample).start()

    def test_stop_without_start(self) -> None:
        asyncio.run(Periodic("thing", 1, lambda now: None).stop())
