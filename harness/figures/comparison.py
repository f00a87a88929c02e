"""One figure of many runs of a scenario: a panel for each endpoint and varied value, ranges of two numbers below."""

import statistics
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.figures import style
from harness.figures.groups import Group, Measure, grouped, layout, measures
from harness.figures.series import Series
from harness.results.formats import BrokenRun


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


def build(groups: Sequence[Group]) -> Figure:
    """Return the comparison of groups of one scenario."""
    endpoints = list(dict.fromkeys(group.endpoint for group in groups))
    drawn = [group for group in groups if not group.unsupported] or list(groups)
    places = layout(drawn)
    shown = measures(groups)
    charts = 0.55 + 0.19 * len(groups)
    panels, top, bottom, between = 1.25 * places.rows + 0.42 * (places.rows - 1), 0.84, 0.62, 0.82
    height = panels + charts + top + bottom + between
    figure = style.new_figure(style.WIDTH, height)
    grid = figure.add_gridspec(
        places.rows, places.columns, left=0.085, right=0.985, top=1 - top / height,
        bottom=1 - (top + panels) / height, hspace=0.42 / 1.25, wspace=0.08,
    )  # fmt: skip
    objects = groups[0].runs[0].scenario.workload.kind == "objects"
    content = _Objects(groups) if objects else _Goodput(groups)
    first: Axes | None = None
    for group, (row, column) in zip(drawn, places.places, strict=True):
        axes = figure.add_subplot(grid[row, column], sharex=first, sharey=first)
        first = first or axes
        _panel(axes, group, endpoints.index(group.endpoint), content, shown)
        below_it = [place for place in places.places if place[1] == column and place[0] > row]
        axes.tick_params(labelleft=column == 0, labelbottom=not below_it)
        if column == 0:
            axes.set_ylabel(content.label)
        if not below_it:
            axes.set_xlabel("time (s)")
    # Half a line's height is about a character's width.
    longest = max(len(group.name) for group in groups)
    below = figure.add_gridspec(
        1,
        2,
        left=min(0.5, 0.02 + 0.0105 * longest),
        right=0.985,
        top=(bottom + charts) / height,
        bottom=bottom / height,
        wspace=0.12,
    )
    for column, measure in enumerate(shown):
        axes = figure.add_subplot(below[column])
        _ranges(axes, groups, endpoints, measure)
        axes.set_xlabel(measure.label)
        axes.tick_params(labelleft=column == 0)
    _words(figure, groups, height, shown[0])
    return figure


class _Goodput:
    """Panels of goodput over time."""

    label = "goodput (Mbps)"

    def __init__(self, groups: Sequence[Group]) -> None:
        self._window = _window(groups)
        self._highest = max([1.0, *(rate for group in groups for run in group.runs for rate in run.goodput()[0])])

    def draw(self, axes: Axes, run: Series, colour: str, *, typical: bool) -> None:
        """Draw one run."""
        values, edges = run.goodput()
        if typical:
            axes.stairs(values, edges, fill=True, color=colour, alpha=0.15)
        axes.stairs(values, edges, color=colour, linewidth=1.3 if typical else 0.5, alpha=None if typical else 0.45)

    def scale(self, axes: Axes) -> None:
        """Set the ends of both axes, which all panels share."""
        axes.set_xlim(*self._window)
        axes.set_ylim(0, self._highest * 1.38)


class _Objects:
    """Panels of the objects' times: they span orders of magnitude, so their axis is logarithmic."""

    label = "object (ms)"

    def __init__(self, groups: Sequence[Group]) -> None:
        self._window = _window(groups)
        times = [item.ms for group in groups for run in group.runs for item in run.objects if item.ms > 0]
        self._range = (min(times, default=1.0) * 0.7, max(times, default=100.0) * 4)

    def draw(self, axes: Axes, run: Series, colour: str, *, typical: bool) -> None:
        """Draw one run."""
        times, values = [item.time_s for item in run.objects], [item.ms for item in run.objects]
        axes.plot(times, values, "o", color=colour, markersize=1.8 if typical else 1.0, alpha=0.8 if typical else 0.3)

    def scale(self, axes: Axes) -> None:
        """Set the ends of both axes, which all panels share."""
        axes.set_xlim(*self._window)
        axes.set_yscale("log")
        axes.set_ylim(*self._range)


