"""Tests of impl.tcpls.qlog.writer: the file as others read it, when it is written, and what goes wrong."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from impl.tcpls.frames import Ack, Ping
from impl.tcpls.packing import Packer
from impl.tcpls.qlog import QlogError, QlogWriter, Role, read_qlog
from impl.tcpls.trace import NO_TRACE, Trace

REFERENCE = 5_000_000_000
WALL_CLOCK = 1_700_000_000.25
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(0, 2**64 - 1) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def writer(path: Path, role: Role = "client", session_id: str = "c0ffee") -> QlogWriter:
    return QlogWriter(path, role=role, session_id=session_id, reference_ns=REFERENCE, wall_clock=WALL_CLOCK)


def records(path: Path) -> list[Any]:
    """Read a file as RFC 7464 says, without the reader of the package."""
    content = path.read_bytes()
    assert content.startswith(b"\x1e")
    texts = content.split(b"\x1e")[1:]
    assert all(text.endswith(b"\n") for text in texts)
    return [json.loads(text) for text in texts]


class TestFile:
    def test_header(self, tmp_path: Path) -> None:
        with writer(tmp_path / "a.sqlog", "server"):
            pass
        (header,) = records(tmp_path / "a.sqlog")
        assert header["file_schema"] == "urn:ietf:params:qlog:file:sequential"
        assert header["serialization_format"] == "application/qlog+json-seq"
        trace = header["trace"]
        assert trace["vantage_point"] == {"name": "server", "type": "server"}
        assert trace["event_schemas"] == ["urn:multipath-lab:qlog:events:tcpls"]
        assert trace["common_fields"] == {
            "group_id": "c0ffee",
            "time_format": "relative_to_epoch",
            "reference_time": {
                "clock_type": "monotonic",
                "epoch": "unknown",
                "wall_clock_time": "2023-11-14T22:13:20.250000Z",
            },
            "reference_monotonic_ns": REFERENCE,
        }

    def test_events(self, tmp_path: Path) -> None:
        with writer(tmp_path / "a.sqlog") as log:
            log.event(5.0015, "connection_joined", {"connection_id": 1, "mode": "direct"})
            log.event(5.002000125, "token_used", {"sequence": 1})
        assert records(tmp_path / "a.sqlog")[1:] == [
            {"time": 1.5, "name": "tcpls:connection_joined", "data": {"connection_id": 1, "mode": "direct"}},
            {"time": 2.0, "name": "tcpls:token_used", "data": {"sequence": 1}},
        ]

    def test_bytes_become_hexadecimal(self, tmp_path: Path) -> None:
        with writer(tmp_path / "a.sqlog") as log:
            log.event(5, "session_closed", {"a": b"\x01\xff", "b": memoryview(b"\x02"), "c": bytearray(b"\x03")})
        assert records(tmp_path / "a.sqlog")[1]["data"] == {"a": "01ff", "b": "02", "c": "03"}

    def test_what_is_no_json_is_a_mistake_of_the_caller(self, tmp_path: Path) -> None:
        with writer(tmp_path / "a.sqlog") as log, pytest.raises(TypeError, match="a PosixPath cannot be logged"):
            log.event(5, "session_closed", {"reason": tmp_path})

    def test_an_old_file_is_replaced(self, tmp_path: Path) -> None:
        (tmp_path / "a.sqlog").write_text("old" * 1000)
        writer(tmp_path / "a.sqlog").close()
        assert len(records(tmp_path / "a.sqlog")) == 1

    @given(events=st.lists(st.tuples(st.floats(0, 1e6), json_values), max_size=20))
    @settings(max_examples=40)
    def test_is_read_back(self, tmp_path_factory: pytest.TempPathFactory, events: list[tuple[float, Any]]) -> None:
        path = tmp_path_factory.mktemp("qlog")
        with writer(path) as log:
            for after, value in events:
                log.event(5 + after, "session_closed", {"reason": value})
        _, *read = read_qlog(log.path)
        assert [event["data"]["reason"] for event in read] == [value for _, value in events]
        assert [event["time"] for event in read] == [pytest.approx(after * 1e3, abs=0.001) for after, _ in events]


class TestName:
    def test_in_a_folder(self, tmp_path: Path) -> None:
        log = writer(tmp_path, "server", "0a-b_c.d")
        log.close()
        assert log.path == tmp_path / "0a-b_c.d_server.sqlog"
        assert log.path.is_file()

    @pytest.mark.parametrize("session_id", ["", "..", "a/b", "a\0", "é", "a b"])
    def test_that_could_lead_elsewhere(self, tmp_path: Path, session_id: str) -> None:
        with pytest.raises(QlogError, match="cannot be part of a file name"):
            writer(tmp_path, session_id=session_id)

    def test_without_folder(self, tmp_path: Path) -> None:
        with pytest.raises(QlogError, match=r"none/a\.sqlog: no qlog can be written there: No such file"):
            writer(tmp_path / "none" / "a.sqlog")


class TestWhenItIsWritten:
    def test_the_header_at_once(self, tmp_path: Path) -> None:
        with writer(tmp_path / "a"):
            assert len(records(tmp_path / "a")) == 1

    def test_after_a_tenth_of_a_second(self, tmp_path: Path) -> None:
        with writer(tmp_path / "a") as log:
            for now in (100.0, 100.05, 100.0999):
                log.event(now, "token_used", {})
            assert len(records(tmp_path / "a")) == 1
            log.event(100.1001, "token_used", {})
            assert len(records(tmp_path / "a")) == 5
            log.event(100.15, "token_used", {})
            assert len(records(tmp_path / "a")) == 5

    def test_when_64_kib_have_come_together(self, tmp_path: Path) -> None:
        with writer(tmp_path / "a") as log:
            log.event(5, "session_closed", {"reason": "x" * 65_000})
            assert len(records(tmp_path / "a")) == 1
            log.event(5, "session_closed", {"reason": "x" * 600})
            assert len(records(tmp_path / "a")) == 3

    def test_at_the_end(self, tmp_path: Path) -> None:
        log = writer(tmp_path / "a")
        log.event(5, "token_used", {})
        log.close()
        log.close()
        assert len(records(tmp_path / "a")) == 2

    def test_nothing_after_the_end(self, tmp_path: Path) -> None:
        log = writer(tmp_path / "a")
        assert log.enabled
        log.close()
        assert not log.enabled
        log.event(5, "token_used", {})
        log.flush()
        assert len(records(tmp_path / "a")) == 1


class TestFailure:
    def test_a_full_disk_ends_the_trace_and_nothing_else(self) -> None:
        log = writer(Path("/dev/full"))
        assert log.failure == "/dev/full: the qlog ends here: No space left on device"
        assert not log.enabled
        log.event(5, "token_used", {})
        log.close()

    def test_none_without_a_reason(self, tmp_path: Path) -> None:
        with writer(tmp_path) as log:
            assert log.failure is None


class TestRecords:
    def test_sent(self, tmp_path: Path) -> None:
        packer = Packer(bytearray(64), 16, 4)
        for frame in (Ack(1, 44), Ping(), Ack(2, 5)):
            assert packer.frame(frame.encode(), resend=False)
        with writer(tmp_path) as log:
            log.records_sent(5.25, 3, 100, packer)
        ack = {"frame_type": "ack", "connection_id": 1, "sequence": 44}
        frames = [ack, {"frame_type": "ping"}, {"frame_type": "padding", "length": 2}]
        assert records(log.path)[1:] == [
            {
                "time": 250.0,
                "name": "tcpls:record_sent",
                "data": {"connection_id": 3, "sequence": 100, "length": 16, "frames": frames},
            },
            {
                "time": 250.0,
                "name": "tcpls:record_sent",
                "data": {
                    "connection_id": 3,
                    "sequence": 101,
                    "length": 13,
                    "frames": [{"frame_type": "ack", "connection_id": 2, "sequence": 5}],
                },
            },
        ]

    def test_received(self, tmp_path: Path) -> None:
        with writer(tmp_path) as log:
            log.records_received(5, 1, 8, b"\1\0\0\1", (3, 3, 4))
        data = [event["data"] for event in records(log.path)[1:]]
        assert [(d["connection_id"], d["sequence"], d["length"]) for d in data] == [(1, 6, 3), (1, 7, 0), (1, 8, 1)]
        assert [[frame["frame_type"] for frame in d["frames"]] for d in data] == [["ping", "padding"], [], ["ping"]]


class TestInterface:
    def test_is_a_trace_as_the_one_that_keeps_nothing(self, tmp_path: Path) -> None:
        with writer(tmp_path) as log:
            traces: list[Trace] = [NO_TRACE, log]
            assert [trace.enabled for trace in traces] == [False, True]
            for trace in traces:
                trace.event(5, "stream_opened", {"stream_id": 0})
                trace.records_received(5, 0, 0, b"\1", (1,))
        assert len(records(log.path)) == 3
