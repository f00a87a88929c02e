"""Run directories: never over an older one, whole files only, nothing left behind."""

import errno
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harness.results.writer import RunDirectory, write_whole


class TestCreating:
    def test_a_taken_run_id_gets_a_number(self, tmp_path: Path) -> None:
        made = [RunDirectory.create(tmp_path, "failover", "abc") for _ in range(3)]
        assert [directory.path.name for directory in made] == ["abc", "abc-2", "abc-3"]
        assert [directory.number for directory in made] == [1, 2, 3]

    def test_at_once(self, tmp_path: Path) -> None:
        with ThreadPoolExecutor(8) as pool:
            made = list(pool.map(lambda _: RunDirectory.create(tmp_path, "s", "abc").path, range(32)))
        assert len(set(made)) == 32


class TestWriting:
    def test_new_and_replaced_without_other_names(self, tmp_path: Path) -> None:
        path = tmp_path / "run.json"
        write_whole(path, b"one")
        write_whole(path, b"two, longer")
        assert path.read_bytes() == b"two, longer"
        assert os.listdir(tmp_path) == ["run.json"]

    def test_left_over_second_name_is_no_obstacle(self, tmp_path: Path) -> None:
        path = tmp_path / "run.json"
        path.write_bytes(b"old")
        (tmp_path / ".run.json.new").write_bytes(b"of a killed writer")
        write_whole(path, b"new")
        assert path.read_bytes() == b"new"
        assert os.listdir(tmp_path) == ["run.json"]

    def test_file_system_without_unnamed_files(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        real = os.open

        def refuse(path: str, flags: int, mode: int = 0o777) -> int:
            if flags & os.O_TMPFILE == os.O_TMPFILE:
                raise OSError(errno.EOPNOTSUPP, "not supported")
            return real(path, flags, mode)

        monkeypatch.setattr(os, "open", refuse)
        write_whole(tmp_path / "run.json", b"content")
        assert (tmp_path / "run.json").read_bytes() == b"content"

    def test_folder_that_cannot_be_written(self, tmp_path: Path) -> None:
        with pytest.raises(OSError, match="No such file"):
            write_whole(tmp_path / "nowhere" / "run.json", b"")

    def test_killed_before_the_end_leaves_nothing(self, tmp_path: Path) -> None:
        program = (
            "import os, signal, sys, harness.results.writer as w; from pathlib import Path\n"
            "w._give_name = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
            "w.write_whole(Path(sys.argv[1]) / 'run.json', b'x' * 100000)\n"
        )
        ended = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)
        assert ended.returncode == -9
        assert os.listdir(tmp_path) == []
