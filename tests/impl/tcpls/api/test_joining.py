"""Several connections: which are opened, which fail, and that everything arrives once whatever happens to them."""

import asyncio
import random
import socket

import pytest

from impl.tcpls.api import ClientSession, Session
from impl.tcpls.detection import DetectionSettings
from impl.tcpls.errors import SessionOver
from impl.tcpls.events import (
    ConnectionClosed,
    ConnectionJoined,
    ConnectionRecovered,
    ConnectionSuspected,
    Event,
    TokensReceived,
)
from impl.tcpls.joining import JoinMode
from impl.tcpls.paths import Candidate, PathSettings, Policy
from impl.tcpls.settings import Settings
from tests.support.tcpls_live import (
    HOST,
    QUICK,
    Live,
    Proxy,
    client,
    echo,
    joined,
    local_ways,
    of,
    over,
    sender,
    serving,
    ways,
)
from tests.support.tls_streams import run, until

BLOCK = random.Random(8).randbytes(2**20)
SIZE = 16
DATA = BLOCK * SIZE
QUICK_PATHS = PathSettings(first=0.05, retry=0.02, token_wait=0.05, suspect_after=0.05)
NEVER = Settings(orphan_limit=0.2)


class Download:
    """Reads a stream to its end in the background, and counts."""

    def __init__(self, session: ClientSession) -> None:
        self.stream = session.open_stream()
        self.stream.write(b"go")
        self.data = bytearray()
        self.by: dict[int, int] = {}
        self._task = asyncio.get_running_loop().create_task(self._read())

    async def _read(self) -> None:
        while chunks := await self.stream.read_chunks(2**16):
            for data, connection in chunks:
                self.data += data
                self.by[connection] = self.by.get(connection, 0) + len(data)
            await asyncio.sleep(0)

    async def reaches(self, size: int) -> None:
        """Wait until so much has come."""
        await until(lambda: len(self.data) >= size or self._task.done())
        assert len(self.data) >= size

    async def whole(self) -> None:
        """Wait for the end, and check that every byte came once."""
        await self._task
        assert len(self.data) == len(DATA)
        assert self.data == DATA
        self.stream.write_eof()


class TestPolicies:
    def test_all_ways_are_used_together(self) -> None:
        async def main() -> None:
            async with (
                serving(sender(DATA)) as live,
                over(live, local_ways("127.0.0.1", "127.0.0.2", "127.0.0.3")) as (session, events),
            ):
                await joined(session, 3)
                download = Download(session)
                await download.whole()
                assert min(download.by.values()) > 2**18
                assert len(download.by) == 3
                assert {event.connection_id for event in of(events, ConnectionJoined)} == {1, 2}
                assert [session.joiner.candidate_of(n) for n in range(4)] == [
                    *local_ways("127.0.0.1", "127.0.0.2", "127.0.0.3"),
                    None,
                ]

        run(main())

    def test_backups_stand_by(self) -> None:
        async def main() -> None:
            settings = Settings(scheduler="primary-backup")
            async with (
                serving(sender(DATA), settings=settings) as live,
                Proxy("127.0.0.2", live) as proxy,
                over(live, ways("127.0.0.2", HOST), Policy.BACKUP, settings=settings) as (session, events),
            ):
                await joined(session, 2)
                download = Download(session)
                await download.reaches(2**22)
                assert set(download.by) == {0}
                await proxy.refuse()
                await proxy.reset()
                await download.whole()
                assert download.by[1] > 2**20
                assert [event.connection_id for event in of(events, ConnectionClosed)] == [0]

        run(main())

    def test_the_next_one_only_on_failure(self) -> None:
        async def main() -> None:
            async with (
                serving(sender(DATA)) as live,
                Proxy("127.0.0.2", live) as proxy,
                over(live, ways("127.0.0.2", HOST), Policy.ON_FAILURE, paths=QUICK_PATHS) as (session, _),
            ):
                download = Download(session)
                await download.reaches(2**20)
                assert list(session.core.connections) == [0]
                await proxy.refuse()
                await proxy.reset()
                await download.whole()
                assert set(download.by) == {0, 1}
                assert session.get_extra_info("peername")[0] == HOST

        run(main())

    def test_by_hand(self) -> None:
        async def main() -> None:
            async with (
                serving(sender(DATA)) as live,
                over(live, ways(HOST), Policy.MANUAL) as (session, _),
            ):
                assert await session.join(HOST, local="127.0.0.5") == 1
                assert await session.join(HOST, local="127.0.0.5") == 1  # it is there
                assert await asyncio.gather(*(session.join(HOST, local="127.0.0.6") for _ in range(2))) == [2, 2]
                assert [stats.local for stats in session.stats()] == ["127.0.0.1", "127.0.0.5", "127.0.0.6"]
                download = Download(session)
                await download.whole()
                assert len(download.by) == 3
                with pytest.raises(ValueError, match=r"IPv4.*IPv6"):
                    await session.join("::1", local="127.0.0.1")
                with pytest.raises(ValueError, match="'there'"):
                    await session.join("there")

        run(main())

    def test_no_more_connections_than_the_server_allows(self) -> None:
        async def main() -> None:
            async with (
                serving(echo, settings=Settings(connections=2)) as live,
                over(live, local_ways(*(f"127.0.0.{n}" for n in range(1, 6)))) as (session, events),
            ):
                await joined(session, 2)
                assert await session.ping(1) > 0
                assert not session.core.tokens
                assert len(session.stats()) == 2
                assert sum(event.count for event in of(events, TokensReceived)) == 1
                session.core.lost(1, "by the test", asyncio.get_running_loop().time())
                session.driver.work()
                await until(lambda: 2 in session.core.connections)

        run(main())


