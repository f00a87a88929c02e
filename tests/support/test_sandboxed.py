"""The facility that runs marked tests in a sandbox: outcomes come back as they are, and a crash is no pass."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONFTEST = (ROOT / "tests/conftest.py").read_text()
CONFIGURATION = "[pytest]\nmarkers =\n    sandbox: in a sandbox\n    alone: not\naddopts = -ra -v -p no:cacheprovider\n"
TESTS = """
import os, subprocess, time
import pytest
from harness import sandbox

def test_outside():
    assert not sandbox.inside()

@pytest.mark.sandbox
class TestInside:
    def test_passes(self, tmp_path):
        assert sandbox.inside()
        assert str(tmp_path).startswith("/run/tmp/")
        subprocess.run("ip link add here type veth peer name there".split(), check=True)

    def test_shares_the_modules_sandbox(self):
        assert os.path.isdir("/sys/class/net/here")

    def test_fails(self):
        print("captured here")
        assert 1 == 2

    def test_takes_the_process_down(self):
        os._exit(3)

    @pytest.mark.parametrize("value", ["a b", "x::y", "[z]"])
    def test_runs_after_that(self, value):
        assert not os.path.isdir("/sys/class/net/here")

    def test_skips(self):
        pytest.skip("for this reason")

    @pytest.mark.xfail(reason="known")
    def test_expected_to_fail(self):
        assert 0

    @pytest.mark.timeout(1)
    def test_hangs(self):
        time.sleep(60)

    def test_has_a_broken_fixture(self, nothing_of_that_name):
        pass

def test_outside_too():
    assert not sandbox.inside()
"""


def _pytest(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "pytest.ini").write_text(CONFIGURATION)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    command = [sys.executable, "-m", "pytest", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("project")
    (folder / "test_it.py").write_text(TESTS)
    done = _pytest(folder)
    assert done.returncode == 1
    return done.stdout


class TestOutcomes:
    @pytest.mark.parametrize(
        ("test", "outcome"),
        [
            ("test_outside", "PASSED"),
            ("TestInside::test_passes", "PASSED"),
            ("TestInside::test_shares_the_modules_sandbox", "PASSED"),
            ("TestInside::test_fails", "FAILED"),
            ("TestInside::test_takes_the_process_down", "ERROR"),
            ("TestInside::test_runs_after_that[a b]", "PASSED"),
            ("TestInside::test_runs_after_that[x::y]", "PASSED"),
            ("TestInside::test_runs_after_that[[z]]", "PASSED"),
            ("TestInside::test_skips", "SKIPPED (for this reason)"),
            ("TestInside::test_expected_to_fail", "XFAIL (known)"),
            ("TestInside::test_hangs", "FAILED"),
            ("TestInside::test_has_a_broken_fixture", "ERROR"),
            ("test_outside_too", "PASSED"),
        ],
    )
    def test_come_back(self, output: str, test: str, outcome: str) -> None:
        assert f"test_it.py::{test} {outcome}" in output

    def test_are_counted(self, output: str) -> None:
        assert "2 failed, 7 passed, 1 skipped, 1 xfailed, 2 errors" in output

    def test_say_why(self, output: str) -> None:
        assert "assert 1 == 2" in output
        assert "captured here" in output
        assert "did not report this test: exit code 3" in output
        assert "Timeout (>1.0s)" in output
        assert "fixture 'nothing_of_that_name' not found" in output


class TestSelection:
    def test_one_test_can_be_chosen(self, tmp_path: Path) -> None:
        (tmp_path / "test_it.py").write_text(TESTS)
        done = _pytest(tmp_path, "-k", "test_passes")
        assert done.returncode == 0
        assert "1 passed, 12 deselected" in done.stdout

    def test_no_sandbox_is_a_failure(self, tmp_path: Path) -> None:
        (tmp_path / "test_it.py").write_text(
            "import pytest\nfrom harness import sandbox\n"
            "def refuse(*_, **__):\n    raise sandbox.SandboxUnavailable('forbidden', 'allow it')\n"
            "sandbox.launch = refuse\n@pytest.mark.sandbox\ndef test_it(): pass\n"
        )
        done = _pytest(tmp_path)
        assert done.returncode == 1
        assert "no sandbox for this test: forbidden; allow it" in done.stdout
