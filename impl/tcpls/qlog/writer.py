"""Writes a trace into a file."""

import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, Literal, Self

from impl.tcpls.packing import Packer
from impl.tcpls.qlog.format import EVENT_SCHEMA, FILE_SCHEMA, NAMESPACE, SERIALIZATION, SUFFIX, QlogError
from impl.tcpls.qlog.frames import describe_record

Role = Literal["client", "server"]

_FLUSH_SECONDS: Final = 0.1
_FLUSH_SIZE: Final = 64 * 1024


class QlogWriter:
    """Writes a trace into a file; a ``trace.Trace`` of a session.

    Events are gathered and written when 64 KiB have come together, when one comes 0.1 s after the first that waits, and
    by close(). A session must not fail for want of a trace: when the file cannot be written any more, the trace ends
    there, and `failure` says why.

    Args:
        path: the file, which is replaced; or a folder, where it becomes ``<session_id>_<role>.sqlog``.
        role: which end of the session this is.
        session_id: what all traces of a session have in common, and no other session has, e.g. the hexadecimal client
            random of its first connection. Nothing but letters, digits, ``-``, ``_`` and ``.`` if `path` is a folder.
        reference_ns: the moment from which times are counted, ns on CLOCK_MONOTONIC: now, usually.
        wall_clock: the same moment, POSIX seconds.
        title: of the trace, for people.

    Attributes:
        enabled: whether events are still kept: not after close(), nor after a failure.
        failure: why the file could not be written any more; None if all went well.
        path: the file.

    Raises:
        QlogError: the file cannot be made, or `session_id` cannot be part of its name.

    """

    __slots__ = ("_encode", "_file", "_first", "_pending", "_reference", "_size", "enabled", "failure", "path")

    def __init__(
        self, path: Path, *, role: Role, session_id: str, reference_ns: int, wall_clock: float, title: str = "TCPLS"
    ) -> None:
        if path.is_dir():
            if not session_id.replace("-", "").replace("_", "").replace(".", "").isalnum() or not session_id.isascii():
                raise QlogError(f"session_id {session_id!r} cannot be part of a file name: only letters, digits, - _ .")
            path /= f"{session_id}_{role}{SUFFIX}"
        self.path = path
        self.failure: str | None = None
        self.enabled = True
        try:
            self._file: BinaryIO | None = path.open("wb", buffering=0)
        except OSError as error:
            raise QlogError(
                f"{path}: no qlog can be written there: {error.strerror}; name an existing folder, or a file in one"
            ) from None
        self._encode = json.JSONEncoder(separators=(",", ":"), default=_encode_bytes).encode
        self._reference = reference_ns / 1e9
        self._pending: list[str] = []
        self._size = 0
        self._first = 0.0
        self._append(
            self._encode(
                {
                    "file_schema": FILE_SCHEMA,
                    "serialization_format": SERIALIZATION,
                    "title": title,
                    "trace": {
                        "common_fields": {
                            "group_id": session_id,
                            "time_format": "relative_to_epoch",
                            "reference_time": {
                                "clock_type": "monotonic",
                                "epoch": "unknown",
                                "wall_clock_time": _rfc3339(wall_clock),
                            },
                            "reference_monotonic_ns": reference_ns,
                        },
                        "vantage_point": {"name": role, "type": role},
                        "event_schemas": [EVENT_SCHEMA],
                    },
                }
            )
        )
        self.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def event(self, now: float, name: str, data: Mapping[str, Any]) -> None:
        """Log an event of the namespace ``tcpls`` at `now`, seconds on CLOCK_MONOTONIC.

        `data` is read at once; bytes in it become hexadecimal text. Does nothing when the trace has ended.
        """
        if self._file is None:
            return
        # Microseconds: of a float64 of seconds, a machine's uptime leaves little more.
        time = round((now - self._reference) * 1e3, 3)
        if not self._pending:
            self._first = now
        self._append(self._encode({"time": time, "name": NAMESPACE + name, "data": data}))
        if self._size >= _FLUSH_SIZE or now - self._first >= _FLUSH_SECONDS:
            self.flush()

    def records_sent(self, now: float, connection_id: int, first: int, packer: Packer) -> None:
        """Log each of the records that were made; `first` is the sequence number of the first one."""
        for index, content in enumerate(packer.contents()):
            self.event(now, "record_sent", describe_record(connection_id, first + index, content))

    def records_received(
        self, now: float, connection_id: int, last: int, content: bytes | memoryview, ends: tuple[int, ...]
    ) -> None:
        """Log each of the records that came; `last` is the sequence number of the last one."""
        view = memoryview(content)
        start = 0
        for sequence, end in enumerate(ends, last + 1 - len(ends)):
            self.event(now, "record_received", describe_record(connection_id, sequence, view[start:end]))
            start = end

    def flush(self) -> None:
        """Write what waits."""
        if self._file is None or not self._pending:
            return
        rest = memoryview("".join(self._pending).encode())
        self._pending.clear()
        self._size = 0
        try:
            while rest:
                # A file without buffer may take a part, e.g. what a disk has room for.
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            self.enabled = False
            self.failure = f"{self.path}: the qlog ends here: {error.strerror}"
            file, self._file = self._file, None
            with suppress(OSError):
                file.close()

    def close(self) -> None:
        """Write what waits and close the file. May be called again."""
        self.flush()
        self.enabled = False
        if self._file is not None:
            file, self._file = self._file, None
            file.close()

    def _append(self, text: str) -> None:
        self._pending.append(f"\x1e{text}\n")
        self._size += len(text) + 2


def _encode_bytes(value: object) -> str:
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    raise TypeError(f"a {type(value).__name__} cannot be logged")


def _rfc3339(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
