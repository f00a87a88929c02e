"""Listening with TCP on some addresses, all on one port, and accepting what comes."""

import errno
import socket
from collections.abc import Sequence
from typing import Final

from impl.tcpls.sockets.addresses import Endpoint, endpoint, numeric
from impl.tcpls.sockets.errors import SocketError, because
from impl.tcpls.sockets.options import set_congestion

BACKLOG: Final = 128
"""How many connections may wait to be accepted, and as many Fast Open ones for their handshake to end."""

_PORT_ATTEMPTS: Final = 16
# accept(2): what is no matter of the listener, but of the one connection that is no more.
_GONE: Final = frozenset({
    errno.ECONNABORTED, errno.EPROTO, errno.ENETDOWN, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETUNREACH,
    errno.ENONET, errno.ENOPROTOOPT, errno.EOPNOTSUPP, errno.EPERM, errno.ECONNRESET, errno.ETIMEDOUT,
})  # fmt: skip
_GONE_AT_ONCE: Final = 64


def listen_tcp(
    addresses: Sequence[str],
    port: int,
    *,
    fast_open: bool = False,
    backlog: int = BACKLOG,
    congestion: str | None = None,
) -> list[socket.socket]:
    """Return a listening, non-blocking socket for each address, in order.

    Args:
        addresses: numeric; ``0.0.0.0`` and ``::`` for all of a family, each for its family only.
        port: 0 lets the kernel choose one, which is the same for all addresses.
        fast_open: take data in a SYN (RFC 7413); ``fast_open_setting`` tells whether the system lets one.
        backlog: how many connections may wait.
        congestion: name of the congestion control of accepted connections; None for the system's.

    Raises:
        SocketError: an address, the port or an option is not to be had; then none is left open.

    """
    if not addresses:
        raise SocketError("there is no address to listen on")
    for _ in range(_PORT_ATTEMPTS - 1 if not port and len(addresses) > 1 else 0):
        try:
            return _listen_all(addresses, 0, fast_open, backlog, congestion)
        except _PortTaken:
            continue
    return _listen_all(addresses, port, fast_open, backlog, congestion)


def accept_tcp(listener: socket.socket) -> tuple[socket.socket, Endpoint] | None:
    """Return the next connection, non-blocking, and its peer; None if none waits.

    Connections that were gone before they were accepted are left out.

    Raises:
        OSError: the process or the system has no more files or memory: accept again when some are free.

    """
    for _ in range(_GONE_AT_ONCE):
        try:
            sock, raw = listener.accept()
        except BlockingIOError:
            return None
        except OSError as error:
            if error.errno not in _GONE:
                raise
            continue
        sock.setblocking(False)
        return sock, endpoint(raw)
    return None


class _PortTaken(SocketError):
    """The port that the kernel chose for the first address is not free for another."""


def _listen_all(
    addresses: Sequence[str], port: int, fast_open: bool, backlog: int, congestion: str | None
) -> list[socket.socket]:
    found: list[socket.socket] = []
    try:
        for address in addresses:
            chosen = found[0].getsockname()[1] if found else port
            found.append(_listen(address, chosen, fast_open, backlog, congestion, chosen=chosen != port))
    except BaseException:
        for sock in found:
            sock.close()
        raise
    return found


def _listen(
    address: str, port: int, fast_open: bool, backlog: int, congestion: str | None, *, chosen: bool
) -> socket.socket:
    family, own = numeric(address, port)
    where = f"cannot listen on {Endpoint(address, port)}"
    try:
        sock = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise SocketError(f"{where}: {because(error)}") from None
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if congestion is not None:
            set_congestion(sock, congestion)
        sock.bind(own)
        if fast_open:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, backlog)
        sock.listen(backlog)
    except OSError as error:
        sock.close()
        kind = _PortTaken if chosen and error.errno == errno.EADDRINUSE else SocketError
        raise kind(f"{where}: {because(error)}") from None
    except BaseException:
        sock.close()
        raise
    return sock
