"""Errors of the sockets' edge: each is one sentence with the place, what is wrong and what would help."""

import errno
import os
from collections.abc import Mapping, Sequence
from typing import Final

_HINTS: Final[Mapping[int, str]] = {
    errno.EADDRINUSE: "something listens there already, or the address is given twice",
    errno.EADDRNOTAVAIL: "no interface of this host has that address now",
    errno.EACCES: "ports below net.ipv4.ip_unprivileged_port_start need CAP_NET_BIND_SERVICE, or a firewall forbids it",
    errno.ECONNREFUSED: "nothing listens there",
    errno.EHOSTUNREACH: "a router on the way, or the last link, does not reach it",
    errno.ENETUNREACH: "no route leads there",
    errno.EAFNOSUPPORT: "this kernel lacks that family of addresses",
    errno.EMFILE: "too many files are open: raise the limit (ulimit -n)",
}


class SocketError(Exception):
    """Something that was asked of a socket cannot be had on this host; trying again as it is would not help."""


class ConnectFailed(OSError):
    """A connection could not be made; ``errno`` is the system's number, the text names both ends and the cause."""

    def __str__(self) -> str:
        return str(self.args[1])


class AllFailed(ConnectionError):
    """None of several connections could be made.

    Attributes:
        errors: each candidate's error, in the order in which they failed.

    """

    def __init__(self, errors: Sequence[OSError]) -> None:
        super().__init__("no connection could be made: " + "; ".join(str(error) for error in errors))
        self.errors = tuple(errors)


def because(error: OSError) -> str:
    """Return an error's cause in the system's words, with what it means where they do not say it."""
    if error.errno is None:
        return str(error) or type(error).__name__
    words = error.strerror or os.strerror(error.errno)
    hint = _HINTS.get(error.errno)
    return words if hint is None else f"{words} ({hint})"
