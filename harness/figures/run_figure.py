"""The figure of one run: goodput on top, a panel for each of the client's paths below, faults marked through all."""

import textwrap
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.figures import style
from harness.figures.series import FaultSpan, Series
from harness.results import formats

_MARKED_GAP_S = 0.15
_LABELLED_FAULTS = 12
_NAMED_FAULTS = 2


def draw(folder: Path) -> list[Path]:
    """Draw figure.png and figure.svg of a run directory and return them (see `harness.figures.draw_run`)."""
    series = Series.read(folder)
    with style.styled():
        return style.save(build(series), folder / Path(formats.FIGURE_PNG).stem)


def build(series: Series) -> Figure:
    """Return the figure of a run."""
    paths = [path.name for path in series.topology.access_paths]
    probes = any(row.direction == "round_trip" and row.value_ms is not None for row in series.data.latency)
    objects = series.scenario.workload.kind == "objects"
    heights = [1.7, *[1.0] * len(paths), *([1.0] if objects else []), *([1.0] if probes else [])]
    caption = _caption(series)
    top, bottom = 0.74, 0.5 + 0.145 * len(caption)
    inner = sum(heights) + 0.16 * (len(heights) - 1)
    height = inner + top + bottom
    figure = style.new_figure(style.WIDTH, height)
    grid = figure.add_gridspec(
        len(heights), 1, height_ratios=heights, left=0.115, right=0.985,
        top=1 - top / height, bottom=bottom / height, hspace=0.16 * len(heights) / sum(heights),
    )  # fmt: skip
    panels: list[Axes] = []
    for row in range(len(heights)):
        panels.append(figure.add_subplot(grid[row], sharex=panels[0] if panels else None))
    _goodput(panels[0], series)
    for index, name in enumerate(paths):
        _path(panels[1 + index], series, name, index)
    limit = max([axes.get_ylim()[1] for axes in panels[1 : 1 + len(paths)]], default=1.0)
    for axes in panels[1 : 1 + len(paths)]:
        axes.set_ylim(0, limit)
    if objects:
        _objects(panels[1 + len(paths)], series)
    if probes:
        _latency(panels[-1], series, paths)
    start, end = _window(series)
    for index, axes in enumerate(panels):
        axes.set_xlim(start, end)
        axes.tick_params(labelbottom=axes is panels[-1])
        about = paths[index - 1] if 1 <= index <= len(paths) else None
        _faults(axes, series, about, labelled=index == 0)
    panels[-1].set_xlabel("time since the client was started (s)")
    figure.align_ylabels(panels)
    title = series.scenario.figure.title or f"{series.record.scenario}, {series.record.endpoint}"
    figure.text(0.115, 1 - 0.10 / height, title, fontsize=10, fontweight="bold", va="top")
    figure.text(0.985, 1 - 0.10 / height, series.record.verdict.upper(), fontsize=9, fontweight="bold",
                va="top", ha="right", color=style.FAULT if series.record.verdict != "pass" else style.INK)  # fmt: skip
    # Below the title: within the panel it would cover the data or the line it explains.
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="upper left", ncols=2, handlelength=2.2, borderpad=0,
        bbox_to_anchor=(0.115, 1 - 0.30 / height), borderaxespad=0,
    )  # fmt: skip
    for number, line in enumerate(reversed(caption)):
        figure.text(0.012, (0.07 + 0.145 * number) / height, line, fontsize=7, color=style.MUTED, va="bottom")
    if series.record.verdict == "invalid":
        _invalid(panels, series)
    return figure


def _window(series: Series) -> tuple[float, float]:
    chosen = series.scenario.figure
    start = 0.0 if chosen.from_s is None else chosen.from_s
    end = series.end_s * 1.01 if chosen.to_s is None else chosen.to_s
    return start, max(end, start + 0.5)


