"""One stream for an asyncio program: reader and writer in one, with the methods of the standard library's streams."""

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from impl.tcpls.api.changes import Changes
from impl.tcpls.errors import SessionOver
from impl.tcpls.streams.receiving import Chunk

if TYPE_CHECKING:
    from impl.tcpls.api.session import Session

_HIGH_WATER: Final = 2**20
"""Bytes that may wait to be sent on a stream before ``drain`` waits until half of them are gone."""


class Stream:
    """A stream of a session (draft-piraux-tcpls-00, section 4.1); sessions make them.

    Attributes:
        id: its number; even if the client has opened it.
        session: to which it belongs.

    """

    def __init__(self, session: "Session", stream_id: int) -> None:
        self.id = stream_id
        self.session = session
        self._buffer = bytearray()
        self._changes = Changes()
        self._dropped = False
        self._acknowledged = False

    def __repr__(self) -> str:
        return f"<Stream {self.id} of {self.session!r}>"

    # Reading

    async def read(self, n: int = -1) -> bytes:
        """Read up to `n` bytes, as soon as there are any; by default all up to the end. Empty only at the end.

        Raises:
            SessionOver: the session ended before the stream did.

        """
        if n == 0:
            return b""
        if n < 0:
            parts = []
            while block := await self.read(2**18):
                parts.append(block)
            return b"".join(parts)
        if self._buffer:
            taken = bytes(self._buffer[:n])
            del self._buffer[:n]
            return taken
        while not (piece := self.session.take_piece(self.id, n)):
            if self._at_end():
                return b""
            await self._wait_for_data()
        return piece

    async def read_chunks(self, n: int = -1) -> list[Chunk]:
        """Read as ``read`` does, in the pieces that came, each with the connection that brought it.

        Bytes that ``readuntil`` and ``readexactly`` have looked at and not taken are not among them.
        """
        while not (chunks := self.session.take(self.id, n)):
            if self._at_end():
                return []
            await self._wait_for_data()
        return chunks

    async def readexactly(self, n: int) -> bytes:
        """Read `n` bytes.

        Raises:
            asyncio.IncompleteReadError: the stream ends before.
            SessionOver: the session ended before the stream did.
            ValueError: `n` is negative.

        """
        if n < 0:
            raise ValueError(f"{n} bytes cannot be read: the number is negative")
        while len(self._buffer) < n:
            if not await self._fill():
                raise asyncio.IncompleteReadError(self._take_buffer(len(self._buffer)), n)
        return self._take_buffer(n)

    async def readuntil(self, separator: bytes = b"\n", limit: int = 2**16) -> bytes:
        """Read up to a separator and with it.

        Raises:
            asyncio.IncompleteReadError: the stream ends before.
            asyncio.LimitOverrunError: it does not come within `limit` bytes; nothing was taken.
            SessionOver: the session ended before the stream did.
            ValueError: the separator is empty.

        """
        if not separator:
            raise ValueError("there is no separator: give one byte at least")
        searched = 0
        while (found := self._buffer.find(separator, max(0, searched - len(separator) + 1))) < 0:
            searched = len(self._buffer)
            if searched > limit:
                raise asyncio.LimitOverrunError(f"no {separator!r} in {searched} bytes", searched)
            if not await self._fill():
                raise asyncio.IncompleteReadError(self._take_buffer(searched), None)
        if found > limit:
            raise asyncio.LimitOverrunError(f"{separator!r} comes only behind {found} bytes", found)
        return self._take_buffer(found + len(separator))

    async def readline(self) -> bytes:
        """Read a line with its end, or what is left at the end of the stream."""
        try:
            return await self.readuntil(b"\n")
        except asyncio.IncompleteReadError as error:
            return error.partial

    def at_eof(self) -> bool:
        """Whether everything up to the end was read."""
        return not self._buffer and self._at_end()

    def __aiter__(self) -> "Stream":
        return self

    async def __anext__(self) -> bytes:
        line = await self.readline()
        if not line:
            raise StopAsyncIteration
        return line

    # Writing

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send data; ``drain`` keeps the memory bounded.

        Raises:
            SessionOver: the session is over or being closed.
            StreamError: the end of the stream was marked.

        """
        self.session.core.write(self.id, data)
        self.session.driver.soon()

    def writelines(self, parts: Iterable[bytes | bytearray | memoryview]) -> None:
        """Send several pieces."""
        for part in parts:
            self.write(part)

    async def drain(self) -> None:
        """Wait until more should be written.

        Raises:
            SessionOver: the session ended meanwhile.

        """
        core = self.session.core
        if core.unsent(self.id) < _HIGH_WATER:
            if core.ended is not None:
                raise SessionOver(core.ended.reason)
            return
        self.session.driver.work()
        # The kernel may take all of it, again and again: others on this loop are to have their turn nevertheless.
        await asyncio.sleep(0)
        while core.unsent(self.id) > _HIGH_WATER // 2:
            if core.ended is not None:
                raise SessionOver(core.ended.reason)
            await self.session.wait_for_room(self)

    def write_eof(self) -> None:
        """Mark the end of what we send; reading goes on."""
        self.session.core.finish(self.id)
        self.session.driver.soon()

    def can_write_eof(self) -> bool:
        """Always: each side of a stream ends by itself."""
        return True

    def close(self) -> None:
        """Mark the end of what we send, and drop what the peer still sends; ``write_eof`` goes on reading."""
        self._dropped = True
        self._buffer.clear()
        self.session.core.stop_reading(self.id)
        self.write_eof()
        self.session.forget_if_over(self.id)
        self.wake()

    def is_closing(self) -> bool:
        """Whether nothing more can be written."""
        stream = self.session.core.streams.get(self.id)
        return stream is None or stream.sending.finished

    async def wait_closed(self) -> None:
        """Wait until the peer has acknowledged everything up to the end.

        Raises:
            SessionOver: the session ended before.

        """
        while not self._acknowledged:
            if self.session.core.ended is not None:
                raise SessionOver(self.session.core.ended.reason)
            await self.sleep()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What is known about the session: see ``Session.get_extra_info``."""
        return self.session.get_extra_info(name, default)

    # What the session tells

    def wake(self, *, acknowledged: bool = False) -> None:
        """Something has changed."""
        self._acknowledged |= acknowledged
        self._changes.tell()

    # Inside

    def _at_end(self) -> bool:
        stream = self.session.core.streams.get(self.id)
        return self._dropped or stream is None or stream.receiving.at_end

    async def _fill(self) -> bool:
        chunks = await self.read_chunks(2**18)
        for chunk in chunks:
            self._buffer += chunk.data
        return bool(chunks)

    def _take_buffer(self, size: int) -> bytes:
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    async def _wait_for_data(self) -> None:
        core = self.session.core
        if core.ended is not None:
            raise SessionOver(core.ended.reason)
        core.await_data(1)
        if self.session.driver.paused:
            self.session.driver.soon()  # somebody waits: reading must go on
        try:
            await self.sleep()
        finally:
            core.await_data(-1)

    async def sleep(self) -> None:
        """Wait for the next change."""
        await self._changes.wait()
