"""The TCP_INFO sampler."""

import asyncio
import csv
import socket
import time
from pathlib import Path

import pytest

from harness.measure.errors import MeasurementError
from harness.measure.inet_diag import TcpInfo, TcpSocket
from harness.measure.tcp_info import COLUMNS, TcpInfoSampler, cells, path_of
from harness.network.namespaces import enter
from harness.network.paths import Family
from tests.harness.measure.network import path


class TestPaths:
    def test_by_the_clients_address_at_either_end(self) -> None:
        paths = {"10.0.0.1": "p1", "fd00::1": "p2"}
        assert path_of(TcpSocket("established", "10.0.0.1", 1, "10.0.9.9", 2, 0), paths) == "p1"
        assert path_of(TcpSocket("established", "fd00::9", 1, "fd00::1", 2, 0), paths) == "p2"
        assert path_of(TcpSocket("established", "10.0.9.9", 1, "10.0.9.8", 2, 0), paths) == ""


class TestCells:
    def test_number_matches_columns(self) -> None:
        found = TcpSocket("established", "fd00::1", 80, "::2", 90, 0, "cubic", TcpInfo(rtt_us=40_123, snd_cwnd=0))
        row = cells(found)
        assert len(row) == len(COLUMNS) - 3
        assert row[:6] == ["[fd00::1]:80", "[::2]:90", "established", "cubic", "40.123", None]
        assert row[6] == 0


@pytest.mark.sandbox
class TestSampling:
    @pytest.mark.parametrize("family", ["ipv4", "ipv6"])
    def test_both_ends_of_a_connection(self, tmp_path: Path, family: Family) -> None:
        file = tmp_path / "tcp_info.csv"
        kind = socket.AF_INET if family == "ipv4" else socket.AF_INET6
        with path(family=family) as instance:
            with enter(instance.to.pid):
                listener = socket.create_server((instance.to_address, 5001), family=kind)
                skipped = socket.create_server((instance.to_address, 6001), family=kind)
            with enter(instance.from_.pid):
                client, hidden = socket.socket(kind), socket.socket(kind)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"reno")
            client.bind((instance.from_address, 0))
            client.connect((instance.to_address, 5001))
            hidden.connect((instance.to_address, 6001))
            server, _ = listener.accept()

            async def run() -> dict[str, list[str]]:
                nodes = {"client": instance.from_.pid, "server": instance.to.pid}
                sampler = TcpInfoSampler(file, time.monotonic_ns(), nodes, {instance.from_address: "p1"}, {6001})
                await sampler.start()
                client.sendall(bytes(5000))
                got = 0
                while got < 5000:
                    got += len(await asyncio.to_thread(server.recv, 5000))
                limit = time.monotonic() + 10
                while file.read_text().count("\n") < 7:
                    sampler.check()
                    assert time.monotonic() < limit
                    await asyncio.sleep(0.01)
                await sampler.stop()
                return sampler.congestion

            with listener, skipped, client, hidden, server:
                congestion = asyncio.run(run())
                local = client.getsockname()[:2]
        rows = list(csv.DictReader(file.read_text().splitlines()))
        assert {row["path"] for row in rows} == {"p1"}
        assert {row["state"] for row in rows} == {"established"}
        last = {row["node"]: row for row in rows}
        shown = f"{local[0]}:{local[1]}" if family == "ipv4" else f"[{local[0]}]:{local[1]}"
        assert last["client"]["local"] == last["server"]["remote"] == shown
        assert last["client"]["congestion"] == "reno"
        assert congestion["client"] == ["reno"]
        assert last["server"]["bytes_received"] == "5000"
        assert last["client"]["bytes_acked"] == "5001"  # the SYN counts
        assert float(last["client"]["rtt_ms"]) > 0

    def test_node_that_does_not_exist(self, tmp_path: Path) -> None:
        with pytest.raises(MeasurementError, match="TCP_INFO sampler"):
            asyncio.run(TcpInfoSampler(tmp_path / "x.csv", 0, {"client": 2**22 - 1}, {}).start())
