"""``tcpls bench``: it measures what it says; how fast is for benchmarks to judge."""

import json
import re
from pathlib import Path

import pytest

from tests.impl.tcpls.cli.commands import Command, Service
from tests.support.tls_command import Files
from tests.support.tls_command import service as tls_service
from tests.support.tls_streams import identity

pytestmark = pytest.mark.timeout(60)
QUICK = ["--seconds", "0.05"]


class TestBench:
    def test_with_a_server_of_its_own(self, tcpls: Command) -> None:
        result = tcpls("bench", *QUICK, "-n", "2", "--json", "--padding", "none")
        assert (result.code, result.err) == (0, "")
        told = json.loads(result.out)
        for direction in ("download", "upload"):
            assert [point["connections"] for point in told[direction]] == [1, 2]
            assert all(point["rate"] > 10**6 for point in told[direction])
        for name in ("handshakes_full", "handshakes_resumed", "join_apparent", "join_direct", "ping"):
            assert 0 < told[name]["min"] <= told[name]["median"] <= told[name]["max"] < 5
            assert told[name]["count"] >= 1

    def test_a_table_for_people(self, tcpls: Command, shared: Service) -> None:
        result = tcpls("bench", f"127.0.0.1:{shared.port}", "--ca", shared.ca, *QUICK, "-n", "1")
        assert (result.code, result.err) == (0, "")
        out = result.out.decode()
        assert f"TCPLS with 127.0.0.1:{shared.port}, scheduler earliest-completion, 0.05 s each" in out
        for line in (r"download, 1 connection", r"upload, 1 connection", r"join, direct", r"round trip of a Ping"):
            assert re.search(rf"^{line} +[0-9.]+ ([kMG]bit/s|[µm]?s)", out, re.MULTILINE), line


class TestFailures:
    def test_a_server_without_tcpls(self, tcpls: Command, tmp_path: Path) -> None:
        files = Files(tmp_path, *identity().write(tmp_path))
        with tls_service(*files.served, "--alpn", "http/1.1") as running:
            result = tcpls("bench", f"localhost:{running.port}", "--ca", files.certificate, *QUICK)
        assert result.code == 1
        assert result.err.endswith("speaks plain TLS: there is nothing of TCPLS to measure\n")

    def test_too_few_addresses(self, tcpls: Command, shared: Service) -> None:
        result = tcpls("bench", f"[::1]:{shared.port}", "--ca", shared.ca, "-n", "2")
        assert result.code == 2
        assert "2 are wanted, and there are 1 pairs of addresses" in result.err

    def test_nobody_there(self, tcpls: Command) -> None:
        result = tcpls("bench", "127.0.0.1:1", "-k", *QUICK)
        assert result.code == 1
        assert result.err.endswith("Connection refused (nothing listens there)\n")

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["--insecure"], "are for a server elsewhere: name it"),
            (["-k", "--scheduler", "x", "host"], "--scheduler: "),
            (["--connections", "0"], "'--connections'"),
            (["--congestion", "none such"], "no congestion control"),
        ],
    )
    def test_bad_usage(self, tcpls: Command, arguments: list[str], words: str) -> None:
        result = tcpls("bench", *QUICK, *arguments)
        assert result.code in (1, 2)
        assert words in result.err or "congestion control" in result.err
