"""Sessions as an asyncio program has them: many streams, several connections, what is told, and the end."""

import asyncio
from typing import Any

import pytest

from impl.tcpls.api import Hooks, Session
from impl.tcpls.errors import SessionOver, StreamError
from impl.tcpls.events import ConnectionClosed, Event, PathPreferred, SessionEnded, SessionStarted, TokensReceived
from impl.tcpls.settings import Settings
from impl.tls13 import TicketProtection
from tests.support.tcpls_live import (
    both,
    client,
    echo,
    joined,
    local_ways,
    of,
    over,
    sender,
    serving,
    silent,
    streams,
    ways,
)
from tests.support.tls_streams import client_config, run, server_config, until

PRIMARY = Settings(scheduler="primary-backup")


class TestStreams:
    def test_both_ends_open_streams(self) -> None:
        async def main() -> None:
            async with both() as (client, server):
                for near, far in ((client, server), (server, client)):
                    for number in range(3):
                        there, here = await streams(near, far)
                        assert there.id == here.id == 2 * number + (near is server)
                        here.write(b"answer")
                        here.write_eof()
                        assert await there.read() == b"answer"

        run(main())

    def test_a_thousand_at_once(self) -> None:
        async def main() -> None:
            async with serving(echo) as live, await client(live) as session:

                async def ask(number: int) -> None:
                    stream = session.open_stream()
                    question = number.to_bytes(4, "big") * 100
                    stream.write(question)
                    stream.write_eof()
                    assert await stream.read() == question
                    await stream.wait_closed()

                async with asyncio.TaskGroup() as tasks:
                    for number in range(1000):
                        tasks.create_task(ask(number))
                assert not session.core.streams
                assert not session._streams
                other = await live.session()
                await until(lambda: not other._streams)

        run(main())

    def test_those_of_the_peer_come_in_sequence_until_the_end(self) -> None:
        async def main() -> None:
            async with both() as (client, server):
                for _ in range(3):
                    client.open_stream().write(b"x")
                client.close()
                assert [stream.id async for stream in server] == [0, 2, 4]
                with pytest.raises(SessionOver, match="closed"):
                    await server.accept_stream()
                with pytest.raises(SessionOver):
                    client.open_stream()

        run(main())

    def test_a_stream_may_be_pinned_to_a_connection(self) -> None:
        async def main() -> None:
            async with (
                serving(echo) as live,
                over(live, local_ways("127.0.0.1", "127.0.0.2")) as (session, _),
            ):
                await joined(session, 2)
                for connection in (0, 1):
                    before = {stats.connection_id: stats.sent for stats in session.stats()}
                    stream = session.open_stream(connection=connection)
                    stream.write(bytes(100_000))
                    stream.write_eof()
                    assert len(await stream.read()) == 100_000
                    sent = {stats.connection_id: stats.sent - before[stats.connection_id] for stats in session.stats()}
                    assert sent[connection] >= 100_000
                    assert sent[1 - connection] == 0
                with pytest.raises(StreamError, match="connection 9 is not part of the session"):
                    session.open_stream(connection=9)

        run(main())


