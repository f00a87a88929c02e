"""The transport of a user's own protocol, without streams."""

import asyncio

import pytest

from impl.tls13 import Client, Server
from impl.tls13.streams.protocol import TLSProtocol
from impl.tls13.streams.sending import Workspace
from impl.tls13.streams.settings import Hooks, Limits
from impl.tls13.streams.transport import TLSTransport
from tests.support.tls_streams import client_config, run, server_config, until


class Notes(asyncio.Protocol):
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[object] = []
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.told.append("made")

    def data_received(self, data: bytes) -> None:
        self.told.append(data)

    def eof_received(self) -> None:
        self.told.append("eof")

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")

    def connection_lost(self, exc: Exception | None) -> None:
        self.told.append(exc)


async def both() -> tuple[Notes, Notes, asyncio.Server]:
    """A client's and a server's protocol, connected, and the server to close."""
    loop = asyncio.get_running_loop()
    ours, theirs = Notes(), Notes()

    def connection(core: Client | Server, user: Notes) -> TLSProtocol:
        return TLSProtocol(core, user, TLSTransport, hooks=Hooks(), limits=Limits(close=0.1), workspace=Workspace())

    server = await loop.create_server(lambda: connection(Server(server_config()), theirs), "127.0.0.1", 0)
    client = connection(Client(client_config()), ours)
    await loop.create_connection(lambda: client, *server.sockets[0].getsockname())
    await client.start(b"")
    await until(lambda: theirs.transport is not None)
    return ours, theirs, server


class TestTransport:
    def test_a_protocol_is_told_everything_in_order(self) -> None:
        async def main() -> None:
            ours, theirs, server = await both()
            assert ours.transport is not None
            ours.transport.write(b"hello")
            await until(lambda: b"hello" in theirs.told)
            ours.transport.close()
            ours.transport.close()
            assert ours.transport.is_closing()
            await until(lambda: None in ours.told)
            await until(lambda: None in theirs.told)
            assert ours.told == ["made", None]
            assert theirs.told == ["made", b"hello", "eof", None]  # eof_received gave None: it is closed by itself
            server.close()

        run(main())

    def test_flow_control(self) -> None:
        async def main() -> None:
            ours, theirs, server = await both()
            there, here = ours.transport, theirs.transport
            assert there is not None
            assert here is not None
            assert here.is_reading()
            here.pause_reading()
            assert not here.is_reading()
            there.set_write_buffer_limits(high=1000, low=500)
            assert there.get_write_buffer_limits() == (500, 1000)
            there.write(bytes(20_000_000))
            assert ours.told == ["made", "pause"]
            assert there.get_write_buffer_size() > 1000
            here.resume_reading()
            await until(lambda: "resume" in ours.told)
            there.close()
            await until(lambda: None in theirs.told)
            assert sum(len(piece) for piece in theirs.told if isinstance(piece, bytes)) == 20_000_000
            await until(lambda: None in ours.told)
            assert not there.is_reading()
            there.resume_reading()
            server.close()

        run(main())

    def test_abort_is_at_once(self) -> None:
        async def main() -> None:
            ours, theirs, server = await both()
            assert ours.transport is not None
            ours.transport.abort()
            assert ours.transport.is_closing()
            ours.transport.write(b"never sent")
            await until(lambda: None in ours.told)
            await until(lambda: len(theirs.told) == 2)
            assert isinstance(theirs.told[1], ConnectionError)  # there was no close_notify
            server.close()

        run(main())

    def test_protocols_can_be_exchanged(self) -> None:
        async def main() -> None:
            ours, theirs, server = await both()
            assert ours.transport is not None
            assert theirs.transport is not None
            other = Notes()
            assert theirs.transport.get_protocol() is theirs
            theirs.transport.set_protocol(other)
            with pytest.raises(TypeError, match="BaseProtocol"):
                theirs.transport.set_protocol(asyncio.BaseProtocol())
            ours.transport.write(b"hello")
            ours.transport.close()
            await until(lambda: None in other.told)
            assert other.told == [b"hello", "eof", None]
            assert theirs.told == ["made"]
            await until(lambda: None in ours.told)
            server.close()

        run(main())
