"""What ``tcpls get`` and ``tcpls put`` have in common: a session for transfers, and the account of it at the end."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rich.console import RenderableType
from rich.text import Text

from impl.tcpls.api import ClientSession
from impl.tcpls.cli import report, units
from impl.tcpls.cli.client import Setup, open_session
from impl.tcpls.cli.errors import say
from impl.tcpls.cli.migration import Migration
from impl.tcpls.cli.recorder import Recorder, Row
from impl.tls13.cli import session_file
from impl.tls13.events import HandshakeCompleted
from impl.tls13.sessions import Session as Resumption

_TICKET_WAIT: Final = 1.0  # seconds


@dataclass(frozen=True, kw_only=True)
class Account:
    """What is to be told, and kept.

    Attributes:
        session: file for the next session's resumption.
        migrate_after: bytes, after which the session moves; None for never.
        verbose: tell what has happened.
        quiet: tell of failures only.
        json: the result is for a program.

    """

    session: Path | None
    migrate_after: int | None
    verbose: bool
    quiet: bool
    json: bool


@dataclass
class Transfers:
    """The sessions of one command, and what has become of them.

    Args:
        setup: how sessions are begun.
        account: what is to be told.

    Attributes:
        tcpls: whether the server speaks TCPLS; None before that is known.

    """

    setup: Setup
    account: Account
    tcpls: bool | None = None
    _tickets: list[Resumption] = field(default_factory=list)
    _began: float = field(default_factory=time.monotonic)
    _results: list[dict[str, Any]] = field(default_factory=list)
    _accounts: list[RenderableType] = field(default_factory=list)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[tuple[ClientSession, Callable[[int], None]]]:
        """Begin a session, and tell at its end how its connections fared; also gives whom to tell of progress."""
        recorder = Recorder()
        begin = time.monotonic()
        async with open_session(self.setup, recorder, on_ticket=self._tickets.append) as session:
            handshake = session.get_extra_info("handshake")
            self._note_start(session, handshake)
            migration = self._migration(session, recorder)
            started = asyncio.get_running_loop().time()
            try:
                yield session, migration.advance if migration is not None else _ignore
            finally:
                rows = recorder.rows(started)
                unreached = [(str(c).replace(" to ", " → "), e) for c, e in session.joiner.errors.items()]
                self._results.append(
                    {
                        **report.handshake_json(handshake, tcpls=bool(self.tcpls)),
                        "handshake_seconds": round(started - begin, 6),
                        "connections": report.rows_json(rows),
                        "unreached": [{"path": path, "reason": reason} for path, reason in unreached],
                        "events": report.moments_json(recorder.moments),
                    }
                )
                self._keep(rows, unreached, recorder)
            if migration is not None and (trouble := await migration.end()):
                say(trouble)
            if self.account.session is not None and not self._tickets:
                await self._wait_for_ticket(session)
        if self.account.session is not None and self._tickets:
            session_file.store(self._tickets[-1], self.account.session)

    def tell(self) -> None:
        """Tell how the connections have fared, once nothing else is shown any more."""
        console = report.console(stderr=True)
        for account in self._accounts:
            console.print(account, soft_wrap=isinstance(account, Text))

    def print_json(self, transfers: list[dict[str, Any]]) -> None:
        """Print the result for programs."""
        report.print_json(
            {
                "server": self.setup.place,
                "tcpls": self.tcpls,
                "seconds": round(time.monotonic() - self._began, 6),
                "transfers": transfers,
                "sessions": self._results,
            }
        )

    def _note_start(self, session: ClientSession, handshake: HandshakeCompleted) -> None:
        first = self.tcpls is None
        self.tcpls = bool(session.core.tcpls)
        if first and not self.tcpls and not self.account.quiet:
            say(f"{self.setup.place} speaks no TCPLS: plain TLS, one connection and one transfer at a time")
        if first and self.account.verbose:
            say(f"{self.setup.place}: {report.handshake_line(handshake, tcpls=self.tcpls)}")

    def _migration(self, session: ClientSession, recorder: Recorder) -> Migration | None:
        if self.account.migrate_after is None or not self.tcpls:
            return None
        return Migration(session, recorder, self.account.migrate_after)

    async def _wait_for_ticket(self, session: ClientSession) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_TICKET_WAIT):
                async for _ in session.events():
                    if self._tickets:
                        return

    def _keep(self, rows: list[Row], unreached: list[tuple[str, str]], recorder: Recorder) -> None:
        if self.account.json or self.account.quiet:
            return
        if self.account.verbose:
            self._accounts.append(report.timeline_table(recorder.moments))
        self._accounts += [report.connections_table(rows), *report.troubles(rows, unreached)]


def transferred(name: str, size: int, seconds: float) -> str:
    """A transfer in one line."""
    speed = f", {units.rate(size / seconds)}" if seconds > 0 else ""
    return f"{name}: {units.size(size)} in {units.seconds(seconds)}{speed}"


def _ignore(_count: int) -> None:
    """Nobody wants to know."""
