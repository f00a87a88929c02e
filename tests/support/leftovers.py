"""What a run may not leave on the machine: processes, namespaces, interfaces and files. Compare before with after.

    before = leftovers.snapshot(tmp_path)
    process = subprocess.Popen(command, env=before.environment)
    created = leftovers.namespaces(leftovers.processes(before.mark))
    ...
    leftovers.wait_until_gone(before, created)

Other programs run on the same machine, so everything started is marked: each process has a text of its own in its
environment, and the folder for temporary files lies in the folder given, where nobody else writes.
"""

import contextlib
import os
import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

VARIABLE = "HARNESS_TEST_MARK"
_SHARED = (Path("/run"), Path("/run/netns"), Path("/run/lock"), Path("/dev/shm"))
_KINDS = ("user", "net", "mnt", "pid", "ipc")


@dataclass(frozen=True)
class Process:
    """A process that bears the mark, as seen from outside.

    Attributes:
        pid: its id here.
        command: its command line.
        namespaces: inode of its namespace, by kind.
    """

    pid: int
    command: str
    namespaces: Mapping[str, int]


@dataclass(frozen=True)
class Snapshot:
    """What was there before.

    Attributes:
        mark: the text that the processes bear.
        environment: to start the first of them with.
        folders: the folders watched for files, with their content then.
        interfaces: names of the interfaces of this network namespace.
        mounts: this mount namespace's mounts.
    """

    mark: str
    environment: Mapping[str, str]
    folders: Mapping[Path, frozenset[str]]
    interfaces: frozenset[str]
    mounts: frozenset[str]


def snapshot(folder: Path) -> Snapshot:
    """Note what is there now.

    Args:
        folder: an existing folder of the test's own; temporary files go to its subfolder ``temporary``, which is made.
    """
    temporary = folder / "temporary"
    temporary.mkdir()
    temporary.chmod(0o1777)
    mark = f"mark-{uuid.uuid4().hex}"
    environment = {**os.environ, VARIABLE: mark, "TMPDIR": str(temporary)}
    folders = {watched: _content(watched) for watched in (temporary, *_SHARED)}
    return Snapshot(mark, environment, folders, _interfaces(), _mounts())


def processes(mark: str) -> list[Process]:
    """Return every process, other than this one, that has the mark in its environment or command line."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):  # it ended meanwhile, or is somebody else's
            command = (entry / "cmdline").read_bytes()
            if mark.encode() in command or mark.encode() in (entry / "environ").read_bytes():
                text = command.replace(b"\0", b" ").decode(errors="replace").strip()
                found.append(Process(int(entry.name), text, _namespaces(entry)))
    return found


def namespaces(found: Iterable[Process]) -> frozenset[tuple[str, int]]:
    """Return the namespaces of the processes that are not this process's own, as (kind, inode)."""
    own = _namespaces(Path("/proc/self"))
    return frozenset(
        (kind, inode) for process in found for kind, inode in process.namespaces.items() if own.get(kind) != inode
    )


def remaining(before: Snapshot, created: Iterable[tuple[str, int]] = ()) -> list[str]:
    """Return a line for each thing that is there and was not; nothing if all is clean.

    Args:
        before: what was there before.
        created: namespaces seen meanwhile (``namespaces``) that no process at all may still be in.
    """
    lines = [f"process {process.pid}: {process.command}" for process in processes(before.mark)]
    lines += [f"{kind} namespace {inode} held by process {pid}" for kind, inode, pid in _holders(frozenset(created))]
    lines += [f"interface {name}" for name in sorted(_interfaces() - before.interfaces)]
    lines += [f"mount {line}" for line in sorted(_mounts() - before.mounts)]
    for folder, content in before.folders.items():
        lines += [f"file {folder / name}" for name in sorted(_content(folder) - content)]
    return lines


def wait_until_gone(before: Snapshot, created: Iterable[tuple[str, int]] = (), timeout: float = 10.0) -> None:
    """Wait until nothing is left; the kernel takes a moment to take a killed sandbox apart.

    Raises:
        AssertionError: something is still left after ``timeout`` seconds; the message lists it.
    """
    wanted = frozenset(created)
    deadline = time.monotonic() + timeout
    while left := remaining(before, wanted):
        if time.monotonic() > deadline:
            raise AssertionError("left over:\n" + "\n".join(left))
        time.sleep(0.02)


def _namespaces(entry: Path) -> dict[str, int]:
    return {kind: (entry / "ns" / kind).stat().st_ino for kind in _KINDS}


def _holders(created: frozenset[tuple[str, int]]) -> list[tuple[str, int, int]]:
    found = []
    for entry in Path("/proc").iterdir():
        if created and entry.name.isdecimal():
            with contextlib.suppress(OSError):
                held = created & set(_namespaces(entry).items())
                found += [(kind, inode, int(entry.name)) for kind, inode in held]
    return found


def _interfaces() -> frozenset[str]:
    # Not /sys/class/net, which shows the network namespace that its mount was made in.
    lines = Path("/proc/self/net/dev").read_text().splitlines()[2:]
    return frozenset(line.split(":")[0].strip() for line in lines)


def _mounts() -> frozenset[str]:
    return frozenset(Path("/proc/self/mounts").read_text().splitlines())


def _content(folder: Path) -> frozenset[str]:
    return frozenset(os.listdir(folder)) if folder.is_dir() else frozenset()
