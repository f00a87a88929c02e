"""Streams over real sockets on loopback: data both ways, ends of all kinds, failures, early data, other peers."""

import asyncio
import random
import socket
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from hashlib import sha256
from pathlib import Path

import pytest

from impl.tls13.anti_replay import ReplayGuard
from impl.tls13.client import Client
from impl.tls13.config import ClientAuthentication, ClientConfig
from impl.tls13.events import HandshakeCompleted
from impl.tls13.registries import AlertDescription, NamedGroup
from impl.tls13.server import Server
from impl.tls13.sessions import Session
from impl.tls13.streams import ConnectionAborted, connect
from impl.tls13.tickets import TicketProtection
from tests.support.tls_streams import (
    client_config,
    client_context,
    closed,
    echo,
    identity,
    run,
    server_config,
    server_context,
    serving,
    until,
)

pytestmark = pytest.mark.timeout(60)

Reader = asyncio.StreamReader
Writer = asyncio.StreamWriter

LONG = random.Random(1).randbytes(3_000_000)


async def quiet(reader: Reader, writer: Writer) -> None:
    """A handler that reads to the end."""
    await reader.read()


async def cut_off(writer: Writer) -> None:
    """End the TCP connection's direction without close_notify."""
    await writer.drain()
    writer.get_extra_info("socket").shutdown(socket.SHUT_WR)


async def send_forever(writer: Writer) -> None:
    """Send until an error ends it."""
    while True:
        writer.write(bytes(2**16))
        await writer.drain()


async def pieces(reader: Reader) -> AsyncIterator[bytes]:
    """All that comes."""
    while data := await reader.read(2**18):
        yield data


class TestConnections:
    @pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
    def test_data_goes_both_ways(self, host: str) -> None:
        async def main() -> None:
            async with serving(echo, host=host) as server:
                reader, writer = await connect(host, server.port, client_config(server_name=host))
                writer.write(b"hello")
                assert await reader.readexactly(5) == b"hello"
                writer.write_eof()
                assert await reader.read() == b""
                assert reader.at_eof()
                await closed(writer)

        run(main())

    def test_what_is_known_about_a_connection(self) -> None:
        seen: list[object] = []

        async def handler(reader: Reader, writer: Writer) -> None:
            seen.append(writer.get_extra_info("tls"))
            seen.append(writer.get_extra_info("handshake"))
            seen.append(writer.get_extra_info("peername"))

        async def main() -> None:
            async with serving(handler, server_config(alpn_protocols=(b"a", b"b"))) as server:
                config = client_config(alpn_protocols=(b"b",), groups=(NamedGroup.X25519,))
                reader, writer = await connect("127.0.0.1", server.port, config)
                await reader.read()
                handshake = writer.get_extra_info("handshake")
                assert isinstance(handshake, HandshakeCompleted)
                assert handshake.cipher_suite == "TLS_AES_128_GCM_SHA256"
                assert handshake.group == NamedGroup.X25519
                assert handshake.alpn_protocol == b"b"
                assert handshake.peer_chain == (identity().credentials.certificate,)
                assert 0 < writer.get_extra_info("handshake_seconds") < 20
                assert isinstance(writer.get_extra_info("tls"), Client)
                assert writer.get_extra_info("peername") == ("127.0.0.1", server.port)
                assert writer.get_extra_info("socket").family == socket.AF_INET
                assert writer.get_extra_info("nothing", 5) == 5
                core, on_server, peer = seen
                assert isinstance(core, Server)
                assert isinstance(on_server, HandshakeCompleted)
                assert on_server.server_name == "localhost"
                assert peer == writer.get_extra_info("sockname")
                await closed(writer)

        run(main())

    def test_certificates_of_clients(self) -> None:
        client = identity("client.test")
        names: list[str] = []

        async def handler(reader: Reader, writer: Writer) -> None:
            names.extend(c.subject.rfc4514_string() for c in writer.get_extra_info("handshake").peer_chain)

        async def main() -> None:
            config = server_config(client_authentication=ClientAuthentication.REQUIRED, trust=client.trust)
            async with serving(handler, config) as server:
                reader, writer = await connect("127.0.0.1", server.port, client_config(credentials=client.credentials))
                await reader.read()
                await closed(writer)
                # The server's refusal comes after the client's handshake is over.
                reader, writer = await connect("127.0.0.1", server.port, client_config())
                with pytest.raises(ConnectionAborted) as caught:
                    await reader.read()
                assert caught.value.failure.by == "peer"
                assert caught.value.failure.alert == AlertDescription.CERTIFICATE_REQUIRED
                with pytest.raises(ConnectionAborted):
                    await closed(writer)

        run(main())
        assert len(names) == 1

    def test_the_key_log_has_all_secrets(self) -> None:
        lines: dict[str, list[str]] = {"client": [], "server": []}

        async def main() -> None:
            async with serving(echo, key_log=lines["server"].append) as server:
                reader, writer = await connect(
                    "127.0.0.1", server.port, client_config(), key_log=lines["client"].append
                )
                writer.get_extra_info("tls").update_keys(request_peer=True)
                writer.write(b"hello")
                assert await reader.readexactly(5) == b"hello"
                writer.write_eof()
                await reader.read()
                await closed(writer)

        run(main())
        assert sorted(lines["client"]) == sorted(lines["server"])
        assert len({line.split()[1] for line in lines["client"]}) == 1
        assert {line.split()[0] for line in lines["client"]} == {
            "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
            "SERVER_HANDSHAKE_TRAFFIC_SECRET",
            "CLIENT_TRAFFIC_SECRET_0",
            "SERVER_TRAFFIC_SECRET_0",
            "EXPORTER_SECRET",
            "CLIENT_TRAFFIC_SECRET_1",
            "SERVER_TRAFFIC_SECRET_1",
        }


