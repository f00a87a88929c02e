"""How figures look: sizes for print, colours that colour-blind people and grey printers keep apart, saving."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from harness.results.writer import write_whole

WIDTH = 6.3
"""Inches: the text width of a page; halved to a column the smallest text still has 4 points."""

# Okabe and Ito's colours, in an order whose greys differ.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
INK = "#222222"
MUTED = "#666666"
FAULT = "#B00020"
LINES = ("-", "--", "-.", ":")

_RC: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8.5,
    "axes.titlesize": 9,
    "axes.labelsize": 8.5,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "axes.grid": True,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.5,
    "axes.axisbelow": True,
    "lines.linewidth": 1.1,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "hatch.linewidth": 0.5,
    "figure.dpi": 100,
    "savefig.dpi": 200,
    # Text stays text, so that figures can be searched; and equal data give equal files.
    "svg.fonttype": "none",
    "svg.hashsalt": "harness",
}


@contextmanager
def styled() -> Iterator[None]:
    """Draw and save within this, so that the settings of other users of matplotlib stay as they are."""
    with mpl.rc_context(_RC):
        yield


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of that size in inches, which no global registry knows."""
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, target: Path) -> list[Path]:
    """Write ``target``.png and ``target``.svg.

    Raises:
        OSError: they cannot be written.

    """
    written = []
    metadata = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}}
    for form, own in metadata.items():
        buffer = io.BytesIO()
        figure.savefig(buffer, format=form, metadata=own)
        path = target.with_name(f"{target.name}.{form}")
        write_whole(path, buffer.getvalue())
        written.append(path)
    return written


def colour(index: int) -> str:
    """Return the colour of the path or endpoint of that index."""
    return COLOURS[index % len(COLOURS)]


def mark_invalid(axes: Axes) -> None:
    """Hatch a whole panel: its numbers are not to be trusted."""
    axes.patch.set_hatch("////")
    axes.patch.set_edgecolor("#BBBBBB")
    axes.patch.set_facecolor("#F4F4F4")
