"""Serving: who is let in and who is not, plain TLS clients, handlers that fail, and the end of a server."""

import asyncio
import contextlib
import importlib
import os
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from impl.tcpls.api import Session, serve
from impl.tcpls.errors import SessionOver, StreamError
from impl.tcpls.events import KeyLogLine
from impl.tcpls.joining import JoinMode, client_hello
from impl.tcpls.sockets import AllFailed, SocketError
from impl.tls13 import Client
from tests.support.tcpls_live import HOST, Live, client, echo, local_ways, over, sender, serving, silent, streams
from tests.support.tls_streams import client_config, client_context, run, server_config, until


@asynccontextmanager
async def raw_client(live: Live, **options: Any) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A client without TCPLS."""
    reader, writer = await asyncio.open_connection(HOST, live.port, **options)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()


def hello(**options: Any) -> bytes:
    """A ClientHello without the rest of a handshake."""
    tls = Client(client_config(**options))
    tls.start(1.8e9)
    return tls.data_to_send()


class TestListening:
    def test_several_addresses_have_one_port(self) -> None:
        async def main() -> None:
            async with serving(echo, HOST, "127.0.0.2", "::1") as live:
                assert [end.address for end in live.server.addresses] == [HOST, "127.0.0.2", "::1"]
                assert {end.port for end in live.server.addresses} == {live.port}
                for address in (HOST, "127.0.0.2", "::1"):
                    async with await client(live, address) as session:
                        assert session.get_extra_info("peername")[0] == address
                assert len(live.sessions) == 3
                assert {session.peer.address for session in live.sessions} == {""}  # they are over

        run(main())

    def test_an_address_that_is_taken(self) -> None:
        async def main() -> None:
            async with serving() as live:
                with pytest.raises(SocketError, match=f"cannot listen on {HOST}:{live.port}.*listens there already"):
                    await serve(silent, [HOST], live.port, server_config())

        run(main())

    def test_sessions_know_their_peer(self) -> None:
        async def main() -> None:
            async with serving() as live, await client(live, local=["127.0.0.5"]) as session:
                other = await live.session()
                assert other.peer == session.get_extra_info("sockname")
                assert other.peer.address == "127.0.0.5"
                assert live.server.sessions == {other}
            assert not live.server.sessions

        run(main())


class TestRefusals:
    def test_bytes_that_are_no_tls(self) -> None:
        async def main() -> None:
            async with serving() as live:
                async with raw_client(live) as (reader, writer):
                    writer.write(b"GET / HTTP/1.0\r\n\r\n")
                    assert (await reader.read())[:1] == b"\x15"  # an alert
                assert len(live.refused) == 1
                assert "not TLS" in live.reasons[0]
                assert live.refused[0].peer.address == HOST
                assert not live.sessions

        run(main())

    def test_a_client_that_closes_or_resets_before_its_hello_is_there(self) -> None:
        async def main() -> None:
            async with serving() as live:
                async with raw_client(live) as (_, writer):
                    writer.write(hello()[:100])
                await until(lambda: len(live.refused) == 1)
                async with raw_client(live) as (_, writer):
                    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1" + bytes(7))
                    writer.transport.abort()
                await until(lambda: len(live.refused) == 2)
                assert "before its ClientHello was there" in live.reasons[0]
                assert not live.sessions

        run(main())

    @pytest.mark.parametrize("said", ["nothing", "half of its hello", "its hello"])
    def test_a_client_that_says_too_little(self, said: str) -> None:
        async def main() -> None:
            async with serving(handshake_limit=0.1) as live:
                async with raw_client(live) as (reader, writer):
                    whole = hello()
                    writer.write({"nothing": b"", "half of its hello": whole[:200], "its hello": whole}[said])
                    with contextlib.suppress(ConnectionResetError):
                        await reader.read()
                await until(lambda: bool(live.refused))
                assert len(live.refused) == 1
                assert live.reasons[0].endswith("within 0.1 s")
                assert live.refused[0].peer.address == HOST
                assert not live.sessions

        run(main())

    def test_a_hello_in_pieces(self) -> None:
        async def main() -> None:
            async with serving() as live, raw_client(live) as (reader, writer):
                for byte in hello():
                    writer.write(bytes([byte]))
                    await asyncio.sleep(0)
                assert (await reader.readexactly(1)) == b"\x16"

        run(main())

    def test_no_more_wait_than_are_allowed(self) -> None:
        async def main() -> None:
            async with serving(echo, max_waiting=2) as live:
                async with contextlib.AsyncExitStack() as stack:
                    for _ in range(2):
                        await stack.enter_async_context(raw_client(live))
                    async with raw_client(live) as (reader, _):
                        assert await reader.read() == b""
                    assert live.reasons == ["2 connections are in their handshake already"]
                    with pytest.raises(SessionOver):
                        await client(live)
                await until(lambda: len(live.refused) == 4)
                async with await client(live) as session:
                    assert session.core.tcpls

        run(main())

    def test_a_join_with_a_token_that_nobody_gave(self) -> None:
        async def main() -> None:
            async with serving() as live, await client(live) as session, raw_client(live) as (reader, writer):
                data, _ = client_hello(
                    client_config(), session.core.settings.join_extension, b"?" * 32, JoinMode.DIRECT, 1.8e9
                )
                writer.write(bytes(data))
                assert (await reader.read())[:1] == b"\x15"
                assert live.reasons == ["the token of tcpls_join is not valid, or was used (section 5.1.2)"]
                assert list(session.core.connections) == [0]

        run(main())

    def test_nobody_needs_to_be_told(self) -> None:
        async def main() -> None:
            server = await serve(silent, [HOST], 0, server_config())
            reader, writer = await asyncio.open_connection(HOST, server.addresses[0].port)
            writer.write(b"nonsense that is no TLS")
            assert (await reader.read())[:1] == b"\x15"
            writer.close()
            await writer.wait_closed()
            server.close()
            await server.wait_closed()

        run(main())

    def test_files_that_run_out(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Connections then wait in the kernel."""

        async def main() -> None:
            taken = 0
            module = importlib.import_module("impl.tcpls.api.serve")  # not the function of that name
            usual = module.accept_tcp

            def fail(sock: socket.socket) -> Any:
                nonlocal taken
                taken += 1
                if taken == 1:
                    raise OSError(24, os.strerror(24))
                return usual(sock)

            monkeypatch.setattr(module, "accept_tcp", fail)
            monkeypatch.setattr(module, "_NO_FILES", 0.02)
            async with serving(echo) as live, await client(live) as session:
                assert session.core.tcpls
                assert live.reasons == ["cannot accept connections: Too many open files"]

        run(main())


