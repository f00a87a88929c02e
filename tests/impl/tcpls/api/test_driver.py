"""The driver: its timer, who may send when, and the last bytes of a connection."""

import asyncio
import socket
from typing import Any, cast

import pytest

from impl.tcpls.api.driver import _MAX_FREE, Driver, Farewell, Workspace
from impl.tcpls.events import Event
from impl.tcpls.session import TRANSMIT_SIZE, Session
from impl.tcpls.sockets import Link
from tests.impl.tcpls.sockets.links import Notes, pair
from tests.support.tcpls_live import both, echo, joined, local_ways, over, serving, streams
from tests.support.tls_streams import run, until


class FakeHandle:
    def __init__(self, moment: float) -> None:
        self.moment = moment
        self.cancelled = False

    def when(self) -> float:
        return self.moment

    def cancel(self) -> None:
        self.cancelled = True


class FakeLoop:
    """A loop whose time stands still."""

    def __init__(self) -> None:
        self.now = 100.0
        self.set: list[FakeHandle] = []
        self.soon = 0

    def time(self) -> float:
        return self.now

    def call_at(self, moment: float, _: object) -> FakeHandle:
        self.set.append(FakeHandle(moment))
        return self.set[-1]

    def call_soon(self, _: object) -> None:
        self.soon += 1


class FakeCore:
    """A core with nothing but a deadline."""

    def __init__(self) -> None:
        self.due: float | None = None
        self.ticks = 0
        self.connections: dict[int, object] = {}
        self.reading_paused = self.closing = False

    def deadline(self, _: float) -> float | None:
        return self.due

    def tick(self, now: float) -> None:
        self.ticks += 1

    def events(self) -> list[Event]:
        return []


class Nobody:
    def take_events(self, events: list[Event]) -> None:
        raise AssertionError("there are none")

    def sent(self) -> None:
        raise AssertionError("nothing was sent")


def fake() -> tuple[Driver, FakeCore, FakeLoop]:
    core, loop = FakeCore(), FakeLoop()
    driver = Driver(cast(Session, core), cast(asyncio.AbstractEventLoop, loop), Workspace(), Nobody())
    return driver, core, loop


class TestTimer:
    def test_none_without_a_deadline(self) -> None:
        driver, core, loop = fake()
        driver.work()
        assert loop.set == []
        core.due = 101.0
        driver.work()
        core.due = None
        driver.work()
        assert [handle.cancelled for handle in loop.set] == [True]

    def test_an_earlier_deadline_moves_it(self) -> None:
        driver, core, loop = fake()
        for core.due in (103.0, 102.0, 101.0):
            driver.work()
        assert [(handle.moment, handle.cancelled) for handle in loop.set] == [
            (103.0, True),
            (102.0, True),
            (101.0, False),
        ]

    def test_a_later_deadline_costs_one_tick_and_no_more(self) -> None:
        """Deadlines move on with all that is received: to set a timer anew for each would be dear."""
        driver, core, loop = fake()
        core.due = 101.0
        driver.work()
        for core.due in (102.0, 103.0, 104.0):
            driver.work()
        assert len(loop.set) == 1
        loop.now = 101.0
        driver._tick()
        assert core.ticks == 1
        assert [handle.moment for handle in loop.set] == [101.0, 104.0]

    def test_work_that_is_put_off_is_put_off_once(self) -> None:
        driver, _, loop = fake()
        driver.soon()
        driver.soon()
        assert loop.soon == 1
        driver._work_scheduled()
        driver.soon()
        assert loop.soon == 2

    def test_an_idle_session_rests(self) -> None:
        async def main() -> None:
            async with serving(echo) as live, over(live, local_ways("127.0.0.1", "127.0.0.2")) as (client, _):
                await joined(client, 2)
                near = client.open_stream()
                near.write(b"x")
                assert await near.read(1) == b"x"
                server = await live.session()
                await until(lambda: not any(s.unacknowledged for s in (*client.stats(), *server.stats())))
                calls = 0

                def count(driver: Driver) -> None:
                    usual = driver.work

                    def work() -> None:
                        nonlocal calls
                        calls += 1
                        usual()

                    driver.work = work  # type: ignore[method-assign]

                for session in (client, server):
                    count(session.driver)
                loop = asyncio.get_running_loop()
                end = loop.create_future()
                loop.call_later(0.5, end.set_result, None)
                await end
                assert calls < 40  # some look after the paths, and then only keep-alives
                assert all(session.core.deadline(loop.time()) is not None for session in (client, server))
                near.write_eof()

        run(main())


