"""Moves of a Multipath TCP client from path to path, by the priorities of the addresses of its path manager."""

import subprocess
import threading
from collections.abc import Callable, Sequence
from typing import Final

from impl.contract.eventlog import EventLog
from impl.contract.setting import EndpointError

Change = Callable[[str, bool], None]
"""Makes an address a backup, or a regular one."""

_LIMIT: Final = 5.0


class Migration:
    """Moves the connection to the next of its paths, cyclically, each time so many bytes have been received.

    Exactly one address is no backup at a time; the kernel tells the peer of each change (MP_PRIO), which then sends on
    the subflows of that address alone.
    """

    def __init__(self, marks: Sequence[int], addresses: Sequence[str], change: Change, events: EventLog) -> None:
        """``marks`` are growing numbers of bytes, ``addresses`` the client's, in the order of the paths."""
        self._marks = list(marks)
        self._addresses = list(addresses)
        self._change = change
        self._events = events
        self._received = 0
        self._current = 0
        self._lock = threading.Lock()

    def begin(self) -> None:
        """Make every address but the first a backup.

        Raises:
            EndpointError: the kernel or its tool refuses.

        """
        for place, address in enumerate(self._addresses):
            self._change(address, place > 0)

    def received(self, count: int) -> None:
        """Count received bytes, and move when a mark is reached; may be called from any thread.

        Raises:
            EndpointError: the kernel or its tool refuses.

        """
        with self._lock:
            self._received += count
            while self._marks and self._received >= self._marks[0]:
                self._marks.pop(0)
                self._move()

    def _move(self) -> None:
        before = self._addresses[self._current]
        self._current = (self._current + 1) % len(self._addresses)
        after = self._addresses[self._current]
        # In this order there is always an address that is no backup.
        self._change(after, False)
        self._change(before, True)
        self._events.write("migrated", **{"path": after, "from": before})


def change_address(address: str, backup: bool) -> None:
    """Change the priority of an address of this node's path manager.

    Raises:
        EndpointError: ``ip`` is missing, or the kernel refuses.

    """
    command = ["ip", "mptcp", "endpoint", "change", address, "backup" if backup else "nobackup"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_LIMIT, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EndpointError(f"cannot migrate: {' '.join(command)}: {error}") from None
    if done.returncode != 0:
        raise EndpointError(f"cannot migrate: {' '.join(command)}: {done.stderr.strip() or 'it failed'}")
