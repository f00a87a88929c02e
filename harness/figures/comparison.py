"""One figure of many runs: goodput over time by endpoint and varied value, with ranges of gap and completion below."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.figures import style
from harness.figures.series import Series
from harness.results.formats import BrokenRun

_COLUMNS = 4
_MEASURES = (("longest_gap_s", "longest gap (s)"), ("completion_s", "completion (s)"))


@dataclass(frozen=True)
class Group:
    """Runs that differ in nothing but the seed and the attempt."""

    endpoint: str
    values: str
    runs: list[Series]

    @property
    def valid(self) -> list[Series]:
        """Those whose numbers count."""
        return [run for run in self.runs if run.record.verdict in ("pass", "fail")]

    def numbers(self, metric: str) -> list[float]:
        """Return a metric of the valid runs that completed and have it, sorted.

        The gap of a run that stalled is as long as the run's limit, which says nothing about the transport.
        """
        done = [run.record.metrics for run in self.valid if run.record.metrics.get("completion_s") is not None]
        found = [metrics.get(metric) for metrics in done]
        return sorted(value for value in found if isinstance(value, int | float))

    def typical(self) -> Series | None:
        """Return the valid run whose longest gap is the (lower) median."""
        known = [run for run in self.valid if run.record.metrics.get("longest_gap_s") is not None]
        ordered = sorted(known, key=lambda run: run.record.metrics["longest_gap_s"])
        return ordered[(len(ordered) - 1) // 2] if ordered else None


def draw(folders: list[Path], target: Path) -> list[Path]:
    """Draw ``target``.png and .svg (see `harness.figures.draw_comparison`); runs that cannot be read are left out."""
    series = []
    for folder in folders:
        try:
            series.append(Series.read(folder))
        except BrokenRun:
            continue
    if not series:
        raise BrokenRun(f"{target.parent}: none of its {len(folders)} runs can be read, so there is nothing to compare")
    with style.styled():
        ordered = sorted(series, key=lambda run: run.record.started)
        return style.save(build(grouped(ordered)), target)


def grouped(series: Sequence[Series]) -> list[Group]:
    """Sort runs into groups, in order of first appearance of endpoints and of values."""
    varied = _varied(series)
    groups: dict[tuple[str, str], list[Series]] = {}
    for run in series:
        point = run.record.values
        label = ", ".join(f"{key.rpartition('.')[2]} {point[key]}" for key in varied if key in point)
        groups.setdefault((run.record.endpoint, label), []).append(run)
    endpoints = list(dict.fromkeys(endpoint for endpoint, _ in groups))
    values = list(dict.fromkeys(value for _, value in groups))
    ordered = sorted(groups.items(), key=lambda item: (endpoints.index(item[0][0]), values.index(item[0][1])))
    return [Group(endpoint, value, runs) for (endpoint, value), runs in ordered]


def _varied(series: Sequence[Series]) -> list[str]:
    """Return the keys of the matrix that have more than one value among the runs."""
    keys = list(dict.fromkeys(key for run in series for key in run.record.values))
    return [key for key in keys if len({str(run.record.values.get(key)) for run in series}) > 1]


def build(groups: Sequence[Group]) -> Figure:
    """Return the comparison of groups of one scenario."""
    endpoints = list(dict.fromkeys(group.endpoint for group in groups))
    values = list(dict.fromkeys(group.values for group in groups))
    # A row an endpoint and a column a value; a single value leaves the panels to be laid out in turn.
    matrix = 1 < len(values) <= _COLUMNS
    columns = len(values) if matrix else _columns(len(groups), len(values))
    rows = len(endpoints) if matrix else -(-len(groups) // columns)
    charts = 0.55 + 0.19 * len(groups)
    panels, top, bottom, between = 1.25 * rows + 0.42 * (rows - 1), 0.84, 0.62, 0.82
    height = panels + charts + top + bottom + between
    figure = style.new_figure(style.WIDTH, height)
    grid = figure.add_gridspec(
        rows, columns, left=0.085, right=0.985, top=1 - top / height, bottom=1 - (top + panels) / height,
        hspace=0.42 / 1.25, wspace=0.08,
    )  # fmt: skip
    start, end = _window(groups)
    highest = max([1.0, *(rate for group in groups for run in group.runs for rate in run.goodput()[0])])
    first: Axes | None = None
    for index, group in enumerate(groups):
        row, column = divmod(index, columns)
        if matrix:
            row, column = endpoints.index(group.endpoint), values.index(group.values)
        axes = figure.add_subplot(grid[row, column], sharex=first, sharey=first)
        first = first or axes
        _panel(axes, group, endpoints.index(group.endpoint))
        axes.set_xlim(start, end)
        axes.set_ylim(0, highest * 1.38)
        lowest = row == rows - 1 or (not matrix and index + columns >= len(groups))
        axes.tick_params(labelleft=column == 0, labelbottom=lowest)
        if column == 0:
            axes.set_ylabel("goodput (Mbps)")
        if lowest:
            axes.set_xlabel("time (s)")
    # Half a line's height is about a character's width.
    longest = max(len(_name(group)) for group in groups)
    below = figure.add_gridspec(
        1,
        2,
        left=min(0.5, 0.02 + 0.0105 * longest),
        right=0.985,
        top=(bottom + charts) / height,
        bottom=bottom / height,
        wspace=0.12,
    )
    for column, (metric, label) in enumerate(_MEASURES):
        axes = figure.add_subplot(below[column])
        _ranges(axes, groups, endpoints, metric)
        axes.set_xlabel(label)
        axes.tick_params(labelleft=column == 0)
    _words(figure, groups, height)
    return figure


def _columns(groups: int, values: int) -> int:
    """Return how many panels stand side by side: so many that each endpoint begins a row of its own, if possible."""
    fitting = [count for count in range(_COLUMNS, 1, -1) if values > 1 and values % count == 0]
    return fitting[0] if fitting else min(_COLUMNS, max(2, groups))


def _name(group: Group) -> str:
    return f"{group.endpoint}  {group.values}".strip()


def _words(figure: Figure, groups: Sequence[Group], height: float) -> None:
    record = groups[0].runs[0].record
    runs = [run for group in groups for run in group.runs]
    seeds = sorted({run.record.seed for run in runs})
    seed = f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {seeds[0]} to {seeds[-1]}"
    elements = ", ".join(sorted({run.record.element for run in runs}))
    counts = {
        name: sum(run.record.verdict == name for run in runs) for name in ("pass", "fail", "invalid", "unsupported")
    }
    verdicts = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    title = groups[0].runs[0].scenario.figure.title or record.scenario
    figure.text(0.085, 1 - 0.10 / height, title, fontsize=10, fontweight="bold", va="top")
    figure.text(
        0.085, 1 - 0.28 / height, "thick: run with the median longest gap; thin: the other valid runs; dashed: fault",
        fontsize=7, color=style.MUTED, va="top",
    )  # fmt: skip
    caption = f"scenario {record.scenario}; {seed}; element {elements}; {len(runs)} runs: {verdicts}"
    figure.text(0.012, 0.07 / height, caption, fontsize=7, color=style.MUTED, va="bottom")


def _window(groups: Sequence[Group]) -> tuple[float, float]:
    """Show what the scenario says, else the surroundings of a single fault moment, else everything."""
    runs = [run for group in groups for run in group.runs]
    chosen = runs[0].scenario.figure
    moments = [fault.start_s for run in runs for fault in run.faults]
    start, end = 0.0, max(run.end_s for run in runs)
    gaps = [value for group in groups for value in group.numbers("longest_gap_s")]
    if moments and max(moments) - min(moments) < 0.5 and all(len(run.faults) <= 1 for run in runs):
        start = max(0.0, min(moments) - 2)
        end = min(end, max(moments) + max(2.5, 1.6 * statistics.median(gaps) if gaps else 0.0))
    start = start if chosen.from_s is None else chosen.from_s
    end = end if chosen.to_s is None else chosen.to_s
    return start, max(end, start + 0.5)


def _panel(axes: Axes, group: Group, index: int) -> None:
    colour = style.colour(index)
    typical = group.typical()
    for run in group.valid:
        if run is not typical:
            values, edges = run.goodput()
            axes.stairs(values, edges, color=colour, linewidth=0.5, alpha=0.45)
    if typical is not None:
        values, edges = typical.goodput()
        axes.stairs(values, edges, fill=True, color=colour, alpha=0.15)
        axes.stairs(values, edges, color=colour, linewidth=1.3)
        for fault in typical.faults:
            axes.axvline(fault.start_s, color=style.FAULT, linestyle=(0, (4, 2)), linewidth=0.8, zorder=3)
    else:
        style.mark_invalid(axes)
    axes.set_title(
        group.endpoint, fontsize=8.5, fontweight="bold", color=colour, loc="left", pad=13 if group.values else 3
    )
    if group.values:
        axes.annotate(
            group.values, (0, 1), xycoords="axes fraction", xytext=(0, 3), textcoords="offset points", fontsize=7.5
        )
    axes.text(
        0.97, 0.95, "\n".join(_notes(group)), transform=axes.transAxes, fontsize=6.8, va="top", ha="right",
        linespacing=1.25, bbox={"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 0.8},
    )  # fmt: skip


def _notes(group: Group) -> list[str]:
    gaps = group.numbers("longest_gap_s")
    notes = []
    if gaps:
        spread = f" ({gaps[0]:.2f}–{gaps[-1]:.2f})" if len(gaps) > 1 else ""
        notes.append(f"longest gap {statistics.median(gaps):.2f} s{spread}")
    elif group.valid:
        notes.append("did not complete")
    counts = [
        f"{count} {name}"
        for name in ("fail", "invalid", "unsupported")
        if (count := sum(run.record.verdict == name for run in group.runs))
    ]
    number = f"n = {len(group.valid)}"
    notes.append(", ".join([number, *counts]))
    return notes


def _ranges(axes: Axes, groups: Sequence[Group], endpoints: Sequence[str], metric: str) -> None:
    """Draw a dot at each median and a line over the range; what did not happen says so."""
    labels = []
    for place, group in enumerate(groups):
        colour = style.colour(endpoints.index(group.endpoint))
        numbers = group.numbers(metric)
        labels.append(_name(group))
        if not numbers:
            text = "did not complete" if group.valid else "no valid run"
            axes.text(
                0.01, place, text, transform=axes.get_yaxis_transform(), fontsize=6.8, va="center", color=style.MUTED
            )
            continue
        axes.plot(
            [numbers[0], numbers[-1]], [place, place], color=colour, linewidth=2.2, alpha=0.4, solid_capstyle="butt"
        )
        axes.plot(numbers, [place] * len(numbers), "|", color=colour, markersize=5, markeredgewidth=0.8)
        axes.plot(statistics.median(numbers), place, "o", color=colour, markersize=4)
    axes.set_yticks(range(len(groups)), labels)
    axes.set_ylim(len(groups) - 0.4, -0.6)
    axes.set_xlim(0, axes.get_xlim()[1] * 1.04)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
