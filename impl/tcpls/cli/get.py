"""``tcpls get``: fetch URLs of one server, each over a stream of its own."""

import asyncio
import time
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Annotated, Any
from urllib.parse import SplitResult, unquote

import typer

from impl.tcpls.api import ClientSession
from impl.tcpls.cli import options, report
from impl.tcpls.cli.client import make_setup
from impl.tcpls.cli.errors import run, say
from impl.tcpls.cli.exchanges import ExchangeFailed, Output, download
from impl.tcpls.cli.transfers import Account, Transfers, transferred
from impl.tcpls.errors import SessionOver, StreamError
from impl.tcpls.joining import JoinMode
from impl.tcpls.paths import Policy
from impl.tls13.cli import session_file
from impl.tls13.cli.errors import EXIT_FAILED, CommandFailed, explain, failed, usage
from impl.tls13.cli.options import key_log as open_key_log
from impl.tls13.cli.urls import HTTPS_PORT, parse_url


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command(
        "get",
        epilog="Examples: tcpls get https://localhost:4433/bytes/1000000000 --ca ca.pem -o /dev/null · "
        "tcpls get https://server.example/a https://server.example/b -o dir --local 192.0.2.1 --local 198.51.100.1 · "
        "tcpls get https://server.example/large -o large --policy backup --migrate-after 50MB -v",
    )(get)


def get(
    urls: Annotated[list[str], typer.Argument(metavar="URL…", help="https://HOST[:PORT]/PATH, all of one server")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE|DIR",
            help="write the body there, not to standard output; for several URLs a folder",
        ),
    ] = None,
    local: options.LocalAddresses = None,
    remote: options.RemoteAddresses = None,
    policy: options.PolicyName = Policy.ALL,
    scheduler: options.SchedulerName = None,
    join: options.Join = JoinMode.DIRECT,
    migrate_after: Annotated[
        str | None,
        typer.Option(
            "--migrate-after",
            metavar="SIZE",
            help="move to the next connection after so many bytes; servers with the scheduler primary-backup follow",
        ),
    ] = None,
    ca: options.CaFile = None,
    insecure: options.Insecure = False,
    session: options.SessionFile = None,
    patience: options.Patience = 10.0,
    fast_open: options.FastOpen = False,
    congestion: options.Congestion = None,
    key_log: options.KeyLog = None,
    qlog: options.Qlog = None,
    json: options.Json = False,
    verbose: options.Verbose = False,
    quiet: options.Quiet = False,
) -> None:
    """Fetch URLs of one server over TCPLS and HTTP/1.1, each over a stream of its own, at the same time.

    A server that does not speak TCPLS is asked over plain TLS 1.3. Tells on standard error how each connection has
    fared. Exit code: 0 all is there, 1 something failed, 2 bad usage, 130 interrupted.
    """
    parts = [parse_url(url) for url in urls]
    host, port = _server(parts, urls)
    setup = make_setup(
        host,
        port,
        ca=ca,
        insecure=insecure,
        local=local,
        remote=remote,
        policy=policy,
        scheduler=scheduler,
        join=join,
        one_at_a_time=migrate_after is not None,
        fast_open=fast_open,
        congestion=congestion,
        patience=patience,
        session=session_file.load(session),
        qlog=qlog,
    )
    account = Account(
        session=session,
        migrate_after=None if migrate_after is None else options.size(migrate_after, "--migrate-after"),
        verbose=verbose,
        quiet=quiet,
        json=json,
    )
    if json and output is None:
        raise usage("--json: standard output is for the result; say with --output FILE where the body goes")
    jobs = [Job(url, part, file) for url, part, file in zip(urls, parts, _files(parts, output), strict=True)]
    with open_key_log(key_log) as log:
        run(_Fetch(Transfers(replace(setup, key_log=log), account), jobs).run())


