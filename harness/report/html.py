"""The report of a folder as one page: table, figures (linked relatively), validity and environment of every run."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from harness.report.summary import Case, StoredRun, group, read_folder
from harness.report.table import rows
from harness.results import formats
from harness.results.frame import flatten
from harness.results.writer import write_whole

PAGE = "report.html"


def write_report(folder: Path) -> Path:
    """Write report.html of all runs at or below ``folder`` and return it.

    Raises:
        BrokenRun: the folder does not exist, or holds no run.
        OSError: the page cannot be written.

    """
    runs = read_folder(folder)
    page = folder / PAGE
    write_whole(page, render(runs, folder).encode())
    return page


def render(runs: Sequence[StoredRun], folder: Path) -> str:
    """Return the page; links are relative to ``folder``."""
    environment = Environment(
        loader=PackageLoader("harness.report", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    cases = group(runs)
    headings, table = rows(cases)
    return environment.get_template("report.html.j2").render(
        title=f"Runs in {folder.name or folder.resolve().name}",
        headings=headings,
        rows=[
            {"cells": row, "verdict": case.verdict, "anchor": f"case-{number}"}
            for number, (case, row) in enumerate(zip(cases, table, strict=True), 1)
        ],
        comparisons=_comparisons(runs, folder),
        cases=[_case(number, case, folder) for number, case in enumerate(cases, 1)],
    )


def _link(path: Path, folder: Path) -> str:
    return Path(os.path.relpath(path, folder)).as_posix()


def _comparisons(runs: Sequence[StoredRun], folder: Path) -> list[str]:
    candidates = dict.fromkeys(run.folder.parent / "comparison.png" for run in runs)
    return [_link(path, folder) for path in candidates if path.is_file()]


def _case(number: int, case: Case, folder: Path) -> dict[str, Any]:
    title = " · ".join(part for part in case.key if part)
    return {"anchor": f"case-{number}", "title": title, "runs": [_run(run, folder) for run in case.runs]}


def _run(run: StoredRun, folder: Path) -> dict[str, Any]:
    record = run.record
    figure = run.folder / formats.FIGURE_PNG
    files = sorted(path.name for path in run.folder.iterdir() if path.is_file())
    return {
        "name": run.folder.name,
        "verdict": run.verdict,
        "reasons": [run.error] if record is None else record.reasons,
        "figure": _link(figure, folder) if figure.is_file() else None,
        "seed": None if record is None else record.seed,
        "element": None if record is None else record.element,
        "started": None if record is None else record.started,
        "expectations": [] if record is None else record.expectations,
        "metrics": {} if record is None else _short(record.metrics),
        "validity": {} if record is None else _short(record.validity),
        "environment": {} if record is None else _environment(record.environment),
        "files": [(name, _link(run.folder / name, folder)) for name in files],
    }


def _short(tree: dict[str, Any]) -> dict[str, str]:
    return {name: _text(value) for name, value in flatten(tree).items()}


def _environment(environment: dict[str, Any]) -> dict[str, str]:
    """Leave out what is long and set by the harness itself: it stands in run.json."""
    return {name: _text(value) for name, value in environment.items() if not isinstance(value, dict | list)}


def _text(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)
