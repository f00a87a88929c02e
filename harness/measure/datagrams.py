"""UDP sockets that stamp arrivals in the kernel, and send and receive many datagrams by one system call.

Python has neither sendmmsg(2) nor recvmmsg(2), and one call for each datagram would make the sender the bottleneck
beyond some 100 Mbit/s.
"""

import ctypes
import errno
import os
import socket
import struct
import time
from collections.abc import Sequence
from typing import Literal, NamedTuple

_SO_TIMESTAMPNS = 35
_SO_RXQ_OVFL = 40
_RECEIVE_BUFFER = 4 << 20
BATCH = 64
_HEAD = 18
_NAME = 28
# Two control messages, the time stamp and the count of overflows: the kernel writes them in this order.
_CONTROL = struct.Struct("=QiiqqQiiI12x")
_CONTROL_BYTES = _CONTROL.size
_STAMP_BYTES = 32
# Of a struct mmsghdr: length of the control messages, and of the datagram.
_SIZES = struct.Struct("=40xQ8xI4x")
# A struct mmsghdr with name and vectors only, and two struct iovec.
_MESSAGE = struct.Struct("=QI4xQQ32x")
_TWO_VECTORS = struct.Struct("=QQQQ")
_LIBC = ctypes.CDLL(None, use_errno=True)

Address = tuple[str, int]


