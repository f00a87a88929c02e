"""The reader of event lines: what it accepts, what it refuses, and how it says so."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.endpoints.events import LONGEST_LINE, BrokenEvents, Event, EventFile, EventParser

NOW = 50_000_000_000
START = 40_000_000_000


def line(event: Any = "received", time: Any = START, **fields: Any) -> bytes:
    return json.dumps({"time": time, "event": event, **fields}).encode() + b"\n"


def read(*lines: bytes, now: int = NOW) -> list[Event]:
    return EventParser("client.events.jsonl", not_before=START).feed(b"".join(lines), now=now)


class TestReading:
    def test_fields_are_kept(self) -> None:
        (event,) = read(line("connected", path="10.0.0.1", connect_ms=4, alpn="h3"))
        assert (event.line, event.time, event.event, event.path) == (1, START, "connected", "10.0.0.1")
        assert event.fields["alpn"] == "h3"

    def test_defaults(self) -> None:
        (event,) = read(line(bytes=12))
        assert (event.bytes, event.stream, event.path) == (12, 0, None)

    @given(data=st.data())
    def test_any_division_of_the_bytes(self, data: st.DataObject) -> None:
        sizes = data.draw(st.lists(st.integers(0, 10_000), max_size=10))
        whole = b"".join(line(bytes=size, time=START + place) for place, size in enumerate(sizes))
        whole += line("done", bytes=sum(sizes), sha256="0" * 64)
        cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
        parser = EventParser("events")
        events = []
        for begin, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
            events += parser.feed(whole[begin:end], now=NOW)
        parser.finish()
        assert [event.bytes for event in events] == [*sizes, sum(sizes)]
        assert [event.line for event in events] == list(range(1, len(sizes) + 2))

    @given(st.binary(max_size=200))
    def test_no_bytes_cause_another_error(self, data: bytes) -> None:
        try:
            read(data + b"\n")
        except BrokenEvents as error:
            assert error.line >= 1  # noqa: PT017

    def test_small_steps_back_are_forgiven(self) -> None:
        assert len(read(line(bytes=1, time=START + 900_000_000), line(bytes=1))) == 2

    def test_ten_thousand_lines_are_quick(self) -> None:
        data = b"".join(line(bytes=1, time=START + place) for place in range(10_000))
        began = time.process_time()
        assert len(read(data)) == 10_000
        assert time.process_time() - began < 1.0


class TestRefusing:
    @pytest.mark.parametrize(
        ("bad", "said"),
        [
            (b"hello\n", "not a line of JSON"),
            (b"\n", "not a line of JSON"),
            (b"\xff\xfe{}\n", "not a line of JSON"),
            (b"[1]\n", "JSON object"),
            (b"[" * 30_000 + b"\n", "not a line of JSON"),
            (line("recieved", bytes=1), "unknown event 'recieved'; allowed: listening, connected"),
            (line(None), "unknown event None"),
            (line(["done"]), "unknown event"),
            (line("received"), "needs the field 'bytes'"),
            (line(bytes=-1), "'bytes' is -1; allowed: a whole number, 0 or more"),
            (line(bytes=1.5), "'bytes' is 1.5"),
            (line(bytes=True), "'bytes' is True"),
            (line(bytes=1, stream="0"), "'stream' is '0'"),
            (line(bytes=1, path=7), "'path' is 7"),
            (line("exchange", ms=float("nan")), "'ms' is nan"),
            (line("exchange", ms=float("inf")), "'ms' is inf"),
            (line(bytes=1, time=None), "'time' is None"),
            (line(bytes=1, time=4.0e10), "'time' is 40000000000.0"),
            (line(bytes=1, time=NOW + 1_000_000_000), "1.000 s in the future"),
            (line(bytes=1, time=START - 1_000_000_000), "1.000 s before the process was started"),
            (line("done", bytes=0, sha256="ABC"), "'sha256' is 'ABC'"),
            (line("done", bytes=0, sha256=None), "a field 'reason' must say why"),
            (line("done", bytes=0), "needs the field 'sha256'"),
        ],
    )
    def test_a_bad_line(self, bad: bytes, said: str) -> None:
        with pytest.raises(BrokenEvents) as caught:
            read(line("first_byte"), bad)
        assert str(caught.value).startswith("client.events.jsonl:2: ")
        assert said in str(caught.value)
        assert len(str(caught.value)) < 500

    def test_going_back(self) -> None:
        with pytest.raises(BrokenEvents, match="goes back by 2"):
            read(line(bytes=1, time=START + 2_000_000_000), line(bytes=1))

    def test_lies_about_bytes(self) -> None:
        with pytest.raises(BrokenEvents, match=r":3: 'done' speaks of 100 bytes, .* of 60"):
            read(line(bytes=50), line(bytes=10), line("done", bytes=100, sha256="0" * 64))

    @pytest.mark.parametrize("after", [line(bytes=1), line("done", bytes=0, sha256="0" * 64)])
    def test_after_done(self, after: bytes) -> None:
        with pytest.raises(BrokenEvents, match=r"comes after 'done' \(line 1\)"):
            read(line("done", bytes=0, sha256="0" * 64), after)

    def test_endless_line(self) -> None:
        with pytest.raises(BrokenEvents, match="longer than"):
            read(b"x" * (LONGEST_LINE + 1))

    def test_unfinished_line(self) -> None:
        parser = EventParser("events")
        parser.feed(b'{"time"', now=NOW)
        parser.finish(killed=True)
        with pytest.raises(BrokenEvents, match="events:1: the last line does not end with a newline"):
            parser.finish()


class TestFile:
    def test_grows(self, tmp_path: Path) -> None:
        path = tmp_path / "server.events.jsonl"
        file = EventFile(path)
        assert file.poll(lambda: NOW) == []
        with path.open("ab", buffering=0) as writer:
            writer.write(line("first_byte") + line(bytes=3)[:10])
            assert len(file.poll(lambda: NOW)) == 1
            writer.write(line(bytes=3)[10:])
            assert [event.bytes for event in file.poll(lambda: NOW)] == [3]

    def test_shrinks_or_vanishes(self, tmp_path: Path) -> None:
        path = tmp_path / "server.events.jsonl"
        path.write_bytes(line("first_byte"))
        file = EventFile(path)
        file.poll(lambda: NOW)
        path.write_bytes(b"")
        with pytest.raises(BrokenEvents, match="shrank from"):
            file.poll(lambda: NOW)
        path.unlink()
        with pytest.raises(BrokenEvents, match="was removed"):
            file.poll(lambda: NOW)


class TestMovesAndObjects:
    def test_are_read(self) -> None:
        moved, came = read(
            line("migrated", path="fd00::1", **{"from": "10.0.0.1"}), line("object", ms=44.1, bytes=16384, number=3)
        )
        assert (moved.path, moved.fields["from"]) == ("fd00::1", "10.0.0.1")
        assert (came.bytes, came.fields["ms"], came.fields["number"]) == (16384, 44.1, 3)

    def test_objects_are_no_payload_and_may_come_after_it(self) -> None:
        lines = line(bytes=5), line("done", bytes=5, sha256="0" * 64), line("object", ms=1, bytes=9)
        assert [event.event for event in read(*lines)] == ["received", "done", "object"]

    @pytest.mark.parametrize(
        ("wrong", "said"),
        [
            (line("migrated"), "the event 'migrated' needs the field 'path'"),
            (line("migrated", path="a", **{"from": 3}), "'from' is 3; allowed: an address"),
            (line("object", ms=1), "the event 'object' needs the field 'bytes'"),
            (line("object", bytes=1), "the event 'object' needs the field 'ms'"),
            (line("object", ms=-1, bytes=1), "'ms' is -1"),
            (line("object", ms=1, bytes=1, number=-1), "'number' is -1"),
        ],
    )
    def test_wrong_ones_are_refused(self, wrong: bytes, said: str) -> None:
        with pytest.raises(BrokenEvents, match=said):
            read(wrong)
