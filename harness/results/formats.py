"""The tables of a run directory: names of files, their columns with types, and reading and writing of rows."""

import csv
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, get_type_hints

SCHEMA = 1
"""Version of the run directory's format; it grows when a column or key changes its meaning or goes away."""

RUN = "run.json"
GOODPUT = "goodput.csv"
PATHS = "paths.csv"
TCP_INFO = "tcp_info.csv"
LATENCY = "latency.csv"
MACHINE = "machine.csv"
TIMELINE = "timeline.jsonl"
CALIBRATION = "calibration.json"
CLIENT_EVENTS = "client.events.jsonl"
SERVER_EVENTS = "server.events.jsonl"
CLIENT_LOG = "client.log"
SERVER_LOG = "server.log"
FIGURE_PNG = "figure.png"
FIGURE_SVG = "figure.svg"

TRACES = (GOODPUT, PATHS, TIMELINE, CALIBRATION, CLIENT_EVENTS, CLIENT_LOG)
"""Files by which a directory without run.json is known as that of a run which did not finish."""


class BrokenRun(ValueError):
    """A run directory cannot be read; the message names file, line and column, and what was expected."""


class GoodputRow(NamedTuple):
    """Application bytes that the receiver took in during the bin that starts at ``time_s``."""

    time_s: float
    bytes: int
    stream: str = ""
    path: str = ""


class PathRow(NamedTuple):
    """Counters of one direction of a path, cumulative since the network was built (``queue``: bytes waiting now).

    ``lost`` is None where nothing counts what the loss model drops.
    """

    time_s: float
    path: str
    direction: str
    bytes: int
    packets: int
    drops: int
    queue: int
    lost: int | None
    bytes_in: int | None = None
    packets_in: int | None = None
    overflow: int | None = None


class TcpInfoRow(NamedTuple):
    """TCP_INFO of one socket (a subflow of Multipath TCP is one) at one moment."""

    time_s: float
    node: str
    path: str
    local: str
    remote: str
    state: str
    congestion: str
    rtt_ms: float | None = None
    rttvar_ms: float | None = None
    cwnd: int | None = None
    ssthresh: int | None = None
    bytes_acked: int | None = None
    bytes_received: int | None = None
    retrans: int | None = None
    total_retrans: int | None = None
    delivered: int | None = None
    mss: int | None = None
    pacing_mbps: float | None = None


class LatencyRow(NamedTuple):
    """One latency probe; ``value_ms`` is None when it was lost."""

    time_s: float
    probe: str
    path: str
    direction: str
    value_ms: float | None
    lost: int


class MachineRow(NamedTuple):
    """The machine during the second that ends at ``time_s``, in shares of one; ``element_cpu`` is that of one core."""

    time_s: float
    idle: float | None
    steal: float | None
    pressure: float | None
    timer_late_p50_ms: float
    timer_late_p99_ms: float
    timer_late_max_ms: float
    element_cpu: float | None = None


Row = TypeVar("Row", GoodputRow, PathRow, TcpInfoRow, LatencyRow, MachineRow)


def columns(row: type[Any]) -> tuple[str, ...]:
    """Return the columns of a table, in the order of the file."""
    return tuple(row._fields)


def read_rows(path: Path, row: type[Row]) -> list[Row]:
    """Read a whole table. A file that does not exist is an empty table: not every run measures everything.

    Columns may stand in any order, columns with a default may be absent, and further ones are ignored.

    Raises:
        BrokenRun: a column is missing, or a value is not of its column's type.

    """
    try:
        file = path.open(encoding="utf-8", newline="")
    except FileNotFoundError:
        return []
    with file:
        return list(_parse(path, file, row))


def _parse(path: Path, lines: Iterable[str], row: type[Row]) -> Iterator[Row]:
    reader = csv.reader(lines)
    header = next(reader, None)
    if header is None:
        return
    types: dict[str, Any] = get_type_hints(row)
    missing = [name for name in types if name not in header and name not in row._field_defaults]
    if missing:
        raise BrokenRun(f"{path}:1: column {missing[0]!r} is missing; columns of this table: {', '.join(types)}")
    places = [(name, header.index(name), types[name]) for name in types if name in header]
    for cells in reader:
        if len(cells) != len(header):
            raise BrokenRun(f"{path}:{reader.line_num}: {len(cells)} values for {len(header)} columns: cut short?")
        values = {}
        for name, place, kind in places:
            try:
                values[name] = _convert(cells[place], kind)
            except ValueError:
                wanted = getattr(kind, "__name__", str(kind))
                raise BrokenRun(f"{path}:{reader.line_num}: {name} is {cells[place]!r}; expected: {wanted}") from None
        yield row(**values)


def _convert(text: str, kind: Any) -> Any:
    if kind is str:
        return text
    if kind is float:
        return float(text)
    if kind is int:
        return int(text)
    if text == "":
        return None
    return int(text) if kind == (int | None) else float(text)


def write_rows(path: Path, row: type[Row], rows: Iterable[Row]) -> None:
    """Write a whole table with its header; None becomes an empty cell."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns(row))
        writer.writerows(rows)


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Read a file of JSON lines; one that does not exist has none. An unfinished last line is left out.

    Raises:
        BrokenRun: a line in the middle is no JSON object.

    """
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    except FileNotFoundError:
        return []
    objects = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError:
            if number == len(lines):  # no newline after it: its writer was killed while it wrote
                break
            raise BrokenRun(f"{path}:{number}: not a JSON object: {line[:60]!r}") from None
        if not isinstance(value, dict):
            raise BrokenRun(f"{path}:{number}: not a JSON object: {line[:60]!r}")
        objects.append(value)
    return objects


def read_json(path: Path) -> Any:
    """Read a JSON file; None when it does not exist.

    Raises:
        BrokenRun: the file is no JSON.

    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise BrokenRun(f"{path}: not JSON: {error}") from None
