"""Bulk transfer over loopback, impl.tls13 and impl.tcpls against Python's ssl: ``python -m benchmarks.bulk``.

One process sends, another one receives; all variants use the same cipher suite, and take turns in rounds, so that other
programs disturb them alike. What counts is the ratio within a round.
"""

import argparse
import asyncio
import json
import os
import socket
import ssl
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from rich.console import Console
from rich.table import Table

from impl import tcpls
from impl.tcpls import api
from impl.tls13.certificates.credentials import Credentials, self_signed
from impl.tls13.cipher_suites import CIPHER_SUITES, suite_by_name
from impl.tls13.config import ClientConfig, ServerConfig
from impl.tls13.streams import connect, serve

CHUNK: Final = 2**18
RECORD: Final = 2**14
CERTIFICATE: Final = "certificate.pem"
KEY: Final = "key.pem"
OPENSSL: Final = "openssl.cnf"
OURS: Final = "impl.tls13"
TCPLS: Final = "impl.tcpls"
BLOCKING: Final = "ssl, blocking"
ASYNCIO: Final = "ssl, asyncio"


@dataclass(frozen=True)
class Side:
    """What one process measured: bytes, from the first to the last one; processor time of the transfer."""

    suite: str
    count: int
    seconds: float
    user: float
    system: float


class Meter:
    """Measures one side's transfer from the moment it is made."""

    def __init__(self, suite: str) -> None:
        self._suite = suite
        self._times = os.times()
        self._began = time.perf_counter()

    def stop(self, count: int) -> Side:
        """Take the time."""
        seconds = time.perf_counter() - self._began
        times = os.times()
        return Side(self._suite, count, seconds, times.user - self._times.user, times.system - self._times.system)


# The variants; receivers are the servers.


def receive_ours(folder: Path, suite: str, count: int) -> Side:
    """Receive with impl.tls13."""

    async def main() -> Side:
        done: asyncio.Future[Side] = asyncio.get_running_loop().create_future()

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            received = len(await reader.read(CHUNK))
            meter = Meter(writer.get_extra_info("handshake").cipher_suite)
            while piece := await reader.read(CHUNK):
                received += len(piece)
            done.set_result(meter.stop(received))
            writer.close()
            await writer.wait_closed()

        credentials = Credentials.from_files(folder / CERTIFICATE, folder / KEY)
        config = ServerConfig(credentials=(credentials,), cipher_suites=(suite_by_name(suite),))
        server = await serve(handle, "127.0.0.1", 0, config)
        announce(server.sockets[0].getsockname()[1])
        side = await done
        server.close()
        return side

    return asyncio.run(main())


def send_ours(folder: Path, port: int, count: int) -> Side:
    """Send with impl.tls13."""

    async def main() -> Side:
        _, writer = await connect("127.0.0.1", port, ClientConfig(server_name="localhost", verify=False))
        return await send_stream(writer, writer.get_extra_info("handshake").cipher_suite, count)

    return asyncio.run(main())


def receive_tcpls(folder: Path, suite: str, count: int) -> Side:
    """Receive one stream of TCPLS over one connection."""

    async def main() -> Side:
        done: asyncio.Future[Side] = asyncio.get_running_loop().create_future()

        async def handle(session: api.Session) -> None:
            stream = await session.accept_stream()
            received = len(await stream.read(CHUNK))
            assert session.started is not None
            meter = Meter(session.started.handshake.cipher_suite)
            while piece := await stream.read(CHUNK):
                received += len(piece)
            stream.write_eof()
            done.set_result(meter.stop(received))
            await session.wait_closed()

        credentials = Credentials.from_files(folder / CERTIFICATE, folder / KEY)
        config = ServerConfig(credentials=(credentials,), cipher_suites=(suite_by_name(suite),))
        async with await api.serve(handle, ["127.0.0.1"], 0, config) as server:
            announce(server.addresses[0].port)
            return await done

    return asyncio.run(main())


