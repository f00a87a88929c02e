"""Sockets and timers around aioquic's core: datagrams in and out, and the moments at which something is due."""

import contextlib
import selectors
import socket
import time
from collections.abc import Callable
from typing import Final

from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import QuicEvent

Address = tuple[str, int] | tuple[str, int, int, int]
"""A peer's address as the socket module gives it."""

_LARGEST_DATAGRAM: Final = 65535
_BATCH: Final = 64
"""Datagrams read at most before what they call for is sent, so that acknowledgements are not held up."""
_LONGEST_WAIT: Final = 1.0


class Peer:
    """One QUIC connection and what it is connected to.

    ``send`` puts a datagram on its way to an address, ``on_event`` is told of each event of the core.
    """

    def __init__(
        self,
        connection: QuicConnection,
        *,
        send: Callable[[bytes, Address], None],
        on_event: Callable[[QuicEvent, float], None],
    ) -> None:
        self.connection = connection
        self._send = send
        self._on_event = on_event

    def receive(self, data: bytes, address: Address, now: float) -> None:
        """Take in a datagram and tell of what came in it; what it calls for is sent by `advance`."""
        self.connection.receive_datagram(data, address, now)
        self._tell(now)

    def advance(self, now: float) -> None:
        """Do what is due at ``now`` (monotonic, in seconds), tell of events, and send."""
        timer = self.connection.get_timer()
        if timer is not None and now >= timer:
            self.connection.handle_timer(now)
        self._tell(now)
        for data, address in self.connection.datagrams_to_send(now):
            self._send(data, address)

    def _tell(self, now: float) -> None:
        while (event := self.connection.next_event()) is not None:
            self._on_event(event, now)

    @property
    def due_at(self) -> float | None:
        """When something is due, on the monotonic clock in seconds; None when nothing is."""
        timer: float | None = self.connection.get_timer()
        return timer


class Edge:
    """Waits for datagrams and timers, as long as `running` is set."""

    def __init__(self) -> None:
        self.running = True
        self._selector = selectors.DefaultSelector()
        self._wake_read, self._wake_write = socket.socketpair()
        self._selector.register(self._wake_read, selectors.EVENT_READ)

    def close(self) -> None:
        """Close all sockets that were added."""
        for key in list(self._selector.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
        self._selector.close()
        self._wake_write.close()

    def stop(self) -> None:
        """Make `run` return; may be called from a signal handler."""
        self.running = False
        with contextlib.suppress(OSError):
            self._wake_write.send(b"\0")

    def add(
        self,
        sock: socket.socket,
        on_datagram: Callable[[bytes, Address, float], None],
        on_error: Callable[[OSError], None] = lambda _error: None,
    ) -> None:
        """Watch a socket.

        ``on_datagram`` gets each datagram, its sender, and the time; ``on_error`` gets what ICMP said of one that was
        sent: to QUIC that is a lost one.
        """
        self._selector.register(sock, selectors.EVENT_READ, (on_datagram, on_error))

    def run(self, advance: Callable[[float], float | None]) -> None:
        """Go on until stopped. ``advance`` does what is due and returns the time at which something will be due."""
        while self.running:
            due = advance(time.monotonic())
            if not self.running:
                return
            wait = _LONGEST_WAIT if due is None else min(_LONGEST_WAIT, max(0.0, due - time.monotonic()))
            for key, _ in self._selector.select(wait):
                assert isinstance(key.fileobj, socket.socket)
                if key.data is not None:
                    self._read(key.fileobj, *key.data)

    @staticmethod
    def _read(
        sock: socket.socket,
        on_datagram: Callable[[bytes, Address, float], None],
        on_error: Callable[[OSError], None],
    ) -> None:
        for _ in range(_BATCH):
            try:
                data, address = sock.recvfrom(_LARGEST_DATAGRAM, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except OSError as error:
                on_error(error)
                continue
            on_datagram(data, address, time.monotonic())
