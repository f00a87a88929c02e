"""qlog as it happens."""

import json
import time
from pathlib import Path
from typing import Any

from impl.quic.qlog import StreamingLogger


def records(path: Path) -> list[dict[str, Any]]:
    parts = path.read_text().split("\x1e")
    assert parts[0] == ""
    assert all(part.endswith("\n") for part in parts[1:])
    return [json.loads(part) for part in parts[1:]]


class TestTrace:
    def test_header_and_events(self, tmp_path: Path) -> None:
        logger = StreamingLogger(tmp_path / "deep" / "qlog")
        trace = logger.start_trace(False, b"\xab\xcd")
        before = time.monotonic_ns() / 1e6
        trace.log_event(category="transport", event="packet_sent", data={"a": 1})
        logger.end_trace(trace)
        (path,) = (tmp_path / "deep" / "qlog").iterdir()
        assert path.name == "abcd_server.sqlog"
        header, event = records(path)
        assert (header["qlog_format"], header["trace"]["vantage_point"]["type"]) == ("JSON-SEQ", "server")
        assert header["trace"]["common_fields"]["ODCID"] == "abcd"
        assert (event["name"], event["data"]) == ("transport:packet_sent", {"a": 1})
        assert abs(event["time"] - before) < 1000

    def test_what_is_told_too_often_is_thinned(self, tmp_path: Path) -> None:
        logger = StreamingLogger(tmp_path)
        trace = logger.start_trace(True, b"\0")
        for _ in range(100):
            trace.log_event(category="recovery", event="metrics_updated", data={})
            trace.log_event(category="transport", event="datagrams_sent", data={})
        end = time.monotonic() + 0.011
        while time.monotonic() < end:
            trace.log_event(category="recovery", event="metrics_updated", data={})
        logger.close()
        names = [record.get("name") for record in records(tmp_path / "00_client.sqlog")]
        assert names.count("transport:datagrams_sent") == 0
        assert 2 <= names.count("recovery:metrics_updated") <= 50

    def test_after_the_end_nothing_is_written(self, tmp_path: Path) -> None:
        logger = StreamingLogger(tmp_path)
        trace = logger.start_trace(True, b"\0")
        logger.end_trace(trace)
        logger.end_trace(trace)
        trace.log_event(category="transport", event="packet_sent", data={})
        logger.close()
        assert len(records(tmp_path / "00_client.sqlog")) == 1
