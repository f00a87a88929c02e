"""All runs below a folder as one pandas frame: a row a run."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.results.formats import BrokenRun
from harness.results.record import find_runs, read_record

if TYPE_CHECKING:
    import pandas as pd

FIRST_COLUMNS = (
    "scenario", "endpoint", "topology", "element", "seed", "run_id", "attempt", "verdict", "reasons", "started",
    "duration_s", "directory",
)  # fmt: skip


def load_frame(path: str | Path) -> "pd.DataFrame":
    """Return every run at or below ``path`` as a row.

    Columns: those of `FIRST_COLUMNS`; the values of the matrix under their keys (``fault.kind``); every metric under
    its name, nested ones with dots (``recovery_s.outage``); the numbers of the validity record under ``validity.``. A
    run that left no readable run.json is a row with the verdict ``incomplete`` and the cause in ``reasons``.

    Raises:
        BrokenRun: the folder does not exist.

    """
    import pandas as pd

    rows = [_row(folder) for folder in find_runs(Path(path))]
    frame = pd.DataFrame(rows)
    for name in FIRST_COLUMNS:
        if name not in frame.columns:
            frame[name] = None
    rest = [name for name in frame.columns if name not in FIRST_COLUMNS]
    return frame[[*FIRST_COLUMNS, *rest]]


def _row(folder: Path) -> dict[str, Any]:
    try:
        record = read_record(folder)
    except BrokenRun as error:
        return {
            "scenario": folder.parent.name, "run_id": folder.name, "directory": str(folder),
            "verdict": "incomplete", "reasons": str(error),
        }  # fmt: skip
    row: dict[str, Any] = {
        name: getattr(record, name) for name in FIRST_COLUMNS if name not in ("reasons", "directory")
    }
    row["reasons"] = "; ".join(record.reasons)
    row["directory"] = str(folder)
    row.update(record.values)
    row.update(flatten(record.metrics))
    row.update({f"validity.{key}": value for key, value in flatten(record.validity).items() if _plain(value)})
    return row


def flatten(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return a flat dictionary whose keys are those of the nested ones joined by dots."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _plain(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float)
