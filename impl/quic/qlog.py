"""qlog of aioquic as it happens: a line for each event, so that a long transfer needs no memory for it."""

import json
import time
from pathlib import Path
from typing import Any, Final, TextIO

from aioquic.quic.logger import QLOG_VERSION, QuicLogger, QuicLoggerTrace

_SEPARATOR: Final = "\x1e"
_LEFT_OUT: Final = frozenset({"datagrams_sent", "datagrams_received", "spin_bit_updated"})
"""Events that say nothing beyond those of the packets in them."""

_METRICS: Final = "metrics_updated"
_METRICS_SPACING_NS: Final = 10_000_000
"""The core tells its metrics for each packet that is acknowledged; every 10 ms is enough for a figure."""


class StreamingTrace(QuicLoggerTrace):
    """The trace of one connection: JSON text sequences (RFC 7464); times are ms on CLOCK_MONOTONIC."""

    def __init__(self, file: TextIO, *, is_client: bool, odcid: bytes) -> None:
        """``file`` is open for writing, and is closed with the trace."""
        super().__init__(is_client=is_client, odcid=odcid)
        self._file = file
        self._next_metrics_ns = 0
        self._write(
            {
                "qlog_format": "JSON-SEQ",
                "qlog_version": QLOG_VERSION,
                "trace": {
                    "common_fields": {
                        "ODCID": odcid.hex(),
                        "time_format": "absolute",
                        "clock": "CLOCK_MONOTONIC, in ms",
                    },
                    "vantage_point": {"name": "aioquic", "type": "client" if is_client else "server"},
                },
            }
        )

    def log_event(self, *, category: str, event: str, data: dict[str, Any]) -> None:
        """Write an event of now."""
        if event in _LEFT_OUT or self._file.closed:
            return
        now = time.monotonic_ns()
        if event == _METRICS:
            if now < self._next_metrics_ns:
                return
            self._next_metrics_ns = now + _METRICS_SPACING_NS
        self._write({"time": round(now / 1e6, 3), "name": f"{category}:{event}", "data": data})

    def close(self) -> None:
        """Write what is buffered and close the file."""
        self._file.close()

    def _write(self, record: dict[str, Any]) -> None:
        self._file.write(f"{_SEPARATOR}{json.dumps(record, separators=(',', ':'))}\n")


class StreamingLogger(QuicLogger):
    """Writes a file ``ODCID_ROLE.sqlog`` for each connection into a folder, which it makes if need be."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self._open: list[StreamingTrace] = []

    def start_trace(self, is_client: bool, odcid: bytes) -> StreamingTrace:
        """Begin the trace of a connection.

        Raises:
            OSError: the file cannot be written.

        """
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{odcid.hex()}_{'client' if is_client else 'server'}.sqlog"
        trace = StreamingTrace(path.open("w", encoding="ascii"), is_client=is_client, odcid=odcid)
        self._open.append(trace)
        return trace

    def end_trace(self, trace: QuicLoggerTrace) -> None:
        """End the trace of a connection that has ended."""
        if isinstance(trace, StreamingTrace) and trace in self._open:
            self._open.remove(trace)
            trace.close()

    def close(self) -> None:
        """End all traces."""
        for trace in list(self._open):
            self.end_trace(trace)
