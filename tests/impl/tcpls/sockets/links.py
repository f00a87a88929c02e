"""Links over loopback, and an owner that notes what it is told."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from impl.tcpls.sockets.link import Link
from tests.support.tls_streams import until

RESET = b"\x01\0\0\0\0\0\0\0"


@dataclass
class Notes:
    """An owner: takes all that comes, unless it is to leave it alone."""

    received: bytearray = field(default_factory=bytearray)
    ends: int = 0
    writable_told: int = 0
    errors: list[OSError] = field(default_factory=list)
    buffer: bytearray = field(default_factory=lambda: bytearray(1 << 16))
    inside: bool = False

    def readable(self, link: Link) -> None:
        self.inside = True
        while (count := link.receive_into(self.buffer)) is not None:
            if count == 0:
                self.ends += 1
                break
            self.received += self.buffer[:count]
        self.inside = False

    def writable(self, link: Link) -> None:
        self.writable_told += 1

    def ends_in(self, data: bytes) -> Callable[[], bool]:
        """Whether these are the last bytes received, for ``until``."""
        return lambda: self.received.endswith(data)

    def lost(self, link: Link, error: OSError) -> None:
        assert not self.inside, "told from within a method of the link"
        self.errors.append(error)


@contextmanager
def pair(family: socket.AddressFamily = socket.AF_INET) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Both ends of a connection over loopback; closed at the end if they are not yet."""
    host = "127.0.0.1" if family == socket.AF_INET else "::1"
    with socket.create_server((host, 0), family=family) as listener:
        near = socket.create_connection(listener.getsockname()[:2])
        far, _ = listener.accept()
    with near, far:
        far.settimeout(10)
        yield near, far


def reset(sock: socket.socket) -> None:
    """Close a socket with RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    sock.close()


__all__ = ["RESET", "Notes", "pair", "reset", "until"]
