"""A key log file is for its owner alone, and several writers share it."""

from contextlib import closing
from pathlib import Path

import pytest

from impl.tls13.key_log_file import KeyLogFile


class TestAppending:
    def test_two_writers(self, tmp_path: Path) -> None:
        path = tmp_path / "keys"
        with closing(KeyLogFile(path)) as one, closing(KeyLogFile(path)) as two:
            one.append("a")
            two.append("b")
            one.append("c")
        assert path.read_text() == "a\nb\nc\n"

    def test_for_its_owner_alone(self, tmp_path: Path) -> None:
        path = tmp_path / "keys"
        KeyLogFile(path).close()
        assert path.stat().st_mode & 0o777 == 0o600

    def test_what_is_there_stays(self, tmp_path: Path) -> None:
        path = tmp_path / "keys"
        path.write_text("old\n")
        with closing(KeyLogFile(path)) as file:
            file.append("new")
        assert path.read_text() == "old\nnew\n"

    def test_no_such_folder(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            KeyLogFile(tmp_path / "none" / "keys")
