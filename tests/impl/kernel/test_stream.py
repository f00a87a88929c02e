"""The endpoints tcp, tls, mptcp and mptcp-tls over loopback: transfers, reports, and how they fail."""

import asyncio
import hashlib
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from harness.endpoints.environment import Objects, Setting, TestCase, environment
from harness.endpoints.listening import listening
from harness.endpoints.process import Status
from impl.contract.transfer import Request
from tests.impl.contract import transfers
from tests.impl.contract.transfers import PROJECT, setting, transfer

TRANSPORTS = ("tcp", "tls", "mptcp", "mptcp-tls")


class TestTransfer:
    @pytest.mark.parametrize("streams", [1, 2, 4])
    @pytest.mark.parametrize("testcase", ["download", "upload"])
    @pytest.mark.parametrize("endpoint", TRANSPORTS)
    def test_payload_arrives(self, endpoint: str, testcase: TestCase, streams: int, tmp_path: Path) -> None:
        chosen = setting(tmp_path, testcase=testcase, streams=streams, size=(1 << 20) + 13)
        result = transfer(endpoint, chosen)
        assert result.client.status == Status.DONE, str(result.client) + str(result.server)
        assert result.server.status == Status.DONE, result.server
        (done,) = result.of(result.receiver, "done")
        assert done.fields["sha256"] == result.sha256
        assert done.bytes == chosen.bytes
        received = result.of(result.receiver, "received")
        assert {event.stream for event in received} == set(range(streams))
        assert sum(event.bytes for event in received) == chosen.bytes
        assert len(result.of(result.receiver, "first_byte")) == 1
        assert result.of("client", "fallback") == result.of("server", "fallback") == []
        connected = result.of("client", "connected")
        assert len(connected) == streams
        assert {event.fields["congestion"] for event in connected} == {"reno"}
        assert {event.path for event in connected} == {"127.0.0.1"}
        assert all(("handshake_ms" in event.fields) == endpoint.endswith("tls") for event in connected)
        paths = {event.path for event in received}
        assert paths == ({None} if endpoint.startswith("mptcp") else {"127.0.0.1"})

    def test_hashes_of_streams(self, tmp_path: Path) -> None:
        chosen = setting(tmp_path, streams=3, size=100_000)
        (done,) = transfer("tcp", chosen).of("client", "done")
        assert chosen.payload is not None
        payload = chosen.payload.read_bytes()
        cuts = [0, 33_333, 66_666, 100_000]
        parts = [payload[a:b] for a, b in zip(cuts, cuts[1:], strict=False)]  # noqa: RUF007
        assert done.fields["streams"] == [hashlib.sha256(part).hexdigest() for part in parts]

    @pytest.mark.parametrize("size", [0, 1, 63])
    def test_tiny_payload_in_four_streams(self, size: int, tmp_path: Path) -> None:
        result = transfer("tcp", setting(tmp_path, size=size, streams=4, testcase="upload"))
        assert result.client.status == Status.DONE
        assert result.of("server", "done")[0].fields["sha256"] == result.sha256

    def test_ipv6(self, tmp_path: Path) -> None:
        result = transfer("tls", setting(tmp_path, listen=("::1",), local=("::1",)))
        assert result.client.status == Status.DONE, result.client
        assert result.of("client", "connected")[0].path == "::1"

    @pytest.mark.parametrize("endpoint", ["tls", "mptcp"])
    def test_mixed_families(self, endpoint: str, tmp_path: Path) -> None:
        chosen = setting(tmp_path, listen=("127.0.0.2", "::1"), local=("127.0.0.1", "::1"))
        result = transfer(endpoint, chosen)
        assert result.client.status == Status.DONE, result.client
        assert result.of("client", "connected")[0].path == "127.0.0.1"
        assert result.of("client", "fallback") == []

    @pytest.mark.parametrize("endpoint", ["tcp", "mptcp-tls"])
    def test_latency(self, endpoint: str, tmp_path: Path) -> None:
        result = transfer(endpoint, setting(tmp_path, testcase="latency", size=10 * 64 + 5))
        assert result.client.status == Status.DONE, result.client
        exchanges = result.of("client", "exchange")
        assert len(exchanges) == 11
        assert all(0 < event.fields["ms"] < 1000 for event in exchanges)
        assert result.of("client", "done")[0].fields["sha256"] == result.sha256

    def test_keys_are_logged(self, tmp_path: Path) -> None:
        transfer("tls", setting(tmp_path))
        assert "CLIENT_TRAFFIC_SECRET_0" in (tmp_path / "keys.log").read_text()

    def test_received_lines_are_binned(self, tmp_path: Path) -> None:
        result = transfer("tcp", setting(tmp_path, size=64 << 20))
        received = result.of("client", "received")
        bins = [event.time // 10_000_000 for event in received]
        assert bins == sorted(set(bins))


class TestPathChoice:
    def test_next_pair_when_the_first_is_refused(self, tmp_path: Path) -> None:
        chosen = setting(
            tmp_path,
            listen=("127.0.0.2",),
            connect=("127.0.0.9", "127.0.0.2"),
            local=("127.0.0.1", "127.0.0.3"),
        )
        result = transfer("tcp", chosen)
        assert result.client.status == Status.DONE
        assert result.of("client", "connected")[0].path == "127.0.0.3"
        (failed,) = result.of("client", "path_failed")
        assert (failed.path, failed.fields["reason"]) == ("127.0.0.1", "Connection refused")
        assert "127.0.0.1 to 127.0.0.9" in chosen.log("client").read_text()

    def test_no_pair_works(self, tmp_path: Path) -> None:
        chosen = setting(tmp_path, connect=("127.0.0.9",))
        result = transfer("tcp", chosen)
        assert (result.client.status, result.client.exit_code) == (Status.FAILED, 1)
        assert "no path to the server" in result.client.log_end[-1]
        assert "Connection refused" in result.client.log_end[-1]


class TestFallback:
    def test_client_tells_that_the_server_speaks_tcp(self, tmp_path: Path) -> None:
        result = transfer("tcp", setting(tmp_path), client="mptcp")
        (event,) = result.of("client", "fallback")
        assert "did not speak Multipath TCP" in event.fields["reason"]

    def test_server_tells_that_the_client_speaks_tcp(self, tmp_path: Path) -> None:
        result = transfer("mptcp", setting(tmp_path), client="tcp")
        (event,) = result.of("server", "fallback")
        assert event.path == "127.0.0.1"


class TestFailures:
    def test_unknown_congestion_control(self, tmp_path: Path) -> None:
        chosen = setting(tmp_path, congestion="nonesuch")
        result = _client_alone("tcp", chosen)
        assert result.returncode == 1
        assert result.stderr.strip() == (
            "client: congestion control 'nonesuch' is refused: the kernel has none of that name "
            "(or its module is not loaded)"
        )

    @pytest.mark.parametrize("endpoint", ["tcp", "iperf3"])
    def test_unknown_test_case(self, endpoint: str, tmp_path: Path) -> None:
        result = _client_alone(endpoint, setting(tmp_path), HARNESS_TESTCASE="migration")
        assert result.returncode == 127
        assert "cannot do the test case 'migration'" in result.stderr

    @pytest.mark.parametrize("name", ["HARNESS_PORT", "HARNESS_BYTES", "HARNESS_STREAMS", "HARNESS_CONNECT"])
    def test_broken_variable(self, name: str, tmp_path: Path) -> None:
        result = _client_alone("tcp", setting(tmp_path), **{name: "many"})
        assert result.returncode == 1
        assert result.stderr.count("\n") == 1
        assert f"{name} " in result.stderr

    def test_foreign_certificate(self, tmp_path: Path) -> None:
        chosen = setting(tmp_path)
        other = tmp_path / "other"
        other.mkdir()
        foreign = setting(other).tls
        assert foreign is not None
        assert chosen.tls is not None
        chosen.tls.ca.write_bytes(foreign.ca.read_bytes())
        result = transfer("tls", chosen)
        assert result.client.exit_code == 1
        assert "certificate is not accepted" in result.client.log_end[-1]

    def test_server_dies(self, tmp_path: Path) -> None:
        async def run() -> None:
            chosen = setting(tmp_path, size=256 << 20)
            async with transfers.start("tcp", "server", chosen) as server:
                await server.ready(
                    lambda: listening(server.pid, chosen.listen, chosen.port), limit=20, what="listening"
                )
                async with transfers.start("tcp", "client", chosen) as client:
                    await client.ready(
                        lambda: chosen.events("client").exists() and "received" in chosen.events("client").read_text(),
                        limit=20,
                        what="receiving",
                        poll=0.001,
                    )
                    server.kill("this test")
                    outcome = await client.wait(20)
            assert (outcome.status, outcome.exit_code) == (Status.FAILED, 1)
            assert "the connection broke" in outcome.log_end[-1] or "closed the connection" in outcome.log_end[-1]
            assert '"done"' not in chosen.events("client").read_text()
            assert (await server.stop()).status == Status.KILLED

        asyncio.run(run())

    def test_reset_by_the_peer(self, tmp_path: Path) -> None:
        chosen = setting(tmp_path)
        with socket.create_server(("127.0.0.2", chosen.port)) as listener:
            process = _start_client("tcp", chosen)
            connection, _ = listener.accept()
            connection.recv(1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            connection.close()
            _, errors = process.communicate(timeout=20)
        assert process.returncode == 1
        assert errors.strip() == "client: stream 0: the connection broke: Connection reset by peer"

    def test_stall_does_not_hide_received_bytes(self, tmp_path: Path) -> None:
        chosen = setting(tmp_path, size=1000)
        with socket.create_server(("127.0.0.2", chosen.port)) as listener:
            process = _start_client("tcp", chosen)
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"x" * 300)
                deadline = time.monotonic() + 20
                while '"bytes": 300' not in chosen.events("client").read_text():
                    assert time.monotonic() < deadline, chosen.events("client").read_text()
                    time.sleep(0.005)
                process.send_signal(signal.SIGTERM)
                _, errors = process.communicate(timeout=20)
        assert process.returncode == 1
        assert "ended by SIGTERM" in errors


def _variables(endpoint: str, chosen: Setting) -> dict[str, str]:
    definition, folder = transfers.load(endpoint)
    additions = definition.variables(folder=folder, project=PROJECT, python=sys.executable)
    return environment("client", chosen, additions=additions, inherited=os.environ)


def _start_client(endpoint: str, chosen: Setting) -> "subprocess.Popen[str]":
    definition, folder = transfers.load(endpoint)
    command = definition.command("client", folder=folder, project=PROJECT, python=sys.executable)
    return subprocess.Popen(command, env=_variables(endpoint, chosen), stderr=subprocess.PIPE, text=True)


def _client_alone(endpoint: str, chosen: Setting, **changed: str) -> "subprocess.CompletedProcess[str]":
    definition, folder = transfers.load(endpoint)
    command = definition.command("client", folder=folder, project=PROJECT, python=sys.executable)
    variables = _variables(endpoint, chosen) | changed
    return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=30, check=False)


