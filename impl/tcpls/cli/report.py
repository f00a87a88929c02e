"""What the commands show: connections, a timeline, progress; and the same for programs."""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, Protocol

from rich import box
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from impl.tcpls.cli import units
from impl.tcpls.cli.recorder import Moment, Row
from impl.tls13.events import HandshakeCompleted

_WIDTH: Final = 160
"""Columns where there is no terminal: whoever reads it there shall not have lines broken."""
_COLOURS: Final = {"open": "green", "suspect": "yellow", "failed": "red"}


def console(*, stderr: bool = False) -> Console:
    """Where tables are printed."""
    terminal = (sys.stderr if stderr else sys.stdout).isatty()
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False, width=None if terminal else _WIDTH)


def table(*headings: str, right: Iterable[int] = ()) -> Table:
    """A table as all of them look.

    Args:
        headings: of its columns.
        right: the numbers of those columns that are flush right.

    """
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    flush = set(right)
    for number, heading in enumerate(headings):
        made.add_column(heading, justify="right" if number in flush else "left", overflow="fold")
    return made


def connections_table(rows: Sequence[Row]) -> Table:
    """A line for each connection."""
    shown = table("#", "path", "state", "sent", "received", "share", "RTT", "rate", right=(3, 4, 5, 6, 7))
    for row in rows:
        shown.add_row(
            str(row.connection_id),
            row.path,
            Text(row.state, style=_COLOURS.get(row.state, "")),
            units.size(row.sent),
            units.size(row.received),
            f"{row.share:.0%}",
            "–" if row.srtt is None else units.seconds(row.srtt),
            units.rate(row.rate),
        )
    return shown


def troubles(rows: Iterable[Row], unreached: Iterable[tuple[str, str]]) -> list[Text]:
    """What to say below that table: why connections have failed, and where there are none."""
    lines = [f"connection {row.connection_id} has failed: {row.reason}" for row in rows if row.state == "failed"]
    lines += [f"{path}: no connection: {reason}" for path, reason in unreached]
    return [Text(line, style="red") for line in lines]


def timeline_table(moments: Iterable[Moment]) -> Table:
    """What has happened, and when."""
    shown = table("time", "", "", right=(0,))
    shown.show_header = False
    for moment in moments:
        place = "session" if moment.connection is None else f"connection {moment.connection}"
        shown.add_row(
            f"{moment.seconds * 1000:.1f} ms", place, moment.what + (f": {moment.text}" if moment.text else "")
        )
    return shown


def handshake_line(handshake: HandshakeCompleted, *, tcpls: bool) -> str:
    """How a session began, in one line."""
    what = "TCPLS" if tcpls else "plain TLS 1.3"
    return f"{what}, {handshake.cipher_suite}, {handshake.group.name}{', resumed' if handshake.resumed else ''}"


def handshake_json(handshake: HandshakeCompleted, *, tcpls: bool) -> dict[str, Any]:
    """The same for programs."""
    protocol = handshake.alpn_protocol
    return {
        "tcpls": tcpls,
        "cipher_suite": handshake.cipher_suite,
        "group": handshake.group.name,
        "resumed": handshake.resumed,
        "application_protocol": protocol.decode("ascii", "replace") if protocol else None,
    }


def rows_json(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Connections for programs; sizes in bytes, times in seconds, rates in bytes per second."""
    return [
        {
            "connection": row.connection_id,
            "local": row.local,
            "remote": row.remote,
            "state": row.state,
            "reason": row.reason or None,
            "sent": row.sent,
            "received": row.received,
            "duplicate": row.duplicate,
            "share": round(row.share, 4),
            "rtt": row.srtt,
            "rate": round(row.rate),
        }
        for row in rows
    ]


def moments_json(moments: Iterable[Moment]) -> list[dict[str, Any]]:
    """A timeline for programs."""
    return [
        {"seconds": round(m.seconds, 6), "what": m.what, "connection": m.connection, "text": m.text or None}
        for m in moments
    ]


def print_json(result: Any) -> None:
    """Print a result for programs."""
    print(json.dumps(result, indent=2, ensure_ascii=False))


class Display(Protocol):
    """Shows how transfers go on."""

    def begin(self, name: str, total: int | None) -> int:
        """A transfer begins; its number."""

    def resize(self, number: int, total: int | None) -> None:
        """How many bytes it has is known, or that it is not known."""

    def advance(self, number: int, count: int) -> None:
        """So many more bytes of it are there."""

    def drop(self, number: int) -> None:
        """It has failed."""


class NoDisplay:
    """Shows nothing."""

    def begin(self, name: str, total: int | None) -> int:
        """Nothing."""
        return 0

    def resize(self, number: int, total: int | None) -> None:
        """Nothing."""

    def advance(self, number: int, count: int) -> None:
        """Nothing."""

    def drop(self, number: int) -> None:
        """Nothing."""


class Bars:
    """A bar for each transfer."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def begin(self, name: str, total: int | None) -> int:
        """A new bar."""
        return int(self._progress.add_task(name, total=total))

    def resize(self, number: int, total: int | None) -> None:
        """The bar's length."""
        self._progress.update(TaskID(number), total=total)

    def advance(self, number: int, count: int) -> None:
        """The bar grows."""
        self._progress.advance(TaskID(number), count)

    def drop(self, number: int) -> None:
        """The bar goes."""
        self._progress.remove_task(TaskID(number))


class _SizeColumn(ProgressColumn):
    def render(self, task: Task) -> Text:
        total = "" if task.total is None else f" of {units.size(int(task.total))}"
        return Text(f"{units.size(int(task.completed))}{total}")


class _RateColumn(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else units.rate(speed), style="cyan")


@contextmanager
def display(*, wanted: bool) -> Iterator[Display]:
    """Bars on standard error, if that is a terminal and they are wanted."""
    if not wanted or not sys.stderr.isatty():
        yield NoDisplay()
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        _SizeColumn(),
        _RateColumn(),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=console(stderr=True)) as progress:
        yield Bars(progress)
