"""``tls get``: fetch a URL and show the body, and on request what was negotiated."""

import asyncio
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, BinaryIO, Final

import typer
from rich.console import Console
from rich.table import Table

from impl.tls13.cli import options, session_file
from impl.tls13.cli.errors import ReaderLeft, connection_failed, explain, failed, usage
from impl.tls13.cli.urls import HTTPS_PORT, parse_url, request_head
from impl.tls13.config import ClientConfig
from impl.tls13.events import HandshakeCompleted
from impl.tls13.http import BadMessage, Response, read_body, read_response
from impl.tls13.sessions import Session
from impl.tls13.streams import connect

_PROTOCOL: Final = "http/1.1"
_TICKET_WAIT: Final = 1.0  # seconds
_CLOSE_LIMIT: Final = 1.0


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command(
        "get",
        epilog="Examples: tls get https://example.org/ -v · "
        "tls get https://localhost:4433/bytes/1000000 --cafile ca.pem --output data · "
        "tls get https://example.org/ --session example.session --early-data -v",
    )(get)


@dataclass(frozen=True)
class Job:
    """What is to be done.

    Attributes:
        address: host and port to connect to.
        place: the same for messages.
        config: of the client.
        request: the whole of it.
        early_data: the request may go as early data.
        key_update: ask for new keys before the request.
        session: file for the next connection's session.
        output: file for the body; None for standard output.
        verbose: tell what was negotiated.

    """

    address: tuple[str, int]
    place: str
    config: ClientConfig
    request: bytes
    early_data: bool
    key_update: bool
    session: Path | None
    output: Path | None
    verbose: bool


def get(
    url: Annotated[str, typer.Argument(metavar="URL", help="https://HOST[:PORT]/PATH")],
    cafile: Annotated[
        Path | None, typer.Option(metavar="FILE", help="authorities to believe (PEM); the system's when absent")
    ] = None,
    insecure: Annotated[bool, typer.Option("--insecure", help="believe any server")] = False,
    cert: options.CertificateFile = None,
    key: options.KeyFile = None,
    suite: options.Suites = None,
    group: options.Groups = None,
    alpn: options.Protocols = None,
    session: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="resume the session in it, if there is one, and keep the next one"),
    ] = None,
    early_data: Annotated[
        bool, typer.Option("--early-data", help="send the request at once if the session allows; it may be replayed")
    ] = False,
    key_update: Annotated[
        bool, typer.Option("--key-update", help="change keys, both ways, after the handshake")
    ] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="write the body there, not to standard output")
    ] = None,
    connect_to: Annotated[
        str | None, typer.Option("--connect", metavar="HOST:PORT", help="connect there, whatever the URL says")
    ] = None,
    verbose: options.Verbose = False,
) -> None:
    """Fetch a URL over TLS 1.3 and HTTP/1.1.

    Secrets are appended to the file that SSLKEYLOGFILE names. Exit code: 0 the body is there, 1 TLS or HTTP failed, or
    the answer's status is 300 or more, 2 bad usage.
    """
    parts = parse_url(url)
    host = parts.hostname or ""
    if early_data and session is None:
        raise usage(
            "--early-data: needs --session FILE: what may be sent early is part of an earlier connection's session"
        )
    if insecure and cafile is not None:
        raise usage("--insecure: believes everybody, and --cafile does not; leave one of them out")
    place = (host, parts.port or HTTPS_PORT) if connect_to is None else options.address(connect_to, "--connect")
    config = ClientConfig(
        server_name=host,
        trust=None if insecure else options.trust_store(cafile),
        verify=not insecure,
        credentials=options.credentials(cert, key),
        cipher_suites=options.suites(suite),
        groups=options.groups(group),
        alpn_protocols=options.protocols(alpn or [_PROTOCOL]),
        session=session_file.load(session),
        early_data=early_data,
    )
    job = Job(
        address=place,
        place=options.show_address(*place),
        config=config,
        request=request_head("GET", parts),
        early_data=early_data,
        key_update=key_update,
        session=session,
        output=output,
        verbose=verbose,
    )
    with options.key_log() as log:
        asyncio.run(_Fetch(job, log).run())