class TestPlainTls:
    def test_a_client_of_python(self) -> None:
        async def main() -> None:
            question = bytes(range(250)) * 4000
            async with serving(echo) as live:
                async with raw_client(live, ssl=client_context(), server_hostname="localhost") as (reader, writer):
                    writer.write(question)
                    assert await reader.readexactly(len(question)) == question
                    session = await live.session()
                    assert session.started is not None
                    assert not session.started.tcpls
                    assert list(session.core.streams.all())
                    with pytest.raises(StreamError, match="plain TLS"):
                        session.open_stream()
                await session.wait_closed()
                assert not live.refused

        run(main())

    def test_the_servers_end_is_a_close_notify(self) -> None:
        async def main() -> None:
            answer = bytes(2**20)
            async with (
                serving(sender(answer)) as live,
                raw_client(live, ssl=client_context(), server_hostname="localhost") as (reader, writer),
            ):
                writer.write(b"go")
                assert await reader.read() == answer

        run(main())

    def test_a_client_that_does_not_read_bounds_the_memory(self) -> None:
        async def main() -> None:
            async with (
                serving(sender(bytes(2**25))) as live,
                raw_client(live, ssl=client_context(), server_hostname="localhost", limit=2**16) as (reader, writer),
            ):
                writer.write(b"go")
                session = await live.session()
                await until(lambda: 0 in session.core.streams and session.core.connections[0].blocked)
                assert session.core.streams[0].sending.unacknowledged < 2**22
                assert len(await reader.read()) == 2**25

        run(main())


