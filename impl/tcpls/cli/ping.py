"""``tcpls ping``: round trips on every connection of a session, by TCPLS's Ping frames."""

import asyncio
import signal
import statistics
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Final

import typer
from rich.text import Text

from impl.tcpls.api import ClientSession
from impl.tcpls.cli import options, report, units
from impl.tcpls.cli.client import Setup, make_setup, open_session
from impl.tcpls.cli.errors import run
from impl.tcpls.cli.recorder import Moment, Recorder
from impl.tcpls.errors import SessionOver, StreamError
from impl.tcpls.joining import JoinMode
from impl.tcpls.paths import Policy
from impl.tls13.cli.errors import EXIT_FAILED, CommandFailed, failed, usage
from impl.tls13.cli.options import address
from impl.tls13.cli.options import key_log as open_key_log

_SHOWN: Final = ("joined", "suspected", "recovered", "failed", "closed")
_LAST_WAIT: Final = 1.0
"""Seconds for answers after the last Ping, if none took longer before."""


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command(
        "ping",
        epilog="Examples: tcpls ping localhost --ca ca.pem · tcpls ping server.example:443 -c 10 -i 0.2 · "
        "tcpls ping 192.0.2.1 --remote 198.51.100.1 --insecure",
    )(ping)


def ping(
    server: Annotated[str, typer.Argument(metavar="HOST[:PORT]", help=f"port {options.PORT} when absent")],
    count: Annotated[
        int | None,
        typer.Option("--count", "-c", metavar="N", min=1, help="Pings on each connection; no end when absent"),
    ] = None,
    interval: Annotated[
        float, typer.Option("--interval", "-i", metavar="S", min=0.001, help="seconds between them")
    ] = 1.0,
    local: options.LocalAddresses = None,
    remote: options.RemoteAddresses = None,
    policy: options.PolicyName = Policy.ALL,
    join: options.Join = JoinMode.DIRECT,
    ca: options.CaFile = None,
    insecure: options.Insecure = False,
    patience: options.Patience = 10.0,
    congestion: options.Congestion = None,
    key_log: options.KeyLog = None,
    qlog: options.Qlog = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="print the statistics only")] = False,
) -> None:
    """Measure round trips on every connection of a session: the time until the peer has acknowledged a Ping frame.

    Tells of connections that come and go meanwhile. Ctrl-C ends it. Exit code: 0 something was answered, 1 nothing
    was, or there is no session, 2 bad usage.
    """
    host, port = parse_server(server)
    setup = make_setup(
        host,
        port,
        ca=ca,
        insecure=insecure,
        local=local,
        remote=remote,
        policy=policy,
        scheduler=None,
        join=join,
        congestion=congestion,
        patience=patience,
        qlog=qlog,
    )
    with open_key_log(key_log) as log:
        run(_Pinging(replace(setup, key_log=log), count, interval, quiet=quiet).run())


def parse_server(text: str) -> tuple[str, int]:
    """Read HOST[:PORT]."""
    bare = text.count(":") > 1 and not text.startswith("[")
    if bare or ":" not in text.rpartition("]")[2]:
        host = text.removeprefix("[").removesuffix("]")
        if not host:
            raise usage(f"{text!r} is not HOST or HOST:PORT")
        return host, options.PORT
    return address(text, "HOST")


@dataclass(slots=True)
class Tally:
    """The Pings of one connection.

    Attributes:
        sent: how many.
        times: seconds of those that were answered.

    """

    sent: int = 0
    times: list[float] = field(default_factory=list)


