"""Growing CSV files."""

from pathlib import Path

import pytest

from harness.measure.rows import RowFile, seconds


class TestRowFile:
    def test_rows_are_on_disk_before_close(self, tmp_path: Path) -> None:
        file = RowFile(tmp_path / "a.csv", ("time_s", "value"))
        file.write([("0.1", 1), ("0.2", None)])
        assert (tmp_path / "a.csv").read_text() == "time_s,value\n0.1,1\n0.2,\n"
        file.close()

    def test_header_without_rows(self, tmp_path: Path) -> None:
        with RowFile(tmp_path / "a.csv", ("time_s",)) as file:
            assert file.path.read_text() == "time_s\n"

    def test_row_of_wrong_length_is_a_mistake(self, tmp_path: Path) -> None:
        with RowFile(tmp_path / "a.csv", ("time_s",)) as file, pytest.raises(AssertionError, match=r"a\.csv"):
            file.write([(1, 2)])


class TestSeconds:
    @pytest.mark.parametrize(("now", "text"), [(1_500_000, "0.001500"), (0, "0.000000"), (-20_000_000, "-0.020000")])
    def test_relative(self, now: int, text: str) -> None:
        assert seconds(now + 5, 5) == text
