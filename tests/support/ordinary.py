"""Runs a command as an ordinary user, for tests started by root: ``python -m tests.support.ordinary COMMAND…``.

The user is "nobody". A checkout in a folder closed to others (root's home) is bound, in a mount namespace of the
command's own, to the same place below a folder that is open.
"""

import os
import sys
from pathlib import Path
from typing import NoReturn

from harness.sandbox.syscalls import CLONE_NEWNS, MS_BIND, MS_PRIVATE, MS_REC, mount, unshare

USER = 65534
_PROJECT = Path(__file__).parents[2]


def prefixes() -> dict[str, list[str]]:
    """Return, for each user that tests can be run as from here, what to put before a command."""
    if os.geteuid() != 0:
        return {"ordinary": []}
    return {"root": [], "ordinary": [sys.executable, "-m", "tests.support.ordinary"]}


def open_to(folder: Path, user: int = USER) -> None:
    """Let the ordinary user write into the folder and reach it."""
    os.chown(folder, user, user)
    for parent in folder.parents:
        mode = parent.stat().st_mode
        if not mode & 0o001 and parent.stat().st_uid == os.geteuid():
            parent.chmod(mode | 0o011)


def main() -> NoReturn:
    """Become the ordinary user and run the command."""
    needed = [folder.resolve() for folder in (_PROJECT, Path(sys.prefix))]
    closed = [parent for folder in needed for parent in reversed(folder.parents) if not parent.stat().st_mode & 0o001]
    if closed:
        _bind_below(closed[0], [folder for folder in needed if folder.is_relative_to(closed[0])])
    os.setgroups([])
    os.setgid(USER)
    os.setuid(USER)
    os.environ["HOME"] = "/nonexistent"
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606


def _bind_below(closed: Path, folders: list[Path]) -> None:
    unshare(CLONE_NEWNS)
    mount("none", "/", None, MS_REC | MS_PRIVATE)
    held = [(folder, os.open(folder, os.O_PATH)) for folder in folders]
    mount("tmpfs", str(closed), "tmpfs", 0, "mode=0755")
    for folder, descriptor in held:
        folder.mkdir(parents=True, exist_ok=True)
        mount(f"/proc/self/fd/{descriptor}", str(folder), None, MS_BIND | MS_REC)
        os.close(descriptor)
    os.chdir(_PROJECT)


if __name__ == "__main__":
    main()
