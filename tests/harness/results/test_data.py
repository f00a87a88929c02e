"""Reading everything that a run measured."""

from pathlib import Path

import pytest

from harness.results import BrokenRun, RunData
from tests.support.synthetic import Synthetic


class TestReading:
    def test_all_tables(self, tmp_path: Path) -> None:
        folder, _ = Synthetic().write(tmp_path)
        data = RunData.read(folder)
        for name in ("goodput", "paths", "tcp_info", "latency", "machine", "timeline", "calibration", "client_events"):
            assert getattr(data, name), name
        assert data.server_events == []

    def test_an_empty_directory(self, tmp_path: Path) -> None:
        data = RunData.read(tmp_path)
        assert data.goodput == []
        assert data.calibration == []

    def test_broken_event_lines_are_the_verdicts_business(self, tmp_path: Path) -> None:
        (tmp_path / "client.events.jsonl").write_text("nonsense\n")
        assert RunData.read(tmp_path).client_events == []

    def test_broken_calibration(self, tmp_path: Path) -> None:
        (tmp_path / "calibration.json").write_text('{"a": 1}')
        with pytest.raises(BrokenRun, match="expected: a list of objects"):
            RunData.read(tmp_path)