def send_tcpls(folder: Path, port: int, count: int) -> Side:
    """Send one stream of TCPLS over one connection."""

    async def main() -> Side:
        config = ClientConfig(server_name="localhost", verify=False)
        session = await api.connect("127.0.0.1", port, config, tcpls.Settings(record_size=RECORD))
        assert session.started is not None
        stream = session.open_stream()
        chunk = bytes(CHUNK)
        meter = Meter(session.started.handshake.cipher_suite)
        for _ in range(count // CHUNK):
            stream.write(chunk)
            await stream.drain()
        side = meter.stop(count)
        stream.write_eof()
        await stream.read()
        session.close()
        await session.wait_closed()
        return side

    return asyncio.run(main())


async def send_stream(writer: asyncio.StreamWriter, suite: str, count: int) -> Side:
    """Write `count` bytes to a stream and close it."""
    chunk = bytes(CHUNK)
    meter = Meter(suite)
    for _ in range(count // CHUNK):
        writer.write(chunk)
        await writer.drain()
    side = meter.stop(count)
    writer.close()
    await writer.wait_closed()
    return side


def receive_blocking(folder: Path, suite: str, count: int) -> Side:
    """Receive with ssl on a blocking socket."""
    buffer = bytearray(CHUNK)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        announce(listening.getsockname()[1])
        connection, _ = listening.accept()
    with server_context(folder).wrap_socket(connection, server_side=True) as secured:
        received = secured.recv_into(buffer)
        meter = Meter((secured.cipher() or ("",))[0])
        while piece := secured.recv_into(buffer):
            received += piece
        side = meter.stop(received)
        secured.unwrap().close()
    return side


def send_blocking(folder: Path, port: int, count: int) -> Side:
    """Send with ssl on a blocking socket."""
    chunk = bytes(CHUNK)
    connection = socket.create_connection(("127.0.0.1", port))
    with client_context().wrap_socket(connection) as secured:
        meter = Meter((secured.cipher() or ("",))[0])
        for _ in range(count // CHUNK):
            secured.sendall(chunk)
        side = meter.stop(count)
        secured.unwrap().close()
    return side


def receive_asyncio(folder: Path, suite: str, count: int) -> Side:
    """Receive with asyncio's streams over ssl."""

    async def main() -> Side:
        done: asyncio.Future[Side] = asyncio.get_running_loop().create_future()

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            received = len(await reader.read(CHUNK))
            meter = Meter(writer.get_extra_info("cipher")[0])
            while piece := await reader.read(CHUNK):
                received += len(piece)
            done.set_result(meter.stop(received))
            writer.close()
            await writer.wait_closed()

        context = server_context(folder)
        server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context, limit=CHUNK)
        announce(server.sockets[0].getsockname()[1])
        side = await done
        server.close()
        return side

    return asyncio.run(main())


def send_asyncio(folder: Path, port: int, count: int) -> Side:
    """Send with asyncio's streams over ssl."""

    async def main() -> Side:
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client_context())
        return await send_stream(writer, writer.get_extra_info("cipher")[0], count)

    return asyncio.run(main())


RECEIVERS: Final[dict[str, Callable[[Path, str, int], Side]]] = {
    OURS: receive_ours,
    TCPLS: receive_tcpls,
    BLOCKING: receive_blocking,
    ASYNCIO: receive_asyncio,
}
SENDERS: Final[dict[str, Callable[[Path, int, int], Side]]] = {
    OURS: send_ours,
    TCPLS: send_tcpls,
    BLOCKING: send_blocking,
    ASYNCIO: send_asyncio,
}


def announce(port: int) -> None:
    """Tell the parent process where to send."""
    print(port, flush=True)


def server_context(folder: Path) -> ssl.SSLContext:
    """Settings of a server; the suite comes from OpenSSL's own configuration, as Python's ssl has no setting for it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / CERTIFICATE, folder / KEY)
    return context


def client_context() -> ssl.SSLContext:
    """Settings of a client that believes anybody."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


# The rounds


@dataclass(frozen=True)
class Transfer:
    """One transfer, as both sides saw it."""

    receiver: Side
    sender: Side

    @property
    def gbps(self) -> float:
        """Gigabits of content per second."""
        return self.receiver.count * 8 / self.receiver.seconds / 1e9


def prepare(folder: Path, suite: str) -> None:
    """Write a certificate, its key, and OpenSSL's configuration."""
    key = ec.generate_private_key(ec.SECP256R1())
    credentials = self_signed(["localhost"], now=time.time(), key=key)
    (folder / CERTIFICATE).write_bytes(credentials.certificate.public_bytes(Encoding.PEM))
    (folder / KEY).write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (folder / OPENSSL).write_text(
        "openssl_conf = all\n[all]\nssl_conf = ssl\n[ssl]\nsystem_default = default\n"
        f"[default]\nCiphersuites = {suite}\nMinProtocol = TLSv1.3\n"
    )


def transfer(variant: str, folder: Path, suite: str, count: int) -> Transfer:
    """Send `count` bytes from one process to another one."""
    program = [sys.executable, "-m", "benchmarks.bulk", "--folder", str(folder), "--suite", suite]
    program += ["--mib", str(count >> 20)]
    environment = {**os.environ, "OPENSSL_CONF": str(folder / OPENSSL)}
    receiver = subprocess.Popen([*program, "--receive", variant], stdout=subprocess.PIPE, env=environment, text=True)
    assert receiver.stdout is not None
    port = receiver.stdout.readline().strip()
    sent = subprocess.run(
        [*program, "--send", variant, "--port", port], stdout=subprocess.PIPE, env=environment, text=True, check=True
    )
    received, _ = receiver.communicate()
    if receiver.returncode:
        raise RuntimeError(f"the receiver of {variant!r} ended with {receiver.returncode}")
    result = Transfer(Side(**json.loads(received)), Side(**json.loads(sent.stdout)))
    if result.receiver.count != count or {result.receiver.suite, result.sender.suite} != {suite}:
        raise RuntimeError(f"{variant!r} did something else: {result}")
    return result


def cost(sides: list[Side]) -> str:
    """Processor time for a record, in the program and in the kernel."""
    user = statistics.median(side.user / side.count for side in sides) * RECORD * 1e6
    system = statistics.median(side.system / side.count for side in sides) * RECORD * 1e6
    return f"{user:.1f} + {system:.1f}"


def report(rounds: list[dict[str, Transfer]], suite: str) -> None:
    """Print the table."""
    variants = list(rounds[0])
    table = Table(title=f"{suite}, {len(rounds)} rounds")
    table.add_column("variant", no_wrap=True)
    for column in ("Gbps", "from", "to", "ratio", "sender, µs", "receiver, µs"):
        table.add_column(column, justify="right", no_wrap=True)
    for variant in variants:
        speeds = [each[variant].gbps for each in rounds]
        ratio = statistics.median(each[variant].gbps / each[BLOCKING].gbps for each in rounds)
        table.add_row(
            variant,
            *(f"{speed:.2f}" for speed in (statistics.median(speeds), min(speeds), max(speeds))),
            f"{ratio:.2f}",
            cost([each[variant].sender for each in rounds]),
            cost([each[variant].receiver for each in rounds]),
        )
    console = Console()
    console.print(table)
    console.print("Gbps: median; ratio: to ssl on blocking sockets, median of the rounds' ratios", style="dim")
    console.print("µs: processor time for each record of 16 KiB, in the program + in the kernel", style="dim")


def measure(
    suite: str, count: int, rounds: int, variants: Sequence[str] = tuple(RECEIVERS)
) -> list[dict[str, Transfer]]:
    """Let the variants take turns."""
    with TemporaryDirectory() as name:
        prepare(Path(name), suite)
        return [{variant: transfer(variant, Path(name), suite, count) for variant in variants} for _ in range(rounds)]


def main() -> int:
    """Measure and print; with --receive or --send be one of the two processes."""
    parser = argparse.ArgumentParser(description=__doc__)
    names = [suite.name for suite in CIPHER_SUITES.values()]
    parser.add_argument("--suite", choices=names, default=names[0])
    parser.add_argument("--mib", type=int, default=2048, help="size of a transfer, MiB")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print all measurements instead of the table")
    for hidden in ("--receive", "--send", "--port", "--folder"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    count = arguments.mib << 20
    if arguments.receive:
        side = RECEIVERS[arguments.receive](Path(arguments.folder), arguments.suite, count)
        print(json.dumps(asdict(side)))
    elif arguments.send:
        print(json.dumps(asdict(SENDERS[arguments.send](Path(arguments.folder), int(arguments.port), count))))
    else:
        rounds = measure(arguments.suite, count, arguments.rounds)
        if arguments.json:
            print(json.dumps([{variant: asdict(each[variant]) for variant in each} for each in rounds], indent=2))
        else:
            report(rounds, arguments.suite)
    return 0


if __name__ == "__main__":
    sys.exit(main())
