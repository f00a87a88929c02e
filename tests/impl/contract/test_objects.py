"""Small objects: their content, when they are asked for, and how their times are taken."""

import hashlib
import json
import socket
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from impl.contract.eventlog import EventLog
from impl.contract.objects import ObjectBook, content, decode_number, encode_number, fetch, serve
from impl.contract.setting import EndpointError, Objects
from impl.contract.transfer import PeerClosed

SETTING = Objects(size=100, interval=0.5, placement="own", seed=7)


class TestContent:
    def test_known(self) -> None:
        assert content(7, 3, 64) == hashlib.shake_128(b"harness object 7 3").digest(64)
        assert content(7, 3, 8).hex() == "68480ebd434ffdd1"

    def test_all_differ(self) -> None:
        assert len({content(seed, number, 32) for seed in range(4) for number in range(4)}) == 16

    @given(st.integers(0, (1 << 64) - 1))
    def test_requests(self, number: int) -> None:
        assert decode_number(encode_number(number)) == number


class TestBook:
    def test_objects_are_due_at_fixed_moments(self) -> None:
        book = ObjectBook(SETTING, 10.0)
        assert book.due_at == 10.0
        assert book.ask(10.2) == 0
        assert book.due_at == 10.5, "that one was late moves nothing"
        assert book.ask(10.5) == 1
        assert book.due_at == 11.0
        assert book.waiting

    @settings(max_examples=30)
    @given(data=st.data(), count=st.integers(1, 4))
    def test_any_pieces_in_any_order(self, data: st.DataObject, count: int) -> None:
        book = ObjectBook(SETTING, 0.0)
        left = {number: content(7, number, 100) for number in range(count)}
        asked = {book.ask(number * 0.5): number * 0.5 for number in range(count)}
        now = count * 0.5
        while left:
            number = data.draw(st.sampled_from(sorted(left)))
            size = data.draw(st.integers(min(30, len(left[number])), len(left[number])))
            took = book.received(number, left[number][:size], now)
            left[number] = left[number][size:]
            if left[number]:
                assert took is None
            else:
                assert took == pytest.approx(now - asked[number])
                del left[number]
            now += 0.1
        assert not book.waiting

    @pytest.mark.parametrize("wrong", [bytes(100), content(7, 0, 101), content(8, 0, 100), content(7, 1, 100)])
    def test_wrong_content(self, wrong: bytes) -> None:
        book = ObjectBook(SETTING, 0.0)
        book.ask(0.0)
        with pytest.raises(EndpointError, match="object 0 is not what it should be"):
            book.received(0, wrong, 1.0)

    def test_nobody_asked(self) -> None:
        book = ObjectBook(SETTING, 0.0)
        with pytest.raises(EndpointError, match="object 0 came and nobody asked for it"):
            book.received(0, b"x", 1.0)
        book.ask(0.0)
        book.received(0, content(7, 0, 100), 1.0)
        with pytest.raises(EndpointError, match="nobody asked"):
            book.received(0, b"x", 1.0)


class TestOwnConnection:
    QUICK = Objects(size=1000, interval=0.002, placement="own", seed=7)

    def test_asked_and_served(self, tmp_path: Path) -> None:
        left, right = socket.socketpair()
        server = threading.Thread(target=serve, args=[right, self.QUICK])
        server.start()
        with left, right, EventLog(tmp_path / "events") as events:
            end = time.monotonic() + 0.05
            fetch(left, self.QUICK, events, path="10.0.0.1", ended=lambda: time.monotonic() > end)
            left.shutdown(socket.SHUT_WR)
            server.join(10)
            assert not server.is_alive()
        lines = [json.loads(line) for line in (tmp_path / "events").read_text().splitlines()]
        assert [line["number"] for line in lines] == list(range(len(lines)))
        assert lines
        assert {(line["event"], line["bytes"], line["path"]) for line in lines} == {("object", 1000, "10.0.0.1")}

    def test_those_under_way_are_waited_for(self, tmp_path: Path) -> None:
        left, right = socket.socketpair()
        asked = threading.Event()

        def late() -> None:
            request = right.recv(8)
            asked.set()
            right.sendall(content(7, decode_number(request), 1000)[:400])
            time.sleep(0.02)  # not for luck: longer than the interval, so that the client waits in between
            right.sendall(content(7, decode_number(request), 1000)[400:])

        server = threading.Thread(target=late)
        server.start()
        once = Objects(size=1000, interval=0.01, placement="own", seed=7)
        with left, right, EventLog(tmp_path / "events") as events:
            fetch(left, once, events, path=None, ended=asked.is_set)
            server.join(10)
        (line,) = (tmp_path / "events").read_text().splitlines()
        assert json.loads(line)["ms"] >= 20

    def test_the_peer_leaves(self, tmp_path: Path) -> None:
        left, right = socket.socketpair()
        right.close()
        with left, EventLog(tmp_path / "events") as events, pytest.raises((PeerClosed, BrokenPipeError)):
            fetch(left, self.QUICK, events, path=None, ended=lambda: False)

    def test_bytes_that_nobody_asked_for(self, tmp_path: Path) -> None:
        left, right = socket.socketpair()
        with left, right, EventLog(tmp_path / "events") as events:
            right.sendall(content(7, 0, 1000) + b"x")
            slow = Objects(size=1000, interval=60, placement="own", seed=7)
            with pytest.raises(EndpointError, match="nobody asked for one"):
                fetch(left, slow, events, path=None, ended=lambda: False)