class _Pinging:
    """One run of the command."""

    def __init__(self, setup: Setup, count: int | None, interval: float, *, quiet: bool) -> None:
        self._setup = setup
        self._count = count
        self._interval = interval
        self._quiet = quiet
        self._tallies: dict[int, Tally] = {}
        self._console = report.console()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Ping until there were enough, or somebody has enough; CommandFailed if nothing was answered."""
        stop = asyncio.Event()
        recorder = Recorder(on_moment=self._moment)
        trouble = ""
        async with open_session(self._setup, recorder) as session:
            if not session.core.tcpls:
                raise failed(self._setup.place, "speaks plain TLS, which has no Ping")
            asyncio.get_running_loop().add_signal_handler(signal.SIGINT, stop.set)
            handshake = report.handshake_line(session.get_extra_info("handshake"), tcpls=True)
            self._print(f"ping {self._setup.place}: {handshake}")
            for number, seen in list(recorder.connections.items()):
                self._print(f"connection {number}: {seen.path}")
            ended = asyncio.ensure_future(session.wait_closed())
            stopped = asyncio.ensure_future(stop.wait())
            try:
                await self._rounds(session, {ended, stopped})
                if session.core.ended is not None:
                    trouble = session.core.ended.reason
            finally:
                for task in (ended, stopped, *self._tasks):
                    task.cancel()
                await asyncio.gather(ended, stopped, *self._tasks, return_exceptions=True)
            recorder.on_moment = None  # the end is no news
            states = {number: seen.state for number, seen in recorder.connections.items()}
        self._summarize(recorder, states)
        if trouble:
            raise failed(self._setup.place, f"the session is over: {trouble}")
        if not any(tally.times for tally in self._tallies.values()):
            raise CommandFailed(EXIT_FAILED, f"{self._setup.place}: nothing was answered")

    async def _rounds(self, session: ClientSession, enough: set[asyncio.Future[Any]]) -> None:
        loop = asyncio.get_running_loop()
        due, number = loop.time(), 0
        while self._count is None or number < self._count:
            number += 1
            for connection in sorted(session.core.connections.values(), key=lambda c: c.id):
                if connection.usable or connection.suspect:
                    task = loop.create_task(self._one(session, connection.id, number))
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)
            due += self._interval
            if number != self._count:
                await asyncio.wait(enough, timeout=max(0.0, due - loop.time()), return_when=asyncio.FIRST_COMPLETED)
            if any(future.done() for future in enough):
                return
        if self._tasks:
            longest = max((time for tally in self._tallies.values() for time in tally.times), default=0.0)
            waiting: asyncio.Future[Any] = asyncio.ensure_future(asyncio.wait(self._tasks))
            await asyncio.wait(
                {waiting, *enough}, timeout=max(_LAST_WAIT, 3 * longest), return_when=asyncio.FIRST_COMPLETED
            )
            waiting.cancel()

    async def _one(self, session: ClientSession, connection_id: int, number: int) -> None:
        tally = self._tallies.setdefault(connection_id, Tally())
        try:
            answer = session.ping(connection_id)
            tally.sent += 1
            seconds = await answer
        except (SessionOver, StreamError):
            return
        tally.times.append(seconds)
        self._print(f"connection {connection_id}: seq={number} time={units.seconds(seconds)}")

    def _moment(self, moment: Moment) -> None:
        if moment.what in _SHOWN:
            self._print(str(moment), style="" if moment.what in ("joined", "recovered") else "yellow")

    def _print(self, line: str, style: str = "") -> None:
        if not self._quiet:
            self._console.print(Text(line, style=style), soft_wrap=True)

    def _summarize(self, recorder: Recorder, states: dict[int, str]) -> None:
        shown = report.table("#", "path", "state", "sent", "lost", "min", "avg", "max", "mdev", right=range(3, 9))
        for number, tally in sorted(self._tallies.items()):
            times = tally.times
            lost = 1 - len(times) / tally.sent if tally.sent else 0.0
            figures = (min(times), statistics.fmean(times), max(times), statistics.pstdev(times)) if times else ()
            shown.add_row(
                str(number),
                recorder.connections[number].path,
                states[number],
                str(tally.sent),
                f"{lost:.0%}",
                *([units.seconds(figure) for figure in figures] or 4 * ["–"]),
            )
        if not self._quiet:
            self._console.print()
        self._console.print(shown)
