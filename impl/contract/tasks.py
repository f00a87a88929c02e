"""What the client does on its streams: download, upload, exchanges, small objects. No I/O; time is passed in."""

import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Final, Protocol

from impl.contract.eventlog import EventLog
from impl.contract.objects import ObjectBook, encode_number
from impl.contract.setting import EndpointError, Objects, Setting
from impl.contract.transfer import EXCHANGE, Assembly, PeerClosed, Request, slice_bounds

EXCHANGE_SPACING: Final = 0.01
"""Seconds between the starts of two exchanges, at least."""

_COUNT_SIZE: Final = 8


class Streams(Protocol):
    """A connection as a task sees it."""

    @property
    def path(self) -> str | None:
        """The client's address of the path on which the present data came."""

    def open(self, task: "Task") -> int:
        """Return the id of a new stream, whose data go to ``task``."""

    def send(self, stream: int, data: bytes, *, end: bool = False) -> None:
        """Send data on a stream, and end it if so."""


class Task(ABC):
    """Something to be done on a connection that is ready.

    Attributes:
        done: whether it has been done.
        due_at: when `tick` is to be called (monotonic, in seconds); None while nothing is due.

    """

    def __init__(self, setting: Setting, events: EventLog, streams: Streams) -> None:
        self.done = False
        self.due_at: float | None = None
        self._setting = setting
        self._events = events
        self._streams = streams
        self._token = int.from_bytes(os.urandom(8), "big")
        self._numbers: dict[int, int] = {}

    @abstractmethod
    def start(self, now: float) -> None:
        """Begin."""

    @abstractmethod
    def on_data(self, stream: int, data: bytes, ended: bool, now: float) -> None:
        """Take in what came on a stream, by the stream's id.

        Raises:
            EndpointError: it is wrong.

        """

    def tick(self, now: float) -> None:  # noqa: B027 - most tasks wait for nothing but data
        """Do what is due."""

    def _open(self, number: int, rest: bytes = b"", *, objects: bool = False, end: bool = False) -> int:
        """Open a stream with a request; ``number`` is the stream's place in the payload, or the object's."""
        stream = self._streams.open(self)
        self._numbers[stream] = number
        request = Request(
            testcase=self._setting.testcase,
            stream=0 if objects else number,
            streams=self._setting.streams,
            size=self._setting.bytes,
            token=self._token,
            objects=objects,
        )
        self._streams.send(stream, request.encode() + rest, end=end)
        return stream

    def _received(self, size: int, number: int, *, first: bool) -> None:
        if first:
            self._events.write("first_byte", stream=number)
        self._events.received(size, number, self._streams.path)


class Download(Task):
    """The payload comes on as many streams as it has."""

    def __init__(self, setting: Setting, events: EventLog, streams: Streams, on_bytes: Callable[[int], None]) -> None:
        """``on_bytes`` is told how many bytes have been received in all, each time that some were."""
        super().__init__(setting, events, streams)
        self.received = 0
        self._assembly = Assembly(setting.bytes, setting.streams)
        self._on_bytes = on_bytes

    def start(self, now: float) -> None:
        """Ask for all streams."""
        for number in range(self._setting.streams):
            self._open(number, end=True)

    def on_data(self, stream: int, data: bytes, ended: bool, now: float) -> None:
        """Hash, count, and tell of the end."""
        number = self._numbers[stream]
        if data:
            self._assembly.feed(number, data)
            self._received(len(data), number, first=self.received == 0)
            self.received += len(data)
            self._on_bytes(self.received)
        if ended and self._assembly.finish(number):
            whole, parts = self._assembly.digest()
            several = parts if self._setting.streams > 1 else None
            self._events.write("done", sha256=whole, bytes=self._setting.bytes, streams=several)
            self.done = True


