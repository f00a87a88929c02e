"""The StreamReader of TLS streams: it reads as the standard library's does, and tells a regular end from an error."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from impl.tls13.streams.reader import StreamReader

Reads = Callable[[asyncio.StreamReader], Awaitable[bytes]]
LIMIT = 40


class Source(asyncio.Transport):
    """A transport that notes whether it is asked for more."""

    def __init__(self) -> None:
        super().__init__()
        self.reading = True

    def pause_reading(self) -> None:
        assert self.reading
        self.reading = False

    def resume_reading(self) -> None:
        assert not self.reading
        self.reading = True


def ours(limit: int = LIMIT) -> StreamReader:
    return StreamReader(limit, asyncio.get_running_loop())


async def outcome(read: Reads, reader: asyncio.StreamReader) -> object:
    """What a read returns, or how it fails."""
    try:
        return await read(reader)
    except asyncio.IncompleteReadError as error:
        return "incomplete", error.partial, error.expected
    except asyncio.LimitOverrunError as error:
        return "overrun", error.consumed
    except ValueError as error:
        return "value", str(error)


texts = st.lists(st.sampled_from([b"a", b"\n", b";;", b"word", b"a longer piece\n", bytes(30)]), max_size=8)
operations = st.one_of(
    st.integers(0, 50).map(lambda n: ("read", n)),
    st.integers(-1, 50).map(lambda n: ("readexactly", n)),
    st.sampled_from([b"\n", b";;", b"ab", b""]).map(lambda s: ("readuntil", s)),
    st.just(("readline",)),
)


class TestLikeTheStandardLibrary:
    @settings(max_examples=200)
    @given(texts, st.lists(operations, max_size=12))
    def test_it_reads_the_same(self, pieces: list[bytes], steps: list[tuple[str, object]]) -> None:
        async def main() -> None:
            reader, model = ours(), asyncio.StreamReader(LIMIT)
            for piece in pieces:
                reader.feed_data(piece)
                model.feed_data(piece)
            reader.feed_eof()
            model.feed_eof()
            for name, *arguments in steps:
                mine = await outcome(lambda each: getattr(each, name)(*arguments), reader)  # noqa: B023 - called here
                if name == "read" and arguments[0]:
                    # Up to n: how many is up to the reader, but not none as long as there is one.
                    assert isinstance(mine, bytes)
                    assert isinstance(arguments[0], int)
                    assert bool(mine) == (not model.at_eof())
                    assert len(mine) <= arguments[0]
                    assert mine == await model.readexactly(len(mine))
                else:
                    assert mine == await outcome(lambda each: getattr(each, name)(*arguments), model)  # noqa: B023
                assert reader.at_eof() == model.at_eof()
            assert await reader.read() == await model.read()

        asyncio.run(main())

    @pytest.mark.parametrize(
        ("read", "result"),
        [
            (lambda reader: reader.read(100), b"one"),
            (lambda reader: reader.read(), b"one two\n"),
            (lambda reader: reader.readexactly(5), b"one t"),
            (lambda reader: reader.readuntil(b"tw"), b"one tw"),
            (lambda reader: reader.readline(), b"one two\n"),
        ],
    )
    def test_it_waits_for_more(self, read: Reads, result: bytes) -> None:
        async def main() -> None:
            reader = ours()
            reading = asyncio.ensure_future(read(reader))
            for piece in (b"one", b" t", b"w", b"o\n"):
                await asyncio.sleep(0)
                reader.feed_data(piece)
            await asyncio.sleep(0)
            reader.feed_eof()
            assert await reading == result

        asyncio.run(main())

    def test_one_reads_at_a_time(self) -> None:
        async def main() -> None:
            reader = ours()
            first = asyncio.ensure_future(reader.read(1))
            await asyncio.sleep(0)
            with pytest.raises(RuntimeError, match="another coroutine"):
                await reader.read(1)
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first
            reader.feed_data(b"1")
            assert await reader.read(1) == b"1"

        asyncio.run(main())

    def test_lines_can_be_iterated(self) -> None:
        async def main() -> None:
            reader = ours()
            reader.feed_data(b"1\n2\n3")
            reader.feed_eof()
            assert [line async for line in reader] == [b"1\n", b"2\n", b"3"]

        asyncio.run(main())

    def test_pieces_are_not_copied(self) -> None:
        async def main() -> None:
            reader = ours()
            pieces = [b"first", b"second"]
            for piece in pieces:
                reader.feed_data(piece)
            assert await reader.read(6) is pieces[0]
            assert await reader.read(6) is pieces[1]

        asyncio.run(main())


class TestFlow:
    def test_the_source_is_stopped_while_too_much_is_unread(self) -> None:
        async def main() -> None:
            reader, source = ours(), Source()
            reader.set_transport(source)
            reader.feed_data(bytes(2 * LIMIT))
            assert source.reading
            reader.feed_data(bytes(1))
            assert not source.reading
            reader.feed_data(bytes(1))
            await reader.readexactly(LIMIT)
            assert not source.reading
            await reader.readexactly(2)
            assert source.reading

        asyncio.run(main())

    def test_who_waits_for_more_than_the_limit_gets_it(self) -> None:
        async def main() -> None:
            reader, source = ours(), Source()
            reader.set_transport(source)
            reader.feed_data(bytes(3 * LIMIT))
            assert not source.reading
            reading = asyncio.ensure_future(reader.readexactly(4 * LIMIT))
            await asyncio.sleep(0)
            assert source.reading
            reader.feed_data(bytes(LIMIT))
            assert await reading == bytes(4 * LIMIT)

        asyncio.run(main())


class TestErrors:
    @pytest.mark.parametrize(
        "read",
        [
            lambda reader: reader.read(100),
            lambda reader: reader.readexactly(100),
            lambda reader: reader.readuntil(b";"),
            lambda reader: reader.readline(),
            lambda reader: reader.read(),
        ],
    )
    @pytest.mark.parametrize("waits", [False, True])
    def test_an_error_ends_every_read(self, read: Reads, waits: bool) -> None:
        async def main() -> None:
            reader = ours()
            error = ConnectionError("gone")
            if not waits:
                reader.set_exception(error)
            reading = asyncio.ensure_future(read(reader))
            await asyncio.sleep(0)
            reader.set_exception(error)
            with pytest.raises(ConnectionError, match="gone"):
                await reading
            with pytest.raises(ConnectionError, match="gone"):
                await read(reader)
            assert reader.exception() is error
            assert not reader.at_eof()

        asyncio.run(main())

    def test_what_came_before_can_be_read(self) -> None:
        async def main() -> None:
            reader = ours()
            reader.feed_data(b"line\nmore, and a rest")
            reader.set_exception(ConnectionError("gone"))
            reader.set_exception(ConnectionError("later"))
            assert await reader.readline() == b"line\n"
            assert await reader.readexactly(4) == b"more"
            assert await reader.readuntil(b" ") == b", and "[:2]
            assert await reader.read(3) == b"and"
            assert await reader.read(100) == b" a rest"
            with pytest.raises(ConnectionError, match="gone"):
                await reader.read(100)
            assert await reader.read(0) == b""

        asyncio.run(main())
