"""When a session moves in the middle of a transfer, and what is said if it does not."""

import asyncio
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

from impl.tcpls.api import ClientSession
from impl.tcpls.cli.migration import Migration
from impl.tcpls.cli.recorder import Recorder
from impl.tcpls.paths import Candidate


@dataclass
class Session:
    """As much of a session as a migration needs."""

    ids: list[int]
    candidates: list[Candidate] = field(default_factory=list)
    moves: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        connections = {
            number: SimpleNamespace(id=number, rank=rank, usable=True, sent=0, received=0)
            for rank, number in enumerate(self.ids)
        }
        self.core: Any = SimpleNamespace(connections=connections)
        self.joiner = SimpleNamespace(manager=SimpleNamespace(candidates=self.candidates, connected=[]))

    def migrate(self, connection: int) -> None:
        self.moves.append(connection)

    async def join(self, remote: str, *, local: str | None = None) -> int:
        return 100

    def migration(self, after: int) -> tuple[Migration, Recorder]:
        recorder = Recorder()
        recorder.connections = {
            number: cast(Any, SimpleNamespace(connection=connection))
            for number, connection in self.core.connections.items()
        }
        return Migration(cast(ClientSession, self), recorder, after), recorder


async def moved(migration: Migration, *counts: int) -> None:
    for count in counts:
        migration.advance(count)
    await asyncio.sleep(0)
    await asyncio.sleep(0)


class TestMoving:
    def test_once_and_to_the_one_after_the_one_in_use(self) -> None:
        async def main() -> None:
            session = Session([2, 1, 3])
            migration, _ = session.migration(10)
            await moved(migration, 5, 4)
            assert session.moves == []
            await moved(migration, 1, 50)
            assert session.moves == [3]
            session.core.connections[3].received = 60
            assert await migration.end() == ""

        asyncio.run(main())

    def test_to_one_that_is_joined_for_it(self) -> None:
        async def main() -> None:
            session = Session([0], [Candidate(None, "192.0.2.1")])
            migration, recorder = session.migration(10)
            await moved(migration, 10)
            assert session.moves == [100]
            recorder.connections[100] = cast(Any, SimpleNamespace(connection=SimpleNamespace(sent=5, received=5)))
            assert await migration.end() == ""

        asyncio.run(main())


class TestTrouble:
    def test_too_little(self) -> None:
        async def main() -> None:
            migration, _ = Session([0, 1]).migration(10)
            await moved(migration, 9)
            assert "too few bytes" in await migration.end()

        asyncio.run(main())

    def test_nowhere(self) -> None:
        async def main() -> None:
            session = Session([0])
            migration, _ = session.migration(10)
            await moved(migration, 10)
            assert session.moves == []
            assert "no other connection" in await migration.end()

        asyncio.run(main())

    def test_a_server_that_stays(self) -> None:
        async def main() -> None:
            session = Session([0, 1])
            migration, _ = session.migration(10)
            await moved(migration, 10)
            session.core.connections[0].received += 1000
            session.core.connections[1].received += 10
            assert "--scheduler primary-backup" in await migration.end()

        asyncio.run(main())
