"""Our clients and servers on sockets of loopback, for tests with other programs at the other end."""

import select
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import NoReturn, Self, TypeVar

import pytest

from impl.tls13 import (
    ApplicationDataReceived,
    Client,
    ClientConfig,
    Event,
    Failed,
    HandshakeCompleted,
    SecretDerived,
    Server,
    ServerConfig,
)
from impl.tls13.key_log import key_log_line
from tests.support.programs import PATIENCE, Program

EventT = TypeVar("EventT")

_PIECE = 2**16


class Endpoint:
    """One of our ends on a socket. All waiting is bounded, and failures show what the peer has printed.

    Attributes:
        core: the end itself.
        events: all that happened.
        received: application data, without early data.
        early: early data.

    """

    def __init__(self, core: Client | Server, connection: socket.socket, peer: Program) -> None:
        self.core = core
        self.events: list[Event] = []
        self.received = bytearray()
        self.early = bytearray()
        self._socket = connection
        self._socket.setblocking(False)
        self._peer = peer
        self._unsent = bytearray()
        self._ended = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._socket.close()

    # The handshake

    def start(self, early_data: bytes = b"") -> None:
        """Let a client begin, with early data if there are any."""
        assert isinstance(self.core, Client)
        self._take(self.core.start(time.time()))
        taken = self.core.send_early(early_data)
        assert taken == len(early_data), f"{taken} of {len(early_data)} bytes of early data could be sent"
        self.flush()

    def handshake(self) -> HandshakeCompleted:
        """Wait for the end of the handshake; the test fails if it fails."""
        self.wait(lambda: self.core.established or self.core.failed is not None, "the handshake is over")
        if self.core.failed is not None:
            self._give_up(f"the handshake has failed: {self.core.failed}")
        return self.last(HandshakeCompleted)

    def failure(self) -> Failed:
        """Wait until the connection fails, and for the peer to close it once it was told."""
        self.wait(lambda: self.core.failed is not None, "the connection fails")
        assert self.core.failed is not None
        self._leave()
        return self.core.failed

    # Data

    def send(self, data: bytes) -> None:
        """Send application data."""
        self.core.send(data)
        self.flush()

    def flush(self) -> None:
        """Send what there is to send."""
        self.wait(lambda: True, "all is sent")

    def expect(self, data: bytes) -> None:
        """Wait for just these data."""
        self.wait(lambda: len(self.received) >= len(data), f"{len(data)} bytes are there")
        assert self.received == data, self._peer.report("the peer has sent other data")
        self.received.clear()

    def close(self) -> None:
        """Send close_notify, and wait for the peer's and the end of the transport."""
        self.core.close()
        self.wait(lambda: self.core.peer_closed, "the peer sends close_notify")
        self._leave()

    def vanish(self) -> None:
        """Close the transport without a word, and wait for the peer to do the same."""
        self._leave()

    # What happened

    def last(self, kind: type[EventT]) -> EventT:
        """The last event of a kind; the test fails if there is none."""
        found = [event for event in self.events if isinstance(event, kind)]
        if not found:
            self._give_up(f"no {kind.__name__} among the events")
        return found[-1]

    def wait_for(self, kind: type[EventT], number: int = 1) -> EventT:
        """The last event of a kind, once there are as many as `number` says."""
        self.wait(
            lambda: sum(isinstance(event, kind) for event in self.events) >= number,
            f"{kind.__name__} has happened, {number} times in all",
        )
        return self.last(kind)

    def key_log(self) -> set[str]:
        """The lines of the key log."""
        return {
            key_log_line(event.label, self.core.client_random, event.secret)
            for event in self.events
            if isinstance(event, SecretDerived)
        }

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        """Send and receive until the condition holds and all is sent; `what` says what it means, as a clause."""
        deadline = time.monotonic() + PATIENCE
        while True:
            self._unsent += self.core.data_to_send()
            if condition() and not self._unsent:
                return
            left = deadline - time.monotonic()
            if self._ended:
                self._give_up(f"the connection was closed before {what}")
            if left <= 0:
                self._give_up(f"waited for {PATIENCE:g} s until {what}")
            self._transfer(left)

    def _transfer(self, seconds: float) -> None:
        writing = [self._socket] if self._unsent else []
        readable, writable, _ = select.select([self._socket], writing, [], seconds)
        with suppress(BrokenPipeError, ConnectionResetError):
            if writable:
                del self._unsent[: self._socket.send(self._unsent)]
        if readable:
            self._receive()

    def _receive(self) -> None:
        try:
            data = self._socket.recv(_PIECE)
        except ConnectionResetError:
            data = b""
        if data:
            self._take(self.core.receive(data, time.time()))
        else:
            self._ended = True
            self._unsent.clear()
            self._take(self.core.receive_eof(time.time()))

    def _take(self, events: list[Event]) -> None:
        self.events += events
        for event in events:
            if isinstance(event, ApplicationDataReceived):
                (self.early if event.early else self.received).extend(event.data)

    def _leave(self) -> None:
        """Send the transport's end and wait for the peer's, so that it can read all that was sent."""
        with suppress(OSError):  # the peer has reset the connection
            self._socket.shutdown(socket.SHUT_WR)
        self.wait(lambda: self._ended, "the peer closes the connection")

    def _give_up(self, problem: str) -> NoReturn:
        happened = "\n".join(map(_shown, self.events))
        pytest.fail(self._peer.report(f"{problem}\n--- our events\n{happened}"))


def _shown(event: Event) -> str:
    text = repr(event)
    return text if len(text) < 300 else f"{text[:300]}…"


class Listener:
    """A socket that listens, for programs that connect to our servers."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.settimeout(PATIENCE)
        self.port: int = self._socket.getsockname()[1]

    def close(self) -> None:
        """Listen no more."""
        self._socket.close()

    def accept(self, config: ServerConfig, peer: Program) -> Endpoint:
        """The server's end of the next connection, which the peer makes."""
        try:
            connection, _ = self._socket.accept()
        except TimeoutError:
            pytest.fail(peer.report(f"it has not connected within {PATIENCE:g} s"))
        return Endpoint(Server(config), connection, peer)


@contextmanager
def listening() -> Iterator[Listener]:
    """Listen during the context."""
    listener = Listener()
    try:
        yield listener
    finally:
        listener.close()


def connect(port: int, config: ClientConfig, peer: Program) -> Endpoint:
    """The client's end of a connection to a program that listens; it has not begun yet."""
    return Endpoint(Client(config), socket.create_connection(("127.0.0.1", port), PATIENCE), peer)
