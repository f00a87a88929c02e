"""The endpoint quic over loopback: transfers, reports, migration, and how it fails."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from harness.endpoints.environment import Objects, Setting, TestCase, environment
from harness.endpoints.process import Status
from tests.impl.contract import transfers
from tests.impl.contract.transfers import PROJECT, setting, transfer

OBJECTS = Objects(size=5000, interval=0.005, placement="own")


class TestTransfer:
    @pytest.mark.parametrize(("testcase", "streams"), [("download", 1), ("download", 3), ("upload", 1), ("upload", 3)])
    def test_payload_arrives(self, testcase: TestCase, streams: int, tmp_path: Path) -> None:
        chosen = setting(tmp_path, testcase=testcase, streams=streams, size=(1 << 20) + 13, congestion="cubic")
        result = transfer("quic", chosen)
        assert result.client.status == Status.DONE, str(result.client) + str(result.server)
        assert result.server.status == Status.DONE, result.server
        (done,) = result.of(result.receiver, "done")
        assert (done.fields["sha256"], done.bytes) == (result.sha256, chosen.bytes)
        received = result.of(result.receiver, "received")
        assert {event.stream for event in received} == set(range(streams))
        assert sum(event.bytes for event in received) == chosen.bytes
        assert {event.path for event in received} == {"127.0.0.1"}
        assert len(result.of(result.receiver, "first_byte")) == 1
        (connected,) = result.of("client", "connected")
        assert (connected.path, connected.fields["congestion"]) == ("127.0.0.1", "cubic")
        assert connected.fields["connect_ms"] > 0
        assert result.of("server" if testcase == "download" else "client", "sent")[0].bytes == chosen.bytes

    @pytest.mark.parametrize(("size", "testcase"), [(0, "download"), (1, "upload"), (0, "upload")])
    def test_tiny_payload_in_four_streams(self, size: int, testcase: TestCase, tmp_path: Path) -> None:
        chosen = setting(tmp_path, size=size, streams=4, testcase=testcase)
        result = transfer("quic", chosen)
        assert result.client.status == Status.DONE, result.client
        assert result.of(result.receiver, "done")[0].fields["sha256"] == result.sha256

    def test_latency(self, tmp_path: Path) -> None:
        result = transfer("quic", setting(tmp_path, testcase="latency", size=10 * 64 + 5))
        assert result.client.status == Status.DONE, result.client
        exchanges = result.of("client", "exchange")
        assert len(exchanges) == 11
        assert all(0 < event.fields["ms"] < 1000 for event in exchanges)
        times = [event.time for event in exchanges]
        assert times[-1] - times[0] >= 9e7, "10 ms apart"
        assert result.of("client", "done")[0].fields["sha256"] == result.sha256

    def test_ipv6_and_keys(self, tmp_path: Path) -> None:
        result = transfer("quic", setting(tmp_path, listen=("::1",), local=("::1",)))
        assert result.client.status == Status.DONE, result.client
        assert result.of("client", "connected")[0].path == "::1"
        assert "CLIENT_TRAFFIC_SECRET_0" in (tmp_path / "keys.log").read_text()

    def test_qlog_of_both_ends(self, tmp_path: Path) -> None:
        transfer("quic", setting(tmp_path))
        files = sorted((tmp_path / "qlog").iterdir())
        assert [path.name.rpartition("_")[2] for path in files] == ["client.sqlog", "server.sqlog"]
        for path in files:
            records = [json.loads(line.removeprefix("\x1e")) for line in path.read_text().split("\n")[:-1]]
            assert records[0]["qlog_format"] == "JSON-SEQ"
            assert {"transport:packet_sent", "transport:packet_received"} <= {each["name"] for each in records[1:]}


class TestObjects:
    @pytest.mark.parametrize(("placement", "connections"), [("own", 2), ("shared", 1)])
    def test_beside_the_payload(self, placement: str, connections: int, tmp_path: Path) -> None:
        objects = replace(OBJECTS, placement=placement)  # type: ignore[arg-type]
        result = transfer("quic", setting(tmp_path, testcase="objects", objects=objects, size=4 << 20))
        assert result.client.status == Status.DONE, str(result.client) + str(result.server)
        assert result.of("client", "done")[0].fields["sha256"] == result.sha256
        came = result.of("client", "object")
        assert sorted(event.fields["number"] for event in came) == list(range(len(came)))
        assert len(came) > 1
        assert all(event.bytes == 5000 and 0 < event.fields["ms"] < 5000 for event in came)
        assert len(result.of("client", "connected")) == connections


class TestMigration:
    def test_there_and_back(self, tmp_path: Path) -> None:
        chosen = setting(
            tmp_path,
            listen=("127.0.0.2", "127.0.0.3"),
            local=("127.0.0.1", "127.0.0.4"),
            size=6 << 20,
            migrate=(2 << 20, 4 << 20),
        )
        result = transfer("quic", chosen)
        assert result.client.status == Status.DONE, str(result.client) + str(result.server)
        assert result.of("client", "done")[0].fields["sha256"] == result.sha256
        assert [(event.path, event.fields["from"]) for event in result.of("client", "migrated")] == [
            ("127.0.0.4", "127.0.0.1"),
            ("127.0.0.1", "127.0.0.4"),
        ]
        by_path = {
            path: sum(event.bytes for event in result.of("client", "received") if event.path == path)
            for path in chosen.local
        }
        assert sum(by_path.values()) == 6 << 20
        assert 1 << 20 < by_path["127.0.0.4"] < 3 << 20

    def test_across_families(self, tmp_path: Path) -> None:
        chosen = setting(
            tmp_path, listen=("127.0.0.2", "::1"), local=("127.0.0.1", "::1"), size=2 << 20, migrate=(1 << 20,)
        )
        result = transfer("quic", chosen)
        assert result.client.status == Status.DONE, str(result.client) + str(result.server)
        assert result.of("client", "migrated")[0].path == "::1"
        assert any(event.path == "::1" for event in result.of("client", "received"))


class TestPathChoice:
    def test_next_pair_when_the_first_is_refused(self, tmp_path: Path) -> None:
        chosen = setting(
            tmp_path, listen=("127.0.0.2",), connect=("127.0.0.9", "127.0.0.2"), local=("127.0.0.1", "127.0.0.3")
        )
        result = transfer("quic", chosen)
        assert result.client.status == Status.DONE, result.client
        assert result.of("client", "connected")[0].path == "127.0.0.3"
        (failed,) = result.of("client", "path_failed")
        assert (failed.path, failed.fields["reason"]) == ("127.0.0.1", "Connection refused")

    def test_nobody_answers(self, tmp_path: Path) -> None:
        result = _alone("client", setting(tmp_path), "--connect-timeout", "0.2")
        assert result.returncode == 1
        assert result.stderr.splitlines()[-1].startswith("client: no path to the server: 127.0.0.1 to 127.0.0.2 port")


class TestFailures:
    def test_congestion_control_that_it_does_not_have(self, tmp_path: Path) -> None:
        result = _alone("client", setting(tmp_path, congestion="bbr"))
        assert result.returncode == 127
        assert result.stderr == "client: aioquic has no congestion control 'bbr'; it has: cubic, reno\n"

    def test_foreign_certificate(self, tmp_path: Path) -> None:
        chosen = setting(tmp_path)
        other = tmp_path / "other"
        other.mkdir()
        foreign = setting(other).tls
        assert foreign is not None
        assert chosen.tls is not None
        chosen.tls.ca.write_bytes(foreign.ca.read_bytes())
        result = transfer("quic", chosen)
        assert result.client.exit_code == 1
        assert "certificate" in result.client.log_end[-1]

    @pytest.mark.parametrize("content", ["", "no certificate"])
    def test_unreadable_authority(self, content: str, tmp_path: Path) -> None:
        chosen = setting(tmp_path)
        assert chosen.tls is not None
        chosen.tls.ca.write_text(content)
        result = _alone("client", chosen)
        assert result.returncode == 1
        assert result.stderr.startswith("client: HARNESS_CA: ")
        assert result.stderr.count("\n") == 1

    def test_address_of_others(self, tmp_path: Path) -> None:
        result = _alone("server", setting(tmp_path, listen=("192.0.2.1",), port=4433))
        assert result.returncode == 1
        assert result.stderr.startswith("server: cannot use UDP on 192.0.2.1 port ")

    def test_the_server_was_told_otherwise(self, tmp_path: Path) -> None:
        chosen = setting(tmp_path, size=1000)
        (tmp_path / "s").mkdir()
        served = replace(chosen, bytes=999, payload=tmp_path / "s" / "payload", folder=tmp_path / "s")
        (tmp_path / "s" / "payload").write_bytes(bytes(999))
        server = _start("server", served)
        try:
            _until_listening(served)
            result = _alone("client", chosen)
        finally:
            server.send_signal(signal.SIGTERM)
            _, errors = server.communicate(timeout=20)
        assert result.returncode == 1
        assert "the client asks for download of 1000 bytes" in result.stderr
        assert "the server was told download of 999 bytes" in errors
        assert server.returncode == 0

    def test_sigterm_ends_a_client_that_waits(self, tmp_path: Path) -> None:
        chosen = setting(tmp_path)
        with transfers.silent_udp(chosen.listen[0], chosen.port) as asked:
            client = _start("client", chosen)
            asked()
            client.send_signal(signal.SIGTERM)
            _, errors = client.communicate(timeout=20)
        assert client.returncode == 1
        assert errors == "client: ended by SIGTERM\n"


def _command(role: str, chosen: Setting, *options: str) -> tuple[list[str], dict[str, str]]:
    definition, folder = transfers.load("quic")
    assert role in ("client", "server")
    command = definition.command(role, folder=folder, project=PROJECT, python=sys.executable)  # type: ignore[arg-type]
    additions = definition.variables(folder=folder, project=PROJECT, python=sys.executable)
    variables = environment(role, chosen, additions=additions, inherited=os.environ)  # type: ignore[arg-type]
    return [*command, *options], variables


def _start(role: str, chosen: Setting) -> "subprocess.Popen[str]":
    command, variables = _command(role, chosen)
    return subprocess.Popen(command, env=variables, stderr=subprocess.PIPE, text=True)


def _alone(role: str, chosen: Setting, *options: str) -> "subprocess.CompletedProcess[str]":
    command, variables = _command(role, chosen, *options)
    return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=30, check=False)


def _until_listening(chosen: Setting) -> None:
    transfers.until(lambda: chosen.events("server").exists() and "listening" in chosen.events("server").read_text())
