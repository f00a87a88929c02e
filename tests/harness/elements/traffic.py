"""Numbered datagrams over a path, received with the kernel's timestamps: for element tests and benchmarks."""

import contextlib
import socket
import struct
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from harness.network.namespaces import enter
from harness.network.paths import PathInstance

PORT = 9000
_SO_TIMESTAMPNS = 35


@contextlib.contextmanager
def sender(path: PathInstance) -> Iterator[socket.socket]:
    """Open a UDP socket at the path's start, connected to its end."""
    family = socket.AF_INET if path.family == "ipv4" else socket.AF_INET6
    with enter(path.from_.pid):
        out = socket.socket(family, socket.SOCK_DGRAM)
    with out:
        out.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)
        out.connect((path.to_address, PORT))
        yield out


class Receiver:
    """A UDP socket at the path's end."""

    def __init__(self, path: PathInstance) -> None:
        family = socket.AF_INET if path.family == "ipv4" else socket.AF_INET6
        with enter(path.to.pid):
            self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self.socket.bind((path.to_address, PORT))

    def take(self, count: int, timeout: float = 10.0) -> list[tuple[int, int]]:
        """Wait for so many datagrams: their first four bytes as a number, and arrival in CLOCK_REALTIME ns."""
        deadline = time.monotonic() + timeout
        found: list[tuple[int, int]] = []
        while len(found) < count:
            self.socket.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                found.append(self._read())
            except TimeoutError:
                raise AssertionError(f"only {len(found)} of {count} datagrams came") from None
        return found

    def rest(self, quiet: float) -> list[tuple[int, int]]:
        """Return what comes until nothing has come for ``quiet`` seconds."""
        self.socket.settimeout(quiet)
        found = []
        with contextlib.suppress(TimeoutError):
            while True:
                found.append(self._read())
        return found

    def _read(self) -> tuple[int, int]:
        data, ancillary, _, _ = self.socket.recvmsg(2048, 64)
        seconds, nanos = struct.unpack("=qq", ancillary[0][2][:16])
        return int.from_bytes(data[:4], "big"), seconds * 1_000_000_000 + nanos

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()