class TestFailedHandshakes:
    def test_a_server_that_is_not_trusted(self) -> None:
        async def main() -> None:
            async with serving(echo) as server:
                config = client_config(trust=identity("other.test").trust)
                with pytest.raises(ConnectionAborted) as caught:
                    await connect("127.0.0.1", server.port, config)
                assert caught.value.failure.by == "local"
                assert caught.value.failure.alert == AlertDescription.UNKNOWN_CA
                await until(lambda: bool(server.failures))
                (failure,) = server.failures
                assert isinstance(failure, ConnectionAborted)
                assert failure.failure.by == "peer"
                assert failure.failure.alert == AlertDescription.UNKNOWN_CA

        run(main())

    def test_nothing_in_common(self) -> None:
        async def main() -> None:
            async with serving(echo, server_config(groups=(NamedGroup.SECP384R1,))) as server:
                with pytest.raises(ConnectionAborted) as caught:
                    await connect("127.0.0.1", server.port, client_config(groups=(NamedGroup.X25519,)))
                assert caught.value.failure.by == "peer"
                assert caught.value.failure.alert == AlertDescription.HANDSHAKE_FAILURE

        run(main())

    def test_nobody_listens(self) -> None:
        async def main() -> None:
            with socket.create_server(("127.0.0.1", 0)) as listening:
                port = listening.getsockname()[1]
            with pytest.raises(ConnectionRefusedError):
                await connect("127.0.0.1", port, client_config())

        run(main())

    @pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"", b"\x16\x03\x03\x00\x05hello"])
    def test_a_server_that_speaks_something_else(self, answer: bytes) -> None:
        async def other(reader: Reader, writer: Writer) -> None:
            await reader.read(2**16)
            writer.write(answer)
            await closed(writer)

        async def main() -> None:
            server = await asyncio.start_server(other, "127.0.0.1", 0)
            with pytest.raises(ConnectionAborted):
                await connect("127.0.0.1", server.sockets[0].getsockname()[1], client_config())
            server.close()
            await server.wait_closed()

        run(main())

    def test_a_silent_server(self) -> None:
        async def main() -> None:
            with socket.create_server(("127.0.0.1", 0)) as listening:
                port = listening.getsockname()[1]
                with pytest.raises(ConnectionAborted, match=r"not over after 0\.05 s"):
                    await connect("127.0.0.1", port, client_config(), handshake_limit=0.05, close_limit=0.05)

        run(main())

    def test_a_silent_client(self) -> None:
        async def main() -> None:
            async with serving(echo, handshake_limit=0.05) as server:
                reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
                assert await reader.read()  # an alert, and the end
                await closed(writer)
                assert "not over after 0.05 s" in str(server.failures[0])

        run(main())

    def test_a_client_that_gives_up(self) -> None:
        async def main() -> None:
            with socket.create_server(("127.0.0.1", 0)) as listening:
                port = listening.getsockname()[1]
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(connect("127.0.0.1", port, client_config()), 0.05)

        run(main())

    def test_handshakes_are_not_held(self) -> None:
        async def main() -> None:
            async with serving(echo) as server:
                with pytest.raises(ValueError, match="hold"):
                    await connect("127.0.0.1", server.port, client_config(hold=True))

        run(main())


