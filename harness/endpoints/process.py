"""Endpoint processes: started in a node, awaited until ready, paused, stopped, and classified when they end."""

import asyncio
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self

from harness.network.namespaces import popen_in
from harness.spec.endpoint import Role

UNSUPPORTED: Final = 127
LOG_LINES: Final = 20
_LOG_TAIL: Final = 64 << 10


class Status(StrEnum):
    """How an endpoint process ended."""

    DONE = "done"
    UNSUPPORTED = "unsupported"
    FAILED = "failed"
    HUNG = "hung"
    KILLED = "killed"


class EndpointFailed(Exception):
    """An endpoint could not be started or did not become ready; the message ends with the end of its log."""

    def __init__(self, role: Role, message: str) -> None:
        super().__init__(message)
        self.role = role


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How an endpoint process ended.

    Attributes:
        status: ``done`` (exit 0, or ended by our SIGTERM), ``unsupported`` (exit 127), ``hung`` (killed at the limit),
            ``killed`` (by a fault of the timeline), ``failed`` (anything else).
        exit_code: exit status; None when a signal ended it.
        signal: name of the signal that ended it, or None.
        seconds: time from its start to its end.
        message: one line for tables and verdicts.
        log_end: last lines of its log, at most 20.

    """

    role: Role
    status: Status
    exit_code: int | None
    signal: str | None
    seconds: float
    message: str
    log_end: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join([self.message, *(f"    {line}" for line in self.log_end)])


def log_end(path: Path, lines: int = LOG_LINES) -> tuple[str, ...]:
    """Return the last ``lines`` lines of a log; empty when there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _LOG_TAIL))
            text = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ()
    return tuple(text.splitlines()[-lines:])


