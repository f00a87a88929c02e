"""The endpoint in emulated networks: what the scenarios expect of it, and what their captures show."""

import subprocess
from pathlib import Path

import pytest

from tests.support import quick_runs

ROOT = Path(__file__).parents[4]
DISSECTOR = ROOT / "impl" / "tcpls" / "wireshark" / "tcpls.lua"


class TestFailover:
    @pytest.mark.parametrize("kind", ["drop", "down"])
    def test_a_download_survives_an_outage(self, kind: str, tmp_path: Path) -> None:
        run = ("failover_quick", "--set", f"fault.kind={kind}", "--set", "multipath.mode=active")
        sizes = ("--set", "workload.bytes=4MiB", "--set", "fault.at=700ms")
        record = quick_runs.records(*run, *sizes, "--endpoint", "tcpls", "--out", str(tmp_path))[-1]
        metrics = record["metrics"]
        assert metrics["sha256_ok"], record["reasons"]
        assert metrics["bytes_received"] == 4 << 20
        # A busy machine makes a run invalid, and a longer gap is not what this is about.
        assert record["verdict"] in ("pass", "invalid") or metrics["longest_gap_s"] < 1.0, record["reasons"]


class TestCapture:
    def test_tshark_shows_the_frames_of_both_connections(self, tmp_path: Path) -> None:
        run = ("aggregation_quick", "--set", "workload.bytes=1MiB", "--set", "fault.at=100ms", "--attempts", "1")
        record = quick_runs.records(*run, "--endpoint", "tcpls", "--pcap", "--out", str(tmp_path))[-1]
        folder = Path(record["directory"])
        found: set[str] = set()
        for capture in sorted(folder.glob("*.pcap")):
            shown = subprocess.run(
                [
                    "tshark", "-X", f"lua_script:{DISSECTOR}", "-o", f"tcpls.keylog:{folder / 'keys.log'}",
                    "-o", "tcpls.data:FALSE", "-r", str(capture), "-Y", "tcpls",
                    "-T", "fields", "-e", "tcpls.connection", "-e", "tcpls.frame.type",
                ],
                capture_output=True, text=True, check=True, timeout=60,
            )  # fmt: skip
            for line in shown.stdout.splitlines():
                connections, _, types = line.partition("\t")
                found |= {f"connection {number}" for number in connections.split(",") if number}
                found |= {f"type {number}" for number in types.split(",") if number}
        assert {"connection 0", "connection 1"} <= found
        # Ping, Stream, the end of a stream, ACK, New Token
        assert {"type 1", "type 2", "type 3", "type 4", "type 5"} <= found or {"type 0x01", "type 0x05"} <= found
