"""CSV files that grow during a run and keep what was written when the harness is killed."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

Cell = str | int | float | None


def seconds(now_ns: int, zero_ns: int) -> str:
    """Return a moment as seconds after ``zero_ns``, to the microsecond (negative before it)."""
    return f"{(now_ns - zero_ns) / 1e9:.6f}"


class RowFile:
    """A CSV file with a header; every ``write`` reaches the operating system before it returns.

    A kill of the process then loses nothing that was written. Samplers write a few rows ten times a second, so that
    flushing each time costs less than keeping account of when it was done last.
    """

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        """Create the file with its header.

        Raises:
            OSError: it cannot be created.

        """
        self.path = path
        self.columns = tuple(columns)
        self.rows = 0
        self._file = path.open("w", newline="", encoding="utf-8")
        self._writer = csv.writer(self._file, lineterminator="\n")
        self._writer.writerow(self.columns)
        self._file.flush()

    def write(self, rows: Iterable[Sequence[Cell]]) -> None:
        """Append rows; None becomes an empty cell."""
        before = self.rows
        for row in rows:
            assert len(row) == len(self.columns), f"{self.path.name}: {row!r} does not fit {self.columns!r}"
            self._writer.writerow(row)
            self.rows += 1
        if self.rows != before:
            self._file.flush()

    def close(self) -> None:
        """Close the file; more than once is allowed."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
