"""Candidate against baseline."""

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from harness.report.compare import bootstrap_ratio, cliffs_delta, compare_folders, difference
from tests.support.synthetic import store as stored

samples = st.lists(st.floats(0.01, 100), min_size=1, max_size=12)


class TestStatistics:
    @given(samples, samples)
    def test_delta_is_antisymmetric_and_bounded(self, a: list[float], b: list[float]) -> None:
        assert -1 <= cliffs_delta(a, b) <= 1
        assert cliffs_delta(a, b) == pytest.approx(-cliffs_delta(b, a))

    def test_interval(self) -> None:
        assert bootstrap_ratio([1.0, 1.0, 1.0], [2.0, 2.0, 2.0]) == (2.0, 2.0)
        assert bootstrap_ratio([0.0, 0.0], [1.0, 1.0]) is None

    @pytest.mark.parametrize(
        ("before", "after", "more", "judgement"),
        [
            ([10.0, 10.1, 9.9], [12.0, 12.2, 12.1], False, "worse"),
            ([10.0, 10.1, 9.9], [12.0, 12.2, 12.1], True, "better"),
            ([10.0, 10.1, 9.9], [10.2, 10.3, 10.25], False, "same"),
            ([10.0, 14.0, 9.0], [12.0, 8.0, 13.0], False, "same"),
            ([10.0], [20.0], False, "unclear"),
            ([0.0, 0.0, 0.0], [0.0, 0.0, 0.0], False, "same"),
            ([0.0, 0.0, 0.0], [1.0, 1.0, 1.0], False, "unclear"),
        ],
    )
    def test_judgement(self, before: list[float], after: list[float], more: bool, judgement: str) -> None:
        assert difference("m", "metric", more, before, after).judgement == judgement


def compared(baseline: Path, candidate: Path) -> tuple[int, str]:
    file = io.StringIO()
    return compare_folders(baseline, candidate, Console(file=file)), file.getvalue()


class TestFolders:
    def test_slower_recovery_is_a_regression(self, tmp_path: Path) -> None:
        for seed in (1, 2, 3):
            stored(tmp_path / "a", seed=seed)
            shares: list[tuple[float, dict[str, float]]] = [(0.15, {"upper": 23}), (3.02, {}), (3.9, {"lower": 22.6})]
            stored(tmp_path / "b", seed=seed, shares=shares)
        code, text = compared(tmp_path / "a", tmp_path / "b")
        assert code == 1
        assert "longest gap (s)" in text
        assert "worse" in text
        assert compared(tmp_path / "a", tmp_path / "a")[0] == 0

    def test_verdict_regression(self, tmp_path: Path) -> None:
        stored(tmp_path / "a")
        stored(tmp_path / "b", corrupt=True)
        code, text = compared(tmp_path / "a", tmp_path / "b")
        assert code == 1
        assert "verdict pass → fail  REGRESSION" in text

    def test_an_invalid_candidate_is_no_regression(self, tmp_path: Path) -> None:
        stored(tmp_path / "a")
        stored(tmp_path / "b", late_ms=9.0)
        assert compared(tmp_path / "a", tmp_path / "b")[0] == 0

    def test_nothing_in_common(self, tmp_path: Path) -> None:
        stored(tmp_path / "a")
        stored(tmp_path / "b", endpoint="tcp")
        code, text = compared(tmp_path / "a", tmp_path / "b")
        assert code == 3
        assert "only in the baseline: failover mptcp" in text
        assert "only in the candidate: failover tcp" in text