class Upload(Task):
    """The payload goes on as many streams as it has; on each the server says at last how many bytes it received."""

    def __init__(self, setting: Setting, events: EventLog, streams: Streams, payload: memoryview) -> None:
        super().__init__(setting, events, streams)
        self._payload = payload
        self._answers: dict[int, bytearray] = {}

    def start(self, now: float) -> None:
        """Send all streams."""
        for number in range(self._setting.streams):
            begin, end = slice_bounds(self._setting.bytes, self._setting.streams, number)
            self._answers[self._open(number, bytes(self._payload[begin:end]), end=True)] = bytearray()

    def on_data(self, stream: int, data: bytes, ended: bool, now: float) -> None:
        """Take in the server's count."""
        answer = self._answers[stream]
        answer += data
        if not ended:
            return
        number = self._numbers[stream]
        begin, end = slice_bounds(self._setting.bytes, self._setting.streams, number)
        if len(answer) != _COUNT_SIZE or int.from_bytes(answer, "big") != end - begin:
            raise EndpointError(f"stream {number}: the server does not say that it received {end - begin} bytes")
        del self._answers[stream]
        if not self._answers:
            self._events.write("sent", bytes=self._setting.bytes)
            self.done = True


class Exchanges(Task):
    """Pieces of the payload there and back, one after another on one stream."""

    def __init__(self, setting: Setting, events: EventLog, streams: Streams, payload: memoryview) -> None:
        super().__init__(setting, events, streams)
        self._payload = payload
        self._digest = hashlib.sha256()
        self._position = 0
        self._asked_at = 0.0
        self._answer = bytearray()
        self._stream = 0

    def start(self, now: float) -> None:
        """Ask the first question."""
        self._stream = self._open(0)
        self.due_at = now

    def tick(self, now: float) -> None:
        """Ask the next question, or end."""
        self.due_at = None
        if self._position >= len(self._payload):
            self._events.write("done", sha256=self._digest.hexdigest(), bytes=self._position)
            self.done = True
            return
        self._asked_at = now
        self._streams.send(self._stream, bytes(self._question))

    @property
    def _question(self) -> memoryview:
        return self._payload[self._position : self._position + EXCHANGE]

    def on_data(self, stream: int, data: bytes, ended: bool, now: float) -> None:
        """Take in an answer."""
        if ended:
            raise PeerClosed(f"the server ended the stream after {self._position} bytes")
        self._answer += data
        self._received(len(data), 0, first=self._position == 0 and len(self._answer) == len(data))
        length = len(self._question)
        if len(self._answer) > length:
            raise EndpointError(f"{len(self._answer)} bytes answer a question of {length}")
        if len(self._answer) == length:
            self._events.write("exchange", ms=round((now - self._asked_at) * 1e3, 4))
            self._digest.update(self._answer)
            self._answer.clear()
            self._position += length
            self.due_at = max(now, self._asked_at + EXCHANGE_SPACING) if self._position < len(self._payload) else now


class ObjectStreams(Task):
    """Small objects, each on a stream of its own, from the first byte of the payload to its last."""

    def __init__(self, setting: Setting, objects: Objects, events: EventLog, streams: Streams) -> None:
        super().__init__(setting, events, streams)
        self._objects = objects
        self._book: ObjectBook | None = None
        self._ending = False

    def start(self, now: float) -> None:
        """Wait for the payload."""

    def begin(self, now: float) -> None:
        """Ask for objects from now on."""
        if self._book is None:
            self._book = ObjectBook(self._objects, now)
            self.due_at = now

    def end(self) -> None:
        """Ask for no more; done when those under way have come."""
        self._ending = True
        self.due_at = None
        self.done = self._book is None or not self._book.waiting

    def tick(self, now: float) -> None:
        """Ask for the next object."""
        assert self._book is not None, "objects are asked for from the first byte of the payload on"
        number = self._book.ask(now)
        self._open(number, encode_number(number), objects=True, end=True)
        self.due_at = self._book.due_at

    def on_data(self, stream: int, data: bytes, ended: bool, now: float) -> None:
        """Take in a part of an object."""
        assert self._book is not None, "there are no streams before"
        number = self._numbers[stream]
        took = self._book.received(number, data, now) if data else None
        if took is not None:
            fields: dict[str, Any] = {"bytes": self._objects.size, "number": number, "path": self._streams.path}
            self._events.write("object", ms=round(took * 1e3, 4), **fields)
        if ended:
            del self._numbers[stream]
        self.done = self._ending and not self._book.waiting
