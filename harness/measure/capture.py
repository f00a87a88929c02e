"""Packet captures on request: one tcpdump for each end of each path, into <node>-<path>.pcap."""

import asyncio
import ctypes
import platform
import re
import signal
import struct
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.measure.errors import MeasurementError
from harness.measure.pcap import PcapSummary, summarize
from harness.network.namespaces import wrap
from harness.network.paths import Attachment, PathInstance

START_LIMIT_S = 10.0
STOP_LIMIT_S = 10.0
BUFFER_KIB = 16384
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP = 1, 38, 22
_SECCOMP_MODE_FILTER = 2
_SECCOMP_RET_ALLOW, _SECCOMP_RET_ERRNO = 0x7FFF0000, 0x00050000
# AUDIT_ARCH and the number of setgroups(2).
_SETGROUPS: Mapping[str, tuple[int, int]] = {"x86_64": (0xC000003E, 116), "aarch64": (0xC00000B7, 159)}


@dataclass(frozen=True)
class Captured:
    """What one capture ended with.

    Attributes:
        path: the file.
        dropped: packets that the kernel dropped because tcpdump was too slow; None if tcpdump did not say.
        summary: of the file.

    """

    path: Path
    dropped: int | None
    summary: PcapSummary


class _Tcpdump:
    """One tcpdump, whose messages a thread collects.

    Immediate mode costs some CPU time (2 % of a core at 4,000 packets a second) and loses nothing at the end: otherwise
    what came in the last second would still be in the kernel when tcpdump is told to end.
    """

    def __init__(self, at: Attachment, path: Path, snap_length: int) -> None:
        self.path = path
        self.name = f"capture {path.name}"
        self._changed = threading.Condition()
        self._lines: list[str] = []
        self._ended = False
        command = [
            "tcpdump",
            "-i",
            at.interface,
            "-n",
            "-U",
            "--immediate-mode",
            "-B",
            str(BUFFER_KIB),
            "-s",
            str(snap_length),
        ]
        # Without -Z it would become another user, who may not write here.
        command += ["-Z", "root", "-w", str(path)]
        self._process = subprocess.Popen(
            wrap(at.pid, command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=_Preparation(),
        )
        self._reader = threading.Thread(target=self._read, name=self.name, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            with self._changed:
                self._lines.append(line.strip())
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def wait_ready(self, deadline: float) -> None:
        with self._changed:
            while not any("listening on" in line for line in self._lines):
                left = deadline - time.monotonic()
                if self._ended:
                    raise self._failure("tcpdump ended at once")
                if left <= 0:
                    raise self._failure(f"tcpdump was not ready within {START_LIMIT_S:g} s")
                self._changed.wait(left)

    def _failure(self, what: str) -> MeasurementError:
        said = " | ".join(self._lines[-5:])
        return MeasurementError(self.name, f"{what}: {said}" if said else what)

    def check(self) -> None:
        if self._process.poll() is not None:
            raise self._failure(f"tcpdump ended with status {self._process.returncode}")

    def interrupt(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)

    def finish(self, deadline: float) -> Captured:
        try:
            self._process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.kill()
            raise self._failure(f"tcpdump did not end within {STOP_LIMIT_S:g} s and was killed") from None
        self._reader.join()
        self._close()
        if self._process.returncode != 0:
            raise self._failure(f"tcpdump ended with status {self._process.returncode}")
        try:
            return Captured(self.path, dropped_by_kernel(self._lines), summarize(self.path))
        except (OSError, ValueError) as error:
            raise MeasurementError(self.name, str(error)) from error

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        self._close()

    def _close(self) -> None:
        assert self._process.stderr is not None
        self._process.stderr.close()


class Capture:
    """Captures at both ends of all paths, from ``start`` to ``stop``.

    Args:
        directory: where the files go.
        paths: the paths.
        snap_length: bytes kept of each frame; 0 keeps all.

    """

    def __init__(self, directory: Path, paths: Sequence[PathInstance], snap_length: int = 0) -> None:
        self._directory = directory
        # At the other end of the host's own cable: the same packets, on an interface that no fault takes down.
        self._places = [
            (near, f"{end.node}-{path.name}")
            for path in paths
            for near, end in ((path.a_near, path.from_), (path.b_near, path.to))
        ]
        self._snap_length = snap_length
        self._running: list[_Tcpdump] = []

    async def start(self) -> None:
        """Start every tcpdump and wait until all of them capture.

        Raises:
            MeasurementError: one of them does not; the others are ended.

        """
        # From this thread, not from a worker: the processes are to end with the thread that started them.
        try:
            for near, name in self._places:
                self._running.append(_Tcpdump(near, self._directory / f"{name}.pcap", self._snap_length))
            deadline = time.monotonic() + START_LIMIT_S
            for each in self._running:
                await asyncio.to_thread(each.wait_ready, deadline)
        except BaseException as error:
            for each in self._running:
                each.kill()
            self._running.clear()
            if isinstance(error, OSError | subprocess.SubprocessError):
                raise MeasurementError("capture", f"tcpdump cannot be started: {error}") from error
            raise

    def check(self) -> None:
        """Raise if a tcpdump has ended by itself.

        Raises:
            MeasurementError: it has.

        """
        for each in self._running:
            each.check()

    async def stop(self) -> list[Captured]:
        """End the captures and return what each of them holds.

        Raises:
            MeasurementError: one of them failed or did not end; all are ended all the same.

        """
        running, self._running = self._running, []
        for each in running:
            each.interrupt()
        deadline = time.monotonic() + STOP_LIMIT_S
        done = await asyncio.gather(
            *(asyncio.to_thread(each.finish, deadline) for each in running), return_exceptions=True
        )
        captured: list[Captured] = []
        for result in done:
            if isinstance(result, BaseException):
                raise result
            captured.append(result)
        return captured


def dropped_by_kernel(lines: Sequence[str]) -> int | None:
    """Return the number of packets that tcpdump's last words call dropped by the kernel."""
    for line in reversed(lines):
        found = re.search(r"(\d+) packets? dropped by kernel", line)
        if found:
            return int(found.group(1))
    return None


class _Preparation:
    """What is done in the new process before it becomes tcpdump.

    It dies with its parent. And in an ordinary user's namespace, where setgroups(2) is forbidden for good, that call is
    made to do nothing and succeed: tcpdump, seeing itself as user 0, insists on it even to stay who it is.
    """

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        with open("/proc/self/setgroups") as file:
            forbidden = file.read().strip() == "deny"
        call = _SETGROUPS.get(platform.machine())
        self._program = setgroups_filter(*call) if forbidden and call is not None else None

    def __call__(self) -> None:
        self._libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if self._program is not None:
            buffer = ctypes.create_string_buffer(self._program, len(self._program))
            # struct sock_fprog: number of instructions, and where they are.
            program = struct.pack("@HP", len(self._program) // 8, ctypes.addressof(buffer))
            self._libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
            self._libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, program, 0, 0)


def setgroups_filter(architecture: int, number: int) -> bytes:
    """Return the instructions of a seccomp filter that makes one system call succeed without being made."""
    load, jump_equal, give_back = 0x20, 0x15, 0x06
    instructions = [
        (load, 0, 0, 4),  # architecture
        (jump_equal, 0, 3, architecture),
        (load, 0, 0, 0),  # number
        (jump_equal, 0, 1, number),
        (give_back, 0, 0, _SECCOMP_RET_ERRNO | 0),
        (give_back, 0, 0, _SECCOMP_RET_ALLOW),
    ]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in instructions)
