"""From a user's data to the transport below: many records at a time, in memory that is used again and again."""

import asyncio
from dataclasses import dataclass, field
from typing import Final

from impl.tls13.client import Client
from impl.tls13.server import Server

PROTECTED: Final = 2**18
"""The most bytes that are protected at a time: many records, and yet few enough for a cache."""
_HIGH_WATER: Final = 2**16
_MAX_FREE: Final = 8


@dataclass(slots=True)
class Workspace:
    """Memory that the connections of one event loop share.

    New memory for each call would cost more than AES does, since the kernel clears every page of it.

    Attributes:
        opened: where the content of records is for the time of a call.
        free: where records can be made.

    """

    opened: bytearray = field(default_factory=bytearray)
    free: list[bytearray] = field(default_factory=list)


class Sender:
    """Makes records of a user's data and writes them to the transport below.

    A transport may keep a view of what it could not send at once, or not. So memory that was given to it is used again
    once nothing waits there; the low-water mark of 0 makes that the usual case when the user is told to go on.
    """

    def __init__(self, core: Client | Server, below: asyncio.WriteTransport, workspace: Workspace) -> None:
        self._core = core
        self._below = below
        self._workspace = workspace
        self._lent: list[bytearray] = []
        below.set_write_buffer_limits(high=_HIGH_WATER, low=0)

    def send(self, data: bytes | bytearray | memoryview) -> None:
        """Protect and send data, which may be changed again after that."""
        for start in range(0, len(data), PROTECTED):
            self._send_piece(data if len(data) <= PROTECTED else memoryview(data)[start : start + PROTECTED])

    def flush(self) -> None:
        """Send what the core has to send by itself."""
        data = self._core.data_to_send()
        if data and not self._below.is_closing():
            self._below.write(data)

    def _send_piece(self, data: bytes | bytearray | memoryview) -> None:
        out = self._memory(self._core.sealed_size(len(data)))
        size = self._core.send_into(data, out)
        if not size:
            self.flush()
        elif not self._below.is_closing():
            self._below.write(memoryview(out)[:size])
        self._lent.append(out)

    def _memory(self, size: int) -> bytearray:
        free = self._workspace.free
        if not self._below.get_write_buffer_size():
            free += self._lent[: _MAX_FREE - len(free)]
            self._lent.clear()
        elif len(self._lent) > _MAX_FREE:
            self._lent.clear()  # a user who does not wait: let it go
        out = free.pop() if free else bytearray()
        return out if len(out) >= size else bytearray(size)
