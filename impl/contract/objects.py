"""Small objects beside the payload: what is in them, when they are asked for, and how long each takes."""

import hashlib
import socket
import struct
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from impl.contract.eventlog import EventLog
from impl.contract.setting import EndpointError, Objects
from impl.contract.transfer import PeerClosed, receive_exactly

_NUMBER: Final = struct.Struct("!Q")
REQUEST_SIZE: Final = _NUMBER.size
"""Bytes of the request for an object: its number."""

_SHORTEST_WAIT: Final = 0.001


def content(seed: int, number: int, size: int) -> bytes:
    """Return the content of an object: ``size`` bytes of SHAKE128 over ``harness object SEED NUMBER``, in decimal."""
    return hashlib.shake_128(f"harness object {seed} {number}".encode("ascii")).digest(size)


def encode_number(number: int) -> bytes:
    """Return the request for the object of that number."""
    return _NUMBER.pack(number)


def decode_number(data: bytes) -> int:
    """Read a request of `REQUEST_SIZE` bytes."""
    number: int = _NUMBER.unpack(data)[0]
    return number


@dataclass
class _Pending:
    """An object that was asked for: when, on the monotonic clock in seconds, and what has come of it."""

    asked: float
    data: bytearray = field(default_factory=bytearray)


class ObjectBook:
    """Which object is asked for when, and what has come of each; no I/O, time is passed in.

    Objects are asked for at fixed moments, whether those before have come or not: a stall delays all that are asked for
    in it, and all of them count.
    """

    def __init__(self, setting: Objects, start: float) -> None:
        """The first object is due at ``start``, on the monotonic clock in seconds."""
        self._setting = setting
        self._start = start
        self._next = 0
        self._pending: dict[int, _Pending] = {}

    @property
    def due_at(self) -> float:
        """When the next object is to be asked for."""
        return self._start + self._next * self._setting.interval

    @property
    def waiting(self) -> bool:
        """Whether an object that was asked for is not there yet."""
        return bool(self._pending)

    def ask(self, now: float) -> int:
        """Return the number of the object that is asked for at ``now``."""
        number = self._next
        self._next += 1
        self._pending[number] = _Pending(now)
        return number

    def received(self, number: int, data: bytes | memoryview, now: float) -> float | None:
        """Take in a part of an object; return how long the object took, in seconds, when this completes it.

        Raises:
            EndpointError: nobody asked for it, it is longer than it should be, or its content is wrong.

        """
        pending = self._pending.get(number)
        if pending is None:
            raise EndpointError(f"object {number} came and nobody asked for it")
        pending.data += data
        missing = self._setting.size - len(pending.data)
        if missing > 0:
            return None
        if missing < 0 or pending.data != content(self._setting.seed, number, self._setting.size):
            raise EndpointError(f"object {number} is not what it should be: {len(pending.data)} bytes came")
        del self._pending[number]
        return now - pending.asked


def fetch(
    sock: socket.socket, setting: Objects, events: EventLog, *, path: str | None, ended: Callable[[], bool]
) -> None:
    """Ask for objects over a connection of their own until ``ended``, and wait for those that are under way then.

    One thread sends and receives, since OpenSSL allows a connection no more.

    Raises:
        EndpointError: an object is wrong, or the peer closed the connection.
        OSError: the connection broke.

    """
    book = ObjectBook(setting, time.monotonic())
    asked: deque[int] = deque()
    buffer = memoryview(bytearray(setting.size))
    filled = 0
    while not (over := ended()) or asked:
        now = time.monotonic()
        if not over and now >= book.due_at:
            number = book.ask(now)
            sock.settimeout(None)
            sock.sendall(encode_number(number))
            asked.append(number)
            continue
        wait = setting.interval if over else book.due_at - now
        sock.settimeout(max(wait, _SHORTEST_WAIT))
        try:
            count = sock.recv_into(buffer[filled:])
        except TimeoutError:
            continue
        if count == 0:
            raise PeerClosed(f"the peer closed the connection of the objects with {len(asked)} under way")
        if not asked:
            raise EndpointError("bytes came on the connection of the objects and nobody asked for one")
        filled += count
        if filled == setting.size:
            filled = 0
            number = asked.popleft()
            took = book.received(number, buffer, time.monotonic())
            assert took is not None, "a whole object is complete"
            events.write("object", ms=round(took * 1e3, 4), bytes=setting.size, number=number, path=path)


def serve(sock: socket.socket, setting: Objects) -> None:
    """Answer requests for objects until the client closes the connection.

    Raises:
        OSError: the connection broke.

    """
    while True:
        try:
            number = decode_number(receive_exactly(sock, REQUEST_SIZE))
        except PeerClosed:
            return
        sock.sendall(content(setting.seed, number, setting.size))
