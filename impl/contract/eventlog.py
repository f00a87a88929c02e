"""Writes event lines: JSON objects with the monotonic time, received bytes gathered in 10 ms bins."""

import json
import os
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from impl.contract.setting import EndpointError, Setting

BIN: Final = 10_000_000
"""Width of a bin in ns; bins begin at multiples of it on the monotonic clock."""

_STALL: Final = 0.05


class EventLog:
    """An events file, written by any number of threads.

    Bytes of one bin become one ``received`` line per stream, with the time of the bin's last byte. A bin is written
    when the next one begins, and after 50 ms at the latest, so that a stall does not hide what came before it.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self._lock = threading.RLock()
        self._bin = -1
        self._pending: dict[tuple[int, str | None], list[int]] = {}
        self._closed = threading.Event()
        self._flusher = threading.Thread(target=self._flush_stalled, name="flush events", daemon=True)
        self._flusher.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Write what is pending and close the file."""
        if self._closed.is_set():
            return
        self._closed.set()
        with self._lock:
            self._flush()
            os.close(self._descriptor)
            self._descriptor = -1

    def write(self, event: str, **fields: Any) -> None:
        """Append an event that happens now; fields that are None are left out."""
        with self._lock:
            self._flush()
            self._append(time.monotonic_ns(), event, fields)

    def write_at(self, moment: int, event: str, **fields: Any) -> None:
        """Append an event of an earlier ``moment`` (monotonic ns)."""
        with self._lock:
            self._append(moment, event, fields)

    def received(self, count: int, stream: int, path: str | None) -> None:
        """Count ``count`` bytes received now on ``stream``."""
        with self._lock:
            now = time.monotonic_ns()
            current = now // BIN
            if current != self._bin:
                self._flush()
                self._bin = current
            entry = self._pending.get((stream, path))
            if entry is None:
                self._pending[stream, path] = [count, now]
            else:
                entry[0] += count
                entry[1] = now

    def _flush(self) -> None:
        if not self._pending:
            return
        lines = sorted((moment, stream, path or "", count) for (stream, path), (count, moment) in self._pending.items())
        self._pending.clear()
        for moment, stream, path, count in lines:
            self._append(moment, "received", {"bytes": count, "stream": stream, "path": path or None})

    def _append(self, moment: int, event: str, fields: dict[str, Any]) -> None:
        if self._descriptor < 0:
            return
        line = {"time": moment, "event": event}
        line |= {name: value for name, value in fields.items() if value is not None}
        if event == "done":
            line.setdefault("sha256", None)
        os.write(self._descriptor, json.dumps(line).encode() + b"\n")

    def _flush_stalled(self) -> None:
        while not self._closed.wait(_STALL):
            with self._lock:
                if self._pending and time.monotonic_ns() // BIN > self._bin:
                    self._flush()


def open_events(setting: Setting) -> EventLog:
    """Open the events file that HARNESS_EVENTS names.

    Raises:
        EndpointError: it cannot be written.

    """
    try:
        return EventLog(setting.events)
    except OSError as error:
        raise EndpointError(f"HARNESS_EVENTS: cannot write {setting.events}: {error.strerror}") from None
