"""Runs grouped into cases."""

from pathlib import Path
from typing import Any

import pytest

from harness.judge import judge
from harness.report.summary import Spread, group, number_of, read_folder
from harness.results import BrokenRun
from harness.results.writer import write_record
from tests.support.synthetic import Synthetic


def stored(tmp_path: Path, **keys: Any) -> Path:
    folder, record = Synthetic(probes=False, **keys).write(tmp_path)
    write_record(folder, judge(folder, record).applied_to(record))
    return folder


class TestCases:
    def test_repeats_and_attempts_are_one_case(self, tmp_path: Path) -> None:
        for seed in (1, 2, 3):
            stored(tmp_path, seed=seed, late_ms=9.0 if seed == 3 else 0.3)
        stored(tmp_path, endpoint="tcp")
        cases = {case.endpoint: case for case in group(read_folder(tmp_path))}
        mptcp = cases["mptcp"]
        assert (mptcp.verdict, mptcp.verdicts, mptcp.seeds) == ("pass", "2 pass, 1 invalid", "1–3")
        spread = mptcp.spread("longest_gap_s")
        assert spread is not None
        assert spread.count == 2, "invalid runs do not count"
        assert cases["tcp"].verdicts == "pass"

    def test_a_failure_is_not_outweighed(self, tmp_path: Path) -> None:
        stored(tmp_path, seed=1)
        stored(tmp_path, seed=2, corrupt=True)
        (case,) = group(read_folder(tmp_path))
        assert (case.verdict, case.verdicts) == ("fail", "1 pass, 1 fail")

    def test_unfinished_runs(self, tmp_path: Path) -> None:
        (stored(tmp_path) / "run.json").unlink()
        (case,) = group(read_folder(tmp_path))
        assert (case.scenario, case.verdict, case.seeds) == ("failover", "incomplete", "")

    def test_empty_folder(self, tmp_path: Path) -> None:
        with pytest.raises(BrokenRun, match="no run directories"):
            read_folder(tmp_path)


class TestNumbers:
    def test_spread(self) -> None:
        assert Spread(1.234, 1.0, 2.0, 3).text() == "1.23 [1.00–2.00]"
        assert Spread(1.234, 1.234, 1.234, 1).text(1) == "1.2"

    def test_longest_recovery(self, tmp_path: Path) -> None:
        _, record = Synthetic().write(tmp_path)
        for recovery, wanted in (({"a": 1.0, "b": 2.0}, 2.0), ({"a": 1.0, "b": None}, None), ({}, None)):
            assert number_of(record.model_copy(update={"metrics": {"recovery_s": recovery}}), "recovery_s") == wanted
        assert number_of(record.model_copy(update={"metrics": {"sha256_ok": True}}), "sha256_ok") is None
