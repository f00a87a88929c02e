"""The client's tasks, handed bytes in any pieces, without a connection."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from impl.contract.eventlog import EventLog
from impl.contract.objects import content, decode_number
from impl.contract.setting import EndpointError, Objects, Setting, TestCase, read_setting
from impl.contract.tasks import Download, Exchanges, ObjectStreams, Task, Upload
from impl.contract.transfer import REQUEST_SIZE, PeerClosed, Request, slice_bounds

OBJECTS = Objects(size=100, interval=0.5, placement="shared", seed=7)


class Streams:
    """Notes what a task does."""

    path = "10.0.0.1"

    def __init__(self) -> None:
        self.sent: dict[int, bytes] = {}
        self.ended: set[int] = set()

    def open(self, task: Task) -> int:
        stream = 4 * len(self.sent)
        self.sent[stream] = b""
        return stream

    def send(self, stream: int, data: bytes, *, end: bool = False) -> None:
        assert stream not in self.ended
        self.sent[stream] += data
        if end:
            self.ended.add(stream)

    def request(self, stream: int) -> Request:
        return Request.decode(self.sent[stream][:REQUEST_SIZE])

    def rest(self, stream: int) -> bytes:
        return self.sent[stream][REQUEST_SIZE:]


def setting(testcase: TestCase, size: int, streams: int = 1) -> Setting:
    variables = {
        "HARNESS_TESTCASE": testcase, "HARNESS_CONNECT": "10.0.0.2", "HARNESS_PORT": "4433", "HARNESS_SEED": "7",
        "HARNESS_BYTES": str(size), "HARNESS_STREAMS": str(streams), "HARNESS_EVENTS": "/dev/null",
        "HARNESS_PAYLOAD": "/dev/null", "HARNESS_OBJECT_BYTES": "100", "HARNESS_OBJECT_INTERVAL": "500",
        "HARNESS_PLACEMENT": "shared",
    }  # fmt: skip
    return read_setting(variables, "client")


def lines(path: Path, event: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in path.read_text().splitlines()]
    return [line for line in found if line["event"] == event]


def payload(size: int) -> bytes:
    return bytes(number * 7 % 251 for number in range(size))


class TestDownload:
    @settings(max_examples=40)
    @given(data=st.data(), size=st.integers(0, 400), count=st.integers(1, 4))
    def test_any_pieces_in_any_order(self, data: st.DataObject, size: int, count: int) -> None:
        streams, whole, totals = Streams(), payload(size), [0]
        with EventLog(Path("/dev/null")) as events:
            task = Download(setting("download", size, count), events, streams, totals.append)
            task.start(0.0)
            assert streams.ended == set(streams.sent), "a request is all that a stream of a download sends"
            left = {
                stream: whole[slice(*slice_bounds(size, count, streams.request(stream).stream))]
                for stream in streams.sent
            }
            while left:
                assert not task.done
                stream = data.draw(st.sampled_from(sorted(left)))
                cut = data.draw(st.integers(min(50, len(left[stream])), len(left[stream])))
                piece, left[stream] = left[stream][:cut], left[stream][cut:]
                task.on_data(stream, piece, not left[stream], 1.0)
                if not left[stream]:
                    del left[stream]
        assert task.done
        assert totals == sorted(totals)
        assert totals[-1] == size

    def test_events(self, tmp_path: Path) -> None:
        with EventLog(tmp_path / "events") as events:
            task = Download(setting("download", 100), events, Streams(), lambda _total: None)
            task.start(0.0)
            task.on_data(0, payload(100), True, 1.0)
        assert len(lines(tmp_path / "events", "first_byte")) == 1
        (done,) = lines(tmp_path / "events", "done")
        assert done["sha256"] == hashlib.sha256(payload(100)).hexdigest()

    def test_too_short_or_too_long(self) -> None:
        with EventLog(Path("/dev/null")) as events:
            task = Download(setting("download", 100), events, Streams(), lambda _total: None)
            task.start(0.0)
            with pytest.raises(PeerClosed, match="ended after 99 of 100"):
                task.on_data(0, bytes(99), True, 1.0)
            with pytest.raises(EndpointError, match="and more came"):
                task.on_data(0, bytes(2), False, 1.0)


class TestUpload:
    def test_counts_of_the_server(self) -> None:
        streams = Streams()
        with EventLog(Path("/dev/null")) as events:
            task = Upload(setting("upload", 101, 2), events, streams, memoryview(payload(101)))
            task.start(0.0)
            assert b"".join(streams.rest(stream) for stream in streams.sent) == payload(101)
            assert streams.ended == set(streams.sent)
            for stream in streams.sent:
                assert not task.done
                count = len(streams.rest(stream)).to_bytes(8, "big")
                task.on_data(stream, count[:3], False, 1.0)
                task.on_data(stream, count[3:], True, 1.0)
            assert task.done

    @pytest.mark.parametrize("answer", [b"", (99).to_bytes(8, "big"), (100).to_bytes(9, "big")])
    def test_another_count(self, answer: bytes) -> None:
        with EventLog(Path("/dev/null")) as events:
            task = Upload(setting("upload", 100), events, Streams(), memoryview(payload(100)))
            task.start(0.0)
            with pytest.raises(EndpointError, match="does not say that it received 100 bytes"):
                task.on_data(0, answer, True, 1.0)


class TestExchanges:
    def test_one_after_another_ten_milliseconds_apart(self, tmp_path: Path) -> None:
        streams = Streams()
        with EventLog(tmp_path / "events") as events:
            task = Exchanges(setting("latency", 130), events, streams, memoryview(payload(130)))
            task.start(5.0)
            asked, now = 0, 5.0
            while not task.done:
                assert task.due_at is not None
                now = max(now, task.due_at)
                task.tick(now)
                question = streams.rest(0)[asked:]
                asked += len(question)
                if question:
                    task.on_data(0, question[:10], False, now + 0.003)
                    task.on_data(0, question[10:], False, now + 0.004) if question[10:] else None
                    now += 0.004
        assert streams.rest(0) == payload(130)
        assert [line["ms"] for line in lines(tmp_path / "events", "exchange")] == pytest.approx([4.0, 4.0, 3.0])
        assert now >= 5.02
        assert lines(tmp_path / "events", "done")[0]["sha256"] == hashlib.sha256(payload(130)).hexdigest()

    def test_answers_that_are_none(self) -> None:
        with EventLog(Path("/dev/null")) as events:
            task = Exchanges(setting("latency", 130), events, Streams(), memoryview(payload(130)))
            task.start(0.0)
            task.tick(0.0)
            with pytest.raises(EndpointError, match="65 bytes answer a question of 64"):
                task.on_data(0, bytes(65), False, 1.0)
            with pytest.raises(PeerClosed, match="ended the stream"):
                task.on_data(0, b"", True, 1.0)


class TestObjects:
    def test_from_the_first_byte_to_the_last(self, tmp_path: Path) -> None:
        streams = Streams()
        with EventLog(tmp_path / "events") as events:
            task = ObjectStreams(setting("objects", 100), OBJECTS, events, streams)
            task.start(0.0)
            assert task.due_at is None, "the payload has not begun"
            task.begin(10.0)
            task.begin(10.1)
            for now in (10.0, 10.5):
                assert task.due_at == now
                task.tick(now)
            assert [decode_number(streams.rest(stream)) for stream in streams.sent] == [0, 1]
            assert all(streams.request(stream).objects for stream in streams.sent)
            task.end()
            assert (task.done, task.due_at) == (False, None)
            task.on_data(4, content(7, 1, 100), True, 10.6)
            task.on_data(0, content(7, 0, 100)[:60], False, 10.7)
            assert not task.done
            task.on_data(0, content(7, 0, 100)[60:], False, 10.8)
            task.on_data(0, b"", True, 10.8)
            assert task.done
        found = lines(tmp_path / "events", "object")
        assert [(line["number"], line["ms"], line["bytes"]) for line in found] == [(1, 100.0, 100), (0, 800.0, 100)]

    def test_a_payload_that_ends_before_it_began(self) -> None:
        with EventLog(Path("/dev/null")) as events:
            task = ObjectStreams(setting("objects", 0), OBJECTS, events, Streams())
            task.start(0.0)
            task.end()
            assert task.done
