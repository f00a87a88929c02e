"""The table of verdicts on the terminal; plain aligned text when the output is not a terminal."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.report.summary import Case, StoredRun, describe_values, group

METRICS = (
    ("completion_s", "completion (s)", 2),
    ("goodput_mbps", "goodput (Mbps)", 1),
    ("longest_gap_s", "longest gap (s)", 2),
    ("recovery_s", "recovery (s)", 2),
)
_COLOURS = {"pass": "green", "fail": "bold red", "invalid": "yellow", "incomplete": "yellow", "unsupported": "dim"}


def rows(cases: Sequence[Case]) -> tuple[list[str], list[list[str]]]:
    """Return the headings and cells of the table; columns that would be empty are left out."""
    headings = ["scenario", "endpoint", "values", "seed", *(title for _, title, _ in METRICS), "runs", "verdict"]
    table = []
    for case in cases:
        cells = [case.scenario, case.endpoint, describe_values(case.values), case.seeds]
        for metric, _, digits in METRICS:
            spread = case.spread(metric)
            cells.append("" if spread is None else spread.text(digits))
        table.append([*cells, str(len(case.runs)), case.verdicts])
    kept = [index for index, heading in enumerate(headings) if heading == "verdict" or any(row[index] for row in table)]
    return [headings[index] for index in kept], [[row[index] for index in kept] for row in table]


def show(runs: Sequence[StoredRun], console: Console) -> None:
    """Print the table of runs, and below it why those that did not pass did not."""
    cases = group(runs)
    headings, table = rows(cases)
    if console.is_terminal:
        _show_rich(cases, headings, table, console)
    else:
        widths = [max(len(row[index]) for row in [headings, *table]) for index in range(len(headings))]
        for row in [headings, *table]:
            line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            console.print(line.rstrip(), markup=False, highlight=False, soft_wrap=True)
    for line in explanations(runs):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _show_rich(
    cases: Sequence[Case], headings: Sequence[str], rows_: Sequence[Sequence[str]], console: Console
) -> None:
    table = Table(box=None, padding=(0, 1), header_style="bold", pad_edge=False)
    for heading in headings:
        numeric = heading.endswith((")", "runs"))
        table.add_column(heading, justify="right" if numeric else "left", overflow="fold")
    for case, row in zip(cases, rows_, strict=True):
        table.add_row(*row[:-1], Text(row[-1], style=_COLOURS[case.verdict]))
    console.print(table)


def explanations(runs: Sequence[StoredRun]) -> list[str]:
    """Return a line for each run that did not pass: verdict, directory, first reason and how many more there are."""
    lines = []
    for run in runs:
        if run.verdict == "pass":
            continue
        reasons = [run.error or ""] if run.record is None else run.record.reasons
        more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
        lines.append(f"{run.verdict}: {run.folder}: {reasons[0] if reasons else 'no reason is stored'}{more}")
    return lines