class TestData:
    def test_ways_to_read_and_write(self) -> None:
        async def handler(reader: Reader, writer: Writer) -> None:
            assert await reader.readline() == b"one line\n"
            assert await reader.readexactly(4) == b"four"
            assert await reader.readuntil(b";") == b"to here;"
            with pytest.raises(asyncio.IncompleteReadError) as caught:
                await reader.readexactly(100)
            assert caught.value.partial == b"the rest"
            assert reader.at_eof()

        async def main() -> None:
            async with serving(handler) as server:
                reader, writer = await connect("127.0.0.1", server.port, client_config())
                writer.writelines([b"one ", bytearray(b"line\n"), memoryview(b"four")])
                writer.write(memoryview(b"to here;"))
                writer.write(b"")
                writer.write(bytearray(b"the rest"))
                assert writer.can_write_eof()
                writer.write_eof()
                writer.write_eof()
                with pytest.raises(RuntimeError, match="write_eof"):
                    writer.write(b"more")
                assert await reader.read() == b""
                await closed(writer)

        run(main())

    def test_what_is_written_may_change_afterwards(self) -> None:
        async def main() -> None:
            async with serving(echo) as server:
                reader, writer = await connect("127.0.0.1", server.port, client_config())
                data = bytearray(LONG)
                writer.write(data)
                assert data == LONG
                data[:] = bytes(len(data))
                assert await reader.readexactly(len(LONG)) == LONG
                await closed(writer)

        run(main())

    def test_nothing_but_bytes_is_written(self) -> None:
        async def main() -> None:
            async with serving(echo) as server:
                _, writer = await connect("127.0.0.1", server.port, client_config())
                with pytest.raises(TypeError, match="str"):
                    writer.write("text")  # type: ignore[arg-type]
                await closed(writer)

        run(main())

    @pytest.mark.parametrize("suite", range(3))
    def test_many_bytes_both_ways_at_once(self, suite: int) -> None:
        config = client_config()
        config = client_config(cipher_suites=(config.cipher_suites[suite],))
        data = LONG * 3

        async def main() -> None:
            async with serving(echo) as server:
                reader, writer = await connect("127.0.0.1", server.port, config)

                async def send() -> None:
                    for start in range(0, len(data), 100_000):
                        writer.write(data[start : start + 100_000])
                        await writer.drain()
                    writer.write_eof()

                _, received = await asyncio.gather(send(), reader.read())
                assert sha256(received).digest() == sha256(data).digest()
                await closed(writer)

        run(main())

    def test_a_writer_waits_for_a_reader(self) -> None:
        sent = 0
        piece = bytes(2**18)

        async def handler(reader: Reader, writer: Writer) -> None:
            nonlocal sent
            for _ in range(100):
                writer.write(piece)
                await writer.drain()
                sent += len(piece)

        async def main() -> None:
            async with serving(handler) as server:
                reader, writer = await connect("127.0.0.1", server.port, client_config(), limit=2**16)
                transport = writer.transport
                assert isinstance(transport, asyncio.Transport)
                await until(lambda: not transport.is_reading())
                before = -1
                while before != sent:
                    before = sent
                    await asyncio.sleep(0.02)
                assert sent < 100 * len(piece) * 0.7
                assert len(await reader.read(2**30)) < 2**20  # all that was taken from the socket meanwhile
                assert sum([len(data) async for data in pieces(reader)]) > 90 * len(piece)
                assert sent == 100 * len(piece)
                await closed(writer)

        run(main())

    def test_keys_change_while_data_flows(self) -> None:
        async def handler(reader: Reader, writer: Writer) -> None:
            count = 0
            while data := await reader.read(2**16):
                writer.write(data)
                count += 1
                if count % 3 == 0:
                    writer.get_extra_info("tls").update_keys(request_peer=count % 2 == 0)
                await writer.drain()

        async def main() -> None:
            lines: list[str] = []
            async with serving(handler) as server:
                reader, writer = await connect("127.0.0.1", server.port, client_config(), key_log=lines.append)
                writer.write(LONG)
                writer.write_eof()
                assert await reader.read() == LONG
                await closed(writer)
            assert any(line.startswith("SERVER_TRAFFIC_SECRET_3 ") for line in lines)

        run(main())