class TestConnections:
    def test_a_ping_takes_some_time(self) -> None:
        async def main() -> None:
            async with both() as (client, server):
                for session in (client, server):
                    assert 0 < await session.ping(0) < 10
                times = await asyncio.gather(client.ping(0), client.ping(0))
                assert all(time > 0 for time in times)
                with pytest.raises(StreamError, match="connection 7 is not part of the session"):
                    await client.ping(7)

        run(main())

    def test_a_ping_on_a_connection_that_is_lost(self) -> None:
        async def main() -> None:
            async with both() as (client, server):
                pinging = asyncio.create_task(client.ping(0))
                await asyncio.sleep(0)
                client.core.lost(0, "somebody has cut it", asyncio.get_running_loop().time())
                client.driver.work()
                with pytest.raises(SessionOver, match="somebody has cut it"):
                    await pinging
                await until(lambda: 1 in server.core.connections)

        run(main())

    def test_new_keys_on_every_connection(self) -> None:
        async def main() -> None:
            async with (
                serving(echo) as live,
                over(live, local_ways("127.0.0.1", "127.0.0.2")) as (session, _),
            ):
                await joined(session, 2)
                other = await live.session()
                stream = session.open_stream()
                for connection in (0, 1, 1):
                    for end in (session, other):
                        end.update_keys(connection)
                    stream.write(b"x" * 100_000)
                    assert await stream.readexactly(100_000) == b"x" * 100_000
                    await asyncio.gather(session.ping(connection), other.ping(connection))
                for end in (session, other):
                    assert [end.core.connections[n].records.write_generation for n in (0, 1)] == [1, 2]
                with pytest.raises(StreamError):
                    session.update_keys(5)
                stream.write_eof()

        run(main())

    def test_how_they_fare(self) -> None:
        async def main() -> None:
            async with (
                serving(sender(bytes(2**22))) as live,
                over(live, local_ways("127.0.0.1", "127.0.0.2")) as (session, _),
            ):
                await joined(session, 2)
                stream = session.open_stream()
                stream.write(b"go")
                assert len(await stream.readexactly(2**22)) == 2**22
                stats = session.stats()
                assert [s.connection_id for s in stats] == [0, 1]
                assert [s.local for s in stats] == ["127.0.0.1", "127.0.0.2"]
                assert {(s.remote, s.state) for s in stats} == {("127.0.0.1", "open")}
                assert sum(s.received for s in stats) == 2**22
                assert 2 <= sum(s.sent for s in stats) < 100
                assert all(s.srtt and s.rate for s in stats)
                await until(lambda: not any(s.unacknowledged for s in session.stats()))
                assert session.get_extra_info("sockname")[0] == "127.0.0.1"
                assert session.get_extra_info("peername") == ("127.0.0.1", live.port)
                assert stream.get_extra_info("peername") == session.get_extra_info("peername")
                assert session.get_extra_info("nonesuch", 7) == 7
                assert session.get_extra_info("tcpls") is True
                assert session.get_extra_info("alpn_protocol", b"?") is None
                assert session.started is not None
                assert session.get_extra_info("handshake") is session.started.handshake
                stream.write_eof()
            assert session.stats() == []
            assert session.get_extra_info("peername") is None

        run(main())

    def test_moving_moves_both_ends(self) -> None:
        async def main() -> None:
            async with (
                serving(sender(bytes(2**24)), settings=PRIMARY) as live,
                over(live, local_ways("127.0.0.1", "127.0.0.2"), settings=PRIMARY) as (session, events),
            ):
                await joined(session, 2)
                stream = session.open_stream()
                stream.write(b"go")
                stream.write_eof()
                by = {0: 0, 1: 0}
                moved = False
                while chunks := await stream.read_chunks(2**16):
                    for data, connection in chunks:
                        by[connection] += len(data)
                    if sum(by.values()) > 2**22 and not moved:
                        moved = True
                        session.migrate(1)
                assert sum(by.values()) == 2**24
                assert min(by.values()) > 2**20  # much was there of the first one, and most of the rest came moved
                assert of(events, PathPreferred) == [PathPreferred(connection_id=1)]
                other = await live.session()
                assert min(other.core.connections.values(), key=lambda c: c.rank).id == 1
                with pytest.raises(StreamError, match="connection 4"):
                    session.migrate(4)

        run(main())


