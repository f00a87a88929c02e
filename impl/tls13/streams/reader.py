"""The reading end of a stream: hands out pieces of data as they came, and an error after all that came before it."""

import asyncio
from collections import deque
from typing import Any


class StreamReader(asyncio.StreamReader):
    """A StreamReader for much data, and for streams whose regular end must be told from being cut off.

    ``read`` gives pieces as they are, without copying, where the one of the standard library makes three copies. After
    an error, all that came before it can be read; where there is no more, the error is raised.
    """

    def __init__(self, limit: int, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(limit, loop)
        self._most = limit
        self._here = loop
        self._head = bytearray()  # what was looked through for a separator; the pieces come after it
        self._pieces: deque[bytes] = deque()
        self._unread = 0
        self._ended = False
        self._error: Exception | None = None
        self._wake: asyncio.Future[None] | None = None
        self._source: asyncio.ReadTransport | None = None
        self._stopped = False

    # For the protocol that fills the stream

    def set_transport(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport that is stopped while too much is unread."""
        if isinstance(transport, asyncio.ReadTransport):
            self._source = transport

    def feed_data(self, data: Any) -> None:
        """Add data."""
        if not data:
            return
        self._pieces.append(bytes(data))
        self._unread += len(data)
        self._wake_up()
        if self._source is not None and not self._stopped and self._unread > 2 * self._most:
            self._source.pause_reading()
            self._stopped = True

    def feed_eof(self) -> None:
        """End the stream."""
        self._ended = True
        self._wake_up()

    def set_exception(self, exc: Exception) -> None:
        """End the stream with an error; the first one counts."""
        if self._error is None:
            self._error = exc
            self.feed_eof()

    # For the user

    def exception(self) -> Exception | None:
        """The error that has ended the stream, or None."""
        return self._error

    def at_eof(self) -> bool:
        """Whether the stream has come to its regular end, and all of it was read."""
        return self._ended and self._error is None and not self._unread

    async def read(self, n: int = -1) -> bytes:
        """Read up to `n` bytes, or all if `n` is negative; b"" at the stream's regular end."""
        if n < 0:
            pieces = []
            while piece := await self.read(self._most):
                pieces.append(piece)
            return b"".join(pieces)
        while n and not self._unread:
            if self._is_over():
                return b""
            await self._wait()
        return self._take(self._convenient(n))

    async def readexactly(self, n: int) -> bytes:
        """Read `n` bytes; IncompleteReadError if the stream ends before that."""
        if n < 0:
            raise ValueError("readexactly size can not be less than zero")
        while self._unread < n:
            if self._is_over():
                raise asyncio.IncompleteReadError(self._take(self._unread), n)
            await self._wait()
        return self._take(n)

    async def readuntil(self, separator: Any = b"\n") -> bytes:
        """Read up to and with a separator; errors as of the base class."""
        if not separator:
            raise ValueError("Separator should be at least one-byte string")
        start = 0
        while True:
            while self._pieces:
                self._head += self._pieces.popleft()
            found = self._head.find(separator, start)
            if found > self._most:
                raise asyncio.LimitOverrunError("Separator is found, but chunk is longer than limit", found)
            if found >= 0:
                return self._take(found + len(separator))
            start = max(len(self._head) + 1 - len(separator), 0)
            if start > self._most:
                raise asyncio.LimitOverrunError("Separator is not found, and chunk exceed the limit", start)
            if self._is_over():
                raise asyncio.IncompleteReadError(self._take(self._unread), None)
            await self._wait()

    async def readline(self) -> bytes:
        """Read a line with its end, or what is left without one; ValueError, with the line lost, if it is too long."""
        try:
            return await self.readuntil(b"\n")
        except asyncio.IncompleteReadError as error:
            return error.partial
        except asyncio.LimitOverrunError as error:
            self._take(error.consumed + self._head.startswith(b"\n", error.consumed))
            raise ValueError(error.args[0]) from None

    # Inside

    def _is_over(self) -> bool:
        if self._error is not None:
            raise self._error
        return self._ended

    async def _wait(self) -> None:
        if self._wake is not None:
            raise RuntimeError("another coroutine reads from this stream already")
        self._go_on()
        self._wake = self._here.create_future()
        try:
            await self._wake
        finally:
            self._wake = None

    def _wake_up(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    def _go_on(self) -> None:
        if self._stopped and self._source is not None:
            self._stopped = False
            self._source.resume_reading()

    def _convenient(self, n: int) -> int:
        """How many bytes to give to somebody who takes up to `n`: whole pieces, if one fits."""
        count = len(self._head)
        for piece in self._pieces:
            if count + len(piece) > n:
                break
            count += len(piece)
        return min(count or self._unread, n)

    def _take(self, n: int) -> bytes:
        taken = []
        left = n
        if self._head:
            taken.append(bytes(memoryview(self._head)[:left]))
            del self._head[:left]
            left -= len(taken[0])
        while left:
            piece = self._pieces.popleft()
            if len(piece) > left:
                self._pieces.appendleft(piece[left:])
                piece = piece[:left]
            taken.append(piece)
            left -= len(piece)
        self._unread -= n
        if self._unread <= self._most:
            self._go_on()
        return taken[0] if len(taken) == 1 else b"".join(taken)
