"""Tests of impl.tcpls.qlog.reader: sequences of all forms, and what is said of broken ones."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from impl.tcpls.qlog import QlogError, read_qlog

HEADER = {"file_schema": "urn:ietf:params:qlog:file:sequential", "trace": {"event_schemas": []}}
EVENT = {"time": 1.5, "name": "quic:packet_sent", "data": {"text": "one\ntwo\x1e"}}


def sequence(*records: object, indent: int | None = None) -> bytes:
    return b"".join(b"\x1e" + json.dumps(record, indent=indent).encode() + b"\n" for record in records)


def file(folder: Path, content: bytes) -> Path:
    path = folder / "trace.sqlog"
    path.write_bytes(content)
    return path


class TestReading:
    @pytest.mark.parametrize("indent", [None, 4])
    def test_header_and_events(self, tmp_path: Path, indent: int | None) -> None:
        assert list(read_qlog(file(tmp_path, sequence(HEADER, EVENT, EVENT, indent=indent)))) == [HEADER, EVENT, EVENT]

    def test_longer_than_what_is_read_at_once(self, tmp_path: Path) -> None:
        long = EVENT | {"data": {"text": "x" * 700_000}}
        assert list(read_qlog(file(tmp_path, sequence(HEADER, long, EVENT, long, long)))) == [
            HEADER, long, EVENT, long, long,
        ]  # fmt: skip

    @given(cut=st.integers(1, 10**6))
    @settings(max_examples=60)
    def test_cut_off_anywhere(self, tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
        header, rest = sequence(HEADER), sequence(EVENT, EVENT, EVENT)
        cut %= len(rest)
        path = file(tmp_path_factory.mktemp("qlog"), header + rest[:cut])
        whole = cut * 3 // len(rest)
        assert list(read_qlog(path, cut_off="leave")) == [HEADER] + [EVENT] * whole
        reading = read_qlog(path)
        read = [next(reading) for _ in range(1 + whole)]
        assert read[1:] == [EVENT] * whole
        if cut * 3 % len(rest):
            with pytest.raises(QlogError, match=rf"record {whole + 2} \(line {whole + 2}\) is cut off"):
                next(reading)
        else:
            assert list(reading) == []


class TestErrors:
    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", r"trace\.sqlog: empty"),
            (b"{}\n", "does not begin with a record separator"),
            (b"\x1e{", r"record 1 \(line 1\) is cut off"),
            (sequence([]), r"record 1 \(line 1\): no header"),
            (sequence(HEADER | {"file_schema": "urn:ietf:params:qlog:file:contained"}), "no header of a sequential"),
            (sequence(HEADER | {"trace": 1}), "the header has no trace"),
            (sequence(HEADER, EVENT) + b"\x1e{]\n", r"record 3 \(line 3\) is no JSON"),
            (sequence(HEADER, EVENT) + b"\x1e\xff\n", r"record 3 \(line 3\) is no JSON"),
            (sequence(HEADER, HEADER, indent=1), r"record 2 \(line 7\): time is None; expected: a number"),
            (sequence(HEADER, [EVENT]), "no event; expected: an object"),
            (sequence(HEADER, EVENT | {"time": True}), "time is True"),
            (sequence(HEADER, EVENT | {"time": float("nan")}), "time is nan"),
            (sequence(HEADER, EVENT | {"time": 10**400}), "time is 1000"),
            (sequence(HEADER, EVENT | {"name": 5}), "name is 5; expected: a string"),
            (sequence(HEADER, EVENT | {"data": []}), r"data is \[\]; expected: an object"),
        ],
    )
    def test_broken_files(self, tmp_path: Path, content: bytes, message: str) -> None:
        with pytest.raises(QlogError, match=message):
            list(read_qlog(file(tmp_path, content)))

    def test_a_header_that_is_cut_off_cannot_be_left_out(self, tmp_path: Path) -> None:
        with pytest.raises(QlogError, match="cut off"):
            list(read_qlog(file(tmp_path, b"\x1e{"), cut_off="leave"))

    def test_no_file(self, tmp_path: Path) -> None:
        with pytest.raises(QlogError, match=r"none\.sqlog: cannot be read: No such file"):
            list(read_qlog(tmp_path / "none.sqlog"))
