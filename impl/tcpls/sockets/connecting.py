"""Connecting with TCP: from an address of this host, and with data in the SYN (TCP Fast Open, RFC 7413) if wanted."""

import asyncio
import errno
import os
import socket
import time
from dataclasses import dataclass
from typing import Final

from impl.tcpls.sockets.addresses import Endpoint, SocketAddress, numeric
from impl.tcpls.sockets.errors import ConnectFailed, SocketError, because
from impl.tcpls.sockets.options import set_congestion
from impl.tcpls.sockets.tcp_info import fast_open_acked

TIMEOUT: Final = 10.0
"""How long a connection may take to come about unless its user says otherwise, seconds."""

_IP_BIND_ADDRESS_NO_PORT: Final = 24
# Fast Open is off, or unknown to this kernel: connect without.
_NO_FAST_OPEN: Final = frozenset({errno.EOPNOTSUPP, errno.EPROTONOSUPPORT, errno.EINVAL})


@dataclass(frozen=True, slots=True)
class Connected:
    """A connection that has come about.

    Attributes:
        sock: its socket, non-blocking.
        seconds: from the SYN to here.
        taken: how many bytes of ``fast_open`` the kernel has taken. They are its own to deliver, again if need be, and
            the rest is to be sent as ever. 0 where no cookie of that server was known (one may be now).
        acked: whether the server took the data in the SYN at once; None if there were none.

    """

    sock: socket.socket
    seconds: float
    taken: int
    acked: bool | None


async def connect_tcp(
    local: str | None,
    remote: str,
    port: int,
    *,
    fast_open: bytes | None = None,
    timeout: float | None = TIMEOUT,
    congestion: str | None = None,
) -> Connected:
    """Connect; when cancelled, nothing is left behind.

    Args:
        local: numeric address to connect from; None lets the kernel choose.
        remote: numeric address; a link-local one without an interface is looked for on that of ``local``.
        port: the server's.
        fast_open: what to send with the SYN, if the server's cookie is known.
        timeout: how long to wait, seconds; None as long as the kernel does (minutes).
        congestion: name of the congestion control; None for the system's.

    Raises:
        ConnectFailed: no connection; the text names both ends and the cause.
        SocketError: an address or an option is not to be had.

    """
    family, target = numeric(_with_interface(remote, local), port)
    source: SocketAddress | None = None
    if local is not None:
        own, source = numeric(local, 0)
        if own != family:
            raise SocketError(f"{local} cannot connect to {remote}: one is an IPv4 address, the other an IPv6 one")
    where = _Ends(local, Endpoint(remote, port))
    try:
        sock = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise where.failure(error) from None
    try:
        sock.setblocking(False)
        if congestion is not None:
            set_congestion(sock, congestion)
        if source is not None:
            # The port is chosen with the remote end, so that there are as many as ports for each server.
            sock.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
            sock.bind(source)
        began = time.monotonic()
        taken = _start(sock, target, fast_open)
        try:
            async with asyncio.timeout(timeout):
                await _established(sock)
        except TimeoutError as error:
            if error.errno is None:  # ours; the kernel's has a number
                raise where.no_answer(timeout) from None
            raise
        seconds = time.monotonic() - began
        return Connected(sock, seconds, taken, fast_open_acked(sock) if taken else None)
    except ConnectFailed:
        sock.close()
        raise
    except OSError as error:
        sock.close()
        raise where.failure(error) from None
    except BaseException:
        sock.close()
        raise


def _start(sock: socket.socket, target: SocketAddress, data: bytes | None) -> int:
    """Send the SYN, and return how many bytes of data were taken for it."""
    if data:
        try:
            return sock.sendto(data, socket.MSG_FASTOPEN, target)
        except BlockingIOError:  # EINPROGRESS: a SYN that asks for a cookie is on its way
            return 0
        except OSError as error:
            if error.errno not in _NO_FAST_OPEN:
                raise
    number = sock.connect_ex(target)
    if number not in (0, errno.EINPROGRESS):
        raise OSError(number, os.strerror(number))
    return 0


async def _established(sock: socket.socket) -> None:
    """Wait until the handshake is over.

    Raises:
        OSError: it failed.

    """
    loop = asyncio.get_running_loop()
    over: asyncio.Future[None] = loop.create_future()

    def writable() -> None:
        if not over.done():
            over.set_result(None)

    loop.add_writer(sock, writable)
    try:
        await over
    finally:
        loop.remove_writer(sock)
    number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if number:
        raise OSError(number, os.strerror(number))


def _with_interface(remote: str, local: str | None) -> str:
    """Give a link-local address the interface of the local one, if it has none."""
    _, marked, interface = (local or "").partition("%")
    return f"{remote}%{interface}" if marked and "%" not in remote and ":" in remote else remote


@dataclass(frozen=True, slots=True)
class _Ends:
    """The ends of a connection to be, for messages."""

    local: str | None
    remote: Endpoint

    def __str__(self) -> str:
        return f"to {self.remote}" if self.local is None else f"from {self.local} to {self.remote}"

    def failure(self, error: OSError) -> ConnectFailed:
        return ConnectFailed(error.errno or 0, f"cannot connect {self}: {because(error)}")

    def no_answer(self, timeout: float | None) -> ConnectFailed:
        return ConnectFailed(errno.ETIMEDOUT, f"cannot connect {self}: no answer within {timeout:g} s")