class TestEnds:
    def test_one_direction_ends_before_the_other(self) -> None:
        async def handler(reader: Reader, writer: Writer) -> None:
            writer.write(b"first")
            writer.write_eof()
            assert await reader.read() == b"second"
            assert not writer.is_closing()

        async def main() -> None:
            async with serving(handler) as server:
                reader, writer = await connect("127.0.0.1", server.port, client_config())
                assert await reader.read() == b"first"
                writer.write(b"sec")
                await writer.drain()
                writer.write(b"ond")
                writer.write_eof()
                await closed(writer)

        run(main())

    def test_after_close_nothing_is_written(self) -> None:
        async def main() -> None:
            async with serving(quiet) as server:
                reader, writer = await connect("127.0.0.1", server.port, client_config())
                writer.close()
                assert writer.is_closing()
                writer.write(b"more")
                await writer.wait_closed()
                assert await reader.read() == b""
                with pytest.raises(ConnectionResetError):
                    await writer.drain()

        run(main())

    def test_close_waits_for_what_was_written(self) -> None:
        received: list[bytes] = []

        async def handler(reader: Reader, writer: Writer) -> None:
            received.append(await reader.read())

        async def main() -> None:
            async with serving(handler) as server:
                _, writer = await connect("127.0.0.1", server.port, client_config())
                writer.write(LONG * 3)
                await closed(writer)
            assert received == [LONG * 3]

        run(main())

    def test_close_while_the_peer_goes_on_sending(self) -> None:
        async def handler(reader: Reader, writer: Writer) -> None:
            with pytest.raises(ConnectionError):
                await send_forever(writer)

        async def main() -> None:
            async with serving(handler) as server:
                reader, writer = await connect("127.0.0.1", server.port, client_config(), close_limit=0.1)
                await reader.read(10)
                await closed(writer)

        run(main())

    def test_a_peer_that_does_not_close(self) -> None:
        over = asyncio.Event()

        async def handler(reader: Reader, writer: Writer) -> None:
            await over.wait()

        async def main() -> None:
            async with serving(handler) as server:
                _, writer = await connect("127.0.0.1", server.port, client_config(), close_limit=0.05)
                began = time.monotonic()
                await closed(writer)
                assert time.monotonic() - began < 5
                over.set()

        run(main())

    def test_a_peer_that_reads_no_more(self) -> None:
        over = asyncio.Event()

        async def handler(reader: Reader, writer: Writer) -> None:
            await over.wait()
            with pytest.raises(ConnectionError):
                await reader.read()

        async def main() -> None:
            async with serving(handler) as server:
                _, writer = await connect("127.0.0.1", server.port, client_config(), close_limit=0.05)
                writer.write(bytes(30_000_000))
                with pytest.raises(TimeoutError, match="reads no more"):
                    await closed(writer)
                over.set()

        run(main())

    @pytest.mark.parametrize("read", ["read", "exactly", "line", "until", "all"])
    def test_a_stream_that_is_cut_off(self, read: str) -> None:
        async def handler(reader: Reader, writer: Writer) -> None:
            writer.write(b"incomplete")
            await cut_off(writer)
            with pytest.raises(ConnectionError):
                await reader.read()

        async def main() -> None:
            async with serving(handler) as server:
                reader, writer = await connect("127.0.0.1", server.port, client_config())
                ways: dict[str, Callable[[], Awaitable[bytes]]] = {
                    "read": lambda: reader.read(100),
                    "exactly": lambda: reader.readexactly(100),
                    "line": reader.readline,
                    "until": lambda: reader.readuntil(b";"),
                    "all": reader.read,
                }
                await until(lambda: reader.exception() is not None)
                assert not reader.at_eof()
                if read == "read":
                    assert await reader.read(4) == b"inco"  # what came before can be read
                    assert await reader.read(100) == b"mplete"
                for _ in range(2):
                    with pytest.raises(ConnectionAborted) as caught:
                        await ways[read]()
                    assert caught.value.failure.by == "transport"
                    assert caught.value.failure.alert is None
                with pytest.raises(ConnectionAborted):
                    await writer.drain()
                with pytest.raises(ConnectionAborted):
                    await closed(writer)

        run(main())

    def test_a_connection_that_is_reset(self) -> None:
        async def handler(reader: Reader, writer: Writer) -> None:
            await reader.readexactly(1)
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()

        async def main() -> None:
            async with serving(handler) as server:
                reader, writer = await connect("127.0.0.1", server.port, client_config())
                writer.write(b"1")
                with pytest.raises(ConnectionError):
                    await reader.read()
                with pytest.raises(ConnectionError):
                    await closed(writer)

        run(main())

    def test_what_came_before_close_notify_survives_a_reset(self) -> None:
        async def handler(reader: Reader, writer: Writer) -> None:
            writer.write(b"all of it")
            writer.write_eof()
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            await until(lambda: arrived)
            writer.transport.abort()

        arrived = False

        async def main() -> None:
            nonlocal arrived
            async with serving(handler) as server:
                reader, writer = await connect("127.0.0.1", server.port, client_config())
                core = writer.get_extra_info("tls")
                await until(lambda: core.peer_closed)
                arrived = True
                await until(writer.is_closing)
                assert await reader.read() == b"all of it"
                await closed(writer)

        run(main())


