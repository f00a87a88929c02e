"""A sandbox as the program outside sees it: start it, read what it writes, interrupt it, kill it, wait for its end."""

import asyncio
import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO, Any, Self

from harness.sandbox.errors import SandboxError, SandboxUnavailable
from harness.sandbox.order import Order
from harness.sandbox.terminal import take_terminal

# From start to ready takes 0.1 s; in an emulated machine without KVM, under load, some seconds.
READY_TIMEOUT_S = 60.0
# The kernel ends a sandbox within milliseconds; past this, the process that waits for it is killed too.
KILL_TIMEOUT_S = 10.0

_PROJECT = Path(__file__).parents[2]
_Stream = int | IO[Any] | None


@dataclass(frozen=True)
class Report:
    """How a sandbox came to be.

    Attributes:
        user_namespace: false where root had to do without (they are switched off on this machine).
        limits: resource limits in force inside: rtprio, nice, nofile, memlock (-1: none).
    """

    user_namespace: bool
    limits: Mapping[str, int]


def python_module(name: str, *arguments: str) -> list[str]:
    """Return the command that runs a module with this interpreter, without the current folder on its path."""
    return [sys.executable, "-P", "-m", name, *arguments]


class _Handle:
    """What both kinds of handle share: the lifeline, and signals to the process between."""

    def __init__(self, pid: int, send_signal: Callable[[int], None], lifeline: int, report: Report) -> None:
        self.pid = pid
        self.report = report
        self._send_signal = send_signal
        self._lifeline: int | None = lifeline
        self._interrupted = False

    def interrupt(self) -> None:
        """Send the program inside one SIGINT; from the second call on, kill everything."""
        if self._interrupted:
            self.kill()
            return
        self._interrupted = True
        self._signal(signal.SIGINT)

    def terminate(self) -> None:
        """Send the program inside one SIGTERM."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kill everything inside; the exit code is then 137 unless the program had ended before."""
        self._signal(signal.SIGQUIT)
        self._cut()

    def _cut(self) -> None:
        if self._lifeline is not None:
            os.close(self._lifeline)
            self._lifeline = None

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._send_signal(number)