def _goodput(axes: Axes, series: Series) -> None:
    values, edges = series.goodput()
    axes.stairs(values, edges, fill=True, color="#C9D6E2")
    axes.stairs(values, edges, color=style.INK, linewidth=0.9, label="goodput, 0.1 s bins")
    allowed, borders = series.capacity()
    if allowed:
        axes.stairs(allowed, borders, baseline=None, color=style.COLOURS[2], linewidth=0.9, linestyle=(0, (5, 1.5)),
                    label="what the rates allow")  # fmt: skip
    highest = max([*values, *allowed, 0.1])
    axes.set_ylim(0, series.scenario.figure.goodput_max_mbps or highest * 1.22)
    axes.set_ylabel("goodput\n(Mbps)")
    _longest_gap(axes, series)


def _longest_gap(axes: Axes, series: Series) -> None:
    gap, start = series.record.metrics.get("longest_gap_s"), series.record.metrics.get("longest_gap_at_s")
    if gap is None or start is None or gap < _MARKED_GAP_S:
        return
    level = axes.get_ylim()[1] * 0.55
    axes.annotate(
        "", (start, level), (start + gap, level),
        arrowprops={"arrowstyle": "<->", "color": style.FAULT, "linewidth": 0.9, "shrinkA": 0, "shrinkB": 0},
    )  # fmt: skip
    axes.annotate(
        f"gap {gap:.2f} s", (start + gap, level), xytext=(4, 0), textcoords="offset points", fontsize=7.5,
        color=style.FAULT, va="center",
        bbox={"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 0.8},
    )  # fmt: skip


def _path(axes: Axes, series: Series, name: str, index: int) -> None:
    values, edges = series.throughput(name)
    colour = style.colour(index)
    if values:
        axes.stairs(values, edges, fill=True, color=colour, alpha=0.25)
        axes.stairs(values, edges, color=colour, linewidth=0.9)
    rates = [
        link.rate / 1e6 for path in series.topology.access_paths for link in (path.forward, path.backward) if link.rate
    ]
    axes.set_ylim(0, max([*values, *rates, 0.1]) * 1.25)
    axes.set_ylabel("throughput\n(Mbps)")
    path = series.topology.find_path(name)
    family = {"ipv4": "IPv4", "ipv6": "IPv6"}[path.family]
    axes.text(
        0.008, 0.93, f"path {name} ({family})", transform=axes.transAxes, fontsize=8, fontweight="bold", va="top",
        color=colour, bbox={"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1.0}, zorder=5,
    )  # fmt: skip


def _objects(axes: Axes, series: Series) -> None:
    times, values = [item.time_s for item in series.objects], [item.ms for item in series.objects]
    axes.plot(times, values, "o", markersize=2.4, color=style.INK, label="last byte of an object after its request")
    axes.set_ylim(0, max([*values, 1.0]) * 1.3)
    axes.set_ylabel("object\n(ms)")
    axes.legend(loc="upper right", handletextpad=0.1, borderpad=0.1)


def _latency(axes: Axes, series: Series, paths: list[str]) -> None:
    highest = 1.0
    markers = ("o", "x", "^", "s")
    for index, name in enumerate(paths):
        rows = [row for row in series.data.latency if row.path == name and row.direction == "round_trip"]
        known = [(row.time_s, row.value_ms) for row in rows if row.value_ms is not None]
        colour = style.colour(index)
        if known:
            times, values = zip(*known, strict=True)
            highest = max(highest, *values)
            marker = markers[index % len(markers)]
            axes.plot(times, values, marker, markersize=2.4, markeredgewidth=0.7, color=colour, label=name)
        lost = [row.time_s for row in rows if row.lost and row.time_s >= _window(series)[0]]
        if lost:
            # Lost probes as ticks on the axis: there is no value to draw them at.
            axes.plot(lost, [0.0] * len(lost), "|", markersize=5, color=colour, clip_on=False)
    axes.set_ylim(0, highest * 1.3)
    axes.set_ylabel("probe RTT\n(ms)")
    axes.legend(loc="upper right", ncols=len(paths), handletextpad=0.1, columnspacing=0.8, borderpad=0.1)


def _faults(axes: Axes, series: Series, about: str | None, *, labelled: bool) -> None:
    """Mark faults and migrations: a dashed line in every panel, durations where they matter, names above the first."""
    start, end = axes.get_xlim()
    visible = [fault for fault in series.marks if start <= fault.start_s <= end]
    lasts_on = {"drop", "rst", "down", "address_remove"}
    for fault in visible:
        concerned = fault.path is None or fault.path == about
        axes.axvline(fault.start_s, color=style.FAULT, linestyle=(0, (4, 2)), linewidth=0.9, zorder=3)
        stop = fault.end_s if fault.end_s is not None else (series.end_s if fault.kind in lasts_on else None)
        if concerned and stop is not None:
            axes.axvspan(fault.start_s, min(stop, end), color=style.FAULT, alpha=0.08, linewidth=0, zorder=0)
        if fault.end_s is not None and len(visible) <= _LABELLED_FAULTS and start <= fault.end_s <= end:
            axes.axvline(fault.end_s, color=style.FAULT, linestyle=":", linewidth=0.7, zorder=3)
    if not labelled:
        return
    # Labels take turns on two heights, and give way when they would be written over each other.
    room = [start - 1.0] * 2
    span = end - start
    for number, fault in enumerate(visible):
        level = number % 2 if len(visible) > 1 else 0
        text = _label(fault, short=len(visible) > _NAMED_FAULTS)
        width = 0.0095 * len(text) * span
        right = fault.start_s + width > end
        if fault.start_s - (width if right else 0.0) < room[level]:
            continue
        axes.annotate(
            text, (fault.start_s, 1.0), xycoords=("data", "axes fraction"), xytext=(1 if right else -1, 3 + 9 * level),
            textcoords="offset points", fontsize=7, color=style.FAULT, ha="right" if right else "left", va="bottom",
        )  # fmt: skip
        room[level] = fault.start_s + (0.0 if right else width)


def _label(fault: FaultSpan, *, short: bool) -> str:
    name, _, number = fault.id.partition("#")
    kind = fault.kind.replace("_", " ")
    place = f" {fault.path}" if fault.path else ""
    if fault.kind == "migration":
        return f"migration to{place}"
    if short:
        return f"{kind}{place}"
    # A made-up name repeats kind and path; only one that somebody chose says more.
    own = "" if name.startswith(fault.kind) else f"{name}: "
    return f"{own}{kind}{place}{f' ({number})' if number else ''}"


def _caption(series: Series) -> list[str]:
    record = series.record
    values = ", ".join(f"{key} = {value}" for key, value in record.values.items())
    parts = [
        f"scenario {record.scenario}", f"endpoint {record.endpoint}", *([values] if values else []),
        f"seed {record.seed}", f"element {record.element}", f"run {record.run_id}",
        *([f"attempt {record.attempt}"] if record.attempt > 1 else []), f"verdict {record.verdict}",
    ]  # fmt: skip
    lines = textwrap.wrap("; ".join(parts), 118)
    if record.reasons:
        rest = f" (and {len(record.reasons) - 1} more)" if len(record.reasons) > 1 else ""
        lines += textwrap.wrap(textwrap.shorten(record.reasons[0], 220, placeholder=" …") + rest, 118)
    return lines


def _invalid(panels: list[Axes], series: Series) -> None:
    for axes in panels:
        style.mark_invalid(axes)
    reason = series.record.reasons[0].partition(";")[0] if series.record.reasons else ""
    box = {"facecolor": "white", "alpha": 0.92, "edgecolor": style.FAULT, "linewidth": 0.8, "boxstyle": "round,pad=0.4"}
    text = "INVALID: " + textwrap.shorten(reason, 160, placeholder=" …")
    panels[0].text(
        0.5, 0.90, "\n".join(textwrap.wrap(text, 84)), transform=panels[0].transAxes, ha="center", va="top",
        fontsize=7.5, color=style.FAULT, bbox=box, zorder=10,
    )  # fmt: skip