class TestFailures:
    def test_the_alert_reaches_a_peer_that_is_sending(self) -> None:
        async def handler(reader: Reader, writer: Writer) -> None:
            with pytest.raises(ConnectionAborted) as caught:
                await send_forever(writer)
            assert caught.value.failure.by == "peer"
            assert caught.value.failure.alert == AlertDescription.BAD_RECORD_MAC

        async def main() -> None:
            async with serving(handler) as server:
                reader, writer = await connect("127.0.0.1", server.port, client_config())
                core = writer.get_extra_info("tls")
                core.abort(AlertDescription.BAD_RECORD_MAC, "as a test wants it")
                writer.write(b"")
                assert writer.is_closing()
                with pytest.raises(ConnectionAborted, match="as a test wants it"):
                    await reader.read(-1)
                with pytest.raises(ConnectionAborted, match="as a test wants it"):
                    await closed(writer)

        run(main())

    def test_a_record_that_is_forged(self) -> None:
        async def handler(reader: Reader, writer: Writer) -> None:
            writer.write(b"good")
            await writer.drain()
            raw = writer.get_extra_info("socket").dup()
            raw.send(b"\x17\x03\x03\x00\x20" + bytes(32))
            raw.close()
            with pytest.raises(ConnectionAborted) as caught:
                await reader.read()
            assert caught.value.failure.by == "peer"
            assert caught.value.failure.alert == AlertDescription.BAD_RECORD_MAC
            with pytest.raises(ConnectionAborted):
                await writer.drain()

        async def main() -> None:
            async with serving(handler) as server:
                reader, writer = await connect("127.0.0.1", server.port, client_config())
                assert await reader.readexactly(4) == b"good"
                with pytest.raises(ConnectionAborted) as caught:
                    await reader.read(10)
                assert caught.value.failure.by == "local"
                assert caught.value.failure.alert == AlertDescription.BAD_RECORD_MAC
                with pytest.raises(ConnectionAborted):
                    await closed(writer)

        run(main())


