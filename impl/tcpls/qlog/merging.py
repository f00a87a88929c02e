"""Puts the faults of a harness run into a trace."""

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from impl.tcpls.qlog.format import FAULT, FAULT_SCHEMA, SEPARATOR, QlogError, is_time
from impl.tcpls.qlog.reader import read_records


def merge_faults(qlog_path: Path, timeline_path: Path, out_path: Path, *, clock_zero_ns: int | None = None) -> int:
    """Put the faults of a harness run into a trace, in order of time, and return how many there are.

    A fault becomes an event ``harness:fault`` at its actual moment, whose data are the fields of its line. Faults
    before the trace's reference have negative times. Of a trace that is cut off, what is whole is taken.

    Args:
        qlog_path: the trace; of any program that counts on CLOCK_MONOTONIC and says so as the header here does.
        timeline_path: the run's timeline.jsonl, whose times are seconds since the run's start.
        out_path: where the merged trace goes; it is replaced, and may be `qlog_path` itself.
        clock_zero_ns: the run's start, ns on CLOCK_MONOTONIC; by default as run.json beside the timeline says.

    Raises:
        QlogError: a file cannot be read or written, or is not in its format; `out_path` is as it was.

    """
    records = read_records(qlog_path, "leave")
    _, header = next(records)
    common = header["trace"].get("common_fields", {})
    reference = common.get("reference_monotonic_ns") if isinstance(common, dict) else None
    if not isinstance(reference, int):
        raise QlogError(
            f"{qlog_path}: the header has no trace.common_fields.reference_monotonic_ns, so that its clock is unknown"
        )
    zero = _clock_zero(timeline_path.with_name("run.json")) if clock_zero_ns is None else clock_zero_ns
    encode = json.JSONEncoder(separators=(",", ":")).encode
    faults = [
        (time, f"{encode({'time': time, 'name': FAULT, 'data': line})}\n".encode())
        for time, line in _faults(timeline_path, zero - reference)
    ]
    schemas = header["trace"].setdefault("event_schemas", [])
    if FAULT_SCHEMA not in schemas:
        schemas.append(FAULT_SCHEMA)
    # Stable: at the same moment the fault comes first, as the cause of what follows.
    events = sorted([*faults, *((event["time"], text) for text, event in records)], key=lambda entry: entry[0])
    _replace(out_path, [f"{encode(header)}\n".encode(), *(text for _, text in events)])
    return len(faults)


def _clock_zero(path: Path) -> int:
    remedy = "give the run's start, or the timeline of a run directory"
    try:
        record = json.loads(path.read_bytes())
    except OSError as error:
        raise QlogError(f"{path}: cannot be read: {error.strerror}; {remedy}") from None
    except ValueError as error:
        raise QlogError(f"{path}: no JSON: {error}") from None
    zero = record.get("clock_zero_ns") if isinstance(record, dict) else None
    # 0 stands for a run that never came to its transfer.
    if not isinstance(zero, int) or zero <= 0:
        raise QlogError(f"{path}: clock_zero_ns is {zero!r}; expected: the run's start in ns; {remedy}")
    return zero


def _faults(path: Path, shift_ns: int) -> Iterator[tuple[float, dict[str, Any]]]:
    """Give the lines of a timeline, each with its time in a trace, ms.

    `shift_ns` leads from the trace's reference to the run's start.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise QlogError(f"{path}: cannot be read: {error.strerror}") from None
    for number, raw in enumerate(text.splitlines(), 1):
        try:
            line = json.loads(raw)
        except ValueError as error:
            raise QlogError(f"{path}: line {number} is no JSON: {error}") from None
        actual = line.get("actual_s") if isinstance(line, dict) else None
        if not is_time(actual):
            raise QlogError(f"{path}: line {number}: actual_s is {actual!r}; expected: seconds since the run's start")
        yield round(actual * 1e3 + shift_ns / 1e6, 3), line


def _replace(path: Path, texts: Iterable[bytes]) -> None:
    partial = path.with_name(f"{path.name}.partial")
    try:
        with partial.open("wb") as file:
            for text in texts:
                file.write(SEPARATOR + text)
        os.replace(partial, path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        raise QlogError(f"{path}: cannot be written: {error.strerror}") from None