class TestHandlers:
    def test_one_that_fails_ends_its_session_alone(self) -> None:
        async def main() -> None:
            loop = asyncio.get_running_loop()
            usual, reported = loop.get_exception_handler(), []
            loop.set_exception_handler(lambda _, context: reported.append(context["exception"]))

            async def handle(session: Session) -> None:
                stream = await session.accept_stream()
                if await stream.read(1) == b"!":
                    raise RuntimeError("of the test")
                await silent(session)

            async with serving(handle) as live, await client(live) as well, await client(live) as bad:
                well.open_stream().write(b".")
                stream = bad.open_stream()
                stream.write(b"!")
                with pytest.raises(SessionOver, match="internal_error"):
                    await stream.read()
                assert not (await bad.wait_closed()).clean
                assert await well.ping(0) > 0
            loop.set_exception_handler(usual)
            assert [str(error) for error in reported] == ["of the test"]

        run(main())

    def test_one_that_returns_closes_its_session(self) -> None:
        async def main() -> None:
            async def handle(session: Session) -> None:
                session.open_stream().write(b"good-bye")

            async with serving(handle) as live:
                session = await client(live)
                stream = await session.accept_stream()
                assert await stream.read() == b"good-bye"
                assert (await session.wait_closed()).clean

        run(main())

    def test_a_client_that_ends_the_session_is_no_failure_of_the_handler(self) -> None:
        async def main() -> None:
            async with serving(sender(bytes(2**26))) as live:
                session = await client(live)
                stream = session.open_stream()
                stream.write(b"go")
                await stream.readexactly(2**16)
                session.close()
                assert (await session.wait_closed()).clean
                assert (await live.sessions[0].wait_closed()).clean

        run(main())


class TestClosing:
    def test_sessions_are_closed_and_their_handlers_awaited(self) -> None:
        async def main() -> None:
            over_now: list[str] = []

            async def handle(session: Session) -> None:
                try:
                    await echo(session)
                finally:
                    over_now.append("handler")

            async with serving(handle) as live:
                session = await client(live)
                near = session.open_stream()
                near.write(b"x")
                assert await near.read(1) == b"x"
                silent_one = await client(live)
                await live.session(1)
                live.server.close()
                live.server.close()
                await live.server.wait_closed()
                assert over_now == ["handler"] * 2
                assert (await session.wait_closed()).clean
                assert await near.read() == b""
                assert (await silent_one.wait_closed()).clean
                with pytest.raises(AllFailed, match="refused"):
                    await client(live)

        run(main())

    def test_connections_in_their_handshake_are_given_up(self) -> None:
        async def main() -> None:
            async with serving() as live, raw_client(live) as (silent_reader, _), raw_client(live) as (reader, writer):
                writer.write(hello())
                assert (await reader.readexactly(1)) == b"\x16"
                await until(lambda: len(live.server._waiting) == 1)
                live.server.close()
                await live.server.wait_closed()
                with contextlib.suppress(ConnectionResetError):
                    assert await silent_reader.read() == b""
                await reader.read()
                assert all("the server was closed" in reason for reason in live.reasons)
                assert len(live.reasons) == 2

        run(main())

    def test_a_transfer_is_cut_off(self) -> None:
        """What was written goes out; nothing new can be."""

        async def main() -> None:
            async with serving(sender(bytes(2**26))) as live:
                session = await client(live)
                stream = session.open_stream()
                stream.write(b"go")
                await stream.readexactly(2**16)
                live.server.close()
                rest = await stream.read()
                assert len(rest) < 2**26
                assert (await session.wait_closed()).clean

        run(main())


class TestJoins:
    @pytest.mark.parametrize("mode", list(JoinMode))
    def test_both_kinds(self, mode: JoinMode) -> None:
        async def main() -> None:
            async with (
                serving(echo) as live,
                over(live, local_ways("127.0.0.1", "127.0.0.2"), mode=mode) as (session, events),
            ):
                await until(lambda: [stats.state for stats in session.stats()] == ["open", "open"])
                for connection in (0, 1):
                    stream = session.open_stream(connection=connection)
                    stream.write(b"x" * 50_000)
                    stream.write_eof()
                    assert await stream.read() == b"x" * 50_000
                assert not any(isinstance(event, KeyLogLine) for event in events)
                other = await live.session()
                assert [stats.remote for stats in other.stats()] == ["127.0.0.1", "127.0.0.2"]
                near, far = await streams(other, session)
                far.close()
                near.close()

        run(main())
