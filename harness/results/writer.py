"""Making run directories and writing run.json: never over an older run, never half a file, nothing left when killed."""

import errno
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from harness.results import formats
from harness.results.record import RunRecord

_NO_UNNAMED_FILES = {errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT}


@dataclass(frozen=True)
class RunDirectory:
    """A run directory that this process made; ``number`` is 1, or that of its suffix when the run id was taken."""

    path: Path
    number: int

    @classmethod
    def create(cls, results: Path, scenario: str, run_id: str) -> Self:
        """Make ``results/<scenario>/<run_id>``, or ``<run_id>-2``, ``-3``… where that exists.

        Two processes that do this at once get two directories, since making one is atomic.

        Raises:
            OSError: the folder cannot be written.

        """
        parent = results / scenario
        parent.mkdir(parents=True, exist_ok=True)
        number = 1
        while True:
            path = parent / (run_id if number == 1 else f"{run_id}-{number}")
            try:
                path.mkdir()
            except FileExistsError:
                number += 1
            else:
                return cls(path=path, number=number)

    def write(self, record: RunRecord) -> Path:
        """Write run.json (see `write_record`)."""
        return write_record(self.path, record)


def write_record(folder: Path, record: RunRecord) -> Path:
    """Write or replace run.json of a run directory: a reader sees the whole of the old or of the new one.

    Raises:
        OSError: the folder cannot be written.

    """
    path = folder / formats.RUN
    write_whole(path, record.to_json().encode())
    return path


def write_whole(path: Path, content: bytes) -> None:
    """Write a file in one step, through a file without a name where the file system has those.

    The kernel removes a file without a name when its writer is killed, so no temporary file can stay behind.

    Raises:
        OSError: the folder cannot be written.

    """
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            file = os.open(path.parent, os.O_TMPFILE | os.O_WRONLY, 0o644)
        except OSError as error:
            if error.errno not in _NO_UNNAMED_FILES:
                raise
            path.write_bytes(content)
            return
        with os.fdopen(file, "wb") as stream:
            stream.write(content)
            stream.flush()
            try:
                _give_name(file, folder, path)
            except FileNotFoundError:  # no /proc: the unnamed file cannot be reached
                path.write_bytes(content)
    finally:
        os.close(folder)


def _give_name(file: int, folder: int, path: Path) -> None:
    source = f"/proc/self/fd/{file}"
    # With a folder's descriptor Python calls linkat() and follows the link in /proc; without one it would not.
    try:
        os.link(source, path.name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=True)
    except FileExistsError:
        # A link cannot replace. Only this case has a second name, between two system calls.
        spare = f".{path.name}.new"
        try:
            os.link(source, spare, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=True)
        except FileExistsError:
            os.unlink(spare, dir_fd=folder)
            os.link(source, spare, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=True)
        os.replace(spare, path.name, src_dir_fd=folder, dst_dir_fd=folder)
