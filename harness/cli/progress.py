"""What is shown while runs go on: one live line on a terminal, nothing elsewhere."""

import sys
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from harness.run.order import Progress
from harness.run.session import Finished
from harness.spec.plan import PlannedRun

REFRESH_PER_S = 8
_MARKS = {"pass": "✓", "fail": "✗", "invalid": "~", "unsupported": "-"}


class Display:
    """The live line: which run, its phase, elapsed and remaining time, and the goodput of now."""

    def __init__(self, runs: int, *, quiet: bool) -> None:
        self._runs = runs
        self._console = Console(stderr=True)
        self._live: Live | None = None
        if not quiet and sys.stderr.isatty():
            self._live = Live(console=self._console, refresh_per_second=REFRESH_PER_S, transient=True)
        self._head = ""
        self._began = 0.0

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def begin(self, number: int, run: PlannedRun) -> None:
        """Say that a run begins."""
        values = " ".join(f"{key}={value}" for key, value in run.values.items())
        self._head = f"[{number}/{self._runs}] {run.scenario.name} {run.endpoint.name} {values} seed={run.seed}"
        self._began = time.monotonic()

    def progress(self, moment: Progress) -> None:
        """Show where the run is; a prompt gets the terminal for itself."""
        if self._live is None:
            return
        if moment.phase == "prompt":
            self._live.stop()
            return
        self._live.update(Text(f"{self._head}  {describe(moment)}", no_wrap=True, overflow="ellipsis"))

    def end(self, done: Finished) -> None:
        """Leave a line about a run that has ended."""
        if self._live is None:
            return
        record = done.record
        attempt = f" (attempt {record.attempt})" if record.attempt > 1 else ""
        seconds = time.monotonic() - self._began
        reasons = f": {record.reasons[0]}" if record.verdict != "pass" and record.reasons else ""
        line = f"{_MARKS[record.verdict]} {self._head}  {record.verdict}{attempt} in {seconds:.0f} s{reasons}"
        self._console.print(Text(line))


def describe(moment: Progress) -> str:
    """Return a moment in words: ``transfer 4.2 s of 60 s at most, 31 % received, 46.7 Mbit/s, 7 s to go``."""
    if moment.elapsed_s is None:
        return moment.phase
    parts = [f"{moment.phase} {max(0.0, moment.elapsed_s):.1f} s of {moment.limit_s or 0:.0f} s at most"]
    if moment.expected:
        parts.append(f"{100 * moment.received / moment.expected:.0f} % received")
    if moment.goodput_mbps is not None:
        parts.append(f"{moment.goodput_mbps:.1f} Mbit/s")
        if moment.goodput_mbps > 0:
            remaining = (moment.expected - moment.received) * 8e-6 / moment.goodput_mbps
            parts.append(f"{remaining:.0f} s to go")
    return ", ".join(parts)