@dataclass
class Job:
    """One URL.

    Attributes:
        url: as it was given.
        parts: of it.
        output: file for the body; None for standard output.
        status: of the response.
        size: of the body, so far.
        seconds: how long it took.
        error: why there is no body, or not all of it.
        done: whether it was tried to the end.

    """

    url: str
    parts: SplitResult
    output: Path | None
    status: int | None = None
    size: int = 0
    seconds: float = 0.0
    error: str | None = None
    done: bool = False

    def result(self) -> dict[str, Any]:
        """For programs."""
        return {
            "url": self.url,
            "file": str(self.output) if self.output is not None else None,
            "status": self.status,
            "size": self.size,
            "seconds": round(self.seconds, 6),
            "rate": round(self.size / self.seconds) if self.seconds else None,
            "error": self.error,
        }


class _Fetch:
    """All URLs of the command."""

    def __init__(self, transfers: Transfers, jobs: list[Job]) -> None:
        self._transfers = transfers
        self._jobs = jobs

    async def run(self) -> None:
        """Fetch them; CommandFailed says what went wrong."""
        account = self._transfers.account
        shown = not account.quiet and not account.json and all(job.output is not None for job in self._jobs)
        try:
            with report.display(wanted=shown) as display:
                while waiting := [job for job in self._jobs if not job.done]:
                    await self._session(waiting, display)
        finally:
            self._transfers.tell()
        if account.json:
            self._transfers.print_json([job.result() for job in self._jobs])
        self._tell()

    async def _session(self, waiting: list[Job], display: report.Display) -> None:
        async with self._transfers.session() as (session, progress):
            # Plain TLS has a single stream; a session for each URL, then.
            jobs = waiting if self._transfers.tcpls else waiting[:1]
            tasks = [asyncio.ensure_future(self._one(session, job, display, progress)) for job in jobs]
            try:
                await asyncio.gather(*tasks)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _one(self, session: ClientSession, job: Job, display: report.Display, progress: Any) -> None:
        begin = time.monotonic()
        number = display.begin(job.parts.path or "/", None)

        def advance(count: int) -> None:
            job.size += count
            display.advance(number, count)
            progress(count)

        try:
            with Output(job.output) as output:
                answer = await download(
                    session.open_stream(),
                    job.parts,
                    output,
                    started=lambda total: display.resize(number, total),
                    progress=advance,
                )
            job.status = answer.status
        except (ExchangeFailed, SessionOver, StreamError) as error:
            job.error = str(error)
            display.drop(number)
        finally:
            job.done = True
            job.seconds = time.monotonic() - begin

    def _tell(self) -> None:
        place, account = self._transfers.setup.place, self._transfers.account
        bad = [job for job in self._jobs if job.error is not None]
        if not account.quiet and not account.json:
            for job in self._jobs:
                if job.error is None and job.output is not None:
                    say(transferred(str(job.output), job.size, job.seconds))
        if len(self._jobs) == 1 and bad:
            raise failed(place, bad[0].error or "")
        for job in bad:
            say(f"{job.url}: {job.error}")
        if bad:
            raise CommandFailed(EXIT_FAILED, f"{place}: {len(bad)} of {len(self._jobs)} transfers have failed")


def _server(parts: list[SplitResult], urls: list[str]) -> tuple[str, int]:
    """The one server of all URLs."""
    servers = [(part.hostname or "", part.port or HTTPS_PORT) for part in parts]
    for server, url in zip(servers, urls, strict=True):
        if server != servers[0]:
            raise usage(f"{url!r} is of another server than {urls[0]!r}: a session is with one server")
    return servers[0]


def _files(parts: list[SplitResult], output: Path | None) -> list[Path | None]:
    """Where the bodies go."""
    if output is None:
        if len(parts) > 1:
            raise usage("several URLs: say with --output DIR in which folder they go")
        return [None]
    if len(parts) == 1 and not output.is_dir():
        return [output]
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise usage(f"--output: {output}: {explain(error)}; several URLs need a folder") from None
    files: list[Path | None] = []
    for part in parts:
        name = PurePosixPath(unquote(part.path)).name.replace("\0", "") or "index.html"
        name = "index.html" if name == ".." else name
        file, number = output / name, 1
        while file in files:
            file, number = output / f"{name}.{number}", number + 1
        files.append(file)
    return files
