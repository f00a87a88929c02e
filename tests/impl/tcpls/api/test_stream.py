"""Streams as an asyncio program has them: reading in all manners, back-pressure, and their ends."""

import asyncio

import pytest

from impl.tcpls.api import Session, Stream
from impl.tcpls.api.stream import _HIGH_WATER
from impl.tcpls.errors import SessionOver, StreamError
from impl.tcpls.settings import Settings
from tests.support.tcpls_live import both, streams
from tests.support.tls_streams import run, until

SMALL = Settings(receive_buffer=2**18, receive_limit=2**23)


async def _say(stream: Stream, *pieces: bytes) -> None:
    """Send pieces so that each goes in a record of its own, and then the end."""
    for piece in pieces:
        stream.write(piece)
        await until(lambda: not stream.session.core.unsent(stream.id))
    stream.write_eof()


class TestReading:
    def test_what_is_there_is_read_without_waiting_for_more(self) -> None:
        async def main() -> None:
            async with both() as (client, server):
                near, far = await streams(client, server)
                near.write(b"something")
                assert await far.read(4) == b"some"
                assert await far.read(100) == b"thing"
                assert await far.read(0) == b""
                assert not far.at_eof()
                near.write_eof()
                assert await far.read(1) == b""
                assert await far.read(1) == b""
                assert far.at_eof()

        run(main())

    def test_all_up_to_the_end(self) -> None:
        async def main() -> None:
            async with both() as (client, server):
                near, far = await streams(client, server)
                reading = asyncio.create_task(far.read())
                await _say(near, b"a" * 100_000, b"b" * 100_000, b"c")
                assert await reading == b"a" * 100_000 + b"b" * 100_000 + b"c"

        run(main())

    def test_an_exact_number_of_bytes(self) -> None:
        async def main() -> None:
            async with both() as (client, server):
                near, far = await streams(client, server)
                reading = asyncio.create_task(far.readexactly(7))
                await _say(near, b"abc", b"def", b"ghijkl")
                assert await reading == b"abcdefg"
                assert await far.readexactly(0) == b""
                assert await far.read(2) == b"hi"
                with pytest.raises(asyncio.IncompleteReadError) as caught:
                    await far.readexactly(4)
                assert (caught.value.partial, caught.value.expected) == (b"jkl", 4)
                assert far.at_eof()
                with pytest.raises(ValueError, match="negative"):
                    await far.readexactly(-1)

        run(main())

    def test_up_to_a_separator(self) -> None:
        async def main() -> None:
            async with both() as (client, server):
                near, far = await streams(client, server)
                reading = asyncio.create_task(far.readuntil(b"--"))
                await _say(near, b"one-", b"-two-", b"three--", b"rest")
                assert await reading == b"one--"
                assert await far.readuntil(b"--") == b"two-three--"
                with pytest.raises(asyncio.IncompleteReadError) as caught:
                    await far.readuntil(b"--")
                assert (caught.value.partial, caught.value.expected) == (b"rest", None)
                with pytest.raises(ValueError, match="separator"):
                    await far.readuntil(b"")

        run(main())

    @pytest.mark.parametrize("ended", [False, True])
    def test_a_separator_that_comes_too_late(self, ended: bool) -> None:
        async def main() -> None:
            async with both() as (client, server):
                near, far = await streams(client, server)
                near.write(b"x" * 1000 + (b"\n" if ended else b""))
                with pytest.raises(asyncio.LimitOverrunError) as caught:
                    await far.readuntil(limit=100)
                assert caught.value.consumed == 1000
                assert await far.readexactly(1000) == b"x" * 1000  # it was not taken

        run(main())

    def test_lines(self) -> None:
        async def main() -> None:
            async with both() as (client, server):
                near, far = await streams(client, server)
                await _say(near, b"one\ntw", b"o\n\nthree\nfour")
                assert await far.readline() == b"one\n"
                assert [line async for line in far] == [b"two\n", b"\n", b"three\n", b"four"]
                assert await far.readline() == b""

        run(main())

    def test_chunks_name_the_connection(self) -> None:
        async def main() -> None:
            async with both() as (client, server):
                near, far = await streams(client, server)
                near.write(b"data")
                assert [(bytes(chunk.data), chunk.connection_id) for chunk in await far.read_chunks()] == [(b"data", 0)]

        run(main())

    def test_a_reader_that_is_cancelled_misses_nothing(self) -> None:
        async def main() -> None:
            async with both() as (client, server):
                near, far = await streams(client, server)
                reading = asyncio.create_task(far.readexactly(6))
                near.write(b"abc")
                await until(lambda: len(far._buffer) == 3)
                reading.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await reading
                near.write(b"def")
                assert await far.readexactly(6) == b"abcdef"
                assert not server.core.reading_paused

        run(main())


