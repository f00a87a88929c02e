"""Tables of a run directory: reading, writing, and what is said of broken ones."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.results.formats import (
    BrokenRun,
    GoodputRow,
    LatencyRow,
    MachineRow,
    PathRow,
    TcpInfoRow,
    columns,
    read_json,
    read_lines,
    read_rows,
    write_rows,
)

number = st.floats(allow_nan=False, allow_infinity=False)
count = st.integers(min_value=0, max_value=2**63)
name = st.text(st.characters(codec="ascii", exclude_characters="\x00\r\n"), max_size=8)


class TestRoundTrip:
    @given(rows=st.lists(st.builds(GoodputRow, number, count, name, name)))
    def test_goodput(self, rows: list[GoodputRow], tmp_path_factory: pytest.TempPathFactory) -> None:
        path = tmp_path_factory.mktemp("rows") / "goodput.csv"
        write_rows(path, GoodputRow, rows)
        assert read_rows(path, GoodputRow) == rows

    @given(rows=st.lists(st.builds(LatencyRow, number, name, name, name, st.none() | number, st.integers(0, 1))))
    def test_latency_with_lost_probes(self, rows: list[LatencyRow], tmp_path_factory: pytest.TempPathFactory) -> None:
        path = tmp_path_factory.mktemp("rows") / "latency.csv"
        write_rows(path, LatencyRow, rows)
        assert read_rows(path, LatencyRow) == rows


class TestContract:
    def test_columns_are_those_of_the_samplers(self) -> None:
        from harness.measure import counters, goodput, machine

        assert columns(GoodputRow) == goodput.COLUMNS
        assert columns(MachineRow) == machine.COLUMNS
        assert set(counters.COLUMNS) <= set(columns(PathRow))
        assert "congestion" in columns(TcpInfoRow)


class TestReading:
    def test_missing_file_is_an_empty_table(self, tmp_path: Path) -> None:
        assert read_rows(tmp_path / "latency.csv", LatencyRow) == []
        assert read_lines(tmp_path / "timeline.jsonl") == []
        assert read_json(tmp_path / "calibration.json") is None

    def test_empty_file_is_an_empty_table(self, tmp_path: Path) -> None:
        (tmp_path / "goodput.csv").touch()
        assert read_rows(tmp_path / "goodput.csv", GoodputRow) == []

    def test_optional_and_further_columns(self, tmp_path: Path) -> None:
        path = tmp_path / "goodput.csv"
        path.write_text("note,bytes,time_s\nhello,5,0.1\n")
        assert read_rows(path, GoodputRow) == [GoodputRow(0.1, 5)]

    def test_empty_cells_of_optional_columns(self, tmp_path: Path) -> None:
        path = tmp_path / "machine.csv"
        path.write_text(",".join(columns(MachineRow)) + "\n1.0,,,,0.1,0.2,0.3,\n")
        assert read_rows(path, MachineRow) == [MachineRow(1.0, None, None, None, 0.1, 0.2, 0.3, None)]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("time_s\n0.1\n", ":1: column 'bytes' is missing"),
            ("time_s,bytes\n0.1,many\n", ":2: bytes is 'many'; expected: int"),
            ("time_s,bytes\n0.1,5\n0.2\n", ":3: 1 values for 2 columns"),
        ],
    )
    def test_broken_tables(self, tmp_path: Path, text: str, message: str) -> None:
        path = tmp_path / "goodput.csv"
        path.write_text(text)
        with pytest.raises(BrokenRun, match="goodput") as caught:
            read_rows(path, GoodputRow)
        assert message in str(caught.value)


class TestLines:
    def test_unfinished_last_line_is_left_out(self, tmp_path: Path) -> None:
        path = tmp_path / "events.jsonl"
        path.write_text('{"a": 1}\n{"b": ')
        assert read_lines(path) == [{"a": 1}]

    @pytest.mark.parametrize("line", ["nonsense", "[1]", "5"])
    def test_broken_line_is_named(self, tmp_path: Path, line: str) -> None:
        path = tmp_path / "timeline.jsonl"
        path.write_text(f'{{"a": 1}}\n{line}\n{{"b": 2}}\n')
        with pytest.raises(BrokenRun, match=r"timeline.jsonl:2: not a JSON object"):
            read_lines(path)