class TestJoining:
    def test_a_join_by_hand_is_tried_until_it_succeeds(self) -> None:
        """Whoever answers there at first is none of ours."""

        async def main() -> None:
            async with (
                serving(echo) as live,
                over(live, ways(HOST), Policy.MANUAL, paths=QUICK_PATHS) as (session, _),
            ):
                came = 0

                async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                    nonlocal came
                    came += 1
                    await reader.read(1)
                    writer.transport.abort()

                stranger = await asyncio.start_server(refuse, "127.0.0.2", live.port)
                joining = asyncio.create_task(session.join("127.0.0.2"))
                await until(lambda: came > 2)
                stranger.close()
                await stranger.wait_closed()
                async with Proxy("127.0.0.2", live):
                    connection = await joining
                    assert connection in session.core.connections
                    assert connection > 2
                    assert await session.ping(connection) > 0

        run(main())

    def test_a_join_that_begins_already_is_waited_for(self) -> None:
        async def main() -> None:
            async with serving(echo) as live, Proxy("127.0.0.2", live) as proxy:
                proxy.stall()
                async with over(live, ways(HOST, "127.0.0.2")) as (session, events):
                    await until(lambda: len(session.core.connections) == 2)
                    joining = asyncio.create_task(session.join("127.0.0.2"))
                    await session.ping(0)
                    assert not joining.done()
                    proxy.go_on()
                    assert await joining == 1
                    assert of(events, ConnectionJoined)

        run(main())

    def test_nobody_waits_for_ever(self) -> None:
        async def main() -> None:
            async with serving(echo) as live:
                session = await client(live, candidates=ways(HOST), policy=Policy.MANUAL, paths=QUICK_PATHS)
                joining = asyncio.create_task(session.join("127.0.0.9"))
                given_up = [asyncio.create_task(session.join(f"127.0.0.{n}")) for n in (9, 10)]
                await until(lambda: len(session.joiner.errors) == 2)
                assert "127.0.0.9" in session.joiner.errors[Candidate(None, "127.0.0.9")]
                for task in given_up:
                    task.cancel()
                await asyncio.wait(given_up)
                assert all(task.cancelled() for task in given_up)
                assert list(session.joiner._waiting) == ways("127.0.0.9")
                session.joiner.errors.clear()
                await until(lambda: bool(session.joiner.errors))
                assert list(session.joiner.errors) == ways("127.0.0.9")
                session.close()
                with pytest.raises(SessionOver, match="closed"):
                    await joining
                with pytest.raises(SessionOver, match="closed"):
                    await session.join("127.0.0.11")

        run(main())

    def test_connections_under_way_are_given_up_at_the_end(self) -> None:
        async def main() -> None:
            async with serving(echo) as live, Proxy("127.0.0.2", live) as proxy:
                proxy.stall()
                settings = Settings(close_limit=0.1)  # what was sent there is waited for
                async with over(live, ways(HOST, "127.0.0.2"), settings=settings) as (session, _):
                    await until(lambda: len(session.core.connections) == 2)
                assert session.core.ended is not None

        run(main())

    def test_an_option_that_cannot_be_had_is_told(self) -> None:
        async def main() -> None:
            async with serving(echo) as live, over(live, ways(HOST), Policy.MANUAL) as (session, _):
                joining = asyncio.create_task(session.join(HOST, local="192.0.2.77"))
                candidate = Candidate("192.0.2.77", HOST)
                await until(lambda: candidate in session.joiner.errors)
                assert "no interface of this host has that address now" in session.joiner.errors[candidate]
                joining.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await joining
                await until(lambda: not session.joiner._tasks)

        run(main())


