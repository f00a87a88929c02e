"""The figure of a run: what stands in it, from stored files alone."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from harness.figures import draw_run, style
from harness.figures.run_figure import build
from harness.figures.series import Series
from harness.judge import judge
from harness.results import BrokenRun
from harness.results.writer import write_record
from tests.support.synthetic import Synthetic, scenario


def stored(tmp_path: Path, **keys: Any) -> Path:
    folder, record = Synthetic(**keys).write(tmp_path)
    write_record(folder, judge(folder, record).applied_to(record))
    return folder


def built(tmp_path: Path, **keys: Any) -> Figure:
    with style.styled():
        return build(Series.read(stored(tmp_path, **keys)))


def texts(figure: Figure) -> str:
    return "\n".join(item.get_text() for item in figure.findobj(Text) if isinstance(item, Text))


class TestFiles:
    def test_png_and_svg(self, tmp_path: Path) -> None:
        folder = stored(tmp_path)
        assert [path.name for path in draw_run(folder)] == ["figure.png", "figure.svg"]
        assert (folder / "figure.png").read_bytes().startswith(b"\x89PNG")
        assert "outage: drop upper" in (folder / "figure.svg").read_text()

    def test_equal_data_give_equal_files(self, tmp_path: Path) -> None:
        folder = stored(tmp_path)
        first = [path.read_bytes() for path in draw_run(folder)]
        assert [path.read_bytes() for path in draw_run(folder)] == first

    def test_no_run(self, tmp_path: Path) -> None:
        with pytest.raises(BrokenRun, match=r"no run\.json"):
            draw_run(tmp_path)


class TestContent:
    def test_panels_and_words(self, tmp_path: Path) -> None:
        figure = built(tmp_path, values={"fault.kind": "drop"})
        assert len(figure.axes) == 4, "goodput, two paths, probes"
        words = texts(figure)
        for part in ("goodput\n(Mbps)", "path upper (IPv4)", "path lower (IPv6)", "probe RTT\n(ms)", "gap 0.44 s",
                     "seed 7", "fault.kind = drop", "verdict pass", "element nfqueue"):  # fmt: skip
            assert part in words

    def test_migrations_are_marked(self, tmp_path: Path) -> None:
        assert "migration to lower" in texts(built(tmp_path, moves=[(2.0, "lower")]))

    def test_objects_have_a_panel(self, tmp_path: Path) -> None:
        beside = scenario(workload={"kind": "objects", "bytes": "20MB", "limit": "40s"})
        figure = built(tmp_path, scenario=beside, objects=[(1.0, 44.0), (1.1, 91.0)])
        assert len(figure.axes) == 5, "goodput, two paths, objects, probes"
        (panel,) = [axes for axes in figure.axes if axes.get_ylabel() == "object\n(ms)"]
        (dots,) = panel.get_lines()[:1]
        assert list(np.asarray(dots.get_xydata()).ravel()) == pytest.approx([1.0, 44.0, 1.1, 91.0])
        assert len(built(tmp_path, scenario=beside).axes) == 5, "also where none came"

    def test_without_probes(self, tmp_path: Path) -> None:
        assert len(built(tmp_path, probes=False).axes) == 3

    def test_invalid_runs_are_hatched_and_say_why(self, tmp_path: Path) -> None:
        figure = built(tmp_path, late_ms=9.0)
        assert all(axes.patch.get_hatch() for axes in figure.axes)
        assert "INVALID: 99th percentile" in texts(figure)

    def test_valid_runs_are_not(self, tmp_path: Path) -> None:
        assert not any(axes.patch.get_hatch() for axes in built(tmp_path).axes)

    def test_window_and_scale_of_the_scenario(self, tmp_path: Path) -> None:
        chosen = {"from_s": 2, "to_s": 5, "goodput_max_mbps": 65, "title": "One outage"}
        figure = built(tmp_path, scenario=scenario(figure=chosen))
        assert figure.axes[0].get_xlim() == (2, 5)
        assert figure.axes[0].get_ylim() == (0, 65)
        assert "One outage" in texts(figure)

    @pytest.mark.parametrize("shares", [[], [(0.15, {"upper": 23.0}), (3.02, {})]])
    def test_runs_in_which_little_or_nothing_arrived(self, shares: Any, tmp_path: Path) -> None:
        assert "verdict fail" in texts(built(tmp_path, shares=shares))

    def test_directory_with_little_in_it(self, tmp_path: Path) -> None:
        folder = stored(tmp_path)
        for path in folder.iterdir():
            if path.name != "run.json":
                path.unlink()
        assert draw_run(folder)


class TestSettings:
    def test_those_of_others_are_left_alone(self, tmp_path: Path) -> None:
        import matplotlib as mpl

        before = dict(mpl.rcParams)
        draw_run(stored(tmp_path))
        assert dict(mpl.rcParams) == before
