"""``plot``, ``report`` and ``compare`` on stored runs."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from harness.cli import app
from harness.cli.results import draw
from harness.results.formats import BrokenRun
from harness.results.record import read_record
from tests.harness.cli.test_inspect import refused
from tests.support.synthetic import store


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(each) for each in arguments])


class TestPlot:
    def test_each_run_and_the_comparison(self, tmp_path: Path) -> None:
        runs = [store(tmp_path, seed=seed) for seed in (1, 2)]
        done = invoke("plot", tmp_path)
        assert done.exit_code == 0, done.output
        printed = [Path(line) for line in done.stdout.splitlines()]
        assert all(path.stat().st_size > 1000 for path in printed)
        for run in runs:
            assert {run / "figure.png", run / "figure.svg"} <= set(printed)
            assert read_record(run).figures == ["figure.png", "figure.svg"]
        assert runs[0].parent / "comparison.png" in printed

    def test_one_run_alone_has_no_comparison(self, tmp_path: Path) -> None:
        run = store(tmp_path)
        assert invoke("plot", run).exit_code == 0
        assert not list(run.parent.glob("comparison*"))

    def test_a_broken_run_does_not_keep_the_others_from_being_drawn(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        good, bad = store(tmp_path, seed=1), store(tmp_path, seed=2)
        (bad / "run.json").write_text("{")
        done = invoke("plot", tmp_path)
        assert done.exit_code == 0
        assert (good / "figure.png").is_file()
        assert draw(bad) == []
        assert capsys.readouterr().err.startswith(f"harness: no figure: {bad}")

    def test_nothing_there(self, tmp_path: Path) -> None:
        done = invoke("plot", tmp_path)
        assert isinstance(done.exception, BrokenRun)
        assert refused("plot", "absent", cwd=tmp_path) == ["absent: there is no such folder"]


class TestReport:
    def test_table_and_page(self, tmp_path: Path) -> None:
        store(tmp_path)
        store(tmp_path, corrupt=True, seed=9)
        done = invoke("report", tmp_path)
        assert done.exit_code == 0, done.output
        page = Path(done.stdout.splitlines()[-1])
        assert page == tmp_path / "report.html"
        assert page.is_file()
        assert "verdict" in done.stdout.splitlines()[0]
        assert "SHA-256" in done.stdout

    def test_nothing_there(self, tmp_path: Path) -> None:
        assert refused("report", "absent", cwd=tmp_path) == ["absent: there is no such folder"]


class TestCompare:
    def test_the_same_is_no_regression(self, tmp_path: Path) -> None:
        store(tmp_path / "a")
        assert invoke("compare", tmp_path / "a", tmp_path / "a").exit_code == 0

    def test_a_regression_is_exit_code_1(self, tmp_path: Path) -> None:
        store(tmp_path / "a")
        store(tmp_path / "b", corrupt=True)
        done = invoke("compare", tmp_path / "a", tmp_path / "b")
        assert done.exit_code == 1
        assert "REGRESSION" in done.stdout

    def test_nothing_there(self, tmp_path: Path) -> None:
        store(tmp_path / "a")
        assert refused("compare", "a", "absent", cwd=tmp_path) == ["absent: there is no such folder"]
