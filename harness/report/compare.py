"""A candidate's runs against a baseline's: differences with an effect size and an interval, and regressions."""

import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from harness.report.summary import Case, describe_values, group, read_folder

METRICS = (
    ("completion_s", "completion (s)", False),
    ("goodput_mbps", "goodput (Mbps)", True),
    ("longest_gap_s", "longest gap (s)", False),
    ("recovery_s", "recovery (s)", False),
    ("first_byte_ms", "first byte (ms)", False),
)
"""Name, title, and whether more is better."""

LEAST_CHANGE = 0.05
"""A ratio of medians nearer to 1 than this is no change that anybody would act on."""
LARGE_EFFECT = 0.474
"""Cliff's delta from which an effect is called large (Romano et al. 2006)."""
LEAST_RUNS = 3
"""With fewer valid runs on either side a difference is shown, and called neither better nor worse."""
_RESAMPLES = 2000

EXIT_SAME, EXIT_REGRESSION, EXIT_NOTHING = 0, 1, 3


@dataclass(frozen=True)
class Difference:
    """One metric of one case in both folders.

    Attributes:
        ratio: candidate's median over the baseline's; None when the baseline's is 0.
        low, high: the ratio's 95 % bootstrap interval; None with fewer than three runs on either side.
        delta: Cliff's delta: share of pairs in which the candidate's value is greater, less those where it is smaller.
        judgement: ``better``, ``worse``, ``same``, or ``unclear`` with too few runs to tell.

    """

    metric: str
    title: str
    baseline: float
    candidate: float
    ratio: float | None
    low: float | None
    high: float | None
    delta: float
    judgement: str


@dataclass(frozen=True)
class Comparison:
    """One case in both folders; ``verdict_regression`` when it passed in the baseline and does not any more."""

    scenario: str
    endpoint: str
    values: str
    baseline_verdict: str
    candidate_verdict: str
    differences: list[Difference]

    @property
    def verdict_regression(self) -> bool:
        """Whether the case passed before and fails, is incomplete or unsupported now; an invalid run says nothing."""
        return self.baseline_verdict == "pass" and self.candidate_verdict in ("fail", "unsupported")

    @property
    def regression(self) -> bool:
        """Whether the verdict or a metric became worse."""
        return self.verdict_regression or any(item.judgement == "worse" for item in self.differences)


def cliffs_delta(baseline: Sequence[float], candidate: Sequence[float]) -> float:
    """Return Cliff's delta, from -1 (every candidate value is smaller) to 1."""
    pairs = [(before, after) for before in baseline for after in candidate]
    return sum((after > before) - (after < before) for before, after in pairs) / len(pairs)


def bootstrap_ratio(baseline: Sequence[float], candidate: Sequence[float], seed: int = 1) -> tuple[float, float] | None:
    """Return the 95 % interval of the ratio of medians by resampling; the same data give the same interval."""
    choice = random.Random(seed)
    ratios = []
    for _ in range(_RESAMPLES):
        below = statistics.median(choice.choices(baseline, k=len(baseline)))
        if below > 0:
            ratios.append(statistics.median(choice.choices(candidate, k=len(candidate))) / below)
    if not ratios:
        return None
    ratios.sort()
    return ratios[int(0.025 * len(ratios))], ratios[min(len(ratios) - 1, int(0.975 * len(ratios)))]


def difference(
    metric: str, title: str, more_is_better: bool, baseline: Sequence[float], candidate: Sequence[float]
) -> Difference:
    """Compare two samples, neither of them empty.

    A change counts when all three agree: the medians differ by 5 % or more, the interval of their ratio leaves out 1,
    and the effect is large. Each alone is met by chance too often with a handful of runs.
    """
    before, after = statistics.median(baseline), statistics.median(candidate)
    delta = cliffs_delta(baseline, candidate)
    enough = min(len(baseline), len(candidate)) >= LEAST_RUNS
    interval = bootstrap_ratio(baseline, candidate) if enough else None
    ratio = after / before if before > 0 else None
    if not enough:
        judgement = "unclear"
    elif interval is None or ratio is None:
        judgement = "same" if after == before else "unclear"
    elif abs(ratio - 1) < LEAST_CHANGE or interval[0] <= 1 <= interval[1] or abs(delta) < LARGE_EFFECT:
        judgement = "same"
    else:
        judgement = "better" if (ratio > 1) == more_is_better else "worse"
    low, high = interval or (None, None)
    return Difference(metric, title, before, after, ratio, low, high, delta, judgement)


def compare(baseline: Sequence[Case], candidate: Sequence[Case]) -> list[Comparison]:
    """Compare the cases that both have, in the baseline's order."""
    others = {case.key: case for case in candidate}
    found = []
    for case in baseline:
        other = others.get(case.key)
        if other is None:
            continue
        differences = [
            difference(metric, title, more, before, after)
            for metric, title, more in METRICS
            if (before := case.values_of(metric)) and (after := other.values_of(metric))
        ]
        values = describe_values(case.values)
        found.append(Comparison(case.scenario, case.endpoint, values, case.verdict, other.verdict, differences))
    return found


def compare_folders(baseline: Path, candidate: Path, console: Console) -> int:
    """Print the comparison of two folders; return 0, 1 with a regression, or 3 when they have no case in common.

    Raises:
        BrokenRun: a folder does not exist or holds no run.

    """
    before, after = group(read_folder(baseline)), group(read_folder(candidate))
    comparisons = compare(before, after)
    for comparison in comparisons:
        for line in lines_of(comparison):
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    common = {(item.scenario, item.endpoint, item.values) for item in comparisons}
    for name, cases in (("baseline", before), ("candidate", after)):
        for case in cases:
            if case.key not in common:
                line = " ".join(part for part in case.key if part)
                console.print(f"only in the {name}: {line}", markup=False, highlight=False, soft_wrap=True)
    if not comparisons:
        return EXIT_NOTHING
    worse = sum(item.regression for item in comparisons)
    summary = (
        f"{worse} of {len(comparisons)} cases became worse" if worse else f"no regression in {len(comparisons)} cases"
    )
    console.print(summary, markup=False, highlight=False)
    return EXIT_REGRESSION if worse else EXIT_SAME


def lines_of(comparison: Comparison) -> list[str]:
    """Return the comparison of a case as lines of text."""
    name = " ".join(part for part in (comparison.scenario, comparison.endpoint, comparison.values) if part)
    verdicts = f"{comparison.baseline_verdict} → {comparison.candidate_verdict}"
    flag = "  REGRESSION" if comparison.verdict_regression else ""
    lines = [f"{name}: verdict {verdicts}{flag}"]
    for item in comparison.differences:
        ratio = "" if item.ratio is None else f"  × {item.ratio:.3f}"
        interval = "" if item.low is None or item.high is None else f" [{item.low:.3f}, {item.high:.3f}]"
        change = f"{item.baseline:9.3f} → {item.candidate:9.3f}"
        lines.append(f"  {item.title:<16}{change}{ratio}{interval}  Cliff's delta {item.delta:+.2f}  {item.judgement}")
    return lines
