"""All runs of a folder as one frame."""

import subprocess
import sys
from pathlib import Path

import pytest

import harness.results
from harness.judge import judge
from harness.results import BrokenRun
from harness.results.frame import flatten
from harness.results.writer import write_record
from tests.support.synthetic import Synthetic


class TestLoad:
    def test_a_row_a_run(self, tmp_path: Path) -> None:
        for seed in (1, 2):
            folder, record = Synthetic(seed=seed, values={"fault.kind": "drop"}, probes=False).write(tmp_path)
            write_record(folder, judge(folder, record).applied_to(record))
        unfinished = tmp_path / "failover" / "ffff"
        unfinished.mkdir()
        (unfinished / "client.log").touch()
        frame = harness.results.load(tmp_path)
        assert sorted(frame["verdict"]) == ["incomplete", "pass", "pass"]
        done = frame[frame["verdict"] == "pass"]
        assert sorted(done["seed"]) == [1, 2]
        assert set(done["fault.kind"]) == {"drop"}
        assert (done["longest_gap_s"] == done["longest_gap_s"]).all()
        assert {"recovery_s.outage", "path_share.upper", "validity.idle_cpu_min"} <= set(frame.columns)
        assert "run.json" in frame[frame["verdict"] == "incomplete"]["reasons"].iloc[0]

    def test_nothing_there(self, tmp_path: Path) -> None:
        frame = harness.results.load(tmp_path)
        assert frame.empty
        assert "verdict" in frame.columns

    def test_no_such_folder(self, tmp_path: Path) -> None:
        with pytest.raises(BrokenRun, match="no such folder"):
            harness.results.load(tmp_path / "nowhere")


class TestWeight:
    @pytest.mark.parametrize("module", ["harness.results", "harness.judge", "harness.figures", "harness.report.table"])
    def test_pandas_and_matplotlib_are_not_imported(self, module: str) -> None:
        program = f"import {module}, sys; sys.exit('pandas' in sys.modules or 'matplotlib' in sys.modules)"
        assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_flatten() -> None:
    assert flatten({"a": 1, "b": {"c": 2, "d": {"e": 3}}}) == {"a": 1, "b.c": 2, "b.d.e": 3}
