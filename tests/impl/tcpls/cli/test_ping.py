"""``tcpls ping``: round trips on every connection."""

import re
import signal
import subprocess
from pathlib import Path

import pytest

from impl.tcpls.cli.ping import parse_server
from impl.tls13.cli.errors import CommandFailed
from tests.impl.tcpls.cli.commands import TCPLS, Command, Service, environment, service
from tests.support.tls_command import Files
from tests.support.tls_command import service as tls_service
from tests.support.tls_streams import identity

pytestmark = pytest.mark.timeout(60)


class TestPing:
    def test_every_connection(self, tcpls: Command, shared: Service) -> None:
        result = tcpls(
            "ping", f"127.0.0.1:{shared.port}", "--remote", "127.0.0.2", "--ca", shared.ca, "-c", "4", "-i", "0.1"
        )
        assert result.code == 0, result.err
        out = result.out.decode()
        assert out.startswith(f"ping 127.0.0.1:{shared.port}: TCPLS, TLS_AES_128_GCM_SHA256")
        assert "connection 1 joined: 127.0.0.1 → 127.0.0.2\n" in out
        assert len(re.findall(r"^connection 0: seq=[1-4] time=[0-9.]+ [µm]s$", out, re.MULTILINE)) == 4
        assert len(re.findall(r"^connection 1: seq=[2-4] time=", out, re.MULTILINE)) >= 2
        assert re.search(r"^0  127\.0\.0\.1 → 127\.0\.0\.1  open +4 +0% +[0-9.]+ [µm]s", out, re.MULTILINE)

    def test_quiet(self, tcpls: Command, shared: Service) -> None:
        result = tcpls("ping", f"localhost:{shared.port}", "--ca", shared.ca, "-c", "2", "-i", "0.01", "-q")
        assert (result.code, result.err) == (0, "")
        assert "seq=" not in result.out.decode()
        assert len(result.out.decode().splitlines()) == 3

    def test_an_interruption_ends_it_with_the_statistics(self, shared: Service) -> None:
        command = [*TCPLS, "ping", f"127.0.0.1:{shared.port}", "--ca", str(shared.ca)]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env=environment(PYTHONUNBUFFERED="1"), start_new_session=True
        ) as process:
            assert process.stdout is not None
            assert any("seq=1" in line for line in iter(process.stdout.readline, ""))
            process.send_signal(signal.SIGINT)
            out, _ = process.communicate(timeout=20)
            assert process.returncode == 0
        assert re.search(r"^0 .* open +1 +0%", out, re.MULTILINE)

    def test_a_server_that_dies(self, tmp_path: Path) -> None:
        with service(tmp_path) as running:
            command = [*TCPLS, "ping", f"127.0.0.1:{running.port}", "--ca", str(running.ca), "-i", "0.05"]
            with subprocess.Popen(
                [*command, "--patience", "0.3"],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=environment(PYTHONUNBUFFERED="1"),
            ) as process:
                assert process.stdout is not None
                assert any("seq=1" in line for line in iter(process.stdout.readline, ""))
                running.process.kill()
                out, err = process.communicate(timeout=20)
                assert process.returncode == 1
        assert "connection 0 failed: " in out
        assert re.search(r"^0 .* failed ", out, re.MULTILINE)
        assert err == f"tcpls: 127.0.0.1:{running.port}: the session is over: no connection for 0.3 s\n"

    def test_plain_tls(self, tcpls: Command, tmp_path: Path) -> None:
        files = Files(tmp_path, *identity().write(tmp_path))
        with tls_service(*files.served) as running:
            result = tcpls("ping", f"localhost:{running.port}", "--ca", files.certificate)
        assert result.code == 1
        assert "plain TLS, which has no Ping" in result.err or "http/1.1" in result.err


class TestServer:
    @pytest.mark.parametrize(
        ("text", "server"),
        [
            ("host", ("host", 4433)),
            ("host:1", ("host", 1)),
            ("::1", ("::1", 4433)),
            ("[::1]", ("::1", 4433)),
            ("[::1]:5", ("::1", 5)),
            ("192.0.2.1:443", ("192.0.2.1", 443)),
        ],
    )
    def test_what_is_read(self, text: str, server: tuple[str, int]) -> None:
        assert parse_server(text) == server

    @pytest.mark.parametrize("text", ["", ":1", "host:", "host:x", "host:70000", "[::1]:x"])
    def test_what_is_none(self, text: str) -> None:
        with pytest.raises(CommandFailed) as failed:
            parse_server(text)
        assert failed.value.code == 2
