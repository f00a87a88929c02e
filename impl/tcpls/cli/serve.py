"""``tcpls serve``: files and test data over TCPLS, and over plain TLS for clients that do not know it."""

import asyncio
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from cryptography.hazmat.primitives.serialization import Encoding

from impl.tcpls.api import Hooks, Refused, Server, Session
from impl.tcpls.api import serve as serve_sessions
from impl.tcpls.cli import options, units
from impl.tcpls.cli.errors import run, say
from impl.tcpls.cli.recorder import Recorder
from impl.tcpls.cli.site import Site, Tally, Visitor
from impl.tcpls.cli.tracing import make_trace, trace_folder
from impl.tcpls.settings import Settings
from impl.tcpls.sockets import SocketError, fast_open_setting, resolve
from impl.tls13.certificates.credentials import Credentials
from impl.tls13.cli.errors import explain, failed, usage
from impl.tls13.cli.options import credentials
from impl.tls13.cli.options import key_log as open_key_log
from impl.tls13.cli.own_certificate import make_certificate
from impl.tls13.config import ServerConfig
from impl.tls13.tickets import TicketProtection

_EVERYWHERE: Final = ("0.0.0.0", "::")
_PROTOCOL: Final = b"http/1.1"
_STOP_LIMIT: Final = 1.0  # seconds for sessions to end by themselves
_IDLE_LIMIT: Final = 600.0  # seconds


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command(
        "serve",
        epilog="Examples: tcpls serve --ca-out ca.pem · tcpls serve 192.0.2.1 198.51.100.1 --port 443 "
        "--certificate chain.pem --key key.pem --root public · tcpls serve --upload incoming -v",
    )(serve)


def serve(
    addresses: Annotated[
        list[str] | None, typer.Argument(metavar="ADDRESS…", help="where to listen; on all addresses when absent")
    ] = None,
    port: Annotated[int, typer.Option(metavar="PORT", min=0, max=65535, help="0 for any that is free")] = options.PORT,
    certificate: Annotated[
        Path | None, typer.Option("--certificate", "--cert", metavar="FILE", help="certificate and its chain (PEM)")
    ] = None,
    key: Annotated[Path | None, typer.Option("--key", metavar="FILE", help="its private key (PEM)")] = None,
    name: Annotated[
        list[str] | None,
        typer.Option("--name", metavar="NAME", help="another name for the certificate made here; may be repeated"),
    ] = None,
    ca_out: Annotated[
        Path | None, typer.Option("--ca-out", metavar="FILE", help="write the certificate made here, for clients' --ca")
    ] = None,
    root: Annotated[Path | None, typer.Option(metavar="DIR", help="serve the files below it")] = None,
    upload: Annotated[
        Path | None, typer.Option(metavar="DIR", help="keep what is put below it; dropped when absent")
    ] = None,
    scheduler: options.SchedulerName = None,
    record_size: options.RecordSize = "16384",
    padding: options.Padding = "none",
    connections: Annotated[
        int, typer.Option(metavar="N", min=1, max=255, help="connections that a session may have at a time")
    ] = 8,
    fast_open: options.FastOpen = False,
    congestion: options.Congestion = None,
    key_log: options.KeyLog = None,
    qlog: options.Qlog = None,
    verbose: options.Verbose = False,
    quiet: options.Quiet = False,
) -> None:
    """Serve HTTP/1.1 over TCPLS: each stream that a client opens is a connection of HTTP.

    GET / tells what was negotiated, GET /bytes/N gives N pseudo-random bytes, PUT answers size and SHA-256. Clients
    that do not know TCPLS get the same over plain TLS 1.3. Without --certificate and --key the certificate is made at
    once, and is good for this run. Tells of each session in a line on standard error. Ends with SIGINT or SIGTERM.
    Exit code: 0 stopped, 1 it cannot listen, 2 bad usage.
    """
    for option, folder in (("--root", root), ("--upload", upload)):
        if folder is not None and not folder.is_dir():
            raise usage(f"{option}: {folder} is not a folder")
    if certificate is not None and ca_out is not None:
        raise usage("--ca-out: is for a certificate made here; clients need the authority of --certificate")
    if certificate is not None and name:
        raise usage("--name: is for a certificate made here; the names of --certificate are in it")
    settings = Settings(
        scheduler=options.scheduler(scheduler),
        record_size=options.record_size(record_size),
        padding=options.padding(padding),
        connections=connections,
        idle_limit=_IDLE_LIMIT,
    )
    own = credentials(certificate, key) or _made([*(addresses or ()), *(name or ())], ca_out, quiet=quiet)
    service = _Service(
        ServerConfig(credentials=(own,), alpn_protocols=(_PROTOCOL,), tickets=TicketProtection()),
        settings,
        Site(root, upload, say if verbose else None),
        Listening(tuple(addresses or ()), port, fast_open=fast_open, congestion=congestion),
        qlog=trace_folder(qlog),
        quiet=quiet,
    )
    if fast_open and not fast_open_setting().server:
        say("--fast-open: this system does not allow it: sysctl net.ipv4.tcp_fastopen must have 2 in it")
    with open_key_log(key_log) as log:
        run(service.run(log))