class TestWriting:
    def test_several_pieces_of_several_kinds(self) -> None:
        async def main() -> None:
            async with both() as (client, server):
                near, far = await streams(client, server)
                mutable = bytearray(b"three")
                near.writelines([b"one", memoryview(b"two"), mutable])
                mutable[:] = b"XXXXX"
                near.write_eof()
                assert await far.read() == b"onetwothree"

        run(main())

    def test_half_closed_streams_go_on_in_the_other_direction(self) -> None:
        async def main() -> None:
            async with both() as (client, server):
                near, far = await streams(client, server)
                assert near.can_write_eof()
                assert not near.is_closing()
                near.write_eof()
                assert near.is_closing()
                assert await far.read() == b""
                far.write(b"a" * 300_000)
                await far.drain()
                far.write_eof()
                assert len(await near.read()) == 300_000
                await asyncio.gather(near.wait_closed(), far.wait_closed())
                assert not client.core.streams
                assert not server.core.streams

        run(main())

    def test_nothing_goes_behind_the_end(self) -> None:
        async def main() -> None:
            async with both() as (client, server):
                near, _ = await streams(client, server)
                near.write_eof()
                near.write_eof()
                with pytest.raises(StreamError, match="finished"):
                    near.write(b"more")

        run(main())

    def test_a_reader_who_does_not_read_bounds_the_memory_of_both(self) -> None:
        async def main() -> None:
            async with both(settings=SMALL) as (client, server):
                near, far = await streams(client, server)
                size, written = 2**25, 0

                async def write() -> None:
                    nonlocal written
                    while written < size:
                        near.write(bytes(2**16))
                        written += 2**16
                        await near.drain()
                    near.write_eof()

                writing = asyncio.create_task(write())
                core = client.core
                stuck = core.connections[0]
                await until(lambda: server.driver.paused and stuck.blocked and core.unsent(near.id) > _HIGH_WATER // 2)
                assert not writing.done()
                assert written < size
                assert core.unsent(near.id) <= _HIGH_WATER + 2**16
                assert server.core.streams[near.id].receiving.readable <= SMALL.receive_buffer + 2**18
                assert len(await far.read()) == size
                await writing
                assert not server.driver.paused

        run(main())

    def test_two_may_wait_for_room_and_one_may_give_up(self) -> None:
        async def main() -> None:
            async with both(settings=SMALL) as (client, server):
                near, far = await streams(client, server)
                near.write(bytes(2**24))
                first, second = asyncio.create_task(near.drain()), asyncio.create_task(near.drain())
                await until(lambda: client.core.connections[0].blocked and server.driver.paused)
                first.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await first
                near.write_eof()
                reading = asyncio.create_task(far.read())
                await second
                assert len(await reading) == 2**24

        run(main())

    def test_waiting_until_all_is_acknowledged(self) -> None:
        async def main() -> None:
            async with both() as (client, server):
                near, far = await streams(client, server)
                near.write(b"data")
                waiting = asyncio.create_task(near.wait_closed())
                assert await far.readexactly(4) == b"data"
                assert not waiting.done()  # there is no end yet
                near.write_eof()
                await waiting
                await near.wait_closed()

        run(main())


class TestClosing:
    def test_what_still_comes_is_dropped(self) -> None:
        async def main() -> None:
            async with both(settings=SMALL) as (client, server):
                near, far = await streams(client, server)
                far.write(b"early")
                await until(lambda: client.core.streams[near.id].receiving.readable == 5)
                near.close()
                assert await near.read() == b""
                assert await far.read() == b""
                for _ in range(32):  # more than would be kept
                    far.write(bytes(2**18))
                    await far.drain()
                far.write_eof()
                await asyncio.gather(far.wait_closed(), near.wait_closed())
                assert client.core._incoming.buffered == 0
                assert not client.core.streams
                assert not client._streams

        run(main())

    def test_somebody_who_reads_gets_the_end(self) -> None:
        async def main() -> None:
            async with both() as (client, server):
                near, far = await streams(client, server)
                reading = asyncio.create_task(near.read())
                await asyncio.sleep(0)
                near.close()
                assert await reading == b""
                assert near.at_eof()
                far.close()

        run(main())

    def test_closing_at_both_ends_at_once_and_twice(self) -> None:
        async def main() -> None:
            async with both() as (client, server):
                near, far = await streams(client, server)
                for stream in (near, far, near, far):
                    stream.close()
                await asyncio.gather(near.wait_closed(), far.wait_closed())
                near.close()
                assert not client.core.streams
                await until(lambda: not client._streams and not server._streams)

        run(main())


class TestEndOfTheSession:
    async def _check(self, stream: Stream, session: Session) -> None:
        """Everything on a stream says why the session ended."""
        for call in (stream.read(1), stream.readexactly(1), stream.readline(), stream.drain(), stream.wait_closed()):
            with pytest.raises(SessionOver, match="the program has had enough"):
                await call
        with pytest.raises(SessionOver, match="the program has had enough"):
            stream.write(b"more")
        stream.write_eof()
        stream.close()
        assert not session.core.connections

    def test_the_session_is_aborted_here(self) -> None:
        async def main() -> None:
            async with both() as (client, server):
                near, _ = await streams(client, server)
                reading = asyncio.create_task(near.read(1))
                await asyncio.sleep(0)
                client.abort("the program has had enough")
                with pytest.raises(SessionOver, match="the program has had enough"):
                    await reading
                await self._check(near, client)

        run(main())

    def test_the_peer_aborts(self) -> None:
        async def main() -> None:
            async with both() as (client, server):
                near, _ = await streams(client, server)
                server.abort("no more")
                with pytest.raises(SessionOver, match="internal_error"):
                    await near.read()
                assert not (await client.wait_closed()).clean

        run(main())

    def test_a_writer_that_waits_for_room(self) -> None:
        async def main() -> None:
            async with both(settings=SMALL) as (client, server):
                near, _ = await streams(client, server)
                near.write(bytes(2**24))
                draining = asyncio.create_task(near.drain())
                await until(lambda: server.driver.paused and client.core.connections[0].blocked)
                client.abort("the program has had enough")
                with pytest.raises(SessionOver, match="the program has had enough"):
                    await draining

        run(main())

    def test_what_had_come_can_still_be_read(self) -> None:
        async def main() -> None:
            async with both() as (client, server):
                near, far = await streams(client, server)
                near.write(b"last words")
                await until(lambda: server.core.streams[far.id].receiving.readable == 10)
                client.abort("the program has had enough")
                await server.wait_closed()
                assert await far.read(100) == b"last words"
                with pytest.raises(SessionOver):
                    await far.read(100)

        run(main())

    def test_a_clean_end_ends_all_streams(self) -> None:
        async def main() -> None:
            async with both() as (client, server):
                near, far = await streams(client, server)
                near.write(b"last words")
                client.close()
                with pytest.raises(SessionOver, match="closed"):
                    near.write(b"more")
                assert await far.read() == b"last words"
                assert (await client.wait_closed()).clean
                assert (await server.wait_closed()).clean

        run(main())