class _Fetch:
    """One GET: the connection, the answer, and the times."""

    def __init__(self, job: Job, key_log: Callable[[str], None] | None) -> None:
        self._job = job
        self._key_log = key_log
        self._new_session: Session | None = None
        self._times: dict[str, float] = {}
        self._began = time.monotonic()

    async def run(self) -> None:
        """Do it all; CommandFailed says what went wrong."""
        job = self._job
        try:
            reader, writer = await connect(
                *job.address,
                job.config,
                early_data=job.request if job.early_data else b"",
                on_session=self._keep,
                key_log=self._key_log,
                close_limit=_CLOSE_LIMIT,
            )
        except OSError as error:
            raise connection_failed(job.place, error) from None
        self._times["handshake"] = writer.get_extra_info("handshake_seconds")
        self._note("connected")
        try:
            response = await self._exchange(reader, writer)
            if job.session is not None and self._new_session is None:
                with suppress(OSError, TimeoutError):  # a server may answer early data before it sends a ticket
                    await asyncio.wait_for(reader.read(), _TICKET_WAIT)
        except BadMessage as error:
            raise failed(job.place, error.reason) from None
        except OSError as error:
            raise connection_failed(job.place, error) from None
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
        self._note("all")
        if job.session is not None and self._new_session is not None:
            session_file.store(self._new_session, job.session)
        if job.verbose:
            self._summarize(writer.get_extra_info("handshake"), response)
        if response.status >= 300:
            target = f", and says to go to {response.fields['location']}" if "location" in response.fields else ""
            raise failed(job.place, f"the server answers {response.status} {response.reason}".rstrip() + target)

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Response:
        job = self._job
        if job.key_update:
            writer.get_extra_info("tls").update_keys(request_peer=True)
        if not job.early_data:
            writer.write(job.request)
        writer.write(b"")
        await writer.drain()
        response = await read_response(reader)
        self._note("first byte")
        with ExitStack() as files:
            out = _Output(job.output, files)
            async for piece in read_body(reader, response):
                out.write(piece)
        return response

    def _keep(self, session: Session) -> None:
        self._new_session = session

    def _note(self, moment: str) -> None:
        self._times[moment] = time.monotonic() - self._began

    def _summarize(self, handshake: HandshakeCompleted, response: Response) -> None:
        console = Console(stderr=True, highlight=False, markup=False)
        table = Table.grid(padding=(0, 2))
        table.add_row("cipher suite", handshake.cipher_suite)
        table.add_row("group", handshake.group.name)
        table.add_row("resumed", "yes" if handshake.resumed else "no")
        table.add_row("early data", self._early_data(handshake))
        protocol = handshake.alpn_protocol
        table.add_row("application protocol", protocol.decode("ascii", "replace") if protocol else "none agreed upon")
        if handshake.hello_retry_request:
            table.add_row("round trips", "one more, for HelloRetryRequest")
        for i, certificate in enumerate(handshake.peer_chain):
            table.add_row("" if i else "chain", certificate.subject.rfc4514_string() or "no name")
        for moment, seconds in self._times.items():
            table.add_row(moment, f"{seconds * 1000:.1f} ms")
        table.add_row("answer", f"{response.status} {response.reason}".rstrip())
        console.print(table)

    def _early_data(self, handshake: HandshakeCompleted) -> str:
        if not self._job.early_data:
            return "none"
        return "accepted" if handshake.early_data_accepted else "not accepted, sent after the handshake"


class _Output:
    """Where the body goes."""

    def __init__(self, path: Path | None, files: ExitStack) -> None:
        self._name = "standard output" if path is None else str(path)
        try:
            self._file: BinaryIO = sys.stdout.buffer if path is None else files.enter_context(path.open("wb"))
        except OSError as error:
            raise usage(f"--output: {path}: {explain(error)}") from None

    def write(self, piece: bytes) -> None:
        try:
            self._file.write(piece)
        except BrokenPipeError:
            raise ReaderLeft from None
        except OSError as error:
            raise failed(self._name, explain(error)) from None
