"""Appends lines to a key log file, which several programs may write to at the same time."""

import os
from pathlib import Path


class KeyLogFile:
    """A key log file, made if need be, for its owner alone.

    Args:
        path: of the file.

    Raises:
        OSError: it cannot be written.

    """

    def __init__(self, path: str | Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def append(self, line: str) -> None:
        """Append a line, given without its end."""
        os.write(self._file, f"{line}\n".encode("ascii"))  # in one call: other programs may write to the same file

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)
