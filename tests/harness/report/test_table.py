"""The table of verdicts."""

import io
from pathlib import Path

from rich.console import Console

from harness.report.summary import read_folder
from harness.report.table import show
from tests.support.synthetic import store as stored


def shown(folder: Path, *, terminal: bool) -> str:
    file = io.StringIO()
    show(read_folder(folder), Console(file=file, force_terminal=terminal, width=160, color_system=None))
    return file.getvalue()


class TestTable:
    def test_plain_lines_for_programs(self, tmp_path: Path) -> None:
        for seed in (1, 2):
            stored(tmp_path, seed=seed, values={"fault.kind": "[drop]"})
        bad = stored(tmp_path, seed=3, values={"fault.kind": "[drop]"}, late_ms=9.0)
        lines = shown(tmp_path, terminal=False).splitlines()
        assert lines[0].split("  ")[0] == "scenario"
        assert "fault.kind = [drop]" in lines[1]
        assert "2 pass, 1 invalid" in lines[1]
        assert "[7." in lines[1], "median with its range"
        assert lines[2].startswith(f"invalid: {bad}: 99th percentile")
        assert len(lines) == 3

    def test_terminal(self, tmp_path: Path) -> None:
        stored(tmp_path)
        text = shown(tmp_path, terminal=True)
        assert "mptcp" in text
        assert "pass" in text

    def test_columns_without_content_are_left_out(self, tmp_path: Path) -> None:
        stored(tmp_path)
        assert "values" not in shown(tmp_path, terminal=False).splitlines()[0]
