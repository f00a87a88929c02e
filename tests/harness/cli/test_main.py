"""The command as a whole: whatever a user does wrong ends with a message and an exit code, never with a traceback."""

import os
import subprocess
from pathlib import Path

import pytest

from harness import cli
from harness.elements import ElementUnsupported
from harness.results.formats import BrokenRun
from harness.sandbox import SandboxError, SandboxUnavailable
from tests.harness.cli.test_inspect import harness
from tests.support import ordinary, quick_runs
from tests.support.specs import SCENARIO, TOPOLOGY, scenario_file
from tests.support.synthetic import store


class TestUsage:
    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (("rnu",), "No such command 'rnu'"),
            (("run",), "Missing argument"),
            (("run", "failover", "--attempt", "2"), "No such option"),
            (("run", "failover", "--repeat", "many"), "--repeat"),
            (("list", "people"), "people"),
            (("plot",), "Missing argument"),
        ],
    )
    def test_wrong_words(self, arguments: tuple[str, ...], words: str) -> None:
        done = harness(*arguments)
        assert done.returncode == 2
        assert words in done.stderr
        assert "Traceback" not in done.stderr

    def test_no_words_show_the_help(self) -> None:
        done = harness()
        assert "Usage: harness" in done.stdout + done.stderr
        assert "Traceback" not in done.stderr


class TestFiles:
    @pytest.fixture
    def opened(self, tmp_path: Path) -> Path:
        """Return a folder that the ordinary user can write to."""
        if os.geteuid() == 0:
            ordinary.open_to(tmp_path)
        return tmp_path

    def test_one_that_cannot_be_read(self, opened: Path) -> None:
        file = Path(scenario_file(opened, SCENARIO))
        file.chmod(0)
        if os.geteuid() == 0:
            os.chown(file, 0, 0)
        done = quick_runs.run("validate", str(file), prefix=ordinary.prefixes()["ordinary"])
        assert done.returncode == 2
        assert done.stderr == f"harness: {file}: cannot be read: Permission denied\n"

    @pytest.mark.parametrize("arguments", [("schema",), ("run", "aggregation_quick", "--endpoint", "tcp", "--out")])
    def test_a_folder_that_cannot_be_written(self, opened: Path, arguments: tuple[str, ...]) -> None:
        closed = opened / "closed"
        closed.mkdir(mode=0o555)
        done = quick_runs.run(*arguments, str(closed / "out"), prefix=ordinary.prefixes()["ordinary"])
        assert done.returncode == 2
        (line,) = done.stderr.splitlines()
        assert line.startswith(f"harness: {closed}/out")
        assert line.endswith(": Permission denied")

    def test_a_report_that_cannot_be_written(self, opened: Path) -> None:
        store(opened / "results")
        for folder in (opened / "results", *(opened / "results").rglob("*")):
            folder.chmod(0o555 if folder.is_dir() else 0o444)
            if os.geteuid() == 0:
                os.chown(folder, 0, 0)
        done = quick_runs.run("report", str(opened / "results"), prefix=ordinary.prefixes()["ordinary"])
        assert done.returncode == 2
        assert "Permission denied" in done.stderr
        assert "Traceback" not in done.stderr

    def test_folders_where_files_should_be(self, tmp_path: Path) -> None:
        for arguments in (("validate", "."), ("run", "./"), ("shell", "./"), ("run", "failover", "--endpoint", "./")):
            done = harness(*arguments, cwd=tmp_path)
            assert done.returncode == 2, arguments
            assert "Traceback" not in done.stderr
            assert done.stderr.startswith("harness: ")

    def test_a_topology_where_a_scenario_should_be(self, tmp_path: Path) -> None:
        done = harness("run", scenario_file(tmp_path, TOPOLOGY), cwd=tmp_path)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr


class TestPipe:
    @pytest.mark.parametrize("command", ["list", "validate", "report"])
    def test_a_reader_that_has_left(self, command: str, tmp_path: Path) -> None:
        arguments = [command]
        if command == "report":
            store(tmp_path)
            arguments.append(str(tmp_path))
        read, write = os.pipe()
        os.close(read)
        done = subprocess.run(
            quick_runs.harness(*arguments), stdout=write, stderr=subprocess.PIPE, text=True, timeout=60, check=False,
            cwd=quick_runs.ROOT,
        )  # fmt: skip
        os.close(write)
        assert done.stderr == ""
        assert done.returncode in (0, 1)


class TestErrors:
    @pytest.mark.parametrize(
        ("error", "code", "message"),
        [
            (SandboxUnavailable("forbidden", "allow it"), 4, "harness: forbidden; allow it\n"),
            (SandboxError("the sandbox is gone"), 4, "harness: the sandbox is gone\n"),
            (ElementUnsupported("no NFQUEUE"), 4, "harness: no NFQUEUE\n"),
            (BrokenRun("x/run.json: broken"), 2, "harness: x/run.json: broken\n"),
            (OSError(28, "No space left on device", "results"), 2, "harness: results: No space left on device\n"),
            (OSError("something"), 2, "harness: something\n"),
        ],
    )
    def test_code_and_message(
        self, error: Exception, code: int, message: str, monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:  # fmt: skip
        def broken() -> None:
            raise error

        monkeypatch.setattr(cli, "app", broken)
        with pytest.raises(SystemExit) as caught:
            cli.main()
        assert caught.value.code == code
        assert capsys.readouterr().err == message
