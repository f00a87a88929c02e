"""The system calls of a sandbox that Python 3.11 does not offer: unshare, mount, prctl, and bringing loopback up."""

import ctypes
import fcntl
import os
import signal
import socket
import struct

CLONE_NEWNS = 0x0002_0000
CLONE_NEWIPC = 0x0800_0000
CLONE_NEWUSER = 0x1000_0000
CLONE_NEWPID = 0x2000_0000
CLONE_NEWNET = 0x4000_0000

MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x4_0000

_PR_SET_PDEATHSIG = 1
_SIOCGIFFLAGS = 0x8913
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 0x1

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    """Move the calling process into new namespaces (``CLONE_NEW…`` flags).

    Raises:
        OSError: the kernel refused.
    """
    _check(_libc.unshare(ctypes.c_int(flags)), "unshare")


def mount(source: str, target: str, kind: str | None, flags: int = 0, options: str | None = None) -> None:
    """Mount a file system of the type ``kind`` at ``target``, or change the mount there (see mount(2)).

    Raises:
        OSError: the kernel refused.
    """
    result = _libc.mount(
        os.fsencode(source),
        os.fsencode(target),
        None if kind is None else kind.encode(),
        ctypes.c_ulong(flags),
        None if options is None else options.encode(),
    )
    _check(result, f"mount {kind or source} on {target}")


def die_with_parent() -> None:
    """Have the kernel kill the calling process when the thread that started it ends.

    The kernel forgets this at a change of credentials and does not pass it on by fork, so each process asks for itself.

    Raises:
        OSError: the kernel refused.
    """
    request = ctypes.c_ulong(int(signal.SIGKILL))
    zero = ctypes.c_ulong(0)
    _check(_libc.prctl(_PR_SET_PDEATHSIG, request, zero, zero, zero), "prctl PR_SET_PDEATHSIG")


def loopback_up() -> None:
    """Bring up the loopback interface of the calling process's network namespace.

    Raises:
        OSError: the kernel refused.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        name = struct.pack("16s24x", b"lo")
        flags = struct.unpack_from("16xH", fcntl.ioctl(control, _SIOCGIFFLAGS, name))[0]
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sH22x", b"lo", flags | _IFF_UP))