class TestSending:
    def test_connections_take_turns(self) -> None:
        async def main() -> None:
            async with serving(echo) as live, over(live, local_ways("127.0.0.1", "127.0.0.2")) as (session, _):
                await joined(session, 2)
                order: list[int] = []
                usual = session.core.transmit

                def transmit(connection_id: int, *rest: Any) -> int:
                    order.append(connection_id)
                    return usual(connection_id, *rest)

                session.core.transmit = transmit  # type: ignore[method-assign,assignment]
                for connection in (0, 1):
                    session.open_stream(connection=connection).write(bytes(2**20))
                session.driver.work()
                assert set(order[:2]) == {0, 1}
                assert set(order[2:4]) in ({0, 1}, set())

        run(main())

    def test_a_peer_that_does_not_read_costs_no_more_than_the_socket_takes(self) -> None:
        async def main() -> None:
            async with both() as (client, server):
                near, far = await streams(client, server)
                link = server.driver.link(0)
                assert link is not None
                link.pause_reading()
                near.write(bytes(2**25))
                client.driver.work()
                await until(lambda: client.core.connections[0].blocked)
                (attached,) = client.driver._attached.values()
                assert client.core.unsent(near.id) > 0
                assert len(attached.rest or b"") <= TRANSMIT_SIZE
                near.write_eof()
                link.resume_reading()
                assert len(await far.read()) == 2**25

        run(main())


class TestWorkspace:
    def test_memory_is_used_again_and_not_hoarded(self) -> None:
        workspace = Workspace()
        first = workspace.take()
        assert len(first) == TRANSMIT_SIZE
        workspace.give(first)
        assert workspace.take() is first
        for _ in range(_MAX_FREE + 3):
            workspace.give(bytearray(TRANSMIT_SIZE))
        assert len(workspace.free) == _MAX_FREE


class TestFarewell:
    @staticmethod
    def begin(near: socket.socket, data: bytes) -> tuple[Link, Farewell]:
        link = Link(near, Notes())
        farewell = Farewell(link, data, asyncio.get_running_loop())
        farewell.send()
        return link, farewell

    def test_a_few_bytes_go_at_once(self) -> None:
        async def main() -> None:
            with pair() as (near, far):
                far.send(b"what nobody reads any more")
                link, farewell = self.begin(near, b"good-bye")
                assert link.closed
                assert far.recv(100) == b"good-bye"
                assert far.recv(100) == b""
                assert farewell._timer.cancelled()

        run(main())

    def test_many_bytes_go_as_the_peer_takes_them(self) -> None:
        async def main() -> None:
            data = bytes(range(256)) * 2**16
            with pair() as (near, far):
                link, _ = self.begin(near, data)
                assert not link.closed
                far.send(b"what nobody reads any more")
                received = await asyncio.to_thread(lambda: b"".join(iter(lambda: far.recv(2**16), b"")))
                assert received == data
                assert link.closed

        run(main())

    def test_a_peer_that_takes_nothing_is_cut_off(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("impl.tcpls.api.driver._FAREWELL", 0.05)

        async def main() -> None:
            with pair() as (near, _):
                link, _ = self.begin(near, bytes(2**24))
                assert not link.closed
                await until(lambda: link.closed)

        run(main())

    def test_a_peer_that_is_gone(self) -> None:
        async def main() -> None:
            with pair() as (near, far):
                link, farewell = self.begin(near, bytes(2**24))
                far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1" + bytes(7))
                far.close()
                await until(lambda: link.closed)
                assert farewell._timer.cancelled()

        run(main())