class TestFailures:
    @pytest.mark.parametrize("mode", list(JoinMode))
    def test_a_reset_in_the_middle_of_a_transfer(self, mode: JoinMode) -> None:
        async def main() -> None:
            async with (
                serving(sender(DATA)) as live,
                Proxy("127.0.0.2", live) as proxy,
                over(live, ways(HOST, "127.0.0.2"), mode=mode, paths=QUICK_PATHS) as (session, events),
            ):
                await joined(session, 2)
                download = Download(session)
                for number in range(1, 4):
                    await download.reaches(number * 2**21)
                    count = len(of(events, ConnectionJoined))
                    await proxy.reset()
                    await until(lambda: len(of(events, ConnectionJoined)) > count)  # noqa: B023 - by itself
                await download.whole()
                closed = of(events, ConnectionClosed)
                assert len(closed) == 3
                assert all(event.failed for event in closed)
                assert proxy.accepted == 4

        run(main())

    def test_a_reset_in_the_middle_of_an_upload(self) -> None:
        async def main() -> None:
            received = bytearray()

            async def handle(session: Session) -> None:
                stream = await session.accept_stream()
                while data := await stream.read(2**18):
                    received.extend(data)
                stream.write(b"thanks")

            async with (
                serving(handle) as live,
                Proxy("127.0.0.2", live) as proxy,
                over(live, ways(HOST, "127.0.0.2"), paths=QUICK_PATHS) as (session, events),
            ):
                await joined(session, 2)
                stream = session.open_stream()
                for number in range(SIZE):
                    stream.write(BLOCK)
                    await stream.drain()
                    if number == SIZE // 2:
                        await proxy.reset()
                stream.write_eof()
                await stream.wait_closed()
                assert await stream.read() == b"thanks"
                assert received == DATA
                assert of(events, ConnectionClosed)

        run(main())

    def test_a_connection_that_stalls_is_suspected_and_recovers(self) -> None:
        async def main() -> None:
            async with (
                serving(sender(DATA), settings=QUICK) as live,
                Proxy("127.0.0.2", live) as proxy,
                over(live, ways(HOST, "127.0.0.2"), settings=QUICK) as (session, events),
            ):
                await joined(session, 2)
                download = Download(session)
                await download.reaches(2**20)
                assert download.by.get(1)
                proxy.stall()
                await download.whole()
                server = await live.session()
                # The client awaits nothing any more; the server has unanswered records there.
                await until(lambda: server.stats()[1].state == "suspect")
                before = len(of(events, ConnectionClosed))
                proxy.go_on()
                await until(lambda: [s.state for s in (*server.stats(), *session.stats())] == ["open"] * 4)
                assert await session.ping(1) > 0
                assert before == len(of(events, ConnectionClosed)) == 0

        run(main())

    def test_the_client_notices_a_stall_of_what_it_sends(self) -> None:
        async def main() -> None:
            async with (
                serving(echo, settings=QUICK) as live,
                Proxy("127.0.0.2", live) as proxy,
                over(live, ways(HOST, "127.0.0.2"), settings=QUICK) as (session, events),
            ):
                await joined(session, 2)
                proxy.stall()
                stream = session.open_stream(connection=1)
                stream.write(b"pinned to what stalls")
                stream.write_eof()
                assert await stream.read() == b"pinned to what stalls"
                (suspected,) = of(events, ConnectionSuspected)
                assert (suspected.connection_id, suspected.by_path) == (1, False)
                proxy.go_on()
                await until(lambda: bool(of(events, ConnectionRecovered)))
                await joined(session, 2)

        run(main())

    def test_one_that_is_given_up_is_opened_again(self) -> None:
        async def main() -> None:
            settings = Settings(detection=DetectionSettings(patience=0.1, verdict_after=0.1, verdict_limit=0.2))
            async with (
                serving(echo, settings=settings) as live,
                Proxy("127.0.0.2", live) as proxy,
                over(live, ways(HOST, "127.0.0.2"), settings=settings, paths=QUICK_PATHS) as (session, events),
            ):
                await joined(session, 2)
                session.core.lost(1, "the test has had enough of it", asyncio.get_running_loop().time())
                session.driver.work()
                await until(lambda: list(session.core.connections) == [0, 2])
                await joined(session, 2)
                (closed,) = of(events, ConnectionClosed)
                assert closed.reason == "the test has had enough of it"
                assert proxy.accepted == 2

        run(main())

    def test_all_connections_are_lost_and_come_back(self) -> None:
        """Break before make."""

        async def main() -> None:
            async with (
                serving(sender(DATA)) as live,
                Proxy("127.0.0.2", live) as first,
                Proxy("127.0.0.3", live) as second,
                over(live, ways("127.0.0.2", "127.0.0.3"), paths=QUICK_PATHS) as (session, events),
            ):
                await joined(session, 2)
                download = Download(session)
                await download.reaches(2**21)
                for proxy in (first, second):
                    await proxy.refuse()
                    await proxy.reset()
                await until(lambda: not session.core.connections)
                assert session.core.ended is None
                assert session.stats() == []
                await until(lambda: len(session.joiner.errors) == 2)
                first.listen()
                await download.whole()
                assert len(of(events, ConnectionClosed)) == 2

        run(main())

    def test_none_comes_back(self) -> None:
        async def main() -> None:
            async with serving(echo, settings=NEVER) as live:
                async with Proxy("127.0.0.2", live) as proxy:
                    session = await client(live, settings=NEVER, candidates=ways("127.0.0.2"))
                    stream = session.open_stream()
                    stream.write(b"x")
                    assert await stream.read(1) == b"x"
                    await proxy.refuse()
                    await proxy.reset()
                    with pytest.raises(SessionOver, match=r"no connection for 0\.2 s"):
                        await stream.read()
                    assert not (await session.wait_closed()).clean
                await live.sessions[0].wait_closed()

        run(main())

    def test_a_server_that_was_started_again_knows_nothing_of_the_session(self) -> None:
        async def main() -> None:
            async with serving(echo) as first:
                async with Proxy("127.0.0.2", first) as proxy:
                    session = await client(first, candidates=ways("127.0.0.2"), paths=QUICK_PATHS)
                    stream = session.open_stream()
                    stream.write(b"x")
                    assert await stream.read(1) == b"x"
                    async with serving(echo, "127.0.0.4") as second:
                        proxy._target = ("127.0.0.4", second.port)
                        await proxy.reset()
                        with pytest.raises(SessionOver, match=r"no token.*illegal_parameter"):
                            await stream.read()
                        assert len(second.refused) >= 1
                        assert "token" in second.reasons[0]
                first.sessions[0].abort("the test is over")

        run(main())

    def test_garbage_in_place_of_an_answer_harms_one_connection(self) -> None:
        async def main() -> None:
            async with serving(echo) as live:
                with socket.create_server(("127.0.0.2", live.port)) as listener:
                    listener.setblocking(False)
                    settings = Settings(close_limit=0.1)  # another one waits there at the end
                    async with over(live, ways(HOST, "127.0.0.2"), settings=settings) as (session, events):
                        other, _ = await asyncio.get_running_loop().sock_accept(listener)
                        with other:
                            other.send(b"\x99\x03\x03\0\x01?")
                            await until(lambda: bool(of(events, ConnectionClosed)))
                        stream = session.open_stream()
                        stream.write(b"x")
                        assert await stream.read(1) == b"x"
                        stream.write_eof()

        run(main())


