"""``harness plot``, ``report`` and ``compare``: what can be made again and again from stored runs."""

import sys
from collections import defaultdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from harness.results.formats import BrokenRun
from harness.results.record import find_runs, read_record
from harness.results.writer import write_record

Folder = Annotated[Path, typer.Argument(help="a run directory, or a folder of them")]


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command("plot", epilog="Example: harness plot results/failover")(plot)
    app.command("report", epilog="Example: harness report results")(report)
    app.command("compare", epilog="Example: harness compare results/reference results")(compare)


def plot(folder: Folder) -> None:
    """Draw the figures of stored runs again, and a comparison of the runs of each scenario."""
    runs = list(find_runs(folder))
    if not runs:
        raise BrokenRun(f"{folder}: there is no run below this folder")
    for path in (*(path for run in runs for path in draw(run)), *draw_comparisons(runs)):
        print(path)


def report(folder: Folder) -> None:
    """Show the table of stored runs, and write report.html with their figures into the folder."""
    from harness.report.html import write_report
    from harness.report.summary import read_folder
    from harness.report.table import show

    show(read_folder(folder), Console())
    print(write_report(folder))


def compare(
    baseline: Annotated[Path, typer.Argument(help="a folder of runs")],
    candidate: Annotated[Path, typer.Argument(help="another one")],
) -> None:
    """Compare the runs of two folders case by case, with effect sizes. Exit code 1 if something got worse."""
    from harness.report.compare import compare_folders

    sys.exit(compare_folders(baseline, candidate, Console()))


def draw_comparisons(runs: list[Path]) -> list[Path]:
    """Draw a comparison beside the runs of each scenario that has more than one, and return the files."""
    # Imported late: matplotlib takes longer to load than everything else together.
    from harness.figures import draw_comparison

    groups: dict[Path, list[Path]] = defaultdict(list)
    for run in runs:
        try:
            read_record(run)
        except BrokenRun:
            continue
        groups[run.parent].append(run)
    return [
        path
        for parent, group in groups.items()
        if len(group) > 1
        for path in draw_comparison(group, parent / "comparison")
    ]


def draw(run: Path) -> list[Path]:
    """Draw the figures of a run and name them in its run.json; what cannot be drawn is said on standard error."""
    from harness.figures import draw_run

    try:
        figures = draw_run(run)
        record = read_record(run)
    except BrokenRun as error:
        print(f"harness: no figure: {error}", file=sys.stderr)
        return []
    names = [path.name for path in figures]
    if record.figures != names:
        write_record(run, record.model_copy(update={"figures": names}))
    return figures
