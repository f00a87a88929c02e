"""Runs the two programs of an endpoint against each other, as the harness does, and collects what they said."""

import asyncio
import contextlib
import datetime
import os
import socket
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.endpoints.certificate import make_certificates
from harness.endpoints.environment import Objects, Setting, TestCase, environment
from harness.endpoints.events import Event, EventFile
from harness.endpoints.listening import listening
from harness.endpoints.payload import write_payload
from harness.endpoints.process import EndpointProcess, Outcome
from harness.spec.endpoint import Endpoint, Role

PROJECT = Path(__file__).resolve().parents[3]
LIMIT = 30.0


@dataclass(frozen=True)
class Transfer:
    """What came of a transfer."""

    setting: Setting
    client: Outcome
    server: Outcome
    client_events: list[Event]
    server_events: list[Event]
    sha256: str

    def of(self, role: Role, name: str) -> list[Event]:
        events = self.client_events if role == "client" else self.server_events
        return [event for event in events if event.event == name]

    @property
    def receiver(self) -> Role:
        return "server" if self.setting.testcase == "upload" else "client"


def load(name: str) -> tuple[Endpoint, Path]:
    file = Path(name) if name.endswith(".toml") else PROJECT / "endpoints" / f"{name}.toml"
    return Endpoint.model_validate(tomllib.loads(file.read_text())), file.parent


def free_port(address: str = "127.0.0.1") -> int:
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        probe.bind((address, 0))
        port: int = probe.getsockname()[1]
        return port


def setting(
    folder: Path,
    *,
    testcase: TestCase = "download",
    size: int = 1 << 20,
    streams: int = 1,
    congestion: str | None = "reno",
    listen: tuple[str, ...] = ("127.0.0.2",),
    connect: tuple[str, ...] | None = None,
    local: tuple[str, ...] = ("127.0.0.1",),
    port: int | None = None,
    objects: Objects | None = None,
    record_size: int | None = None,
    migrate: tuple[int, ...] = (),
) -> Setting:
    payload = folder / "payload"
    write_payload(payload, 7, size)
    tls = make_certificates(folder, addresses=listen, names=["server"], now=datetime.datetime.now(datetime.UTC))
    return Setting(
        testcase=testcase,
        listen=listen,
        connect=connect or listen,
        local=local,
        port=port or free_port(listen[0]),
        bytes=size,
        seed=7,
        folder=folder,
        streams=streams,
        congestion=congestion,
        payload=payload,
        tls=tls,
        objects=objects,
        record_size=record_size,
        migrate=migrate,
    )


def measured() -> dict[str, str]:
    """What has a program's coverage measured, if that of the tests is."""
    return {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_PROCESS")}


def start(endpoint: str, role: Role, chosen: Setting, *, node_pid: int | None = None) -> EndpointProcess:
    definition, folder = load(endpoint)
    command = definition.command(role, folder=folder, project=PROJECT, python=sys.executable)
    variables = definition.variables(folder=folder, project=PROJECT, python=sys.executable) | measured()
    return EndpointProcess.start(
        role,
        command,
        node_pid=node_pid,
        environment=environment(role, chosen, additions=variables, inherited=os.environ),
        log=chosen.log(role),
        folder=chosen.folder,
    )


async def _transfer(
    server_endpoint: str, client_endpoint: str, chosen: Setting, nodes: tuple[int | None, int | None]
) -> Transfer:
    files = {role: EventFile(chosen.events(role)) for role in ("client", "server")}
    events: dict[str, list[Event]] = {"client": [], "server": []}

    def poll() -> None:
        for role, file in files.items():
            events[role] += file.poll(time.monotonic_ns)

    async with start(server_endpoint, "server", chosen, node_pid=nodes[1]) as server:
        protocol = load(server_endpoint)[0].ready
        assert protocol != "event", "sockets show that the bundled endpoints are ready"
        await server.ready(
            lambda: listening(server.pid, chosen.listen, chosen.port, protocol=protocol), limit=LIMIT, what="listening"
        )
        async with start(client_endpoint, "client", chosen, node_pid=nodes[0]) as client:
            client_outcome = await client.wait(LIMIT)
        if chosen.testcase == "upload" and client_outcome.status == "done":
            await server_done(server, files["server"], events["server"])
        server_outcome = await server.stop()
    poll()
    for file in files.values():
        file.parser.finish()
    digest = write_payload(chosen.folder / "again", chosen.seed, chosen.bytes)
    return Transfer(chosen, client_outcome, server_outcome, events["client"], events["server"], digest)


async def server_done(server: EndpointProcess, file: EventFile, events: list[Event]) -> None:
    deadline = time.monotonic() + LIMIT
    while file.parser.done is None and server.running and time.monotonic() < deadline:
        events += file.poll(time.monotonic_ns)
        await asyncio.sleep(0.005)


def transfer(
    endpoint: str,
    chosen: Setting,
    *,
    client: str | None = None,
    nodes: tuple[int | None, int | None] = (None, None),
) -> Transfer:
    """Run ``endpoint``'s server, and its client or that of ``client``, in the nodes given for client and server."""
    return asyncio.run(_transfer(endpoint, client or endpoint, chosen, nodes))


def until(condition: Callable[[], bool]) -> None:
    """Wait until ``condition`` holds."""
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < deadline, "what was waited for did not come"
        time.sleep(0.005)


@contextlib.contextmanager
def silent_udp(address: str, port: int) -> Iterator[Callable[[], None]]:
    """Hold a UDP port and answer nothing; the function waits until something has come."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((address, port))
        sock.settimeout(LIMIT)

        def wait() -> None:
            assert sock.recv(1 << 16)

        yield wait
