"""Options of TCP sockets that Python's socket module has no words for, or that the kernel may refuse."""

import errno
import socket
from pathlib import Path
from typing import Final, NamedTuple

from impl.tcpls.sockets.errors import SocketError

_CONGESTION_NAME: Final = 16
_FAST_OPEN: Final = Path("/proc/sys/net/ipv4/tcp_fastopen")
_CLIENT, _SERVER = 0x1, 0x2


class FastOpenSetting(NamedTuple):
    """For which side this network namespace has TCP Fast Open on."""

    client: bool
    server: bool


def set_congestion(sock: socket.socket, name: str) -> None:
    """Set the congestion control.

    Raises:
        SocketError: the kernel refuses it; the message says what would help.

    """
    try:
        raw = name.encode("ascii")
    except UnicodeEncodeError:
        raw = b""
    if not 0 < len(raw) < _CONGESTION_NAME or b"\0" in raw:
        # The kernel would cut a longer one, and take what begins like it.
        raise SocketError(f"congestion control {name!r} cannot exist: a name is 1 to {_CONGESTION_NAME - 1} letters")
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, raw)
    except OSError as error:
        raise SocketError(f"congestion control {name!r} is refused: {_why(error)}") from None


def congestion_of(sock: socket.socket) -> str:
    """Return the name of the congestion control in use."""
    name = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, _CONGESTION_NAME)
    return name.partition(b"\0")[0].decode("ascii", "replace")


def fast_open_setting(path: Path = _FAST_OPEN) -> FastOpenSetting:
    """Return the setting net.ipv4.tcp_fastopen, which is for IPv6 too; where it cannot be read, both are off.

    The kernel takes the option of a listener whatever the setting is, and then never opens fast: ask here.
    """
    try:
        value = int(path.read_text(), 0)
    except (OSError, ValueError):
        return FastOpenSetting(client=False, server=False)
    return FastOpenSetting(client=bool(value & _CLIENT), server=bool(value & _SERVER))


def _why(error: OSError) -> str:
    if error.errno == errno.ENOENT:
        return "the kernel has none of that name, or its module is not loaded (modprobe tcp_NAME)"
    if error.errno == errno.EPERM:
        return "add it to net.ipv4.tcp_allowed_congestion_control, or run with CAP_NET_ADMIN"
    return error.strerror or str(error)
