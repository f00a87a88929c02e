"""The sandbox's own view of the file system: fresh /proc, /sys, /run and /dev/shm, and what must stay visible below."""

import os
from collections.abc import Iterable
from pathlib import Path

from harness.sandbox.errors import SandboxError
from harness.sandbox.syscalls import MS_BIND, MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_PRIVATE, MS_REC, mount

# Programs leave locks, sockets, shared memory and named namespaces here; the sandbox's own copies go with it.
COVERED = (Path("/run"), Path("/dev/shm"))  # noqa: S108
# Where temporary files belong inside: below a covered folder, so that none outlives the sandbox.
TEMPORARY = Path("/run/tmp")

_HARMLESS = MS_NOSUID | MS_NODEV | MS_NOEXEC


def arrange(keep: Iterable[Path]) -> None:
    """Give the calling process, in a mount namespace of its own, the sandbox's file systems.

    Args:
        keep: folders that are used inside; those that lie below a covered folder are bound through.

    Raises:
        SandboxError: a folder to keep does not exist, or is itself covered.
        OSError: the kernel refused a mount; its text names which.
    """
    mount("none", "/", None, MS_REC | MS_PRIVATE)
    held = [(folder, os.open(folder, os.O_PATH | os.O_DIRECTORY)) for folder in hidden(keep)]
    mount("proc", "/proc", "proc", _HARMLESS)
    # A fresh sysfs shows the interfaces of this network namespace; without one here, no node could mount its own.
    mount("sysfs", "/sys", "sysfs", _HARMLESS)
    for folder in COVERED:
        if folder.is_dir():
            mount("tmpfs", str(folder), "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755")
    Path("/dev/shm").chmod(0o1777)  # noqa: S108
    for name in ("lock", "netns"):
        (COVERED[0] / name).mkdir()
    TEMPORARY.mkdir()
    TEMPORARY.chmod(0o1777)
    for folder, descriptor in held:
        folder.mkdir(parents=True, exist_ok=True)
        mount(f"/proc/self/fd/{descriptor}", str(folder), None, MS_BIND | MS_REC)
        os.close(descriptor)


def hidden(keep: Iterable[Path]) -> list[Path]:
    """Return those of the folders that a covered folder would hide, outermost first, none inside another.

    Raises:
        SandboxError: a folder does not exist, or is itself covered.
    """
    found: list[Path] = []
    for folder in sorted({_resolved(folder) for folder in keep}):
        for covered in {covered.resolve() for covered in COVERED}:
            if folder == covered:
                raise SandboxError(
                    f"{folder} cannot be used in the sandbox, which has a {folder} of its own; use a folder elsewhere"
                )
            if folder.is_relative_to(covered) and not any(folder.is_relative_to(outer) for outer in found):
                found.append(folder)
    return found


def _resolved(folder: Path) -> Path:
    try:
        resolved = folder.resolve(strict=True)
    except OSError as error:
        raise SandboxError(f"{folder}: {error.strerror}; a folder used in the sandbox must exist") from None
    if not resolved.is_dir():
        raise SandboxError(f"{folder}: not a folder; only folders can be kept visible in the sandbox")
    return resolved
