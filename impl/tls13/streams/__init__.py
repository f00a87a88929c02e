"""TLS over asyncio with the streams of the standard library: ``connect`` and ``serve``.

    reader, writer = await connect("example.org", 443, ClientConfig(server_name="example.org", trust=trust))

What differs from ``asyncio.open_connection(ssl=…)``: ``write_eof`` closes one direction alone, and a stream that ends
without the peer's close_notify raises ``ConnectionAborted`` once all that came before has been read.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from impl.tls13.client import Client
from impl.tls13.config import ClientConfig, ServerConfig
from impl.tls13.server import Server
from impl.tls13.sessions import Session
from impl.tls13.streams.protocol import TLSProtocol
from impl.tls13.streams.reader import StreamReader
from impl.tls13.streams.sending import Workspace
from impl.tls13.streams.settings import CLOSE_LIMIT, HANDSHAKE_LIMIT, ConnectionAborted, Hooks, Limits
from impl.tls13.streams.transport import TLSTransport

__all__ = ["LIMIT", "ConnectionAborted", "KeyLog", "StreamReader", "connect", "serve"]

LIMIT: Final = 2**18
"""Bytes of unread data at half of which the peer is stopped, and the longest that readuntil() looks through."""

KeyLog = Callable[[str], None]
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OnFailure = Callable[[Exception, Any], None]


async def connect(
    host: str | None,
    port: int | None,
    config: ClientConfig,
    *,
    early_data: bytes = b"",
    on_session: Callable[[Session], None] | None = None,
    key_log: KeyLog | None = None,
    handshake_limit: float = HANDSHAKE_LIMIT,
    close_limit: float = CLOSE_LIMIT,
    limit: int = LIMIT,
    **options: Any,
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect, and return once the handshake is over.

    Whether the server takes the client's certificate is known only after that: a refusal is raised from ``read``.

    Args:
        host: name or address, as for ``loop.create_connection``.
        port: TCP port.
        config: of the client. `host` is not verified: ``config.server_name`` is.
        early_data: sent with the ClientHello as far as `config` and its session allow, else after the handshake.
        on_session: gets every session that the server offers to resume, while data is read or waited for.
        key_log: gets lines for a key log file, without their ends.
        handshake_limit: for how long the handshake may last, seconds.
        close_limit: for how long closing waits for a peer that takes no more bytes and does not close itself, seconds.
        limit: see ``LIMIT``.
        options: further arguments of ``loop.create_connection``.

    Raises:
        ConnectionAborted: the handshake failed.
        OSError: the connection cannot be made, or is lost.

    """
    loop = asyncio.get_running_loop()
    reader = StreamReader(limit, loop)
    user = asyncio.StreamReaderProtocol(reader, loop=loop)
    hooks = Hooks(key_log=key_log, on_session=on_session, on_failure=reader.set_exception)
    limits = Limits(handshake=handshake_limit, close=close_limit)
    connection = TLSProtocol(Client(config), user, TLSTransport, hooks=hooks, limits=limits, workspace=Workspace())
    await loop.create_connection(lambda: connection, **{"host": host, "port": port, **options})
    await connection.start(early_data)
    return reader, asyncio.StreamWriter(connection.transport, user, reader, loop)


async def serve(
    handler: Handler,
    host: str | Sequence[str] | None,
    port: int | None,
    config: ServerConfig,
    *,
    key_log: KeyLog | None = None,
    on_failure: OnFailure | None = None,
    handshake_limit: float = HANDSHAKE_LIMIT,
    close_limit: float = CLOSE_LIMIT,
    limit: int = LIMIT,
    **options: Any,
) -> asyncio.Server:
    """Listen, and call the handler for each connection once its handshake is over, or early data is there.

    As long as ``get_extra_info("handshake")`` is None, what is read is early data, which somebody may have replayed:
    nothing must be done then that must not be done twice (RFC 8446, section 8).

    Args:
        handler: as for ``asyncio.start_server``: it closes its writer.
        host: as for ``loop.create_server``.
        port: TCP port; 0 for any.
        config: of the server.
        key_log: gets lines for a key log file, without their ends.
        on_failure: gets the error that ended a connection, be it in the handshake, and the address of the peer.
        handshake_limit: for how long the handshake may last, seconds.
        close_limit: for how long closing waits for a peer that takes no more bytes and does not close itself, seconds.
        limit: see ``LIMIT``.
        options: further arguments of ``loop.create_server``.

    Raises:
        OSError: the address cannot be listened on.

    """
    loop = asyncio.get_running_loop()
    limits = Limits(handshake=handshake_limit, close=close_limit)
    workspace = Workspace()

    def connection() -> TLSProtocol:
        reader = StreamReader(limit, loop)
        user = asyncio.StreamReaderProtocol(reader, handler, loop)

        def report(error: Exception) -> None:
            reader.set_exception(error)
            if on_failure is not None:
                on_failure(error, made.below.get_extra_info("peername"))

        hooks = Hooks(key_log=key_log, on_failure=report)
        made = TLSProtocol(Server(config), user, TLSTransport, hooks=hooks, limits=limits, workspace=workspace)
        return made

    return await loop.create_server(connection, host, port, **options)
