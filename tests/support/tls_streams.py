"""Servers, clients and certificates on loopback, for tests of what impl/tls13 does with sockets."""

import asyncio
import gc
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from impl.tls13.certificates import Credentials, TrustStore, self_signed
from impl.tls13.config import ClientConfig, ServerConfig
from impl.tls13.streams import serve

T = TypeVar("T")
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

NAMES = ("localhost", "127.0.0.1", "::1")
_PATIENCE = 20.0


@dataclass(frozen=True)
class Identity:
    """A self-signed certificate with its key, as our configurations and others' files have them."""

    credentials: Credentials
    certificate: bytes
    key: bytes

    @property
    def trust(self) -> TrustStore:
        return TrustStore.from_pem(self.certificate)

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Write certificate and key to files."""
        certificate, key = folder / "certificate.pem", folder / "key.pem"
        certificate.write_bytes(self.certificate)
        key.write_bytes(self.key)
        return certificate, key


@cache
def identity(*names: str) -> Identity:
    """The certificate for these names, by default those of loopback; made once."""
    key = ec.generate_private_key(ec.SECP256R1())
    credentials = self_signed(names or NAMES, now=time.time(), key=key)
    return Identity(
        credentials,
        credentials.certificate.public_bytes(Encoding.PEM),
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )


def client_config(**settings: Any) -> ClientConfig:
    """A client of ``server_config()``'s servers."""
    return ClientConfig(**{"server_name": "localhost", "trust": identity().trust, **settings})


def server_config(**settings: Any) -> ServerConfig:
    """A server for loopback."""
    return ServerConfig(**{"credentials": (identity().credentials,), **settings})


def client_context() -> ssl.SSLContext:
    """Python's ssl as a client of ``server_config()``'s servers."""
    return ssl.create_default_context(cadata=identity().certificate.decode("ascii"))


def server_context(folder: Path) -> ssl.SSLContext:
    """Python's ssl as a server; its files are written to the folder."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*identity().write(folder))
    return context


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a test's coroutine: nothing may be left of it afterwards, and nothing may have gone to the loop's handler."""
    problems: list[dict[str, Any]] = []

    async def checked() -> T:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))
        result = await asyncio.wait_for(main, _PATIENCE)
        if others := asyncio.all_tasks() - {asyncio.current_task()}:
            _, left = await asyncio.wait(others, timeout=1)
            assert not left, left
        return result

    result = asyncio.run(checked())
    gc.collect()  # what was not closed warns now
    assert not problems, problems
    return result


@dataclass
class Serving:
    """A server of a test.

    Attributes:
        port: of all its addresses.
        failures: what ended its connections.

    """

    port: int = 0
    failures: list[Exception] = field(default_factory=list)
    _tasks: set[asyncio.Task[Any]] = field(default_factory=set)

    async def idle(self) -> None:
        """Wait until all handlers are done; their errors are raised here."""
        while self._tasks:
            await asyncio.gather(*self._tasks)
            await asyncio.sleep(0)


@asynccontextmanager
async def serving(
    handler: Handler, config: ServerConfig | None = None, host: str = "127.0.0.1", **options: Any
) -> AsyncIterator[Serving]:
    """Serve during the context; at its end the handlers must come to theirs."""
    serving = Serving()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving._tasks.add(task)
        try:
            await handler(reader, writer)
        finally:
            writer.close()
            with suppress(ConnectionError):  # which is among the failures
                await writer.wait_closed()
            serving._tasks.discard(task)

    server = await serve(
        handle,
        host,
        0,
        config or server_config(),
        on_failure=lambda error, _: serving.failures.append(error),
        **options,
    )
    serving.port = server.sockets[0].getsockname()[1]
    try:
        yield serving
        await serving.idle()
    finally:
        server.close()
        await server.wait_closed()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A handler that gives back what it gets."""
    while data := await reader.read(2**18):
        writer.write(data)
        await writer.drain()
    writer.write_eof()


async def until(condition: Callable[[], bool]) -> None:
    """Wait until it holds."""
    while not condition():
        await asyncio.sleep(0.001)


async def closed(writer: asyncio.StreamWriter) -> None:
    """Close a stream and wait for its end."""
    writer.close()
    await writer.wait_closed()
