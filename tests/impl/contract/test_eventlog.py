"""Event lines: their form, their bins, and many writers."""

import json
import threading
import time
from pathlib import Path

import pytest

from harness.endpoints.events import EventFile
from impl.contract.eventlog import BIN, EventLog, open_events
from impl.contract.setting import EndpointError, Setting, read_setting


def setting(events: Path) -> Setting:
    variables = {"TESTCASE": "download", "CONNECT": "10.0.0.2", "PORT": "4433", "BYTES": "1", "EVENTS": str(events)}
    return read_setting({f"HARNESS_{name}": value for name, value in variables.items()}, "client")


class TestLines:
    def test_fields(self, tmp_path: Path) -> None:
        with EventLog(tmp_path / "events") as log:
            log.write("connected", path="10.0.0.1", connect_ms=None)
            log.write("done", bytes=0, reason="none")
        lines = [json.loads(line) for line in (tmp_path / "events").read_text().splitlines()]
        assert [line.pop("time") <= time.monotonic_ns() for line in lines] == [True, True]
        assert lines == [
            {"event": "connected", "path": "10.0.0.1"},
            {"event": "done", "bytes": 0, "reason": "none", "sha256": None},
        ]

    def test_appends(self, tmp_path: Path) -> None:
        for _ in range(2):
            with EventLog(tmp_path / "events") as log:
                log.write("listening")
        assert (tmp_path / "events").read_text().count("\n") == 2

    def test_nothing_after_the_end(self, tmp_path: Path) -> None:
        log = EventLog(tmp_path / "events")
        log.close()
        log.close()
        log.write("listening")
        assert (tmp_path / "events").read_text() == ""

    def test_of_a_setting(self, tmp_path: Path) -> None:
        with open_events(setting(tmp_path / "events")) as log:
            log.write("listening")
        assert (tmp_path / "events").read_text().count("\n") == 1

    def test_a_file_that_cannot_be_written(self, tmp_path: Path) -> None:
        with pytest.raises(EndpointError, match=r"HARNESS_EVENTS: cannot write .*: No such file or directory"):
            open_events(setting(tmp_path / "none" / "events"))


class TestBins:
    def test_many_threads(self, tmp_path: Path) -> None:
        with EventLog(tmp_path / "events") as log:

            def write(stream: int) -> None:
                for _ in range(2000):
                    log.received(10, stream, None)

            threads = [threading.Thread(target=write, args=[stream]) for stream in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            log.write("done", bytes=80_000, sha256="0" * 64)
        file = EventFile(tmp_path / "events")
        events = file.poll(time.monotonic_ns)  # checks the sum
        received = [event for event in events if event.event == "received"]
        for stream in range(4):
            of_stream = [event for event in received if event.stream == stream]
            assert sum(event.bytes for event in of_stream) == 20_000
            bins = [event.time // BIN for event in of_stream]
            assert bins == sorted(set(bins))

    def test_other_events_come_after_the_bytes_before_them(self, tmp_path: Path) -> None:
        with EventLog(tmp_path / "events") as log:
            log.received(5, 0, "10.0.0.1")
            log.write("path_failed", path="10.0.0.1")
        names = [json.loads(line)["event"] for line in (tmp_path / "events").read_text().splitlines()]
        assert names == ["received", "path_failed"]
