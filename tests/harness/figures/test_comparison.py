"""The comparison of many runs."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.text import Text

from harness.figures import draw_comparison, style
from harness.figures.comparison import build
from harness.figures.groups import grouped
from harness.figures.series import Series
from harness.judge import judge
from harness.results import BrokenRun, find_runs
from harness.results.writer import write_record
from tests.support.synthetic import Synthetic, scenario


def stored(tmp_path: Path, **keys: Any) -> None:
    folder, record = Synthetic(probes=False, **keys).write(tmp_path)
    write_record(folder, judge(folder, record).applied_to(record))


def failovers(tmp_path: Path) -> list[Path]:
    """Return three runs of mptcp on each of two kinds of outage (one of them invalid), and one of tcp."""
    for kind in ("drop", "rst"):
        fault = {"name": "outage", "kind": kind, "path": "upper", "at": "3s"}
        for seed in (1, 2, 3):
            late = 9.0 if (kind, seed) == ("rst", 3) else 0.3
            values = {"fault.kind": kind, "workload.bytes": "20MB"}
            stored(tmp_path, seed=seed, scenario=scenario(fault=fault), values=values, late_ms=late)
    stalls = scenario(expect={"kind": "stalls"}, workload={"kind": "download", "bytes": "20MB", "limit": "6s"})
    shares: list[tuple[float, dict[str, float]]] = [(0.1, {"upper": 23}), (3.02, {})]
    stored(
        tmp_path,
        endpoint="tcp",
        capabilities=("download",),
        values={"fault.kind": "drop"},
        scenario=stalls,
        shares=shares,
    )
    return list(find_runs(tmp_path))


class TestGrouping:
    def test_by_endpoint_and_what_varies(self, tmp_path: Path) -> None:
        groups = grouped([Series.read(folder) for folder in failovers(tmp_path)])
        found = {(group.endpoint, group.values): len(group.runs) for group in groups}
        assert {name for name, _ in found} == {"mptcp", "tcp"}
        assert sum(found.values()) == 7
        assert all("kind" in values for _, values in found)

    def test_only_valid_and_complete_runs_have_numbers(self, tmp_path: Path) -> None:
        groups = grouped([Series.read(folder) for folder in failovers(tmp_path)])
        numbers = {(g.endpoint, "rst" in g.values): len(g.numbers("longest_gap_s")) for g in groups}
        assert numbers == {("mptcp", False): 3, ("mptcp", True): 2, ("tcp", False): 0}


class TestFigure:
    def test_words(self, tmp_path: Path) -> None:
        with style.styled():
            figure = build(grouped([Series.read(folder) for folder in failovers(tmp_path)]))
        words = "\n".join(item.get_text() for item in figure.findobj(Text) if isinstance(item, Text))
        for part in (
            "longest gap 0.4",
            "n = 2, 1 invalid",
            "did not complete",
            "7 runs: 6 pass, 1 invalid",
            "seeds 1 to 7",
        ):
            assert part in words

    def test_files_and_unreadable_runs(self, tmp_path: Path) -> None:
        folders = failovers(tmp_path)
        (folders[0] / "run.json").write_text("{")
        assert [path.name for path in draw_comparison(folders, tmp_path / "comparison")] == [
            "comparison.png",
            "comparison.svg",
        ]

    def test_a_single_run(self, tmp_path: Path) -> None:
        stored(tmp_path)
        assert draw_comparison(list(find_runs(tmp_path)), tmp_path / "comparison")

    def test_many_values(self, tmp_path: Path) -> None:
        for size in range(6):
            stored(tmp_path, values={"workload.bytes": size}, late_ms=9.0 if size == 2 else 0.3)
        assert draw_comparison(list(find_runs(tmp_path)), tmp_path / "comparison")

    def test_nothing_to_compare(self, tmp_path: Path) -> None:
        (tmp_path / "a").mkdir()
        with pytest.raises(BrokenRun, match="nothing to compare"):
            draw_comparison([tmp_path / "a"], tmp_path / "comparison")

    def test_objects_and_what_cannot_be_done(self, tmp_path: Path) -> None:
        beside = scenario(workload={"kind": "objects", "bytes": "20MB", "limit": "40s"})
        for placement in ("shared", "own"):
            values = {"workload.placement": placement}
            stored(tmp_path, scenario=beside, values=values, objects=[(1.0, 44.0), (2.0, 300.0)])
            folder, record = Synthetic(scenario=beside, values=values, endpoint="tcp", seed=3).write(tmp_path)
            write_record(folder, record.model_copy(update={"verdict": "unsupported"}))
        with style.styled():
            figure = build(grouped([Series.read(folder) for folder in find_runs(tmp_path)]))
        words = [item.get_text() for item in figure.findobj(Text) if isinstance(item, Text)]
        assert words.count("unsupported") == 4, "in both charts, for both placements"
        panels = [axes for axes in figure.axes if axes.get_yscale() == "log"]
        assert len(panels) == 2, "there is nothing to draw of what cannot be done"
        assert "object, 95th percentile (ms)" in words
        assert any("median 172 ms" in word for word in words)

    def test_migrations(self, tmp_path: Path) -> None:
        moving = scenario(multipath={"mode": "backup", "migrate_at": ["8MB"]}, fault=[], expect={"kind": "hash_equal"})
        stored(tmp_path, scenario=moving, moves=[(3.0, "lower")])
        with style.styled():
            figure = build(grouped([Series.read(folder) for folder in find_runs(tmp_path)]))
        words = "\n".join(item.get_text() for item in figure.findobj(Text) if isinstance(item, Text))
        assert "dashed: migration" in words
        dashed = [line for line in figure.axes[0].get_lines() if line.get_color() == style.FAULT]
        assert [float(np.asarray(line.get_xdata())[0]) for line in dashed] == [3.0]