class _IoVector(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Header(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("vectors", ctypes.c_void_p),
        ("vector_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Message(ctypes.Structure):
    _fields_ = (("header", _Header), ("length", ctypes.c_uint))


class Datagram(NamedTuple):
    """The head of a datagram that arrived.

    Attributes:
        head: its first bytes.
        arrived_ns: CLOCK_REALTIME at which the kernel of the receiving node got it.
        sender: whom it came from, as ``unpack_address`` reads it.

    """

    head: bytes
    arrived_ns: int
    sender: bytes


def open_socket(family: Literal["ipv4", "ipv6"], address: str, port: int = 0, mark: int = 0) -> socket.socket:
    """Return a bound, non-blocking UDP socket with kernel timestamps, in the namespace of the calling thread.

    Its packets bear ``mark`` (SO_MARK) unless that is 0.

    Raises:
        OSError: the address is not there (any more), or the port is taken.

    """
    kind = socket.AF_INET if family == "ipv4" else socket.AF_INET6
    sock = socket.socket(kind, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        sock.setsockopt(socket.SOL_SOCKET, _SO_RXQ_OVFL, 1)
        if mark:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, mark)
        # Beyond net.core.rmem_max only root of the machine may go; an ordinary user's sandbox gets what is allowed.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        sock.bind((address, port))
    except OSError:
        sock.close()
        raise
    return sock


def pack_address(family: Literal["ipv4", "ipv6"], address: Address) -> bytes:
    """Return a ``struct sockaddr_in`` or ``sockaddr_in6``."""
    host, port = address
    if family == "ipv4":
        return struct.pack("=H", socket.AF_INET) + struct.pack("!H4s8x", port, socket.inet_pton(socket.AF_INET, host))
    packed = socket.inet_pton(socket.AF_INET6, host)
    return struct.pack("=H", socket.AF_INET6) + struct.pack("!HI16sI", port, 0, packed, 0)


def unpack_address(raw: bytes) -> Address:
    """Read a ``struct sockaddr_in`` or ``sockaddr_in6``."""
    (kind,) = struct.unpack_from("=H", raw)
    (port,) = struct.unpack_from("!H", raw, 2)
    if kind == socket.AF_INET:
        return socket.inet_ntop(socket.AF_INET, raw[4:8]), port
    return socket.inet_ntop(socket.AF_INET6, raw[8:24]), port


class Receiver:
    """Takes datagrams from a socket, as many as wait there."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.overflowed = 0
        self._heads = ctypes.create_string_buffer(_HEAD * BATCH)
        self._names = ctypes.create_string_buffer(_NAME * BATCH)
        self._controls = ctypes.create_string_buffer(_CONTROL_BYTES * BATCH)
        self._vectors = (_IoVector * BATCH)()
        self._messages = (_Message * BATCH)()
        for i in range(BATCH):
            self._vectors[i].base = ctypes.addressof(self._heads) + i * _HEAD
            self._vectors[i].length = _HEAD
            header = self._messages[i].header
            header.name, header.name_length = ctypes.addressof(self._names) + i * _NAME, _NAME
            header.vectors = ctypes.addressof(self._vectors) + i * ctypes.sizeof(_IoVector)
            header.vector_count = 1
            header.control, header.control_length = (
                ctypes.addressof(self._controls) + i * _CONTROL_BYTES,
                _CONTROL_BYTES,
            )
        # The kernel overwrites the lengths: they are set back before each call.
        self._pristine = bytes(self._messages)

    def receive(self) -> list[Datagram]:
        """Return up to BATCH datagrams in order of arrival; errors that ICMP left on the socket are passed over."""
        while True:
            ctypes.memmove(self._messages, self._pristine, len(self._pristine))
            count = _LIBC.recvmmsg(self._sock.fileno(), self._messages, BATCH, socket.MSG_DONTWAIT, None)
            if count >= 0:
                return self._take(count)
            # An ICMP error of an earlier datagram is taken away by this and the next try may go well.
            pending = self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if ctypes.get_errno() in (errno.EAGAIN, errno.EWOULDBLOCK, errno.EINTR) or pending == 0:
                return []

    def _take(self, count: int) -> list[Datagram]:
        """Return the datagrams of one call; the layout of all buffers is fixed, so that each is read in one sweep."""
        heads, names = self._heads.raw, self._names.raw
        now = time.time_ns()
        taken: list[Datagram] = []
        sizes = _SIZES.iter_unpack(bytes(self._messages))
        controls = _CONTROL.iter_unpack(self._controls.raw)
        for i in range(count):
            control_length, length = next(sizes)
            _, level, kind, whole, fraction, _, level2, kind2, overflowed = next(controls)
            stamp = now
            if control_length >= _STAMP_BYTES and (level, kind) == (socket.SOL_SOCKET, _SO_TIMESTAMPNS):
                stamp = whole * 1_000_000_000 + fraction
                if control_length > _STAMP_BYTES and (level2, kind2) == (socket.SOL_SOCKET, _SO_RXQ_OVFL):
                    self.overflowed = overflowed
            head = heads[i * _HEAD : i * _HEAD + min(_HEAD, length)]
            taken.append(Datagram(head, stamp, names[i * _NAME : (i + 1) * _NAME]))
        return taken


class Train:
    """Datagrams of one size with their own heads, ready to be sent in batches."""

    def __init__(self, heads: Sequence[bytes], payload: int) -> None:
        self._count = len(heads)
        size = len(heads[0])
        assert all(len(head) == size for head in heads)
        assert payload >= size
        joined = b"".join(heads)
        self._heads = ctypes.create_string_buffer(joined, len(joined))
        self._padding = ctypes.create_string_buffer(payload - size + 1)
        self._name = ctypes.create_string_buffer(_NAME)
        head, rest = ctypes.addressof(self._heads), ctypes.addressof(self._padding)
        # Built as bytes: filling thousands of ctypes structures field by field would take tens of milliseconds.
        vectors = b"".join(_TWO_VECTORS.pack(head + i * size, size, rest, payload - size) for i in range(self._count))
        self._vectors = ctypes.create_string_buffer(vectors, len(vectors))
        self._messages = ctypes.create_string_buffer(self._count * _MESSAGE.size)

    def aim(self, destination: bytes) -> None:
        """Set whom it goes to, as ``pack_address`` returns it; to be done before sending."""
        ctypes.memmove(self._name, destination, len(destination))
        name, vectors = ctypes.addressof(self._name), ctypes.addressof(self._vectors)
        messages = b"".join(
            _MESSAGE.pack(name, len(destination), vectors + i * _TWO_VECTORS.size, 2) for i in range(self._count)
        )
        ctypes.memmove(self._messages, messages, len(messages))

    def send(self, sock: socket.socket, first: int, count: int) -> int:
        """Send ``count`` datagrams from ``first`` on; return how many went out (fewer when the socket is full).

        Raises:
            OSError: the first of them could not be sent for another reason than a full socket.

        """
        assert first + count <= self._count
        start = ctypes.byref(self._messages, first * _MESSAGE.size)
        sent: int = _LIBC.sendmmsg(sock.fileno(), start, count, socket.MSG_DONTWAIT)
        if sent < 0:
            error = ctypes.get_errno()
            if error in (errno.EAGAIN, errno.EWOULDBLOCK, errno.EINTR, errno.ENOBUFS):
                return 0
            raise OSError(error, os.strerror(error))
        return sent
