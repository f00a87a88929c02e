"""One TCP connection on asyncio's event loop, without asyncio's transports: nothing is copied or buffered here.

The kernel's send buffer is all that stands between the session and the network, and ``Link.room`` and ``Link.info``
tell how it stands, so that a scheduler decides as late as it can what goes where.
"""

import asyncio
import contextlib
import errno
import fcntl
import os
import select
import socket
import struct
from collections.abc import Sequence
from typing import Final, Protocol

from impl.tcpls.sockets.addresses import Endpoint, endpoint
from impl.tcpls.sockets.options import congestion_of, set_congestion
from impl.tcpls.sockets.tcp_info import read_info
from impl.tcpls.transport_info import TransportInfo

UNSENT_LIMIT: Final = 1 << 18
"""How many bytes may wait unsent in a link's send buffer unless its user says otherwise."""

_TCP_NOTSENT_LOWAT: Final = 25
_SIOCOUTQNSD: Final = 0x894B
_INT: Final = struct.Struct("=i")
_INT_MAX: Final = (1 << 31) - 1
_MOST_BUFFERS: Final = 1024  # IOV_MAX
_DRAIN_SIZE, _DRAIN_TIMES = 1 << 16, 64
_RESET_ON_CLOSE: Final = struct.pack("=ii", 1, 0)
_NO_ENDPOINT: Final = Endpoint("", 0)


class LinkOwner(Protocol):
    """Whom a link tells what happens to it; always from the event loop, never from within a method of the link."""

    def readable(self, link: "Link") -> None:
        """There are data, or their end: call ``receive_into`` until it gives None, or ``pause_reading``."""

    def writable(self, link: "Link") -> None:
        """A link that was blocked takes data again."""

    def lost(self, link: "Link", error: OSError) -> None:
        """The connection is gone; said once, and then nothing more. What came before can still be received.

        The link is to be closed by its owner.
        """


