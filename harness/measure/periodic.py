"""A thread that takes a sample at a fixed interval, on absolute deadlines, and tells when it failed."""

import asyncio
import threading
import time
from collections.abc import Callable

from harness.measure.errors import MeasurementError

STOP_LIMIT_S = 5.0


class Periodic:
    """Calls ``sample(now_ns)`` every ``interval_ns`` from a thread of its own until stopped.

    A thread, and not a task of the orchestrator's event loop, so that a long step there does not leave a hole in the
    samples. A deadline that was missed by more than an interval is left out: samples are never taken in a rush, since
    each carries its own time.
    """

    def __init__(self, name: str, interval_ns: int, sample: Callable[[int], None]) -> None:
        assert interval_ns > 0
        self.name = name
        self._interval_ns = interval_ns
        self._sample = sample
        self._stopping = threading.Event()
        self._failure: BaseException | None = None
        self._last = 0
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Take the first sample at once, in the calling thread, and start the others.

        Raises:
            MeasurementError: the first sample failed.

        """
        self._last = time.monotonic_ns()
        self.sample_once()
        self._thread.start()

    def check(self) -> None:
        """Raise if sampling has ended by itself.

        Raises:
            MeasurementError: a sample failed.

        """
        if self._failure is not None:
            kind = type(self._failure).__name__
            raise MeasurementError(self.name, f"sampling failed: {kind}: {self._failure}") from self._failure

    async def stop(self) -> None:
        """End sampling and wait for the sample that is being taken.

        Raises:
            MeasurementError: sampling had failed before, or does not end.

        """
        self._stopping.set()
        if self._thread.ident is None:
            return
        await asyncio.to_thread(self._thread.join, STOP_LIMIT_S)
        if self._thread.is_alive():
            raise MeasurementError(self.name, f"a sample has not ended after {STOP_LIMIT_S:g} s")
        self.check()

    def sample_once(self) -> None:
        """Take one sample in the calling thread, while the sampling thread does not run.

        Raises:
            MeasurementError: it failed.

        """
        assert not self._thread.is_alive()
        try:
            self._sample(time.monotonic_ns())
        except Exception as error:
            self._failure = error
        self.check()

    def _run(self) -> None:
        try:
            while True:
                self._last = next_deadline(self._last, time.monotonic_ns(), self._interval_ns)
                if self._stopping.wait(max(0, self._last - time.monotonic_ns()) / 1e9):
                    return
                self._sample(time.monotonic_ns())
        except Exception as error:
            self._failure = error


def next_deadline(last: int, now: int, interval: int) -> int:
    """Return the first deadline of the grid ``last + k × interval`` that lies after ``now``."""
    missed = max(0, now - last) // interval
    return last + (missed + 1) * interval