class TestAddresses:
    """What the path manager is told about this host, without a network that changes."""

    @staticmethod
    async def _begin(live: Live, *locals_: str) -> tuple[ClientSession, list[Event]]:
        session = await client(live, candidates=local_ways(*locals_), paths=QUICK_PATHS)
        await joined(session, len(locals_))
        return session, []

    def test_addresses_of_loopback_are_there_although_the_kernel_does_not_list_them(self) -> None:
        async def main() -> None:
            async with serving(echo) as live:
                session, _ = await self._begin(live, "127.0.0.1", "127.0.0.2")
                async with session:
                    session.joiner.addresses(frozenset({"127.0.0.1", "192.0.2.1"}))
                    session.joiner.addresses(frozenset({"127.0.0.1"}))
                    session.core.lost(1, "by the test", asyncio.get_running_loop().time())
                    session.driver.work()
                    await joined(session, 2)

        run(main())

    def test_connections_from_addresses_that_are_gone_are_dropped_at_once(self) -> None:
        async def main() -> None:
            async with serving(echo) as live:
                session, _ = await self._begin(live, "127.0.0.1", "127.0.0.2")
                async with session:
                    session.driver.addresses_gone(frozenset({"127.0.0.2", "192.0.2.1"}))
                    assert list(session.core.connections) == [0]
                    await joined(session, 2)

        run(main())