class TestObjects:
    OBJECTS: Final = Objects(size=5000, interval=0.005, placement="own")

    @pytest.mark.parametrize("endpoint", TRANSPORTS)
    def test_beside_the_payload(self, endpoint: str, tmp_path: Path) -> None:
        chosen = setting(tmp_path, testcase="objects", objects=self.OBJECTS, size=96 << 20)
        result = transfer(endpoint, chosen)
        assert result.client.status == Status.DONE, str(result.client) + str(result.server)
        (done,) = result.of("client", "done")
        assert (done.fields["sha256"], done.bytes) == (result.sha256, chosen.bytes)
        objects = result.of("client", "object")
        assert [event.fields["number"] for event in objects] == list(range(len(objects)))
        assert objects
        assert all(event.bytes == 5000 and 0 < event.fields["ms"] < 5000 for event in objects)
        assert len(result.of("client", "connected")) == 2
        assert sum(event.bytes for event in result.of("client", "received")) == chosen.bytes, "objects are no payload"

    @pytest.mark.parametrize("endpoint", TRANSPORTS)
    def test_one_connection_has_one_stream(self, endpoint: str, tmp_path: Path) -> None:
        chosen = setting(tmp_path, testcase="objects", objects=replace(self.OBJECTS, placement="shared"))
        result = _client_alone(endpoint, chosen)
        assert result.returncode == 127
        assert result.stderr == (
            f"client: a connection of {endpoint} has one stream: objects cannot share the payload's\n"
        )

    def test_of_iperf3(self, tmp_path: Path) -> None:
        result = _client_alone("iperf3", setting(tmp_path, testcase="objects", objects=self.OBJECTS))
        assert (result.returncode, result.stderr) == (127, "client: iperf3 has no test of small exchanges\n")


