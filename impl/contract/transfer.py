"""What goes over the connections: a request, then slices of the payload; sent, received, put together, hashed."""

import hashlib
import mmap
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from impl.contract.setting import TEST_CASES, EndpointError, Setting, TestCase

EXCHANGE: Final = 64
"""Bytes of a request, and of its answer, in the test case ``latency``."""

_CHUNK: Final = 256 << 10
_MAGIC: Final = b"HKT1"
_REQUEST: Final = struct.Struct("!4sBxHHHQQ")
_COUNT: Final = struct.Struct("!Q")


class PeerClosed(EndpointError):
    """The peer closed the connection before all bytes had come."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """The first bytes that a client sends on each of its connections.

    Attributes:
        testcase: what it wants.
        stream: number of this connection's stream.
        streams: how many there are in all.
        size: size of the whole payload.
        token: a number common to the connections of one client.
        objects: this connection is for small objects, and carries nothing of the payload.

    """

    testcase: TestCase
    stream: int
    streams: int
    size: int
    token: int
    objects: bool = False

    def encode(self) -> bytes:
        """Return the request as bytes."""
        case = TEST_CASES.index(self.testcase)
        return _REQUEST.pack(_MAGIC, case, self.stream, self.streams, self.objects, self.size, self.token)

    @classmethod
    def decode(cls, data: bytes) -> "Request":
        """Read a request.

        Raises:
            EndpointError: these bytes are none.

        """
        magic, case, stream, streams, objects, size, token = _REQUEST.unpack(data)
        if magic != _MAGIC or case >= len(TEST_CASES) or stream >= streams or objects > 1:
            raise EndpointError(f"the first bytes of a connection are no request: {data.hex()}")
        return cls(
            testcase=TEST_CASES[case], stream=stream, streams=streams, size=size, token=token, objects=bool(objects)
        )

    def check(self, setting: Setting) -> None:
        """See that a server was told of what is asked for.

        Raises:
            EndpointError: it was told of something else.

        """
        if (self.testcase, self.size, self.streams) != (setting.testcase, setting.bytes, setting.streams):
            raise EndpointError(
                f"the client asks for {self.testcase} of {self.size} bytes in {self.streams} streams, "
                f"the server was told {setting.testcase} of {setting.bytes} bytes in {setting.streams}"
            )


REQUEST_SIZE: Final = _REQUEST.size


def slice_bounds(size: int, streams: int, stream: int) -> tuple[int, int]:
    """Return begin and end of the part of the payload that ``stream`` carries: contiguous, in stream order."""
    return size * stream // streams, size * (stream + 1) // streams


def map_payload(path: Path, size: int) -> memoryview:
    """Map the payload file into memory, for as long as the view is held.

    Raises:
        EndpointError: it cannot be read, or has another size than ``size``.

    """
    try:
        with path.open("rb") as file:
            found = file.seek(0, 2)
            if found != size:
                raise EndpointError(f"the payload file {path} has {found} bytes, HARNESS_BYTES is {size}")
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b"")
    except OSError as error:
        raise EndpointError(f"cannot read the payload file {path}: {error.strerror}") from None


def send_all(sock: socket.socket, data: memoryview, piece: int | None = None) -> None:
    """Send ``data``, in pieces that keep the encryption of one apart from the next.

    ``piece`` is their size in bytes: TLS makes a record of each that has 16 KiB or less.

    Raises:
        OSError: the connection broke.

    """
    size = piece or _CHUNK
    for begin in range(0, len(data), size):
        sock.sendall(data[begin : begin + size])


def receive_exactly(sock: socket.socket, size: int) -> bytes:
    """Receive ``size`` bytes.

    Raises:
        PeerClosed: the peer closed the connection before.
        OSError: the connection broke.

    """
    data = bytearray(size)
    receive_into(sock, memoryview(data), lambda _count: None)
    return bytes(data)


def receive_into(sock: socket.socket, target: memoryview, on_bytes: Callable[[int], None]) -> None:
    """Fill ``target``, telling ``on_bytes`` the size of every piece as it comes.

    Raises:
        PeerClosed: the peer closed the connection before.
        OSError: the connection broke.

    """
    got = 0
    while got < len(target):
        count = sock.recv_into(target[got : got + _CHUNK])
        if count == 0:
            raise PeerClosed(f"the peer closed the connection after {got} of {len(target)} bytes")
        on_bytes(count)
        got += count


def send_count(sock: socket.socket, count: int) -> None:
    """Tell the sender of an upload how many bytes were received."""
    sock.sendall(_COUNT.pack(count))


def receive_count(sock: socket.socket) -> int:
    """Wait for the receiver of an upload to say how many bytes it has."""
    count: int = _COUNT.unpack(receive_exactly(sock, _COUNT.size))[0]
    return count


def _memory(stream: int, length: int) -> mmap.mmap:
    try:
        return mmap.mmap(-1, length)
    except (OSError, OverflowError) as error:
        raise EndpointError(f"no memory for the {length} bytes of stream {stream}: {error}") from None


class Assembly:
    """The receiving end of a payload: its streams may end in any order, its hash is over the payload in order.

    The first stream is hashed as it comes. The others are hashed as they come for their own digests, and kept, because
    the payload's hash can take them only after the first.
    """

    def __init__(self, size: int, streams: int) -> None:
        self._lengths = [end - begin for begin, end in (slice_bounds(size, streams, i) for i in range(streams))]
        self._digests = [hashlib.sha256() for _ in range(streams)]
        self._kept: dict[int, mmap.mmap] = {}
        self._missing = set(range(streams))
        self._fed = [0] * streams
        self._lock = threading.Lock()

    def receive(self, sock: socket.socket, stream: int, on_bytes: Callable[[int], None]) -> bool:
        """Receive ``stream`` and tell whether it was the last one to become complete.

        Raises:
            PeerClosed, OSError: the connection ended before.
            EndpointError: the stream was received already, or there is not memory enough.

        """
        length, digest = self._lengths[stream], self._digests[stream]
        if stream == 0:
            self._receive_hashing(sock, length, digest.update, on_bytes)
        elif length:
            self._receive_keeping(sock, stream, length, on_bytes)
        return self._complete(stream)

    def feed(self, stream: int, data: bytes | memoryview) -> None:
        """Take in the next bytes of ``stream``, for those who are handed bytes and read no socket.

        Raises:
            EndpointError: these are more than the stream has, or there is not memory enough.

        """
        got, length = self._fed[stream], self._lengths[stream]
        if got + len(data) > length:
            raise EndpointError(f"stream {stream} has {length} bytes, and more came")
        if not data:
            return
        if stream > 0:
            if stream not in self._kept:
                self._kept[stream] = _memory(stream, length)
            self._kept[stream][got : got + len(data)] = data
        self._digests[stream].update(data)
        self._fed[stream] = got + len(data)

    def finish(self, stream: int) -> bool:
        """Say that ``stream``, which was fed, has ended, and tell whether it was the last one to become complete.

        Raises:
            PeerClosed: bytes of it are missing.
            EndpointError: it has ended before.

        """
        got, length = self._fed[stream], self._lengths[stream]
        if got < length:
            raise PeerClosed(f"stream {stream} ended after {got} of {length} bytes")
        return self._complete(stream)

    def _complete(self, stream: int) -> bool:
        with self._lock:
            if stream not in self._missing:
                raise EndpointError(f"stream {stream} came twice")
            self._missing.remove(stream)
            return not self._missing

    def digest(self) -> tuple[str, list[str]]:
        """Return the SHA-256 of the payload and those of its streams, as hexadecimal digits, once all are complete."""
        assert not self._missing, "asked for the hash before all streams are complete"
        streams = [digest.hexdigest() for digest in self._digests]
        whole = self._digests[0].copy()
        for _stream, kept in sorted(self._kept.items()):
            whole.update(kept)
            kept.close()
        self._kept.clear()
        return whole.hexdigest(), streams

    @staticmethod
    def _receive_hashing(
        sock: socket.socket, length: int, update: Callable[[memoryview], None], on_bytes: Callable[[int], None]
    ) -> None:
        buffer = memoryview(bytearray(min(length, _CHUNK)))
        got = 0
        while got < length:
            count = sock.recv_into(buffer[: length - got])
            if count == 0:
                raise PeerClosed(f"the peer closed the connection after {got} of {length} bytes")
            on_bytes(count)
            update(buffer[:count])
            got += count

    def _receive_keeping(self, sock: socket.socket, stream: int, length: int, on_bytes: Callable[[int], None]) -> None:
        digest = self._digests[stream]
        kept = _memory(stream, length)
        with memoryview(kept) as view:
            hashed = 0

            def take(count: int) -> None:
                nonlocal hashed
                on_bytes(count)
                digest.update(view[hashed : hashed + count])
                hashed += count

            receive_into(sock, view, take)
        with self._lock:
            self._kept[stream] = kept
