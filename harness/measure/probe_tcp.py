"""TCP latency probes of one path: the time to connect, and to exchange 64 bytes for 64 bytes."""

import errno
import selectors
import socket
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from harness.measure.probe_book import ProbeBook, Result, Series
from harness.network.namespaces import enter
from harness.network.paths import Family

SIZE = 64
_BACKLOG = 128
_RESET = struct.pack("ii", 1, 0)
_FAMILY = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}


class TcpServer:
    """Answers each 64 bytes with 64 bytes; listens on every address of its node, so that it outlives any of them."""

    def __init__(self, pid: int, family: Family, selector: selectors.BaseSelector) -> None:
        """Listen.

        Raises:
            OSError: the node is gone.

        """
        self._selector = selector
        with enter(pid):
            self._listener = socket.socket(_FAMILY[family], socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self._listener.bind(("::" if family == "ipv6" else "0.0.0.0", 0))
        self._listener.listen(_BACKLOG)
        self.port: int = self._listener.getsockname()[1]
        self._connections: dict[socket.socket, int] = {}
        selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def _accept(self, now_ns: int) -> Iterator[Result]:
        try:
            connection, _ = self._listener.accept()
        except OSError:  # it was reset before it was taken
            return
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connections[connection] = 0
        self._selector.register(connection, selectors.EVENT_READ, lambda now: self._serve(connection))
        yield from ()

    def _serve(self, connection: socket.socket) -> Iterator[Result]:
        try:
            data = connection.recv(SIZE)
            if data:
                self._connections[connection] += len(data)
                if self._connections[connection] >= SIZE:
                    self._connections[connection] -= SIZE
                    connection.send(bytes(SIZE))
                return
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EINTR):
                return
        self._drop(connection)
        yield from ()

    def _drop(self, connection: socket.socket) -> None:
        self._selector.unregister(connection)
        del self._connections[connection]
        connection.close()

    def close(self) -> None:
        """Close the listener and all connections."""
        for connection in list(self._connections):
            self._drop(connection)
        self._selector.unregister(self._listener)
        self._listener.close()


@dataclass
class _Attempt:
    """One probe under way: connecting until ``asked_ns`` is set, waiting for the response then."""

    socket: socket.socket
    sequence: int
    began_ns: int
    asked_ns: int | None = None
    received: int = 0


class TcpProbe:
    """Starts one connection at every ``probe``; measures it and one exchange on it, and closes it."""

    def __init__(
        self,
        path: str,
        pid: int,
        family: Family,
        addresses: tuple[str, str],
        port: Callable[[], int],
        selector: selectors.BaseSelector,
    ) -> None:
        self._pid = pid
        self._family = family
        self._from, self._to = addresses
        self._port = port
        self._selector = selector
        self._sequence = 0
        self._attempts: dict[int, _Attempt] = {}
        self._book: ProbeBook | None = None
        self._connect = Series("tcp_connect", path, "round_trip")
        self._exchange = Series("tcp_exchange", path, "round_trip")

    def probe(self, book: ProbeBook, now_ns: int) -> Iterator[Result]:
        """Start a connection; yield it as lost if that is not possible now."""
        self._book = book
        sequence = self._sequence
        self._sequence += 1
        book.sent(self._connect, sequence, now_ns)
        sock: socket.socket | None = None
        try:
            with enter(self._pid):
                sock = socket.socket(_FAMILY[self._family], socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.bind((self._from, 0))
            error = sock.connect_ex((self._to, self._port()))
            if error != errno.EINPROGRESS and error != 0:
                raise OSError(error, "connect")
        except OSError:
            if sock is not None:
                sock.close()
            yield from self._lost(sequence, self._connect)
            return
        attempt = _Attempt(sock, sequence, now_ns)
        self._attempts[sequence] = attempt
        self._selector.register(sock, selectors.EVENT_WRITE, lambda now: self._connected(attempt, now))

    def _connected(self, attempt: _Attempt, now_ns: int) -> Iterator[Result]:
        if attempt.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0:
            yield from self._give_up(attempt)
            return
        assert self._book is not None
        result = self._book.arrived(self._connect, attempt.sequence, now_ns - attempt.began_ns)
        if result is not None:
            yield result
        attempt.asked_ns = now_ns
        self._book.sent(self._exchange, attempt.sequence, now_ns)
        self._selector.modify(attempt.socket, selectors.EVENT_READ, lambda now: self._answered(attempt, now))
        try:
            attempt.socket.send(bytes(SIZE))
        except OSError:
            yield from self._give_up(attempt)

    def _answered(self, attempt: _Attempt, now_ns: int) -> Iterator[Result]:
        try:
            data = attempt.socket.recv(SIZE)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EINTR):
                yield from self._give_up(attempt)
            return
        if not data:
            yield from self._give_up(attempt)
            return
        attempt.received += len(data)
        if attempt.received >= SIZE:
            assert self._book is not None
            assert attempt.asked_ns is not None
            result = self._book.arrived(self._exchange, attempt.sequence, now_ns - attempt.asked_ns)
            if result is not None:
                yield result
            self._drop(attempt)

    def expire(self, now_ns: int, timeout_ns: int) -> None:
        """Close the connections of probes whose time is over (the book counts them as lost by itself)."""
        for attempt in list(self._attempts.values()):
            if now_ns - (attempt.asked_ns or attempt.began_ns) > timeout_ns:
                self._drop(attempt, reset=True)

    def _give_up(self, attempt: _Attempt) -> Iterator[Result]:
        series = self._connect if attempt.asked_ns is None else self._exchange
        self._drop(attempt, reset=True)
        yield from self._lost(attempt.sequence, series)

    def _lost(self, sequence: int, series: Series) -> Iterator[Result]:
        assert self._book is not None
        result = self._book.failed(series, sequence)
        if result is not None:
            yield result

    def _drop(self, attempt: _Attempt, *, reset: bool = False) -> None:
        if reset:
            # Nothing of a dead probe may go on retransmitting into the path.
            attempt.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._selector.unregister(attempt.socket)
        attempt.socket.close()
        del self._attempts[attempt.sequence]

    def close(self) -> None:
        """Close all connections."""
        for attempt in list(self._attempts.values()):
            self._drop(attempt, reset=True)