class TestMigration:
    @pytest.mark.parametrize("endpoint", ["tcp", "tls", "iperf3"])
    def test_a_connection_with_one_path_cannot(self, endpoint: str, tmp_path: Path) -> None:
        result = _client_alone(endpoint, setting(tmp_path, migrate=(1000,)))
        assert result.returncode == 127
        assert f"{endpoint} cannot migrate: a connection stays on its path" in result.stderr


class TestRecords:
    @pytest.mark.parametrize(("record_size", "expected"), [(1500, 1500), (16384, 16384), (None, 16384)])
    def test_each_write_is_one(self, record_size: int | None, expected: int, tmp_path: Path) -> None:
        chosen = setting(tmp_path, size=200_000, record_size=record_size)
        sizes = asyncio.run(_record_sizes(chosen))
        # A byte for the type and 16 for the tag follow the content.
        whole = [size - 17 for size in sizes if size - 17 == expected]
        assert len(whole) == chosen.bytes // expected
        assert max(sizes) == expected + 17


async def _record_sizes(chosen: Setting) -> list[int]:
    """Return the lengths of the records of application data that the server of ``tls`` sends for a download."""
    request = Request(testcase="download", stream=0, streams=1, size=chosen.bytes, token=1)
    async with transfers.start("tls", "server", chosen) as server:
        await server.ready(lambda: listening(server.pid, chosen.listen, chosen.port), limit=20, what="listening")
        assert chosen.tls is not None
        context = ssl.create_default_context(cafile=str(chosen.tls.ca))
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_hostname=chosen.listen[0])
        wire = b""
        received = 0
        with socket.create_connection((chosen.listen[0], chosen.port), timeout=20) as sock:
            asked = False
            while received < chosen.bytes:
                try:
                    if not asked:
                        tls.do_handshake()
                        tls.write(request.encode())
                        asked = True
                    received += len(tls.read(1 << 16))
                except ssl.SSLWantReadError:
                    sock.sendall(outgoing.read())
                    data = sock.recv(1 << 16)
                    wire += data
                    incoming.write(data)
    return [size for kind, size in _records(wire) if kind == 23]


def _records(wire: bytes) -> Iterator[tuple[int, int]]:
    while len(wire) >= 5:
        size = int.from_bytes(wire[3:5], "big")
        yield wire[0], size
        wire = wire[5 + size :]
