"""Moves a session to another connection in the middle of a transfer (draft-piraux-tcpls-00, section 4.2.3)."""

import asyncio
from contextlib import suppress

from impl.tcpls.api import ClientSession
from impl.tcpls.cli.recorder import Recorder
from impl.tcpls.errors import SessionOver, StreamError


class Migration:
    """Migrates once, as soon as so many bytes are there.

    Args:
        session: to be moved.
        recorder: keeps what happens.
        after: bytes.

    """

    def __init__(self, session: ClientSession, recorder: Recorder, after: int) -> None:
        self._session = session
        self._recorder = recorder
        self._left = after
        self._task: asyncio.Task[None] | None = None
        self._before: dict[int, int] = {}
        self._to: int | None = None

    def advance(self, count: int) -> None:
        """So many more bytes are there."""
        self._left -= count
        if self._left <= 0 and self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._migrate())

    async def end(self) -> str:
        """The transfer is over; what went differently than was asked for, in words."""
        if self._task is None:
            return "there were too few bytes to migrate: --migrate-after is more than the size"
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        if self._to is None:
            return "there was no other connection to migrate to: name one with --local or --remote"
        moved = {
            number: seen.connection.sent + seen.connection.received - self._before.get(number, 0)
            for number, seen in self._recorder.connections.items()
        }
        if moved.get(self._to, 0) < sum(moved.values()) / 2:
            return (
                f"connection {self._to} has carried less than half of the rest: the server went on as before, or "
                "there was little left; servers follow with --scheduler primary-backup"
            )
        return ""

    async def _migrate(self) -> None:
        session = self._session
        with suppress(SessionOver, StreamError):
            target = self._next()
            if target is None:
                target = await self._join()
            if target is not None:
                self._before = {
                    number: seen.connection.sent + seen.connection.received
                    for number, seen in self._recorder.connections.items()
                }
                self._to = target
                session.migrate(target)

    def _next(self) -> int | None:
        """The connection after the one that is used."""
        usable = [c for c in self._session.core.connections.values() if c.usable]
        usable.sort(key=lambda c: c.id)
        current = min(usable, key=lambda c: c.rank, default=None)
        if current is None or len(usable) < 2:
            return None
        return usable[(usable.index(current) + 1) % len(usable)].id

    async def _join(self) -> int | None:
        manager = self._session.joiner.manager
        free = [candidate for candidate in manager.candidates if candidate not in manager.connected]
        return await self._session.join(free[0].remote, local=free[0].local) if free else None