class EndpointProcess:
    """A running endpoint program, leader of a process group of its own.

    Leaving it as an asynchronous context manager kills the group, whatever happened.
    """

    def __init__(self, role: Role, process: "subprocess.Popen[Any]", log: Path, started_ns: int) -> None:
        self.role = role
        self.log = log
        self.started_ns = started_ns
        self.pid = process.pid
        self._process = process
        self._ended_ns: int | None = None
        self._swept = False
        self._stopping = False
        self._hung: str | None = None
        self._fault: str | None = None

    @classmethod
    def start(
        cls,
        role: Role,
        argv: Sequence[str],
        *,
        node_pid: int | None,
        environment: Mapping[str, str],
        log: Path,
        folder: Path,
    ) -> Self:
        """Start ``argv`` in the network namespace of ``node_pid`` (None: in ours), writing to ``log``, in ``folder``.

        Call this from the main thread: the process is killed when the thread that started it ends.

        Raises:
            EndpointFailed: there is no such program, or it cannot be executed.

        """
        if shutil.which(argv[0], path=environment.get("PATH", os.defpath)) is None:
            # Asked beforehand, since a failed exec inside a node also ends with status 127.
            raise EndpointFailed(role, f"{role}: cannot start {argv[0]}: no such program, or it is not executable")
        with log.open("ab") as output:
            started = time.monotonic_ns()
            try:
                process = _spawn(argv, node_pid, environment, output, folder)
            except OSError as error:
                raise EndpointFailed(role, f"{role}: cannot start {argv[0]}: {error.strerror}") from None
        return cls(role, process, log, started)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._send(signal.SIGKILL)
        await self._ended()

    @property
    def running(self) -> bool:
        """Whether the process has not ended yet."""
        if self._process.poll() is None:
            return True
        self._note_end()
        return False

    def pause(self) -> None:
        """Stop the whole process group (SIGSTOP); nothing happens when it has ended."""
        self._send(signal.SIGSTOP)

    def resume(self) -> None:
        """Let the process group go on (SIGCONT)."""
        self._send(signal.SIGCONT)

    def kill(self, reason: str = "a fault") -> None:
        """Kill the process group as part of the experiment; the outcome's status will be ``killed``."""
        if self.running:
            self._fault = reason
        self._send(signal.SIGKILL)

    async def ready(self, condition: Callable[[], bool], *, limit: float, what: str, poll: float = 0.005) -> None:
        """Wait until ``condition`` holds, asking every ``poll`` seconds, for at most ``limit`` seconds.

        ``what`` words the condition for the error, as in "listening on 10.0.0.2 port 4433".

        Raises:
            EndpointFailed: the process ended or the limit passed before.

        """
        deadline = time.monotonic() + limit
        while not condition():
            if not self.running:
                raise EndpointFailed(self.role, f"{self.outcome()} (before it was {what})")
            if time.monotonic() >= deadline:
                end = "\n".join(f"    {line}" for line in log_end(self.log)) or "    (its log is empty)"
                message = f"{self.role}: not {what} within {limit:g} s; the end of {self.log.name}:\n{end}"
                raise EndpointFailed(self.role, message)
            await self._ended(poll)

    async def wait(self, limit: float, *, grace: float = 2.0) -> Outcome:
        """Wait for the process to end by itself, for at most ``limit`` seconds; then end it and call it hung."""
        if not await self._ended(limit):
            self._hung = f"still running after {limit:g} s"
            await self._end(grace)
        return self.outcome()

    async def stop(self, *, grace: float = 2.0, hung: str | None = None) -> Outcome:
        """End the process with SIGTERM, as is due to a server; SIGKILL after ``grace`` seconds makes it hung.

        A process that should have ended by itself is hung in any case: ``hung`` says how.
        """
        if self.running:
            self._stopping = True
            self._hung = hung
            await self._end(grace)
        return self.outcome()

    def outcome(self) -> Outcome:
        """Classify how the process ended.

        Raises:
            RuntimeError: it is still running.

        """
        code = self._process.poll()
        if code is None:
            raise RuntimeError("the process is still running")
        self._note_end()
        assert self._ended_ns is not None
        status, what = self._classify(code)
        return Outcome(
            role=self.role,
            status=status,
            exit_code=code if code >= 0 else None,
            signal=_signal_name(-code) if code < 0 else None,
            seconds=(self._ended_ns - self.started_ns) / 1e9,
            message=f"{self.role}: {what}",
            log_end=log_end(self.log),
        )

    def _classify(self, code: int) -> tuple[Status, str]:
        by_signal = _signal_name(-code) if code < 0 else None
        if self._fault is not None:
            return Status.KILLED, f"killed by {self._fault}"
        if self._hung is not None:
            return Status.HUNG, f"hung: {self._hung}"
        if code == 0:
            return Status.DONE, "done"
        if self._stopping and code == -signal.SIGTERM:
            return Status.DONE, "done (stopped)"
        if code == UNSUPPORTED:
            return Status.UNSUPPORTED, f"cannot do this test case (exit status {UNSUPPORTED})"
        if by_signal is not None:
            return Status.FAILED, f"crashed: ended by {by_signal}"
        return Status.FAILED, f"failed with exit status {code}"

    async def _end(self, grace: float) -> None:
        self._send(signal.SIGTERM)
        self._send(signal.SIGCONT)  # a paused process would not see SIGTERM
        if not await self._ended(grace):
            if self._hung is None:
                self._hung = f"did not end within {grace:g} s of SIGTERM"
            self._send(signal.SIGKILL)
            await self._ended()

    async def _ended(self, limit: float | None = None) -> bool:
        """Wait for the end of the process for at most ``limit`` seconds and tell whether it came."""
        if not self.running:
            return True
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        descriptor = os.pidfd_open(self.pid)
        try:
            loop.add_reader(descriptor, ended.set)
            async with asyncio.timeout(limit):
                await ended.wait()
        except TimeoutError:
            return False
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)
        return not self.running

    def _note_end(self) -> None:
        if self._ended_ns is None:
            self._ended_ns = time.monotonic_ns()
            self._send(signal.SIGKILL)  # children that the leader left behind
            self._swept = True

    def _send(self, number: signal.Signals) -> None:
        # Once the leader is reaped and the group swept, its number may belong to somebody else.
        if self._swept:
            return
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            return


def _spawn(
    argv: Sequence[str], node_pid: int | None, environment: Mapping[str, str], output: IO[bytes], folder: Path
) -> "subprocess.Popen[Any]":
    options: dict[str, Any] = {
        "env": dict(environment),
        "stdin": subprocess.DEVNULL,
        "stdout": output,
        "stderr": subprocess.STDOUT,
        "cwd": folder,
    }
    if node_pid is None:
        return subprocess.Popen(argv, start_new_session=True, **options)
    return popen_in(node_pid, argv, **options)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
