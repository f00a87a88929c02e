"""Writes what benchmarks/element_accuracy.py measured: a page with tables, and a histogram."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt

MEDIAN_MS = 0.2
P99_ABOVE_TIMER_MS = 0.5
GOODPUT = 0.015
CAPACITY_GBPS = 1.5
COST_CORES = 0.2
_COLUMNS = (
    "rate, Mbps",
    "delay, ms",
    "probes",
    "median error, ms",
    "p99 error, ms",
    "bare timer p99, ms",
    "goodput, Mbps",
    "against rate",
    "busy cores",
    "met",
)


def _quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.floor(share * len(ordered)))]


@dataclass(frozen=True)
class Point:
    """One rate and delay: delay errors of packets and lateness of a bare timer in ms, goodput of a TCP flow in Mbps."""

    rate: int
    delay: int
    errors: list[float]
    lateness: list[float]
    goodput: float
    share: float
    cores: float

    @property
    def median(self) -> float:
        """Median of the absolute delay error, ms."""
        return statistics.median(map(abs, self.errors))

    @property
    def p99(self) -> float:
        """99th percentile of the absolute delay error, ms."""
        return _quantile([abs(error) for error in self.errors], 0.99)

    @property
    def timer_p99(self) -> float:
        """99th percentile of the bare timer's lateness, ms."""
        return _quantile(self.lateness, 0.99)

    @property
    def passes(self) -> bool:
        """Whether all three targets are met."""
        late = self.p99 - self.timer_p99
        return self.median <= MEDIAN_MS and late <= P99_ABOVE_TIMER_MS and abs(1 - self.share) <= GOODPUT

    def line(self) -> str:
        """Return the point's row of the table."""
        cells = (
            f"{self.rate}",
            f"{self.delay}",
            f"{len(self.errors)}",
            f"{self.median:.3f}",
            f"{self.p99:.3f}",
            f"{self.timer_p99:.3f}",
            f"{self.goodput:.2f}",
            f"{(self.share - 1) * 100:+.2f} %",
            f"{self.cores:.2f}",
            "yes" if self.passes else "no",
        )
        return f"| {' | '.join(cells)} |"


@dataclass(frozen=True)
class Share:
    """Losses of one model: the number expected lies between ``low`` and ``high`` with a probability of 99 %."""

    probability: float
    packets: int
    lost: int
    low: float
    high: float

    @property
    def passes(self) -> bool:
        """Whether the number lies in the interval."""
        return self.low <= self.lost <= self.high


@dataclass(frozen=True)
class Report:
    """Everything measured."""

    element: str
    kernel: str
    cores: int
    priority: int
    others: float
    points: list[Point]
    losses: list[Share]
    capacity_gbps: float
    overflow: int
    cost: tuple[float, float, float]

    def verdict(self) -> str:
        """Return one line that says what was met."""
        met = sum(point.passes for point in self.points)
        losses = sum(share.passes for share in self.losses)
        return (
            f"{self.element}: {met} of {len(self.points)} points, {losses} of {len(self.losses)} loss shares, "
            f"{self.capacity_gbps:.2f} Gbps, {self.cost[1] - self.cost[0]:+.2f} cores for two 25 Mbps paths, "
            f"{self.overflow} packets dropped by the element"
        )


def write(report: Report, folder: Path) -> None:
    """Write the page and the figure below ``folder``."""
    figures = folder / "figures"
    figures.mkdir(parents=True, exist_ok=True)
    _figure(report, figures / "element-accuracy")
    (folder / "element-accuracy.md").write_text(_page(report))


def _page(report: Report) -> str:
    priority = f"SCHED_FIFO {report.priority}" if report.priority else "ordinary scheduling (no real-time priority)"
    every = [error for point in report.points for error in point.errors]
    late = [value for point in report.points for value in point.lateness]
    head = f"| {' | '.join(_COLUMNS)} |\n{'|---' * len(_COLUMNS)}|"
    rows = "\n".join(point.line() for point in report.points)
    losses = "\n".join(
        f"| {share.probability:.1%} | {share.packets} | {share.lost} | {share.low:.0f} to {share.high:.0f} "
        f"| {'yes' if share.passes else 'no'} |"
        for share in report.losses
    )
    without, with_delay, own = report.cost
    return f"""# How exact the emulated links are

Made by `python -m benchmarks.element_accuracy`. Element `{report.element}`, Linux {report.kernel},
{report.cores} cores, {priority}; before the start other programs kept {report.others:.2f} cores busy.

Each row is a network of two paths with this rate and delay. One path carries one TCP flow (cubic), the other one only
probes at random times, whose delay is measured by kernel receive timestamps. A bare timer, a process that only sleeps,
runs beside them: what it is late is the machine's share. Targets: median error at most {MEDIAN_MS} ms; 99th percentile
at most {P99_ABOVE_TIMER_MS} ms above the bare timer's; goodput within {GOODPUT:.1%} of rate × 1448 / 1514.

{head}
{rows}

All probes together: median error {statistics.median(map(abs, every)):.3f} ms, p99
{_quantile([abs(error) for error in every], 0.99):.3f} ms; bare timer p99 {_quantile(late, 0.99):.3f} ms.

![Histogram of delay errors beside the bare timer's lateness](figures/element-accuracy.svg)

## Losses

| probability | packets | lost | 99 % interval | met |
|---|---|---|---|---|
{losses}

## Capacity and cost

- One TCP flow of 1500-byte packets, delay 5 ms, no rate: {report.capacity_gbps:.2f} Gbps (target {CAPACITY_GBPS}).
- Two 25 Mbps paths at full load keep {without:.2f} cores busy without delay and {with_delay:.2f} with it
  (target: at most {COST_CORES} more). The element process itself uses {own:.2f} of a core, which includes the
  forwarding of the packets that it lets out.
- Packets dropped by the element itself in all these measurements: {report.overflow}.
"""


def _figure(report: Report, stem: Path) -> None:
    every = [error for point in report.points for error in point.errors]
    late = [value for point in report.points for value in point.lateness]
    figure, axes = plt.subplots(figsize=(7, 3.2), layout="constrained")
    bins = [-0.5 + 0.025 * index for index in range(61)]
    for values, label, colour in (
        (every, f"delay error ({len(every)} probes)", "#1f5a99"),
        (late, "bare timer's lateness", "#d0782a"),
    ):
        shown = [min(max(value, bins[0]), bins[-1]) for value in values]
        weights = [100 / len(values)] * len(values)
        axes.hist(shown, bins=bins, weights=weights, histtype="stepfilled", alpha=0.45, color=colour, label=label)
    axes.axvspan(-MEDIAN_MS, MEDIAN_MS, color="0.92", zorder=0, label="target of the median")
    axes.set_yscale("log")
    axes.set_xlim(bins[0], bins[-1])
    axes.set_xlabel("ms (what lies outside is counted at the edges)")
    axes.set_ylabel("% of samples")
    axes.set_title(f"Element {report.element}, 1 to 200 Mbps and 1 to 200 ms", fontsize=10)
    axes.legend(fontsize=8)
    for suffix in (".png", ".svg"):
        figure.savefig(stem.with_suffix(suffix), dpi=150, metadata={"Date": None} if suffix == ".svg" else None)
    plt.close(figure)
