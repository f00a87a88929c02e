"""The first process of a sandbox: starts the program, adopts and reaps orphans, passes signals on, ends when it must.

The kernel kills everything else in the PID namespace when this process ends, in whatever way.
"""

import contextlib
import os
import select
import shutil
import signal
import sys
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Self

from harness.sandbox.terminal import take_terminal

FORWARDED = (signal.SIGINT, signal.SIGTERM)
KILLED = 128 + signal.SIGKILL


def exit_code(status: int) -> int:
    """Turn a wait status into an exit code, as a shell does: 128 + n for a process killed by signal n."""
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


class SignalPipe:
    """Turns signals into bytes on a descriptor, so that one poll waits for signals and for everything else.

    Attributes:
        descriptor: readable when a signal has come.
    """

    def __init__(self, signals: Iterable[int]) -> None:
        self._signals = set(signals)
        self.descriptor, self._write = os.pipe()
        os.set_blocking(self.descriptor, False)
        os.set_blocking(self._write, False)

    def __enter__(self) -> Self:
        signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        for number in self._signals:
            signal.signal(number, _note)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, self._signals)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, self._signals)
        signal.set_wakeup_fd(-1)
        os.close(self.descriptor)
        os.close(self._write)

    def drain(self) -> list[int]:
        """Return the numbers of the signals that have come since the last call."""
        try:
            return list(os.read(self.descriptor, 4096))
        except BlockingIOError:
            return []


def _note(_number: int, _frame: object) -> None:
    """Do nothing: that a handler is set is what makes Python write the signal's number to the pipe."""


def supervise(command: Sequence[str], *, lifelines: Sequence[int], terminal: bool) -> int:
    """Run the command as this process's child until it ends or a lifeline breaks; return its exit code.

    Args:
        command: program and arguments.
        lifelines: read ends of pipes; the end of one of them ends everything, with the code of SIGKILL.
        terminal: the command becomes the terminal's foreground program.
    """
    with SignalPipe([*FORWARDED, signal.SIGCHLD]) as signals:
        program = _start(command, terminal)
        poll = select.poll()
        poll.register(signals.descriptor, select.POLLIN)
        for lifeline in lifelines:
            poll.register(lifeline, select.POLLIN)
        while True:
            ready = {descriptor for descriptor, _ in poll.poll()}
            if ready & set(lifelines):
                return KILLED
            for number in signals.drain():
                if number in FORWARDED:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(program, number)
            # Children may have ended together and share one SIGCHLD: take all there are.
            status = _reap(program)
            if status is not None:
                return exit_code(status)


def _reap(program: int) -> int | None:
    """Take the status of every ended child; return that of the program, if it was among them."""
    found = None
    with contextlib.suppress(ChildProcessError):
        while True:
            process, status = os.waitpid(-1, os.WNOHANG)
            if process == 0:
                break
            if process == program:
                found = status
    return found


def _start(command: Sequence[str], terminal: bool) -> int:
    process = os.fork()
    if process != 0:
        return process
    try:
        # A group of its own: the terminal's Ctrl-C, if it has the terminal, reaches it and not its keepers as well.
        os.setpgid(0, 0)
        if terminal:
            take_terminal()
        signal.set_wakeup_fd(-1)
        # Python ignores these two, and a shell may have ignored SIGINT for a background job: an ignored signal
        # stays ignored through exec, a handled one falls back to its default.
        for number in (*FORWARDED, signal.SIGQUIT, signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        # Looked up first: execvp says "permission denied" for a program that is nowhere, if a folder of PATH is closed.
        program = shutil.which(command[0]) or command[0]
        os.execv(program, list(command))  # noqa: S606
    except OSError as error:
        print(f"sandbox: cannot run {command[0]}: {error.strerror}", file=sys.stderr, flush=True)
        os._exit(127 if isinstance(error, FileNotFoundError) else 126)
    finally:
        os._exit(126)
