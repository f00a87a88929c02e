"""Programs that an ordinary user's PATH does not lead to."""

import os

import pytest

from harness.programs import FOLDERS, add_administrators_folders
from tests.support import quick_runs


class TestPath:
    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ("/opt/bin:/bin", ["/opt/bin", "/bin", *FOLDERS]),
            ("/sbin:/bin", ["/sbin", "/bin", "/usr/local/sbin", "/usr/sbin"]),
            ("", [*FOLDERS]),
        ],
    )
    def test_comes_behind_what_is_there(self, before: str, after: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", before)
        add_administrators_folders()
        add_administrators_folders()
        assert os.environ["PATH"].split(os.pathsep) == after

    def test_the_program_finds_them(self) -> None:
        process = quick_runs.start("doctor", env={**os.environ, "PATH": "/usr/bin:/bin"})
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, out + err
