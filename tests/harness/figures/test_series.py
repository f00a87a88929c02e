"""What is drawn, before it is drawn."""

from pathlib import Path
from typing import Any

import pytest

from harness.figures.series import Series
from harness.results.writer import write_record
from tests.support.synthetic import Synthetic, scenario, topology


def series(tmp_path: Path, **keys: Any) -> Series:
    folder, record = Synthetic(**keys).write(tmp_path)
    write_record(folder, record)
    return Series.read(folder)


class TestGoodput:
    def test_bins_hold_all_bytes(self, tmp_path: Path) -> None:
        run = series(tmp_path)
        values, edges = run.goodput()
        assert len(edges) == len(values) + 1
        assert sum(values) * 1e6 / 8 * 0.1 == pytest.approx(20_000_000)

    def test_nothing_arrived(self, tmp_path: Path) -> None:
        values, _ = series(tmp_path, shares=[]).goodput()
        assert set(values) == {0.0}


class TestThroughput:
    def test_of_a_path(self, tmp_path: Path) -> None:
        values, edges = series(tmp_path).throughput("upper")
        assert len(edges) == len(values) + 1
        assert max(values) == pytest.approx(24.2, abs=1.2)


class TestCapacity:
    def test_of_one_path_or_all(self, tmp_path: Path) -> None:
        both, edges = series(tmp_path).capacity()
        assert both == pytest.approx([25 * 1448 / 1514 + 25 * 1428 / 1514, 25 * 1428 / 1514])
        assert edges[1] == 3
        one, _ = series(tmp_path, capabilities=("download",), endpoint="tcp").capacity()
        assert one[0] == pytest.approx(25 * 1448 / 1514)

    def test_unlimited_rates_have_no_line(self, tmp_path: Path) -> None:
        assert series(tmp_path, topology=topology(upper={"both": {}})).capacity() == ([], [])


class TestFaults:
    def test_ends_as_they_happened(self, tmp_path: Path) -> None:
        fault = {"name": "out", "kind": "down", "path": "upper", "at": "2s", "duration": "1s"}
        (span,) = series(tmp_path, scenario=scenario(fault=fault), fault_late_ms=10.0).faults
        assert span.start_s == pytest.approx(2.01)
        assert span.end_s == pytest.approx(3.01)

    def test_without_end(self, tmp_path: Path) -> None:
        (span,) = series(tmp_path).faults
        assert span.end_s is None


class TestMarks:
    def test_faults_and_moves_in_their_order(self, tmp_path: Path) -> None:
        run = series(tmp_path, moves=[(1.0, "lower"), (3.5, "upper")])
        assert [(mark.kind, mark.path) for mark in run.marks] == [
            ("migration", "lower"),
            ("drop", "upper"),
            ("migration", "upper"),
        ]
        assert len(run.faults) == 1
