"""Reads a trace."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal

from impl.tcpls.qlog.format import FILE_SCHEMA, SEPARATOR, QlogError, is_time

CutOff = Literal["refuse", "leave"]

_CHUNK: Final = 1024 * 1024


def read_qlog(path: Path, *, cut_off: CutOff = "refuse") -> Iterator[dict[str, Any]]:
    """Read a trace: the header first, and then its events in the order of the file.

    Args:
        path: the file.
        cut_off: what to do with a last record that is not whole, as a program leaves that was killed: raise QlogError
            for it, or leave it out.

    Raises:
        QlogError: it cannot be read, or a record is none of qlog; with the number of the record and of its line. What
            comes before it has been given out by then.

    """
    for _, record in read_records(path, cut_off):
        yield record


def read_records(path: Path, cut_off: CutOff) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """Read a trace as read_qlog does, with the bytes of each record, which begin after the separator."""
    line = 1
    number = 0
    for number, (text, last) in enumerate(_split(path), 1):
        if last and not text.endswith(b"\n"):
            if cut_off == "leave" and number > 1:
                return
            raise QlogError(f"{path}: record {number} (line {line}) is cut off; a record ends with a newline")
        try:
            record = json.loads(text)
        except ValueError as error:
            raise QlogError(f"{path}: record {number} (line {line}) is no JSON: {error}") from None
        problem = _problem_of_header(record) if number == 1 else _problem_of_event(record)
        if problem is not None:
            raise QlogError(f"{path}: record {number} (line {line}): {problem}")
        yield text, record
        line += text.count(b"\n")
    if not number:
        raise QlogError(f"{path}: empty; expected: a header record and events")


def _split(path: Path) -> Iterator[tuple[bytes, bool]]:
    """The bytes between separators, with whether they are the last ones."""
    try:
        with path.open("rb") as file:
            rest = file.read(_CHUNK)
            if not rest:
                return
            if not rest.startswith(SEPARATOR):
                raise QlogError(f"{path}: does not begin with a record separator (0x1e): no JSON text sequence")
            rest = rest[1:]
            while True:
                *whole, rest = rest.split(SEPARATOR)
                for text in whole:
                    yield text, False
                more = file.read(_CHUNK)
                if not more:
                    break
                rest += more
            yield rest, True
    except OSError as error:
        raise QlogError(f"{path}: cannot be read: {error.strerror}") from None


def _problem_of_header(record: object) -> str | None:
    if not isinstance(record, dict) or record.get("file_schema") != FILE_SCHEMA:
        return f"no header of a sequential qlog file; expected: an object with file_schema {FILE_SCHEMA!r}"
    if not isinstance(record.get("trace"), dict):
        return "the header has no trace; expected: an object"
    return None


def _problem_of_event(record: object) -> str | None:
    if not isinstance(record, dict):
        return "no event; expected: an object"
    time = record.get("time")
    if not is_time(time):
        return f"time is {time!r}; expected: a number, in milliseconds"
    for key, kind, words in (("name", str, "a string"), ("data", dict, "an object")):
        if not isinstance(record.get(key), kind):
            return f"{key} is {record.get(key)!r}; expected: {words}"
    return None