class TestEarlyData:
    @staticmethod
    async def session_for(port: int, config: ClientConfig) -> Session:
        sessions: list[Session] = []
        _, writer = await connect("127.0.0.1", port, config, on_session=sessions.append)
        await until(lambda: bool(sessions))
        await closed(writer)
        return sessions[0]

    @staticmethod
    async def greet(reader: Reader, writer: Writer) -> None:
        """Answer at once, and tell how much came before the handshake's end."""
        early = b""
        if writer.get_extra_info("handshake") is None:
            early = await reader.read(2**18)
            writer.write(b"early!")
        rest = await reader.read()
        writer.write(b"%d early, %d in all" % (len(early), len(early + rest)))
        await writer.drain()

    def test_it_is_answered_before_the_handshake_is_over(self) -> None:
        async def main() -> None:
            config = server_config(tickets=TicketProtection(), max_early_data=1000, replay_guard=ReplayGuard())
            async with serving(self.greet, config) as server:
                session = await self.session_for(server.port, client_config())
                reader, writer = await connect(
                    "127.0.0.1", server.port, client_config(session=session, early_data=True), early_data=b"hello"
                )
                handshake = writer.get_extra_info("handshake")
                assert handshake.resumed
                assert handshake.early_data_accepted
                writer.write(b", world")
                writer.write_eof()
                assert await reader.read() == b"early!5 early, 12 in all"
                await closed(writer)

        run(main())

    def test_what_is_more_than_allowed_is_sent_later(self) -> None:
        async def main() -> None:
            config = server_config(tickets=TicketProtection(), max_early_data=1000, replay_guard=ReplayGuard())
            async with serving(self.greet, config) as server:
                session = await self.session_for(server.port, client_config())
                reader, writer = await connect(
                    "127.0.0.1", server.port, client_config(session=session, early_data=True), early_data=bytes(5000)
                )
                writer.write_eof()
                assert await reader.read() == b"early!1000 early, 5000 in all"
                await closed(writer)

        run(main())

    @pytest.mark.parametrize("reason", ["replay", "keys", "group", "no session", "not allowed"])
    def test_what_is_not_taken_is_sent_again(self, reason: str) -> None:
        async def main() -> None:
            guard = ReplayGuard(not_before=2e10 if reason == "replay" else 0)
            config = server_config(tickets=TicketProtection(), max_early_data=9000, replay_guard=guard)
            async with serving(self.greet, config) as server:
                session: Session | None = await self.session_for(server.port, client_config())
            settings: dict[str, object] = {"tickets": config.tickets, "max_early_data": 9000, "replay_guard": guard}
            if reason == "keys":
                settings["tickets"] = TicketProtection()
            if reason == "group":
                settings["groups"] = (NamedGroup.SECP384R1,)
            if reason == "no session":
                session = None
            async with serving(self.greet, server_config(**settings)) as server:
                mine = client_config(session=session, early_data=reason != "not allowed")
                reader, writer = await connect("127.0.0.1", server.port, mine, early_data=bytes(5000))
                assert not writer.get_extra_info("handshake").early_data_accepted
                assert writer.get_extra_info("handshake").hello_retry_request == (reason == "group")
                writer.write_eof()
                assert await reader.read() == b"0 early, 5000 in all"
                await closed(writer)

        run(main())

    def test_a_server_may_answer_and_close_before_the_handshake_is_over(self) -> None:
        async def handler(reader: Reader, writer: Writer) -> None:
            if writer.get_extra_info("handshake") is None:
                writer.write(await reader.readexactly(5))

        async def main() -> None:
            config = server_config(tickets=TicketProtection(), max_early_data=1000, replay_guard=ReplayGuard())
            async with serving(handler, config) as server:
                session = await self.session_for(server.port, client_config())
                reader, writer = await connect(
                    "127.0.0.1", server.port, client_config(session=session, early_data=True), early_data=b"hello"
                )
                assert await reader.read() == b"hello"
                await closed(writer)

        run(main())


class TestPythonsOwn:
    """asyncio's streams over OpenSSL as the peer."""

    def test_as_a_client(self) -> None:
        async def main() -> None:
            async with serving(echo) as server:
                reader, writer = await asyncio.open_connection(
                    "127.0.0.1", server.port, ssl=client_context(), server_hostname="localhost"
                )
                assert writer.get_extra_info("ssl_object").version() == "TLSv1.3"
                writer.write(LONG)
                assert await reader.readexactly(len(LONG)) == LONG
                await closed(writer)

        run(main())

    def test_as_a_server(self, tmp_path: Path) -> None:
        async def handler(reader: Reader, writer: Writer) -> None:
            writer.write(await reader.readexactly(len(LONG)))
            await closed(writer)

        async def main() -> None:
            server = await asyncio.start_server(handler, "127.0.0.1", 0, ssl=server_context(tmp_path))
            port = server.sockets[0].getsockname()[1]
            sessions: list[Session] = []
            reader, writer = await connect("127.0.0.1", port, client_config(), on_session=sessions.append)
            writer.write(LONG)
            assert await reader.read() == LONG
            await closed(writer)
            reader, writer = await connect("127.0.0.1", port, client_config(session=sessions[-1]))
            assert writer.get_extra_info("handshake").resumed
            writer.write(LONG)
            assert await reader.read() == LONG
            await closed(writer)
            server.close()
            await server.wait_closed()

        run(main())
