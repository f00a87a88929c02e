"""What goes wrong, as the command tells it: one line that says where, what, and what to do."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.tls_command import Command, Files, Result, Service, service
from tests.support.tls_streams import identity

pytestmark = pytest.mark.timeout(60)


class TestFailures:
    """One line each, that says where, what, and what to do."""

    @staticmethod
    def fails(result: Result, code: int, *words: str) -> None:
        assert result.code == code, result
        assert result.out == b""
        assert result.err.count("\n") == 1
        assert result.err.startswith("tls: ")
        for word in words:
            assert word in result.err, result.err

    def test_nobody_listens(self, tls: Command) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            port = listening.getsockname()[1]
        result = tls("get", f"https://127.0.0.1:{port}/", "--insecure")
        self.fails(result, 1, f"127.0.0.1:{port}", "nobody listens")

    def test_no_such_host(self, tls: Command) -> None:
        self.fails(tls("get", "https://nowhere.invalid/", "--insecure"), 1, "nowhere.invalid:443", "--connect")

    def test_an_authority_that_is_not_known(self, tls: Command, shared: Service, files: Files, tmp_path: Path) -> None:
        other, _ = identity("other.test").write(tmp_path)
        self.fails(tls("get", shared.url(), "--cafile", other), 1, "unknown_ca", "--cafile", "--insecure")

    def test_another_name(self, tls: Command, shared: Service, files: Files) -> None:
        result = tls(
            "get", "https://other.test/", "--connect", f"localhost:{shared.port}", "--cafile", files.certificate
        )
        self.fails(result, 1, "not for other.test")

    def test_nothing_in_common(self, tls: Command, files: Files) -> None:
        with service(*files.served, "--group", "SECP384R1") as running:
            result = tls("get", running.url(), "--insecure", "--group", "X25519")
        self.fails(result, 1, "handshake_failure", "--group")

    def test_a_server_without_tls(self, tls: Command) -> None:
        program = (
            "import socket\n"
            "with socket.create_server(('127.0.0.1', 0)) as listening:\n"
            "    print(listening.getsockname()[1], flush=True)\n"
            "    raw = listening.accept()[0]\n"
            "raw.recv(10000)\n"
            "raw.sendall(b'HTTP/1.1 400 Bad Request\\r\\n\\r\\n')\n"
            "raw.close()\n"
        )
        with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            port = process.stdout.readline().strip()
            self.fails(tls("get", f"https://localhost:{port}/", "--insecure"), 1, f"localhost:{port}")

    def test_an_answer_that_is_an_error(self, tls: Command, shared: Service) -> None:
        result = tls("get", shared.url("/nothing"), "--insecure")
        assert result.code == 1
        assert result.out == b"there is no /nothing\n"
        assert "404 Not Found" in result.err

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["get", "http://localhost/"], ["https://"]),
            (["get", "https://local host/"], ["host name"]),
            (["get", "https://localhost:99999/"], ["URL"]),
            (["get", "https://me@localhost/"], ["user names"]),
            (["get", "https://under_score/", "--insecure"], ["under_score"]),
            (["get", "https://localhost/", "--suite", "RC4"], ["--suite", "TLS_AES_128_GCM_SHA256"]),
            (["get", "https://localhost/", "--group", "P-192"], ["--group", "X25519"]),
            (["get", "https://localhost/", "--alpn", ""], ["--alpn"]),
            (["get", "https://localhost/", "--cert", "x.pem"], ["--cert and --key"]),
            (["get", "https://localhost/", "--cert", "/nothing", "--key", "/nothing"], ["/nothing"]),
            (["get", "https://localhost/", "--cafile", "/nothing"], ["--cafile", "/nothing"]),
            (["get", "https://localhost/", "--cafile", "/dev/null"], ["--cafile", "/dev/null"]),
            (["get", "https://localhost/", "--cafile", "x", "--insecure"], ["--insecure"]),
            (["get", "https://localhost/", "--connect", "localhost"], ["--connect", "HOST:PORT"]),
            (["get", "https://localhost/", "--connect", "::1:443"], ["--connect", "[::1]:4433"]),
            (["get", "https://localhost/", "--connect", "localhost:70000"], ["--connect", "65535"]),
            (["get", "https://localhost/", "--early-data"], ["--session"]),
            (["get", "https://localhost/", "--insecure", "--session", "/dev/null"], ["--session", "/dev/null"]),
            (["serve", "--listen", "localhost"], ["--listen", "HOST:PORT"]),
            (["serve", "--client-auth", "required"], ["--cafile"]),
            (["serve", "--root", "/nothing"], ["--root", "/nothing"]),
            (["serve", "--key", "/nothing"], ["--cert and --key"]),
        ],
    )
    def test_what_cannot_be_asked_for(self, tls: Command, arguments: list[str], words: list[str]) -> None:
        self.fails(tls(*arguments), 2, *words)

    def test_an_address_that_is_taken(self, tls: Command, shared: Service, files: Files) -> None:
        taken = f"127.0.0.1:{shared.port}"
        self.fails(tls("serve", "--listen", taken, *files.served), 2, "--listen", taken, "in use")

    def test_a_key_log_that_cannot_be_written(self, tls: Command, shared: Service) -> None:
        result = tls("get", shared.url(), "--insecure", key_log=Path("/nothing/log"))
        self.fails(result, 2, "SSLKEYLOGFILE", "/nothing/log")

    def test_help_has_examples(self, tls: Command) -> None:
        for command in ("get", "serve"):
            result = tls(command, "--help")
            assert result.code == 0
            assert f"tls {command} " in result.out.decode().partition("Examples")[2]