def _words(figure: Figure, groups: Sequence[Group], height: float, measure: Measure) -> None:
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
    legend = f"thick: run with the median {measure.name}; thin: the other valid runs"
    marks = ["fault"] * any(run.faults for run in runs) + ["migration"] * any(run.moves for run in runs)
    legend += f"; dashed: {' or '.join(marks)}" if marks else ""
    figure.text(0.085, 1 - 0.28 / height, legend, fontsize=7, color=style.MUTED, va="top")
    caption = f"scenario {record.scenario}; {seed}; element {elements}; {len(runs)} runs: {verdicts}"
    figure.text(0.012, 0.07 / height, caption, fontsize=7, color=style.MUTED, va="bottom")


def _window(groups: Sequence[Group]) -> tuple[float, float]:
    """Show what the scenario says, else the surroundings of a single fault moment, else everything."""
    runs = [run for group in groups for run in group.runs]
    chosen = runs[0].scenario.figure
    moments = [fault.start_s for run in runs for fault in run.faults]
    start, end = 0.0, max(run.end_s for run in runs)
    moved = any(run.moves for run in runs)
    gaps = [value for group in groups for value in group.numbers("longest_gap_s")]
    lone = all(len(run.faults) <= 1 for run in runs) and not moved
    # A path that comes up is no outage: what matters is all that follows.
    breaks = any(fault.kind != "up" for fault in runs[0].scenario.fault)
    if moments and breaks and lone and max(moments) - min(moments) < 0.5:
        start = max(0.0, min(moments) - 2)
        end = min(end, max(moments) + max(2.5, 1.6 * statistics.median(gaps) if gaps else 0.0))
    start = start if chosen.from_s is None else chosen.from_s
    end = end if chosen.to_s is None else chosen.to_s
    return start, max(end, start + 0.5)


def _panel(axes: Axes, group: Group, index: int, content: "_Goodput | _Objects", shown: Sequence[Measure]) -> None:
    colour = style.colour(index)
    typical = group.typical(shown[0].metric)
    for run in group.valid:
        if run is not typical:
            content.draw(axes, run, colour, typical=False)
    if typical is not None:
        content.draw(axes, typical, colour, typical=True)
        for mark in typical.marks:
            axes.axvline(mark.start_s, color=style.FAULT, linestyle=(0, (4, 2)), linewidth=0.8, zorder=3)
    else:
        style.mark_invalid(axes)
    content.scale(axes)
    axes.set_title(
        group.endpoint, fontsize=8.5, fontweight="bold", color=colour, loc="left", pad=13 if group.values else 3
    )
    if group.values:
        axes.annotate(
            group.values, (0, 1), xycoords="axes fraction", xytext=(0, 3), textcoords="offset points", fontsize=7.5
        )
    axes.text(
        0.97, 0.95, "\n".join(_notes(group, shown)), transform=axes.transAxes, fontsize=6.8, va="top", ha="right",
        linespacing=1.25, bbox={"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 0.8},
    )  # fmt: skip


def _notes(group: Group, shown: Sequence[Measure]) -> list[str]:
    notes = []
    for measure in shown:
        numbers = group.numbers(measure.metric)
        if numbers and measure.note is not None:
            middle, low, high = (
                f"{value:.{measure.digits}f}" for value in (statistics.median(numbers), numbers[0], numbers[-1])
            )
            notes.append(measure.note.format(middle) + (f" ({low}–{high})" if len(numbers) > 1 else ""))
    if not group.numbers("completion_s") and group.valid:
        notes.append("did not complete")
    counts = [
        f"{count} {name}"
        for name in ("fail", "invalid", "unsupported")
        if (count := sum(run.record.verdict == name for run in group.runs))
    ]
    number = f"n = {len(group.valid)}"
    notes.append(", ".join([number, *counts]))
    return notes


def _ranges(axes: Axes, groups: Sequence[Group], endpoints: Sequence[str], measure: Measure) -> None:
    """Draw a dot at each median and a line over the range; what did not happen says so."""
    labels = []
    for place, group in enumerate(groups):
        colour = style.colour(endpoints.index(group.endpoint))
        numbers = group.numbers(measure.metric)
        labels.append(group.name)
        if not numbers:
            text = _nothing(group)
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


def _nothing(group: Group) -> str:
    """Say why a group has no number."""
    if not group.valid:
        return "unsupported" if group.unsupported else "no valid run"
    return "not measured: too short" if group.numbers("completion_s") else "did not complete"