class Link:
    """A connected TCP socket, owned from here on: it is closed with the link.

    A reset, or that the kernel gave up, is noticed at once, also while reading is paused or after the peer's end.

    Args:
        sock: the socket; made non-blocking, without Nagle's algorithm, and limited to ``UNSENT_LIMIT``.
        owner: whom to tell. Reading begins at once.
        remote: the peer, as accept gave it; a connection that was reset since cannot be asked any more.

    Raises:
        RuntimeError: no event loop runs.
        OSError: the socket is none of TCP, or closed; it is left open.

    """

    def __init__(self, sock: socket.socket, owner: LinkOwner, *, remote: Endpoint | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._socket = sock
        self._owner: LinkOwner | None = owner
        self._reading = False
        self._blocked = False
        self._ended = False
        self._over: OSError | None = None
        self._news: asyncio.Handle | None = None
        self._trap: select.epoll | None = None
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._unsent_limit = UNSENT_LIMIT
        self.set_unsent_limit(UNSENT_LIMIT)
        self._local = endpoint(sock.getsockname())
        self._remote = remote if remote is not None else _peer(sock)
        self.resume_reading()

    def __repr__(self) -> str:
        state = "closed" if self.closed else "lost" if self._over else "open"
        return f"<Link {self._local} to {self._remote}, {state}>"

    @property
    def local(self) -> Endpoint:
        """This end."""
        return self._local

    @property
    def remote(self) -> Endpoint:
        """The other end; an empty address if the connection was gone before the link was made."""
        return self._remote

    @property
    def blocked(self) -> bool:
        """Whether the kernel took less than it was given, and ``writable`` will follow."""
        return self._blocked

    @property
    def reading(self) -> bool:
        """Whether ``readable`` is told of data: not while paused, nor after the peer's end or the loss of the link."""
        return self._reading

    @property
    def closed(self) -> bool:
        """Whether the link was closed here."""
        return self._owner is None

    def hand_over(self, owner: LinkOwner) -> None:
        """Have somebody else told what happens from now on; nothing that was received is lost by that.

        Raises:
            ValueError: the link is closed.

        """
        self._check_open()
        self._owner = owner

    # Data

    def receive_into(self, view: memoryview | bytearray) -> int | None:
        """Take received data into a buffer, which must not be empty, and return how many bytes.

        0 is the peer's end: then nothing more comes, and ``readable`` is not called again. None: nothing now. An error
        is told by ``lost``, which comes as the loop's next step.

        Raises:
            ValueError: the buffer is empty, or the link is closed.

        """
        if not len(view):
            raise ValueError("nothing can be received into an empty buffer")
        self._check_open()
        try:
            count = self._socket.recv_into(view)
        except BlockingIOError:
            return None
        except OSError as error:
            self._lose(error)
            return None
        if count:
            return count
        if self._over is not None:
            return None  # not an end: what is missing was lost
        self._ended = True
        self.pause_reading()
        return 0

    def send(self, views: Sequence[bytes | bytearray | memoryview]) -> int:
        """Hand buffers to the kernel, in order, and return how many bytes it has taken; the rest is the caller's.

        If that is not all, ``blocked`` is set until ``writable``. While blocked, and after the loss of the link, 0.

        Raises:
            ValueError: the link is closed.

        """
        self._check_open()
        if self._blocked or self._over is not None:
            return 0
        total = 0
        for start in range(0, len(views), _MOST_BUFFERS):
            batch = views[start : start + _MOST_BUFFERS] if len(views) > _MOST_BUFFERS else views
            wanted = sum(view.nbytes if isinstance(view, memoryview) else len(view) for view in batch)
            if not wanted:
                continue
            try:
                count = self._socket.sendmsg(batch)
            except BlockingIOError:
                count = 0
            except OSError as error:
                self._lose(error)
                return total
            total += count
            if count < wanted:
                self._blocked = True
                self._loop.add_writer(self._socket, self._on_writable)
                break
        return total

    def pause_reading(self) -> None:
        """Let received data wait in the kernel; its window then slows the peer down."""
        if not self._reading:
            return
        self._reading = False
        self._loop.remove_reader(self._socket)
        if self._over is None:
            self._set_trap()

    def resume_reading(self) -> None:
        """Have ``readable`` told of data again."""
        if self._reading or self._ended or self._over is not None or self.closed:
            return
        self._reading = True
        if self._trap is not None:
            self._loop.remove_reader(self._trap)
        self._loop.add_reader(self._socket, self._on_readable)

    # Ends

    def shutdown_write(self) -> None:
        """Send FIN after what the kernel holds; receiving goes on.

        Raises:
            ValueError: the link is closed.

        """
        self._check_open()
        if self._over is None:
            try:
                self._socket.shutdown(socket.SHUT_WR)
            except OSError as error:
                self._lose(error)

    def close(self) -> None:
        """Close in order: the kernel still delivers what it holds, and FIN. Nothing more is told.

        What was received and not taken is dropped: with it unread, the kernel would send RST and lose what it holds.
        """
        if self.closed:
            return
        self._let_go()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
            for _ in range(_DRAIN_TIMES):
                if not self._socket.recv(_DRAIN_SIZE):
                    break
        self._socket.close()

    def abort(self) -> None:
        """Close at once with RST, and drop what the kernel holds. Nothing more is told."""
        if self.closed:
            return
        self._let_go()
        with contextlib.suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._socket.close()

    # What the kernel knows and does

    def info(self, now: float) -> TransportInfo:
        """Read TCP_INFO; also after the loss of the link.

        Args:
            now: the moment, on the clock of ``TransportInfo``.

        Raises:
            ValueError: the link is closed.

        """
        self._check_open()
        return read_info(self._socket, now)

    def room(self) -> int:
        """Return how many bytes more may wait unsent; the kernel takes more, by up to one of its own buffers.

        Raises:
            ValueError: the link is closed.

        """
        self._check_open()
        return max(0, self._unsent_limit - self.unsent())

    def unsent(self) -> int:
        """Return how many bytes wait in the send buffer that were never sent; 0 after the loss of the link.

        Raises:
            ValueError: the link is closed.

        """
        self._check_open()
        return int(_INT.unpack(fcntl.ioctl(self._socket, _SIOCOUTQNSD, bytes(_INT.size)))[0])

    def set_unsent_limit(self, limit: int) -> None:
        """Limit the bytes that wait unsent (TCP_NOTSENT_LOWAT).

        A blocked link becomes writable when fewer than half of it wait.

        Raises:
            ValueError: the limit is not positive, or more than 2³¹ − 1, or the link is closed.

        """
        if not 0 < limit <= _INT_MAX:
            raise ValueError(f"the limit of unsent bytes must be 1 to {_INT_MAX}, not {limit}")
        self._check_open()
        self._socket.setsockopt(socket.IPPROTO_TCP, _TCP_NOTSENT_LOWAT, limit)
        self._unsent_limit = limit

    def set_congestion(self, name: str) -> None:
        """Set the congestion control.

        Raises:
            SocketError: the kernel refuses it; the message says what would help.
            ValueError: the link is closed.

        """
        self._check_open()
        set_congestion(self._socket, name)

    @property
    def congestion(self) -> str:
        """The congestion control in use.

        Raises:
            ValueError: the link is closed.

        """
        self._check_open()
        return congestion_of(self._socket)

    # Inside

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError(f"the link from {self._local} to {self._remote} is closed")

    def _on_readable(self) -> None:
        if self._owner is not None and self._reading:
            self._owner.readable(self)

    def _on_writable(self) -> None:
        self._loop.remove_writer(self._socket)
        self._blocked = False
        if self._owner is not None and self._over is None:
            self._owner.writable(self)

    def _set_trap(self) -> None:
        """See to it that an error is noticed while the loop does not watch for data.

        epoll reports errors and hang-ups unasked; the loop watches the epoll object as it would a socket. It is
        edge-triggered because a hang-up without error, that of a connection ended in both directions, stays.
        """
        if self._trap is None:
            self._trap = select.epoll(1)
            self._trap.register(self._socket, select.EPOLLET)
        self._loop.add_reader(self._trap, self._on_trapped)

    def _on_trapped(self) -> None:
        if self._trap is None or not self._trap.poll(0):
            return
        number = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if number:
            self._lose(OSError(number, os.strerror(number)))

    def _lose(self, error: OSError) -> None:
        if self._over is not None or self.closed:
            return
        self._over = error
        self._unwatch()
        self._news = self._loop.call_soon(self._tell_lost)

    def _tell_lost(self) -> None:
        self._news = None
        if self._owner is not None and self._over is not None:
            self._owner.lost(self, self._over)

    def _unwatch(self) -> None:
        """Ask the loop for nothing more; it holds the link, and with it the owner, while it watches."""
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self._socket)
        if self._blocked:
            self._blocked = False
            self._loop.remove_writer(self._socket)
        if self._trap is not None:
            self._loop.remove_reader(self._trap)
            self._trap.close()
            self._trap = None

    def _let_go(self) -> None:
        self._unwatch()
        if self._news is not None:
            self._news.cancel()
            self._news = None
        self._owner = None


def _peer(sock: socket.socket) -> Endpoint:
    try:
        return endpoint(sock.getpeername())
    except OSError as error:
        if error.errno != errno.ENOTCONN:
            raise
        return _NO_ENDPOINT  # gone already: reading will tell
