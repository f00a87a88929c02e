"""The element's counters in shared memory: one process writes, any other reads, ten times a second at no cost to it."""

import mmap
import os
import struct
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from harness.elements.line import COUNTER_NAMES, Counters

_MAGIC = 0x6E66_7175_6575_6532
# Native order and alignment, so that every value is written by one machine instruction.
_HEADER = struct.Struct("@8Q")  # magic, directions, pid, written at (monotonic ns), CPU ns, real-time priority, 0, 0
_RECORD = struct.Struct(f"@{len(COUNTER_NAMES) + 2}q")  # sequence, counters, sequence
_READ_TRIES = 1000


def file_size(directions: int) -> int:
    """Return how many bytes the file has for so many directions."""
    return _HEADER.size + directions * _RECORD.size


@dataclass(frozen=True, slots=True)
class ProcessState:
    """The element process itself.

    Attributes:
        pid: its process id.
        written_ns: when the counters were last brought up to date, CLOCK_MONOTONIC.
        cpu_ns: processor time that it has used, forwarding of the packets included.
        priority: SCHED_FIFO priority, 0 where that is not allowed.

    """

    pid: int
    written_ns: int
    cpu_ns: int
    priority: int


class CounterWriter:
    """The writing end, in the element process.

    Raises:
        OSError: the file cannot be opened or is too small.

    """

    def __init__(self, path: str, directions: int, *, priority: int = 0) -> None:
        self._map = _map(path, file_size(directions), write=True)
        self._directions = directions
        self._priority = priority
        self._sequence = 0

    def write(self, now: int, counters: list[Counters]) -> None:
        """Bring the file up to date."""
        self._sequence += 1
        sequence = self._sequence
        offset = _HEADER.size
        for each in counters:
            # The number stands before and behind: a reader that finds two different ones came in between.
            _RECORD.pack_into(self._map, offset, sequence, *each.values(), sequence)
            offset += _RECORD.size
        _HEADER.pack_into(
            self._map, 0, _MAGIC, self._directions, os.getpid(), now, time.process_time_ns(), self._priority, 0, 0
        )

    def close(self) -> None:
        """Unmap the file."""
        self._map.close()


class CounterReader:
    """The reading end: the counters of all directions, in the order of the element's configuration.

    Args:
        path: the file, such as ``Elements.counters_path``; it must have been written once.

    Raises:
        OSError: the file cannot be opened.
        ValueError: it is no counter file.

    """

    def __init__(self, path: str) -> None:
        self._map = _map(path, os.stat(path).st_size, write=False)
        magic, self.directions = struct.unpack_from("@2Q", self._map)
        if magic != _MAGIC or len(self._map) < file_size(self.directions):
            raise ValueError(f"{path} is not a counter file of an element process")

    def process(self) -> ProcessState:
        """Return what the element process says of itself."""
        _, _, pid, written, cpu, priority, _, _ = _HEADER.unpack_from(self._map)
        return ProcessState(pid, written, cpu, priority)

    def read(self) -> list[Counters]:
        """Return the counters of each direction; each direction's belong together."""
        return [self._record(_HEADER.size + index * _RECORD.size) for index in range(self.directions)]

    def _record(self, offset: int) -> Counters:
        for _ in range(_READ_TRIES):
            first, *values, last = _RECORD.unpack_from(self._map, offset)
            if first == last:
                return Counters(*values)
        raise OSError("the element process died while it wrote its counters")

    def close(self) -> None:
        """Unmap the file."""
        self._map.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _map(path: str, size: int, *, write: bool) -> mmap.mmap:
    descriptor = os.open(path, (os.O_RDWR if write else os.O_RDONLY) | os.O_CLOEXEC)
    try:
        return mmap.mmap(descriptor, size, access=mmap.ACCESS_WRITE if write else mmap.ACCESS_READ)
    except ValueError as error:
        raise OSError(f"{path} is shorter than {size} bytes") from error
    finally:
        os.close(descriptor)