class TestEvents:
    def test_they_are_told_in_order_up_to_the_end(self) -> None:
        async def main() -> None:
            heard: list[Event] = []
            async with serving() as live:
                session = await client(live, hooks=Hooks(on_event=heard.append))
                seen: list[Event] = []

                async def listen() -> None:
                    async for event in session.events():
                        seen.append(event)

                listening = asyncio.create_task(listen())
                await until(lambda: bool(of(seen, TokensReceived)))
                session.close()
                await listening
                assert seen == heard
                assert isinstance(seen[0], SessionStarted)
                assert isinstance(seen[-1], SessionEnded)
                assert of(seen, ConnectionClosed)
                assert [event async for event in session.events()] == []

        run(main())

    def test_a_slow_listener_misses_the_oldest(self) -> None:
        async def main() -> None:
            async with both(settings=PRIMARY) as (client, _):
                for _ in range(1100):
                    client.migrate(0)
                await client.ping(0)
                client.close()
                await client.wait_closed()
                seen = [event async for event in client.events()]
                assert len(seen) == 1000
                assert isinstance(seen[-1], SessionEnded)

        run(main())

    def test_keys_are_logged_for_each_connection(self) -> None:
        async def main() -> None:
            lines: dict[str, list[str]] = {"client": [], "server": []}
            hooks = {name: Hooks(key_log=lines[name].append) for name in lines}
            async with (
                serving(hooks=lambda: hooks["server"]) as live,
                await client(live, hooks=hooks["client"], candidates=ways("127.0.0.1")) as session,
            ):
                await session.join("127.0.0.1", local="127.0.0.3")
                await joined(session, 2)
            assert sorted(lines["client"]) == sorted(lines["server"])
            fields = [line.split() for line in lines["client"]]
            assert all(len(parts) == 3 for parts in fields)
            (marked,) = [parts for parts in fields if parts[0] == "TCPLS_CONNECTION"]
            assert marked[2] == "00000001"
            secrets = [parts for parts in fields if parts[0] == "CLIENT_TRAFFIC_SECRET_0"]
            assert [parts[1] == marked[1] for parts in secrets] == [False, True]
            assert secrets[0][2] == secrets[1][2]

        run(main())

    def test_tickets_resume_sessions(self) -> None:
        async def main() -> None:
            tickets: list[Any] = []
            async with serving(config=server_config(tickets=TicketProtection())) as live:
                async with await client(live, hooks=Hooks(on_ticket=tickets.append)) as session:
                    await until(lambda: bool(tickets))
                    assert session.started is not None
                    assert not session.started.handshake.resumed
                async with await client(live, config=client_config(session=tickets[0])) as session:
                    assert session.started is not None
                    assert session.started.handshake.resumed
                    assert session.core.tcpls

        run(main())

    def test_a_hook_that_fails_is_reported_and_harms_nothing(self) -> None:
        async def main() -> None:
            loop = asyncio.get_running_loop()
            usual, reported = loop.get_exception_handler(), []
            loop.set_exception_handler(lambda _, context: reported.append(context["exception"]))

            def fail(what: object) -> None:
                raise OSError("the disk is full")

            async with serving(echo) as live:
                async with await client(live, hooks=Hooks(key_log=fail, on_event=fail)) as session:
                    stream = session.open_stream()
                    stream.write(b"data")
                    stream.write_eof()
                    assert await stream.read() == b"data"
                assert session.core.ended is not None
                assert session.core.ended.clean
            loop.set_exception_handler(usual)
            assert {str(error) for error in reported} == {"the disk is full"}

        run(main())


class TestEnds:
    def test_a_context_closes_in_order(self) -> None:
        async def main() -> None:
            received: list[bytes] = []

            async def handle(session: Session) -> None:
                received.extend([await stream.read() async for stream in session])

            async with serving(handle) as live:
                async with await client(live) as session:
                    session.open_stream().write(b"data")
                    assert "open, connections [0]" in repr(session)
                assert session.core.ended is not None
                assert session.core.ended.clean
                assert "ended, connections []" in repr(session)
            assert received == [b"data"]

        run(main())

    def test_a_context_that_fails_aborts(self) -> None:
        async def main() -> None:
            async with serving() as live:
                session = await client(live)
                server = await live.session()
                with pytest.raises(RuntimeError, match="of the test"):
                    async with session:
                        raise RuntimeError("of the test")
                assert session.core.ended is not None
                assert "the program has failed" in session.core.ended.reason
                ended = await server.wait_closed()
                assert (ended.clean, ended.reason) == (False, "the peer says internal_error")

        run(main())

    def test_closing_does_not_wait_for_a_reader(self) -> None:
        """What nobody reads is no obstacle to close_notify."""

        async def main() -> None:
            settings = Settings(receive_buffer=2**16, receive_limit=2**24)
            async with serving(sender(bytes(2**22)), settings=settings) as live:
                session = await client(live, settings=settings)
                stream = session.open_stream()
                stream.write(b"go")
                await until(lambda: session.driver.paused)
                session.close()
                assert (await session.wait_closed()).clean

        run(main())

    def test_closing_twice_and_after_the_end(self) -> None:
        async def main() -> None:
            async with both() as (client, server):
                client.close()
                client.close()
                assert (await client.wait_closed()).clean
                client.close()
                client.abort("too late")
                assert (await client.wait_closed()).clean
                assert (await server.wait_closed()).clean

        run(main())

    def test_both_ends_close_at_the_same_time(self) -> None:
        async def main() -> None:
            async with both() as (client, server):
                await streams(client, server)
                client.close()
                server.close()
                ends = await asyncio.gather(client.wait_closed(), server.wait_closed())
                assert [end.clean for end in ends] == [True, True]

        run(main())

    def test_an_idle_session_is_closed(self) -> None:
        async def main() -> None:
            async with serving(silent) as live:
                session = await client(live, settings=Settings(idle_limit=0.05))
                assert (await session.wait_closed()).clean

        run(main())
