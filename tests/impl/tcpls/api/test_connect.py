"""Connecting: which address is taken, servers that do not answer or make no sense, plain TLS, and giving up."""

import asyncio
import gc
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from impl.tcpls.api import Hooks, Session, connect
from impl.tcpls.errors import SessionOver, StreamError
from impl.tcpls.sockets import AllFailed, SocketError
from impl.tls13 import TicketProtection
from impl.tls13.anti_replay import ReplayGuard
from impl.tls13.registries import NamedGroup
from impl.tls13.sessions import Session as Ticket
from tests.support.tcpls_live import HOST, black_hole, client, echo, local_ways, over, serving, ways
from tests.support.tls_streams import client_config, identity, run, server_config, server_context, until

Raw = Callable[[asyncio.StreamReader, asyncio.StreamWriter], object]


@asynccontextmanager
async def raw_server(handler: Raw, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server without TCPLS; gives its port."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            result = handler(reader, writer)
            if asyncio.iscoroutine(result):
                await result
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, HOST, 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def ask(session: Session, question: bytes = b"question") -> bytes:
    """Send something on a new stream, and return the whole answer."""
    stream = session.open_stream()
    stream.write(question)
    stream.write_eof()
    return await stream.read()


class TestChoice:
    def test_of_several_addresses_the_one_that_answers(self) -> None:
        async def main() -> None:
            async with (
                serving(echo, "127.0.0.3", "::1") as live,
                await connect(["127.0.0.2", "::1", "127.0.0.3"], live.port, client_config()) as session,
            ):
                assert session.get_extra_info("peername") == ("::1", live.port)
                assert session.connected.seconds > 0
                assert await ask(session) == b"question"

        run(main())

    def test_a_black_hole_delays_and_no_more(self) -> None:
        async def main() -> None:
            async with serving(echo) as live:
                with black_hole("127.0.0.4", live.port):
                    async with await client(live, candidates=ways("127.0.0.4", HOST)) as session:
                        assert session.get_extra_info("peername") == (HOST, live.port)
                        assert await ask(session) == b"question"

        run(main())

    def test_a_name_is_resolved(self) -> None:
        async def main() -> None:
            async with serving(echo) as live, await client(live, "localhost") as session:
                assert session.get_extra_info("peername") == (HOST, live.port)

        run(main())

    def test_our_own_addresses_are_used_in_order(self) -> None:
        async def main() -> None:
            async with (
                serving(echo) as live,
                await client(live, local=["127.0.0.7", "127.0.0.8"]) as session,
            ):
                await until(lambda: len(session.stats()) == 2)
                assert [stats.local for stats in session.stats()] == ["127.0.0.7", "127.0.0.8"]

        run(main())

    def test_link_options_are_set(self) -> None:
        async def main() -> None:
            async with (
                serving(echo, congestion="reno") as live,
                await client(live, local=["127.0.0.7", "127.0.0.8"], congestion="reno") as session,
            ):
                await until(lambda: len(session.stats()) == 2)
                other = await live.session()
                for end in (session, other):
                    for number in (0, 1):
                        link = end.driver.link(number)
                        assert link is not None
                        assert link.congestion == "reno"

        run(main())

    def test_another_group_than_the_first(self) -> None:
        """A HelloRetryRequest comes before the session is known."""

        async def main() -> None:
            config = client_config(groups=[NamedGroup.SECP256R1, NamedGroup.X25519])
            other = server_config(groups=[NamedGroup.X25519])
            async with (
                serving(echo, config=other) as live,
                over(live, local_ways("127.0.0.1", "127.0.0.2"), config=config) as (session, _),
            ):
                await until(lambda: len(session.stats()) == 2)
                assert await ask(session) == b"question"

        run(main())


class TestRefusals:
    def test_nobody_listens(self) -> None:
        async def main() -> None:
            with socket.create_server((HOST, 0)) as gone:
                port = gone.getsockname()[1]
            with pytest.raises(AllFailed, match=rf"to {HOST}:{port}: Connection refused.*127\.0\.0\.2"):
                await connect([HOST, "127.0.0.2"], port, client_config())

        run(main())

    @pytest.mark.parametrize(
        ("arguments", "error", "reason"),
        [
            ({"candidates": []}, AllFailed, "there is no address"),
            ({"local": ["::1"]}, ValueError, "same family"),
            ({"local": ["here"]}, ValueError, "'here' is no IP address"),
            ({"congestion": "nonesuch"}, SocketError, "congestion control 'nonesuch'"),
            ({"host": []}, ValueError, "no address"),
        ],
    )
    def test_arguments_that_make_no_sense(
        self, arguments: dict[str, object], error: type[Exception], reason: str
    ) -> None:
        async def main() -> None:
            with pytest.raises(error, match=reason):
                await connect(**({"host": HOST, "port": 9, "config": client_config()} | arguments))  # type: ignore[arg-type]

        run(main())

    def test_a_certificate_that_is_not_trusted(self) -> None:
        async def main() -> None:
            async with serving() as live:
                with pytest.raises(SessionOver, match="certificate"):
                    await client(live, config=client_config(trust=identity("another").trust))
                await until(lambda: bool(live.refused))
                assert live.reasons == ["the peer says unknown_ca"]
                assert live.refused[0].peer.address == HOST

        run(main())

    def test_bytes_that_are_no_tls(self) -> None:
        async def main() -> None:
            async with raw_server(lambda _, writer: writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as port:
                with pytest.raises(SessionOver, match="this is not TLS"):
                    await connect(HOST, port, client_config())

        run(main())

    def test_a_server_that_closes_at_once(self) -> None:
        async def main() -> None:
            async with raw_server(lambda _, writer: writer.close()) as port:
                with pytest.raises(SessionOver):
                    await connect(HOST, port, client_config())

        run(main())

    def test_a_server_without_tls_13(self, tmp_path: Path) -> None:
        async def main() -> None:
            context = server_context(tmp_path)
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            async with raw_server(lambda _, __: None, context) as port:
                with pytest.raises(SessionOver):
                    await connect(HOST, port, client_config())

        asyncio.run(main())  # asyncio's server reports the failed handshake, as it may


class TestGivingUp:
    def test_a_server_that_says_nothing(self) -> None:
        async def main() -> None:
            async with raw_server(lambda reader, _: reader.read()) as port:
                with pytest.raises(SessionOver, match=rf"no handshake with {HOST}:{port} within 0\.1 s"):
                    await connect(HOST, port, client_config(), handshake_limit=0.1)

        run(main())

    def test_a_server_that_is_not_there(self) -> None:
        async def main() -> None:
            async with serving() as live:
                with black_hole("127.0.0.4", live.port), pytest.raises((SessionOver, AllFailed), match=r"0\.1 s"):
                    await client(live, candidates=ways("127.0.0.4"), handshake_limit=0.1)

        run(main())

    @pytest.mark.parametrize("answering", [False, True])
    def test_cancelled(self, answering: bool) -> None:
        """Neither a socket nor a task is left, whether TCP is connecting or TLS."""

        async def main() -> None:
            async with raw_server(lambda reader, _: reader.read()) as port:
                with black_hole("127.0.0.4", port):
                    candidates = ways(HOST if answering else "127.0.0.4")
                    connecting = asyncio.create_task(connect(HOST, port, client_config(), candidates=candidates))
                    if answering:
                        await until(lambda: any(isinstance(o, Session) for o in gc.get_objects()))
                    else:
                        await until(lambda: len(asyncio.all_tasks()) > 3)
                    connecting.cancel()
                    with pytest.raises(asyncio.CancelledError):
                        await connecting

        gc.collect()
        run(main())


class TestEarlyData:
    @pytest.mark.parametrize("known", [True, False])
    def test_the_first_stream_goes_with_the_hello_if_the_server_is_known(self, known: bool) -> None:
        async def main() -> None:
            tickets: list[Ticket] = []
            config = server_config(tickets=TicketProtection(), max_early_data=2**14, replay_guard=ReplayGuard())
            async with serving(echo, config=config, early_data=True) as live:
                async with await client(live, hooks=Hooks(on_ticket=tickets.append)) as session:
                    assert session.first_stream is None
                    await until(lambda: bool(tickets))
                again = client_config(session=tickets[0] if known else None, early_data=True)
                async with await client(live, config=again, early_data=b"question") as session:
                    assert session.started is not None
                    assert session.started.handshake.early_data_accepted is known
                    assert session.first_stream is not None
                    assert await session.first_stream.read() == b"question"

        run(main())


class TestPlainTls:
    def test_a_server_of_python(self, tmp_path: Path) -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            question = await reader.readexactly(200_000)
            writer.write(question[::-1])
            await writer.drain()

        async def main() -> None:
            async with raw_server(answer, server_context(tmp_path)) as port:
                session = await connect(HOST, port, client_config(), local=["127.0.0.1", "127.0.0.2"])
                assert session.started is not None
                assert not session.started.tcpls
                stream = session.open_stream()
                question = bytes(range(250)) * 800
                stream.write(question)
                await stream.drain()
                assert await stream.read() == question[::-1]
                with pytest.raises(StreamError, match="plain TLS"):
                    session.open_stream()
                with pytest.raises(StreamError, match="plain TLS"):
                    await session.join("127.0.0.1")
                session.close()
                assert (await session.wait_closed()).clean
                await stream.wait_closed()
                assert not session.joiner.manager.deadline()

        run(main())

    def test_the_servers_end_without_close_notify(self, tmp_path: Path) -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            writer.write(b"part")
            await writer.drain()
            writer.transport.abort()

        async def main() -> None:
            async with raw_server(answer, server_context(tmp_path)) as port:
                session = await connect(HOST, port, client_config())
                stream = session.open_stream()
                stream.write(b"?")
                with pytest.raises(SessionOver):
                    await stream.read()
                assert not (await session.wait_closed()).clean

        run(main())


@pytest.mark.sandbox
class TestFastOpen:
    @pytest.fixture(autouse=True)
    def _network(self) -> None:
        Path("/proc/sys/net/ipv4/tcp_fastopen").write_text("3")
        subprocess.run(["ip", "tcp_metrics", "flush"], check=False, capture_output=True)

    def test_the_second_connection_sends_its_hello_in_the_syn(self) -> None:
        async def main() -> None:
            async with serving(echo, fast_open=True) as live:
                taken = []
                for _ in range(2):
                    async with await client(live, fast_open=True) as session:
                        assert await ask(session) == b"question"
                        taken.append((session.connected.taken > 0, session.connected.acked))
                assert taken == [(False, None), (True, True)]

        run(main())

    def test_a_server_that_does_not_know_it(self) -> None:
        async def main() -> None:
            async with serving(echo) as live:
                for _ in range(2):
                    async with await client(live, fast_open=True) as session:
                        assert await ask(session) == b"question"
                        assert not session.connected.acked

        run(main())
