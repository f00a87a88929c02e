"""Run directories: their files and columns, writing and reading them, and all runs of a folder as one table."""

from pathlib import Path
from typing import TYPE_CHECKING

from harness.results.data import RunData
from harness.results.formats import SCHEMA, BrokenRun
from harness.results.record import RunRecord, find_runs, read_record
from harness.results.writer import RunDirectory

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SCHEMA", "BrokenRun", "RunData", "RunDirectory", "RunRecord", "find_runs", "load", "read_record"]


def load(path: str | Path) -> "pd.DataFrame":
    """Return every run at or below ``path`` as a row of a pandas frame (see `harness.results.frame.load_frame`).

    Raises:
        BrokenRun: the folder does not exist.

    """
    # pandas takes most of a second to import on a slow machine, and a run has no use for it.
    from harness.results.frame import load_frame

    return load_frame(path)
