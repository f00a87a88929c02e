"""A measuring component that runs as a process of its own: started, watched and ended from an asyncio orchestrator."""

import asyncio
import ctypes
import json
import os
import signal
import sys
from collections import deque
from collections.abc import Mapping
from typing import Any

from harness.measure.errors import MeasurementError

START_LIMIT_S = 15.0
STOP_LIMIT_S = 5.0
_LOG_LINES = 20
_PR_SET_TIMERSLACK = 29


class HelperProcess:
    """``python -m module`` that reads its configuration from the first line of stdin and ends when stdin closes.

    It answers with one line of JSON when it is ready. Because the end of the harness closes the pipe, whatever ended
    it, no helper outlives its run.
    """

    def __init__(self, name: str, module: str, configuration: Mapping[str, Any]) -> None:
        self.name = name
        self.details: dict[str, Any] = {}
        self._module = module
        self._configuration = configuration
        self._process: asyncio.subprocess.Process | None = None
        self._log: deque[str] = deque(maxlen=_LOG_LINES)
        self._reader: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        """Process id.

        Raises:
            MeasurementError: it has not been started.

        """
        if self._process is None:
            raise MeasurementError(self.name, "has not been started")
        return self._process.pid

    async def start(self) -> None:
        """Start the process and wait until it says that it measures.

        Raises:
            MeasurementError: it ended instead, or took longer than START_LIMIT_S.

        """
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", self._module,
            stdin=pipe, stdout=pipe, stderr=pipe,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            # Ctrl-C reaches the whole foreground group; the helper must end by its pipe, after its last rows.
            start_new_session=True,
        )  # fmt: skip
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._reader = asyncio.create_task(self._read_log())
        try:
            self._process.stdin.write(json.dumps(self._configuration).encode() + b"\n")
            line = await asyncio.wait_for(self._process.stdout.readline(), START_LIMIT_S)
            self.details = json.loads(line) if line else {}
        except (TimeoutError, OSError, ValueError) as error:
            await self._kill()
            what = str(error) or type(error).__name__
            raise MeasurementError(self.name, f"did not become ready: {what}{self._tail()}") from error
        if not line:
            await self._process.wait()
            raise self._ended()

    def check(self) -> None:
        """Raise if the process has ended by itself.

        Raises:
            MeasurementError: it has; the message holds its status and the end of what it printed.

        """
        if self._process is not None and self._process.returncode is not None:
            raise self._ended()

    async def stop(self) -> None:
        """Close its stdin and wait for its end.

        Raises:
            MeasurementError: it had ended before, ends with a failure, or does not end (it is killed then).

        """
        if self._process is None:
            return
        self.check()
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), STOP_LIMIT_S)
        except TimeoutError:
            await self._kill()
            raise MeasurementError(self.name, f"did not end within {STOP_LIMIT_S:g} s and was killed") from None
        await self._finish_log()
        if self._process.returncode != 0:
            raise self._ended()

    def _ended(self) -> MeasurementError:
        assert self._process is not None
        status = self._process.returncode or 0
        how = f"ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        return MeasurementError(self.name, f"its process {how}{self._tail()}")

    def _tail(self) -> str:
        return f"; it printed: {' | '.join(self._log)}" if self._log else ""

    async def _kill(self) -> None:
        assert self._process is not None
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        await self._finish_log()

    async def _finish_log(self) -> None:
        if self._reader is not None:
            await self._reader

    async def _read_log(self) -> None:
        assert self._process is not None
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            self._log.append(line.decode(errors="replace").rstrip())


def read_configuration(component: str) -> dict[str, Any]:
    """Read, in the process itself, the first line of stdin; what follows there is left for the process to watch."""
    line = b""
    while not line.endswith(b"\n"):
        part = os.read(0, 1)
        if not part:
            sys.exit(f"{component}: no configuration on stdin")
        line += part
    configuration: dict[str, Any] = json.loads(line)
    return configuration


def claim_precision() -> str:
    """Ask for the finest timer and for real-time scheduling; return the scheduler that was granted: fifo or other.

    Where the sandbox is an ordinary user's, real-time scheduling is not: its user 0 is not the machine's.
    """
    ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except OSError:
        return "other"
    return "fifo"
