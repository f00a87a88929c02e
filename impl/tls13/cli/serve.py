"""``tls serve``: a small HTTPS server that tells what was negotiated."""

import asyncio
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from impl.tls13.anti_replay import ReplayGuard
from impl.tls13.certificates.credentials import Credentials
from impl.tls13.cli import options, site
from impl.tls13.cli.errors import explain, usage
from impl.tls13.cli.own_certificate import make_certificate
from impl.tls13.config import ClientAuthentication, ServerConfig
from impl.tls13.events import HandshakeCompleted
from impl.tls13.http import BadMessage, Request, read_request
from impl.tls13.streams import serve as serve_streams
from impl.tls13.tickets import TicketProtection

_IDLE_LIMIT: Final = 60.0  # seconds that a connection waits for a request
_CLOSE_LIMIT: Final = 1.0
_DEFAULT: Final = "localhost:4433"


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command(
        "serve",
        epilog="Examples: tls serve -v · tls serve --listen 0.0.0.0:443 --cert chain.pem --key key.pem --root public · "
        "tls serve --cafile clients.pem --client-auth required",
    )(serve)


def serve(
    listen: Annotated[
        list[str] | None, typer.Option(metavar="HOST:PORT", help=f"where; may be repeated; {_DEFAULT} when absent")
    ] = None,
    cert: options.CertificateFile = None,
    key: options.KeyFile = None,
    cafile: Annotated[Path | None, typer.Option(metavar="FILE", help="authorities of clients (PEM)")] = None,
    client_auth: Annotated[
        ClientAuthentication, typer.Option("--client-auth", help="ask clients for a certificate")
    ] = ClientAuthentication.NONE,
    early_data: Annotated[
        int, typer.Option("--early-data", metavar="BYTES", min=0, max=2**32 - 1, help="early data that tickets allow")
    ] = 0,
    root: Annotated[Path | None, typer.Option(metavar="DIR", help="serve the files below it")] = None,
    suite: options.Suites = None,
    group: options.Groups = None,
    alpn: options.Protocols = None,
    verbose: options.Verbose = False,
) -> None:
    """Serve HTTPS over TLS 1.3: / tells what was negotiated, /bytes/N gives N pseudo-random bytes.

    Without --cert and --key the certificate is made at once, and is good for this run. Secrets are appended to the file
    that SSLKEYLOGFILE names. Ends with SIGINT or SIGTERM. Exit code: 0 stopped, 2 bad usage.
    """
    addresses = [options.address(text, "--listen") for text in listen or [_DEFAULT]]
    if client_auth is not ClientAuthentication.NONE and cafile is None:
        raise usage("--client-auth: needs --cafile FILE, the authorities whose certificates clients may show")
    if root is not None and not root.is_dir():
        raise usage(f"--root: {root} is not a folder")
    own = options.credentials(cert, key)
    config = ServerConfig(
        credentials=(own or _made(addresses),),
        cipher_suites=options.suites(suite),
        groups=options.groups(group),
        alpn_protocols=options.protocols(alpn),
        trust=None if cafile is None else options.trust_store(cafile),
        client_authentication=client_auth,
        tickets=TicketProtection(),
        max_early_data=early_data,
        replay_guard=ReplayGuard() if early_data else None,
    )
    with options.key_log() as log:
        asyncio.run(_Service(config, root, log, verbose=verbose).run(addresses))


def _made(addresses: list[tuple[str, int]]) -> Credentials:
    credentials, what = make_certificate(host for host, _ in addresses)
    _say(what)
    return credentials


@dataclass(frozen=True, slots=True)
class _Connection:
    """What a handler needs to know of its connection."""

    writer: asyncio.StreamWriter
    peer: str

    @property
    def handshake(self) -> HandshakeCompleted | None:
        found: HandshakeCompleted | None = self.writer.get_extra_info("handshake")
        return found

    def page(self) -> str:
        return site.negotiated(self.writer.get_extra_info("tls"), self.handshake, self.peer)


class _Service:
    """The server: its connections, and its end."""

    def __init__(
        self, config: ServerConfig, root: Path | None, key_log: Callable[[str], None] | None, *, verbose: bool
    ) -> None:
        self._config = config
        self._root = root
        self._key_log = key_log
        self._verbose = verbose
        self._tasks: set[asyncio.Task[Any]] = set()

    async def run(self, addresses: list[tuple[str, int]]) -> None:
        """Serve until a signal comes."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        servers: list[asyncio.Server] = []
        try:
            for host, port in addresses:
                servers.append(await self._listen(host, port))
            for server in servers:
                for listening in server.sockets:
                    _say(f"listening on {_peer(listening.getsockname())}")
            await stop.wait()
        finally:
            for server in servers:
                server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            for server in servers:
                await server.wait_closed()

    async def _listen(self, host: str, port: int) -> asyncio.Server:
        try:
            return await serve_streams(
                self._handle,
                host,
                port,
                self._config,
                key_log=self._key_log,
                on_failure=self._report,
                close_limit=_CLOSE_LIMIT,
            )
        except OSError as error:
            raise usage(f"--listen: {options.show_address(host, port)}: {explain(error)}") from None

    def _report(self, error: Exception, peer: Any) -> None:
        if self._verbose:
            _say(f"{_peer(peer)}: {error}")

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        connection = _Connection(writer, _peer(writer.get_extra_info("peername")))
        try:
            while await self._serve_one(reader, connection):
                pass
        except asyncio.CancelledError:
            pass  # the service stops
        except OSError:
            pass  # the connection failed, which _report tells, or was idle for too long
        finally:
            writer.close()
            with suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()
            self._tasks.discard(task)

    async def _serve_one(self, reader: asyncio.StreamReader, connection: _Connection) -> bool:
        """Answer one request; whether another one may follow."""
        request: Request | None = None
        try:
            async with asyncio.timeout(_IDLE_LIMIT):
                request = await read_request(reader)
            if request is None:
                return False
            answer = site.answer(request, connection.page(), self._root)
        except BadMessage as error:
            answer = site.text(error.status, error.reason)
        keep_alive = request is not None and request.keep_alive and answer.status != HTTPStatus.METHOD_NOT_ALLOWED
        writer = connection.writer
        if self._verbose:
            self._tell(connection, request, answer.status)
        writer.write(answer.head(keep_alive=keep_alive, now=time.time()))
        if request is None or request.method != "HEAD":
            for piece in answer.body:
                writer.write(piece)
                await writer.drain()
        await writer.drain()
        return keep_alive

    def _tell(self, connection: _Connection, request: Request | None, status: HTTPStatus) -> None:
        what = "a request that is none" if request is None else f"{request.method} {request.target}"
        handshake = connection.handshake
        how = "in early data"
        if handshake is not None:
            how = f"{handshake.cipher_suite}, {handshake.group.name}{', resumed' if handshake.resumed else ''}"
        _say(f"{connection.peer}: {what}: {status.value} ({how})")


def _peer(name: Any) -> str:
    return options.show_address(name[0], name[1]) if isinstance(name, tuple) else str(name)


def _say(line: str) -> None:
    print(f"tls: {line}", file=sys.stderr, flush=True)
