"""How the commands begin a session with a server, and end it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from impl.tcpls.api import ClientSession, Hooks, connect
from impl.tcpls.cli import options
from impl.tcpls.cli.errors import say, session_failed
from impl.tcpls.cli.recorder import Recorder
from impl.tcpls.cli.tracing import make_trace, trace_folder
from impl.tcpls.errors import SessionOver
from impl.tcpls.joining import JoinMode
from impl.tcpls.paths import Candidate, Policy
from impl.tcpls.settings import Settings
from impl.tcpls.sockets import AllFailed, SocketError, fast_open_setting
from impl.tls13.certificates.server_names import parse_server_name
from impl.tls13.cli.errors import usage
from impl.tls13.cli.options import show_address, trust_store
from impl.tls13.config import ClientConfig
from impl.tls13.sessions import Session as Resumption

_PROTOCOL = b"http/1.1"
_CLOSE_LIMIT = 2.0


@dataclass(frozen=True, kw_only=True)
class Setup:
    """How sessions are begun.

    Attributes:
        host: name or address of the server.
        port: of the server.
        remote: further addresses of it.
        local: addresses to connect from.
        candidates: pairs of addresses, in place of all pairs of those.
        config: of TLS.
        settings: of sessions.
        policy: which connections are opened.
        mode: how they are joined.
        fast_open: use TCP Fast Open.
        congestion: TCP's congestion control; None for the system's.
        qlog: folder for traces; None for none.
        key_log: gets secrets.

    """

    host: str
    port: int
    config: ClientConfig
    settings: Settings
    remote: tuple[str, ...] = ()
    local: tuple[str, ...] = ()
    candidates: tuple[Candidate, ...] | None = None
    policy: Policy = Policy.ALL
    mode: JoinMode = JoinMode.DIRECT
    fast_open: bool = False
    congestion: str | None = None
    qlog: Path | None = None
    key_log: Callable[[str], None] | None = None

    @property
    def place(self) -> str:
        """The server, for messages."""
        return show_address(self.host, self.port)


def make_setup(
    host: str,
    port: int,
    *,
    ca: Path | None,
    insecure: bool,
    local: Sequence[str] | None,
    remote: Sequence[str] | None,
    policy: Policy,
    scheduler: str | None,
    join: JoinMode,
    one_at_a_time: bool = False,
    record_size: str = "16384",
    padding: str = "none",
    fast_open: bool = False,
    congestion: str | None = None,
    patience: float = 10.0,
    session: Resumption | None = None,
    qlog: Path | None = None,
) -> Setup:
    """Make it of a command's options.

    Raises:
        CommandFailed: an option cannot be used.

    """
    if fast_open and not fast_open_setting().client:
        say("--fast-open: this system does not allow it: sysctl net.ipv4.tcp_fastopen must have 1 in it")
    if insecure and ca is not None:
        raise usage("--insecure: believes everybody, and --ca does not; leave one of them out")
    try:
        parse_server_name(host)
    except ValueError as error:
        raise usage(f"{host!r}: {error}") from None
    return Setup(
        host=host,
        port=port,
        config=ClientConfig(
            server_name=host,
            trust=None if insecure else trust_store(ca),
            verify=not insecure,
            alpn_protocols=(_PROTOCOL,),
            session=session,
        ),
        settings=Settings(
            scheduler=options.scheduler(scheduler, one_at_a_time=one_at_a_time or policy is Policy.BACKUP),
            record_size=options.record_size(record_size),
            padding=options.padding(padding),
            orphan_limit=patience,
            close_limit=_CLOSE_LIMIT,
        ),
        remote=tuple(remote or ()),
        local=options.local_addresses(local),
        policy=policy,
        mode=join,
        fast_open=fast_open,
        congestion=congestion,
        qlog=trace_folder(qlog),
    )


@asynccontextmanager
async def open_session(
    setup: Setup, recorder: Recorder, *, on_ticket: Callable[[Resumption], None] | None = None
) -> AsyncIterator[ClientSession]:
    """Begin a session; it is closed at the end, and aborted if that is an exception.

    Args:
        setup: how.
        recorder: keeps what happens.
        on_ticket: gets what the server offers to resume.

    Raises:
        CommandFailed: there is no session.

    """
    try:
        session = await connect(
            [setup.host, *setup.remote],
            setup.port,
            setup.config,
            setup.settings,
            local=setup.local,
            candidates=setup.candidates,
            policy=setup.policy,
            mode=setup.mode,
            hooks=Hooks(key_log=setup.key_log, on_ticket=on_ticket, on_event=recorder.take),
            trace=make_trace(setup.qlog, "client"),
            fast_open=setup.fast_open,
            congestion=setup.congestion,
        )
    except ValueError as error:
        raise usage(str(error)) from None
    except (AllFailed, SessionOver, SocketError, OSError) as error:
        raise session_failed(setup.place, error, recorder.failure) from None
    recorder.bind(session)
    try:
        yield session
    except BaseException:
        session.abort("the client gives up")
        await session.wait_disconnected()
        raise
    session.close()
    with suppress(TimeoutError):
        async with asyncio.timeout(2 * setup.settings.close_limit):
            await session.wait_closed()
    await session.wait_disconnected()


def alone(setup: Setup, candidate: Candidate) -> Setup:
    """The same with one connection."""
    return replace(setup, candidates=(candidate,))