@dataclass(frozen=True, slots=True)
class Listening:
    """Where and how to listen.

    Attributes:
        hosts: names or addresses; none for all of this machine's.
        port: of TCP; 0 for any.
        fast_open: accept data in the SYN.
        congestion: TCP's congestion control; None for the system's.

    """

    hosts: tuple[str, ...]
    port: int
    fast_open: bool
    congestion: str | None


def _made(names: list[str], ca_out: Path | None, *, quiet: bool) -> Credentials:
    own, what = make_certificate(names)
    if not quiet:
        say(what)
    if ca_out is not None:
        try:
            ca_out.write_bytes(own.certificate.public_bytes(Encoding.PEM))
        except OSError as error:
            raise usage(f"--ca-out: {ca_out}: {explain(error)}") from None
    return own


class _Service:
    """The server: its sessions, and its end."""

    def __init__(
        self,
        config: ServerConfig,
        settings: Settings,
        site: Site,
        listening: Listening,
        *,
        qlog: Path | None,
        quiet: bool,
    ) -> None:
        self._config = config
        self._settings = settings
        self._site = site
        self._listening = listening
        self._qlog = qlog
        self._quiet = quiet

    async def run(self, key_log: Callable[[str], None] | None) -> None:
        """Serve until a signal comes."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        server = await self._listen(key_log)
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        for address in server.addresses:
            say(f"listening on {address}")
        await stop.wait()
        server.close()
        ending = asyncio.ensure_future(server.wait_closed())
        await asyncio.wait((ending,), timeout=_STOP_LIMIT)
        for session in list(server.sessions):
            session.abort("the server is stopped")
        await ending

    async def _listen(self, key_log: Callable[[str], None] | None) -> Server:
        listening = self._listening

        async def listen(addresses: tuple[str, ...] | list[str]) -> Server:
            return await serve_sessions(
                self._handle,
                addresses,
                listening.port,
                self._config,
                self._settings,
                hooks=lambda: Hooks(key_log=key_log),
                trace=lambda: make_trace(self._qlog, "server"),
                on_refused=self._refused,
                fast_open=listening.fast_open,
                congestion=listening.congestion,
            )

        try:
            if listening.hosts:
                found = [address for host in listening.hosts for address in await resolve(host, listening.port)]
                return await listen(list(dict.fromkeys(found)))
            try:
                return await listen(_EVERYWHERE)
            except SocketError:
                # A machine may lack IPv6; whatever else is wrong is wrong again.
                return await listen(_EVERYWHERE[:1])
        except SocketError as error:
            raise failed("serve", str(error)) from None

    def _refused(self, refused: Refused) -> None:
        if not self._quiet:
            say(f"{refused.peer}: no session: {refused.reason}")

    async def _handle(self, session: Session) -> None:
        visitor = Visitor(session, Recorder(), Tally(), str(session.peer))
        visitor.recorder.bind(session)
        watching = asyncio.ensure_future(self._watch(session, visitor.recorder))
        tasks: set[asyncio.Task[Any]] = set()
        try:
            async for stream in session:
                visitor.tally.streams += 1
                task = asyncio.ensure_future(self._site.serve(stream, visitor))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
                if not session.core.tcpls:
                    await asyncio.wait((task,))  # there is no other stream
                    break
            session.close()
            await session.wait_closed()
            await watching
        finally:
            watching.cancel()
            for task in tasks:
                task.cancel()
            await asyncio.gather(watching, *tasks, return_exceptions=True)
        if not self._quiet:
            say(_line(visitor))

    @staticmethod
    async def _watch(session: Session, recorder: Recorder) -> None:
        async for event in session.events():
            recorder.take(event)


def _line(visitor: Visitor) -> str:
    """A session in one line."""
    session, recorder, tally = visitor.session, visitor.recorder, visitor.tally
    started = session.started
    how = "TCPLS" if session.core.tcpls else "plain TLS"
    if started is not None and started.handshake.resumed:
        how += ", resumed"
    lost = sum(seen.failed for seen in recorder.connections.values())
    connections = _several(len(recorder.connections), "connection") + (f" ({lost} failed)" if lost else "")
    moved = f"sent {units.size(tally.sent)}, received {units.size(tally.received)}"
    ended = recorder.ended.reason if recorder.ended is not None else "closed"
    return f"{visitor.name}: {how}: {_several(tally.streams, 'stream')}, {moved}, {connections}: {ended}"


def _several(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
