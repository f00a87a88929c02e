"""Entering the network namespace of a node, and running commands there."""

import ctypes
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

_LIBC = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000
_PR_SET_PDEATHSIG = 1


class CommandFailed(Exception):
    """A command in a node failed; the message names node, command and what it printed."""


@contextmanager
def enter(pid: int) -> Iterator[None]:
    """Move the calling thread into the network namespace of process ``pid``, and back at the end.

    A socket created inside stays in that namespace for its whole life.

    Raises:
        OSError: no such process, or no right to enter.

    """
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _set_network_namespace(pid)
        try:
            yield
        finally:
            _setns(home)
    finally:
        os.close(home)


def _set_network_namespace(pid: int) -> None:
    target = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _setns(target)
    finally:
        os.close(target)


def _setns(descriptor: int) -> None:
    if _LIBC.setns(descriptor, _CLONE_NEWNET) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"cannot enter the network namespace: {os.strerror(error)}")


def wrap(pid: int, argv: Sequence[str]) -> list[str]:
    """Return the command line that runs ``argv`` attached to the network namespace of ``pid``."""
    return ["nsenter", f"--net=/proc/{pid}/ns/net", "--", *argv]


def run_in(pid: int, argv: Sequence[str], *, input: str | None = None, check: bool = True) -> str:  # noqa: A002
    """Run a command in the network namespace of ``pid`` and return what it printed.

    Raises:
        CommandFailed: it could not be started, or ``check`` is set and it ended with another status than 0.

    """
    done = subprocess.run(wrap(pid, argv), input=input, capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        printed = (done.stderr or done.stdout).strip() or f"exit status {done.returncode}"
        raise CommandFailed(f"{' '.join(argv)}: {printed} (in the node of process {pid})")
    return done.stdout


def popen_in(pid: int, argv: Sequence[str], **options: Any) -> "subprocess.Popen[Any]":
    """Start a process in the network namespace of ``pid``, in a session of its own.

    It dies with the thread that started it (``PR_SET_PDEATHSIG``), so that a killed harness leaves nothing running even
    where no PID namespace cleans up.
    """
    return subprocess.Popen(wrap(pid, argv), start_new_session=True, preexec_fn=_die_with_parent, **options)


def _die_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
