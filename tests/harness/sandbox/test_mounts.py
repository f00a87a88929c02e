"""Which folders must be bound through because the sandbox covers what they lie in."""

from pathlib import Path

import pytest

from harness.sandbox import mounts
from harness.sandbox.errors import SandboxError


@pytest.fixture(autouse=True)
def covered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "covered"
    (folder / "project" / "environment").mkdir(parents=True)
    (folder / "output").mkdir()
    monkeypatch.setattr(mounts, "COVERED", (folder,))
    return folder


class TestHidden:
    def test_a_folder_elsewhere_needs_nothing(self, tmp_path: Path) -> None:
        assert mounts.hidden([tmp_path, Path("/")]) == []

    def test_folders_below_a_covered_one(self, covered: Path) -> None:
        output, project = covered / "output", covered / "project"
        assert mounts.hidden([project, output, project]) == [output, project]

    def test_one_within_another_comes_with_it(self, covered: Path) -> None:
        project = covered / "project"
        assert mounts.hidden([project / "environment", project]) == [project]

    def test_links_are_followed(self, covered: Path, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to(covered / "output")
        assert mounts.hidden([tmp_path / "link"]) == [covered / "output"]

    def test_a_covered_folder_itself(self, covered: Path) -> None:
        with pytest.raises(SandboxError, match="use a folder elsewhere"):
            mounts.hidden([covered])

    def test_a_missing_folder(self, tmp_path: Path) -> None:
        with pytest.raises(SandboxError, match="No such file or directory; a folder used in the sandbox must exist"):
            mounts.hidden([tmp_path / "missing"])

    def test_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(SandboxError, match="not a folder"):
            mounts.hidden([tmp_path / "file"])
