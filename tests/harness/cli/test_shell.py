"""``shell``: what is refused before a network is built."""

from pathlib import Path

import pytest

from harness.cli import shell
from tests.harness.cli.test_inspect import refused
from tests.support.specs import TOPOLOGY, changed, scenario_file


class TestRefusals:
    def test_an_unknown_topology(self, tmp_path: Path) -> None:
        (line,) = refused("shell", "two_path", cwd=tmp_path)
        assert "is 'two_paths' meant?" in line

    @pytest.mark.parametrize(
        ("assignment", "words"),
        [
            ("path.upper.both.dely=1ms", "dely"),
            ("path.middle.both.delay=1ms", "middle"),
            ("path.upper.both.delay=long", "long"),
            ("path", "not an assignment"),
        ],
    )
    def test_wrong_assignments(self, tmp_path: Path, assignment: str, words: str) -> None:
        lines = refused("shell", "two_paths", "--set", assignment, cwd=tmp_path)
        assert any(words in line for line in lines)

    def test_a_wrong_file(self, tmp_path: Path) -> None:
        scenario_file(tmp_path, changed(TOPOLOGY, '"5mbit"', '"5mbots"'), "t.toml")
        (line,) = refused("shell", "t.toml", cwd=tmp_path)
        assert line.startswith("t.toml:15: ")


class TestOrder:
    def test_the_exit_code_is_that_of_the_program_inside(self, monkeypatch: pytest.MonkeyPatch) -> None:
        started: list[list[str]] = []

        def run(command: list[str]) -> int:
            started.append(command)
            return 7

        monkeypatch.setattr(shell, "run", run)
        monkeypatch.setattr(shell, "resolve", lambda _name: "nfqueue")
        with pytest.raises(SystemExit) as caught:
            shell.shell("two_paths", ["path.upper.both.delay=61ms"])
        assert caught.value.code == 7
        ((*_, order),) = started
        assert '"61ms"' in order
        assert '"element": "nfqueue"' in order
