"""Sockets and timers."""

import socket
import threading
from collections.abc import Iterator

import pytest

from impl.quic.edge import Address, Edge


@pytest.fixture
def edge() -> Iterator[Edge]:
    made = Edge()
    yield made
    made.close()


@pytest.fixture
def pair(edge: Edge) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Return a socket for the edge, which closes it, and one to send to it."""
    ours = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    ours.bind(("127.0.0.1", 0))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.connect(ours.getsockname())
        yield ours, other


class TestRun:
    def test_datagrams_with_their_sender(self, edge: Edge, pair: tuple[socket.socket, socket.socket]) -> None:
        got: list[tuple[bytes, Address]] = []

        def on_datagram(data: bytes, sender: Address, _now: float) -> None:
            got.append((data, sender))
            if len(got) == 3:
                edge.stop()

        edge.add(pair[0], on_datagram)
        for data in (b"a", b"b", b""):
            pair[1].send(data)
        edge.run(lambda _now: None)
        assert got == [(data, pair[1].getsockname()) for data in (b"a", b"b", b"")]

    def test_what_is_due_is_done_on_time(self, edge: Edge) -> None:
        moments: list[float] = []

        def advance(now: float) -> float:
            moments.append(now)
            if now >= moments[0] + 0.05:
                edge.running = False
            return moments[0] + 0.05

        edge.run(advance)
        assert 0.05 <= moments[-1] - moments[0] < 2
        assert len(moments) <= 3, "nothing is done in between"

    def test_stop_from_elsewhere(self, edge: Edge) -> None:
        timer = threading.Timer(0.02, edge.stop)
        timer.start()
        edge.run(lambda _now: None)
        timer.join()
        assert not edge.running

    def test_refusal_is_told(self, edge: Edge) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("127.0.0.1", 0))
            address = taken.getsockname()
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        errors: list[OSError] = []

        def on_error(error: OSError) -> None:
            errors.append(error)
            edge.stop()

        edge.add(sock, lambda _data, _sender, _now: None, on_error)
        sock.connect(address)
        sock.send(b"x")
        edge.run(lambda _now: None)
        assert isinstance(errors[0], ConnectionRefusedError)
