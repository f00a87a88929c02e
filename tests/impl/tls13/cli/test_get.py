"""``tls get`` against ``tls serve`` and against other servers."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.support.tls_command import TLS, Command, Files, Service, environment, other_server, service
from tests.support.tls_streams import identity

pytestmark = pytest.mark.timeout(60)


class TestGet:
    def test_the_page_tells_what_was_negotiated(self, tls: Command, shared: Service, files: Files) -> None:
        result = tls("get", shared.url(), "--cafile", files.certificate)
        assert result.code == 0
        assert result.err == ""
        page = result.out.decode()
        assert "cipher suite: TLS_AES_128_GCM_SHA256\n" in page
        assert "application protocol: http/1.1\n" in page
        assert "resumed: no\n" in page
        assert "server name: localhost\n" in page

    def test_suite_and_group_can_be_chosen(self, tls: Command, shared: Service, files: Files) -> None:
        result = tls(
            "get",
            shared.url(),
            "--cafile",
            files.certificate,
            "--suite",
            "chacha20-poly1305-sha256",
            "--group",
            "x25519",
        )
        assert "TLS_CHACHA20_POLY1305_SHA256" in result.out.decode()
        assert "group: X25519\n" in result.out.decode()

    def test_a_summary_on_request(self, tls: Command, shared: Service, files: Files) -> None:
        result = tls("get", shared.url(), "--cafile", files.certificate, "-v")
        assert result.code == 0
        for row in (
            r"cipher suite +TLS_AES_128_GCM_SHA256",
            r"resumed +no",
            r"early data +none",
            r"application protocol +http/1\.1",
            r"chain +CN=localhost",
            r"handshake +[0-9]+\.[0-9] ms",
            r"answer +200 OK",
        ):
            assert re.search(row, result.err), row

    def test_output_and_key_update(self, tls: Command, shared: Service, files: Files, tmp_path: Path) -> None:
        out = tmp_path / "body"
        result = tls("get", shared.url("/bytes/300000"), "--cafile", files.certificate, "--output", out, "--key-update")
        assert (result.code, result.out) == (0, b"")
        body = out.read_bytes()
        assert len(body) == 300_000
        again = tls("get", shared.url("/bytes/270000"), "--insecure")
        assert again.out == body[:270_000]

    def test_sessions_are_kept_and_resumed(self, tls: Command, files: Files, tmp_path: Path) -> None:
        session = tmp_path / "session"
        get: list[str | Path] = ["--cafile", files.certificate, "--session", session, "-v"]
        with service(*files.served, "--early-data", "4000") as running:
            assert re.search("resumed +no", tls("get", running.url(), *get).err)
            assert session.stat().st_mode & 0o777 == 0o600
            first = session.read_bytes()
            assert re.search("resumed +yes", tls("get", running.url(), *get).err)
            assert session.read_bytes() != first
            result = tls("get", running.url(), *get, "--early-data")
            assert re.search("early data +accepted", result.err), result.err
            assert "came as early data" in result.out.decode()
            assert session.read_bytes() != first
        with service(*files.served) as running:
            result = tls("get", running.url(), *get, "--early-data")
            assert re.search("early data +not accepted", result.err)
            assert "resumed: no\n" in result.out.decode()

    def test_a_certificate_for_the_server(self, tls: Command, files: Files, tmp_path: Path) -> None:
        certificate, key = identity("client.test").write(tmp_path)
        with service(*files.served, "--cafile", certificate, "--client-auth", "required") as running:
            get: list[str | Path] = ["get", running.url(), "--cafile", files.certificate]
            shown = tls(*get, "--cert", certificate, "--key", key)
            assert "client certificate: CN=client.test" in shown.out.decode()
            refused = tls(*get)
            assert refused.code == 1
            assert "certificate_required" in refused.err
            assert "--cert" in refused.err

    def test_connect_elsewhere(self, tls: Command, shared: Service, files: Files) -> None:
        result = tls(
            "get", "https://localhost/file.txt", "--connect", f"127.0.0.1:{shared.port}", "--cafile", files.certificate
        )
        assert result.out == b"a file"

    def test_a_reader_that_leaves(self, shared: Service) -> None:
        command = " ".join([*TLS, "get", shared.url("/bytes/9000000"), "--insecure"])
        done = subprocess.run(
            ["sh", "-c", f"({command}; echo code $? >&2) | head -c 10"],
            capture_output=True,
            env=environment(),
            timeout=30,
        )
        assert done.stderr == b"code 0\n"

    @pytest.mark.parametrize("body", ["length", "chunked", "close"])
    def test_bodies_of_other_servers(self, tls: Command, files: Files, body: str) -> None:
        bodies = {
            "length": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
            "close": b"HTTP/1.1 200 OK\r\n\r\nhello",
        }
        with other_server(files, bodies[body], unwrap=True) as url:
            assert tls("get", url, "--insecure").out == b"hello"

    def test_a_body_that_is_cut_off(self, tls: Command, files: Files) -> None:
        with other_server(files, b"HTTP/1.1 200 OK\r\n\r\nhel", unwrap=False) as url:
            result = tls("get", url, "--insecure")
        assert result.code == 1
        assert "close_notify" in result.err