class Sandbox(_Handle):
    """A running sandbox; as a context manager it is killed at the end of the block, if it still runs.

    Attributes:
        process: the process outside that waits for the sandbox; its pipes are those of the program inside.
        pid: that process's id.
        report: how the sandbox came to be.
    """

    def __init__(self, process: subprocess.Popen[bytes], lifeline: int, report: Report) -> None:
        super().__init__(process.pid, process.send_signal, lifeline, report)
        self.process = process

    def lines(self) -> Iterator[str]:
        """Yield each line that the program inside writes on its standard output (a pipe), without its end."""
        if self.process.stdout is None:
            raise ValueError("the sandbox was launched without stdout=subprocess.PIPE")
        for line in self.process.stdout:
            yield line.decode(errors="replace").rstrip("\n")

    def poll(self) -> int | None:
        """Return the exit code if the sandbox has ended."""
        code = self.process.poll()
        return None if code is None else self._ended(code)

    def wait(self, timeout: float | None = None) -> int:
        """Wait until nothing of the sandbox is left; return the program's exit code (128 + n if signal n killed it).

        Raises:
            subprocess.TimeoutExpired: it takes longer than ``timeout`` seconds.
        """
        return self._ended(self.process.wait(timeout))

    def close(self) -> int:
        """Kill what still runs, close the pipes, and return the exit code."""
        if self.poll() is None:
            self.kill()
        try:
            code = self.wait(KILL_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()
        return code

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ended(self, code: int) -> int:
        self._cut()
        return _shell_code(code)


class AsyncSandbox(_Handle):
    """A running sandbox for asyncio; as an async context manager it is killed at the end of the block.

    Attributes:
        process: as for ``Sandbox``; its ``stdout`` is an ``asyncio.StreamReader``.
        pid: that process's id.
        report: how the sandbox came to be.
    """

    def __init__(self, process: asyncio.subprocess.Process, lifeline: int, report: Report) -> None:
        super().__init__(process.pid, process.send_signal, lifeline, report)
        self.process = process

    async def wait(self) -> int:
        """Wait until nothing of the sandbox is left; return the program's exit code as ``Sandbox.wait`` does."""
        code = await self.process.wait()
        self._cut()
        return _shell_code(code)

    async def close(self) -> int:
        """Kill what still runs and return the exit code."""
        if self.process.returncode is None:
            self.kill()
        try:
            return await asyncio.wait_for(self.wait(), KILL_TIMEOUT_S)
        except TimeoutError:
            self.process.kill()
            return await self.wait()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def launch(
    command: Sequence[str],
    *,
    stdin: _Stream = subprocess.DEVNULL,
    stdout: _Stream = None,
    stderr: _Stream = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    pass_fds: Collection[int] = (),
    keep: Iterable[Path] = (),
    terminal: bool = False,
) -> Sandbox:
    """Start a command in a sandbox of its own and return when the sandbox stands.

    Whatever happens to the calling process, the sandbox ends with it. Launched from the main thread, it also ends
    when the process in between is left behind in any state; from another thread (which may end first), the
    lifeline alone ties it.

    Args:
        command: program and arguments; ``python_module`` makes one of a module.
        stdin: as for ``subprocess.Popen``; without ``terminal`` nothing is to be read by default.
        stdout: as for ``subprocess.Popen``; by default the caller's.
        stderr: likewise.
        cwd: the working folder; by default the caller's.
        env: the environment; by default the caller's. ``TMPDIR`` is set to a folder that ends with the sandbox.
        pass_fds: descriptors that stay open inside, under their numbers.
        keep: folders that must be visible inside even if they lie below /run or /dev/shm; the working folder, the
            interpreter's and the project's are kept anyway.
        terminal: the command takes the terminal's foreground (and so its Ctrl-C); ``stdin`` should be None then, and
            ``take_terminal`` be called when it has ended.

    Raises:
        SandboxUnavailable: this machine does not allow it; the message says what would.
        SandboxError: something else is wrong with what was asked for.
    """
    with _Pipes() as pipes:
        process = subprocess.Popen(
            pipes.argv(command, keep, terminal),
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            cwd=cwd,
            env=env,
            pass_fds=[*pass_fds, *pipes.theirs],
            process_group=0,  # the terminal's Ctrl-C comes to the caller alone, who passes it on once
        )
        pipes.close_theirs()
        try:
            report = _read_report(pipes.status)
        except BaseException:
            pipes.close()
            process.kill()
            process.communicate()
            raise
        return Sandbox(process, pipes.take_lifeline(), report)


async def launch_async(
    command: Sequence[str],
    *,
    stdin: _Stream = subprocess.DEVNULL,
    stdout: _Stream = None,
    stderr: _Stream = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    pass_fds: Collection[int] = (),
    keep: Iterable[Path] = (),
    terminal: bool = False,
) -> AsyncSandbox:
    """Do as ``launch`` does, for asyncio; arguments and errors are the same."""
    with _Pipes() as pipes:
        process = await asyncio.create_subprocess_exec(
            *pipes.argv(command, keep, terminal),
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            cwd=cwd,
            env=env,
            pass_fds=[*pass_fds, *pipes.theirs],
            process_group=0,
        )
        pipes.close_theirs()
        try:
            report = await asyncio.to_thread(_read_report, os.dup(pipes.status), close=True)
        except BaseException:
            pipes.close()
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.communicate()
            raise
        return AsyncSandbox(process, pipes.take_lifeline(), report)


def run(command: Sequence[str], *, keep: Iterable[Path] = (), cwd: Path | None = None) -> int:
    """Run a command in a sandbox as a shell would run it: with this terminal, passing signals on.

    Ctrl-C reaches the command once; without a terminal, a second SIGINT to this process kills everything.

    Returns:
        The exit code, 128 + n if signal n killed the command.

    Raises:
        SandboxUnavailable: this machine does not allow it.
        SandboxError: something else is wrong with what was asked for.
    """
    with launch(command, stdin=None, cwd=cwd, keep=keep, terminal=os.isatty(0)) as sandbox:

        def interrupt(_number: int, _frame: FrameType | None) -> None:
            sandbox.interrupt()

        def terminate(_number: int, _frame: FrameType | None) -> None:
            sandbox.terminate()

        before = {
            signal.SIGINT: signal.signal(signal.SIGINT, interrupt),
            signal.SIGTERM: signal.signal(signal.SIGTERM, terminate),
        }
        try:
            return sandbox.wait()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            take_terminal()


class _Pipes:
    """The status pipe and the lifeline, closed again unless the lifeline is taken."""

    def __init__(self) -> None:
        self.status, self._status_write = os.pipe()
        self._lifeline_read, self._lifeline = os.pipe()
        self.theirs = (self._status_write, self._lifeline_read)
        self._open = {self.status, self._lifeline, *self.theirs}

    def argv(self, command: Sequence[str], keep: Iterable[Path], terminal: bool) -> list[str]:
        if not command:
            raise SandboxError("no command to run in the sandbox")
        folders = [Path(sys.prefix), _PROJECT, *keep]
        order = Order(
            status=self._status_write,
            lifeline=self._lifeline_read,
            keep=tuple(str(folder.absolute()) for folder in folders),
            terminal=terminal,
            # The kernel means the thread, not the process, by a parent: one that may end first must not be it.
            bound_to_thread=threading.current_thread() is threading.main_thread(),
        )
        return python_module("harness.sandbox.enter", order.encode(), *command)

    def close_theirs(self) -> None:
        for descriptor in self.theirs:
            self._close(descriptor)

    def take_lifeline(self) -> int:
        self._open.discard(self._lifeline)
        return self._lifeline

    def close(self) -> None:
        for descriptor in list(self._open):
            self._close(descriptor)

    def _close(self, descriptor: int) -> None:
        self._open.discard(descriptor)
        os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _read_report(status: int, *, close: bool = False) -> Report:
    """Read the status pipe to its end.

    Raises:
        SandboxUnavailable: the sandbox was refused by this machine.
        SandboxError: it was refused for another reason, or its set-up died or hangs.
    """
    poll = select.poll()
    poll.register(status, select.POLLIN)
    text = b""
    try:
        while True:
            if not poll.poll(READY_TIMEOUT_S * 1000):
                raise SandboxError(
                    f"the sandbox was not ready within {READY_TIMEOUT_S:g} s; is this machine overloaded?"
                )
            piece = os.read(status, 65536)
            if not piece:
                break
            text += piece
    finally:
        if close:
            os.close(status)
    if not text:
        raise SandboxError("the sandbox ended before it was ready; its standard error may say why")
    message = json.loads(text)
    if "unavailable" in message:
        raise SandboxUnavailable(*message["unavailable"])
    if "error" in message:
        raise SandboxError(message["error"])
    return Report(**message["ready"])


def _shell_code(code: int) -> int:
    return code if code >= 0 else 128 - code
