"""``tcpls put``: upload a file, and see that the server has the same."""

import os
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import SplitResult, quote

import typer

from impl.tcpls.cli import options, report
from impl.tcpls.cli.client import make_setup
from impl.tcpls.cli.errors import run, say
from impl.tcpls.cli.exchanges import ExchangeFailed, Source, Uploaded, upload
from impl.tcpls.cli.transfers import Account, Transfers, transferred
from impl.tcpls.errors import SessionOver, StreamError
from impl.tcpls.joining import JoinMode
from impl.tcpls.paths import Policy
from impl.tls13.cli import session_file
from impl.tls13.cli.errors import explain, failed, usage
from impl.tls13.cli.options import key_log as open_key_log
from impl.tls13.cli.urls import HTTPS_PORT, parse_url

_STANDARD_INPUT: Final = "-"


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command(
        "put",
        epilog="Examples: tcpls put image.iso https://server.example:4433/ --ca ca.pem · "
        "tar c folder | tcpls put - https://server.example:4433/folder.tar --local 192.0.2.1 --local 198.51.100.1",
    )(put)


def put(
    file: Annotated[str, typer.Argument(metavar="FILE", help="what to upload; - for standard input")],
    url: Annotated[
        str,
        typer.Argument(metavar="URL", help="https://HOST[:PORT]/PATH; a / at its end is followed by the file's name"),
    ],
    local: options.LocalAddresses = None,
    remote: options.RemoteAddresses = None,
    policy: options.PolicyName = Policy.ALL,
    scheduler: options.SchedulerName = None,
    join: options.Join = JoinMode.DIRECT,
    migrate_after: Annotated[
        str | None,
        typer.Option("--migrate-after", metavar="SIZE", help="move to the next connection after so many bytes"),
    ] = None,
    record_size: options.RecordSize = "16384",
    padding: options.Padding = "none",
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
    """Upload a file over TCPLS and HTTP/1.1 (PUT), and compare the SHA-256 that the server answers.

    A server that does not speak TCPLS is asked over plain TLS 1.3. Tells on standard error how each connection has
    fared. Exit code: 0 the server has it, 1 something failed, 2 bad usage, 130 interrupted.
    """
    parts = _named(parse_url(url), url, file)
    setup = make_setup(
        parts.hostname or "",
        parts.port or HTTPS_PORT,
        ca=ca,
        insecure=insecure,
        local=local,
        remote=remote,
        policy=policy,
        scheduler=scheduler,
        join=join,
        one_at_a_time=migrate_after is not None,
        record_size=record_size,
        padding=padding,
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
    with _opened(file) as source, open_key_log(key_log) as log:
        run(_put(Transfers(replace(setup, key_log=log), account), parts, source))


async def _put(transfers: Transfers, url: SplitResult, source: Source) -> None:
    account = transfers.account
    begin, size = time.monotonic(), 0
    uploaded: Uploaded | None = None
    trouble = ""
    try:
        with report.display(wanted=not account.quiet and not account.json) as display:
            async with transfers.session() as (session, progress):
                number = display.begin(source.name, source.size)

                def advance(count: int) -> None:
                    nonlocal size
                    size += count
                    display.advance(number, count)
                    progress(count)

                begin = time.monotonic()
                try:
                    uploaded = await upload(session.open_stream(), url, source, progress=advance)
                except (ExchangeFailed, SessionOver, StreamError) as error:
                    trouble = str(error)
                    display.drop(number)
                seconds = time.monotonic() - begin
    finally:
        transfers.tell()
    if account.json:
        transfers.print_json(
            [
                {
                    "url": url.geturl(),
                    "file": source.name,
                    "status": uploaded.status if uploaded is not None else None,
                    "size": size,
                    "seconds": round(seconds, 6),
                    "rate": round(size / seconds) if seconds else None,
                    "sha256": uploaded.digest if uploaded is not None else None,
                    "verified": uploaded is not None and uploaded.verified,
                    "error": trouble or None,
                }
            ]
        )
    if uploaded is None:
        raise failed(transfers.setup.place, trouble)
    if not account.quiet and not account.json:
        says = "the server has the same" if uploaded.verified else "not compared: the server tells none"
        say(f"{transferred(source.name, size, seconds)}; SHA-256 {uploaded.digest}, {says}")


def _named(parts: SplitResult, url: str, file: str) -> SplitResult:
    """The URL with the file's name, if it ends with a slash."""
    if parts.path and not parts.path.endswith("/"):
        return parts
    if file == _STANDARD_INPUT:
        raise usage(f"{url!r}: standard input has no name: give the URL one")
    return parts._replace(path=(parts.path or "/") + quote(Path(file).name))


@contextmanager
def _opened(file: str) -> Iterator[Source]:
    if file == _STANDARD_INPUT:
        yield Source(sys.stdin.buffer, "standard input", None)
        return
    with ExitStack() as files:
        try:
            opened = files.enter_context(Path(file).open("rb"))
        except OSError as error:
            raise usage(f"{file}: {explain(error)}") from None
        kind = os.fstat(opened.fileno())
        yield Source(opened, file, kind.st_size if stat.S_ISREG(kind.st_mode) else None)
