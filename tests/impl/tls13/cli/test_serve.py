"""``tls serve`` and its clients: Python's, curl, openssl, and ``tls get``."""

import http.client
import re
import signal
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import pytest

from tests.support.tls_command import Command, Files, Service, service
from tests.support.tls_streams import identity

pytestmark = pytest.mark.timeout(60)


class TestServe:
    @pytest.mark.parametrize(
        ("path", "status", "body"),
        [
            ("/file.txt", 200, b"a file"),
            ("/file.txt?query", 200, b"a file"),
            ("/folder/with%20space.html", 200, b"<p>"),
            ("/folder/../file.txt", 200, b"a file"),
            ("/empty", 200, b""),
            ("/in", 200, b"a file"),
            ("https://localhost/file.txt", 200, b"a file"),
            ("/bytes/0", 200, b""),
            ("/bytes/5", 200, None),
            ("/bytes/-5", 404, None),
            ("/bytes/5/", 404, None),
            ("/bytes/9999999999999999", 404, None),
            ("/folder", 404, None),
            ("/../key.pem", 404, None),
            ("/%2e%2e/key.pem", 404, None),
            ("//etc/passwd", 404, None),
            ("/%00", 404, None),
            ("/out", 404, None),
            ("*", 400, None),
        ],
    )
    def test_what_is_answered(self, shared: Service, path: str, status: int, body: bytes | None) -> None:
        connection = self.connection(shared)
        connection.putrequest("GET", path, skip_host=True)
        connection.putheader("Host", "localhost")
        connection.endheaders()
        response = connection.getresponse()
        content = response.read()
        assert response.status == status
        if body is not None:
            assert content == body
        connection.close()

    def test_one_connection_for_many_requests(self, shared: Service) -> None:
        connection = self.connection(shared)
        connection.connect()
        ours = connection.sock
        for method, status, length in (("GET", 200, 10), ("HEAD", 200, 0), ("GET", 200, 10)):
            connection.request(method, "/bytes/10")
            response = connection.getresponse()
            assert (response.status, len(response.read())) == (status, length)
            assert response.getheader("content-length") == "10"
            assert connection.sock is ours
        connection.request("POST", "/", b"data")
        response = connection.getresponse()
        assert response.status == 405
        assert response.getheader("allow") == "GET, HEAD"
        assert response.getheader("connection") == "close"
        connection.close()

    def test_what_is_not_http(self, shared: Service) -> None:
        with self.connected(shared) as secured:
            secured.sendall(b"hello\r\n")
            assert secured.recv(1000).startswith(b"HTTP/1.1 400 ")

    @staticmethod
    def connection(running: Service) -> http.client.HTTPSConnection:
        context = ssl.create_default_context(cadata=identity().certificate.decode())
        return http.client.HTTPSConnection("localhost", running.port, context=context, timeout=20)

    @staticmethod
    @contextmanager
    def connected(running: Service) -> Iterator[ssl.SSLSocket]:
        context = ssl.create_default_context(cadata=identity().certificate.decode())
        with (
            socket.create_connection(("127.0.0.1", running.port), timeout=20) as raw,
            context.wrap_socket(raw, server_hostname="localhost") as secured,
        ):
            yield secured

    def test_a_certificate_of_its_own(self) -> None:
        with service() as running:
            fingerprint = re.search(r"SHA-256 fingerprint ([0-9A-F:]{95})\n", running.greeting)
            assert fingerprint
            certificate = ssl.get_server_certificate(("127.0.0.1", running.port))
            digest = sha256(ssl.PEM_cert_to_DER_cert(certificate)).hexdigest().upper()
            assert fingerprint[1].replace(":", "") == digest

    def test_it_stops_with_connections_open(self, files: Files) -> None:
        with service(*files.served, "-v") as running:
            idle = self.connection(running)
            idle.request("GET", "/")
            idle.getresponse().read()
            busy = self.connection(running)
            busy.request("GET", "/bytes/900000000")
            assert "GET /: 200 (TLS_AES_" in running.stop(signal.SIGINT)
            idle.close()
            busy.close()

    def test_what_it_tells(self, tls: Command, files: Files) -> None:
        with service(*files.served, "-v") as running:
            assert tls("get", running.url("/x"), "--insecure").code == 1
            with socket.create_connection(("127.0.0.1", running.port)) as raw:
                raw.sendall(b"GET / HTTP/1.1\r\n\r\n")
                assert raw.recv(1000)
            told = running.stop()
        assert re.search(r"^tls: 127\.0\.0\.1:[0-9]+: GET /x: 404 \(TLS_AES_128_GCM_SHA256, X25519", told)
        assert len(told.splitlines()) == 2

    def test_several_addresses(self, tls: Command, files: Files) -> None:
        with service("--listen", "[::1]:0", *files.served) as running:
            assert running.process.stderr is not None
            line = running.process.stderr.readline()
            assert re.fullmatch(r"tls: listening on \[::1\]:[0-9]+\n", line)
            port = line.rstrip().rpartition(":")[2]
            assert tls("get", f"https://[::1]:{port}/", "--cafile", files.certificate).code == 0

    def test_both_sides_write_the_same_secrets(self, tls: Command, files: Files, tmp_path: Path) -> None:
        logs = tmp_path / "server", tmp_path / "client"
        with service(*files.served, key_log=logs[0]) as running:
            assert tls("get", running.url(), "--insecure", key_log=logs[1]).code == 0
        lines = [sorted(log.read_text().splitlines()) for log in logs]
        assert lines[0] == lines[1]
        assert len(lines[0]) == 5


class TestCurl:
    def test_it_fetches(self, shared: Service, files: Files) -> None:
        done = subprocess.run(
            ["curl", "-sSv", "--cacert", str(files.certificate), shared.url("/file.txt"), shared.url("/bytes/300000")],
            capture_output=True,
            timeout=30,
        )
        assert done.returncode == 0, done.stderr
        assert len(done.stdout) == 300_000 + len("a file")
        assert b"TLSv1.3" in done.stderr
        assert b"Re-using existing connection" in done.stderr

    def test_it_shows_a_certificate(self, files: Files, tmp_path: Path) -> None:
        certificate, key = identity("client.test").write(tmp_path)
        with service(*files.served, "--cafile", certificate, "--client-auth", "optional") as running:
            curl = ["curl", "-sS", "--cacert", str(files.certificate), running.url()]
            with_it = subprocess.run(
                [*curl, "--cert", str(certificate), "--key", str(key)], capture_output=True, timeout=30
            )
            without = subprocess.run(curl, capture_output=True, timeout=30)
        assert b"client certificate: CN=client.test" in with_it.stdout
        assert b"client certificate: none" in without.stdout


class TestOpenssl:
    def test_its_client(self, shared: Service, files: Files) -> None:
        client = ["openssl", "s_client", "-quiet", "-verify_return_error", "-servername", "localhost"]
        done = subprocess.run(
            [*client, "-connect", f"127.0.0.1:{shared.port}", "-CAfile", str(files.certificate)],
            input=b"GET /file.txt HTTP/1.0\n\n",
            capture_output=True,
            timeout=30,
        )
        assert done.stdout.endswith(b"\r\n\r\na file")

    def test_its_server(self, tls: Command, files: Files) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            port = listening.getsockname()[1]
        command = ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-www", "-naccept", "1"]
        command += ["-cert", str(files.certificate), "-key", str(files.key)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as server:
            assert server.stdout is not None
            assert b"ACCEPT" in b"".join(iter(server.stdout.readline, b"ACCEPT\n")) + b"ACCEPT"
            result = tls("get", f"https://localhost:{port}/", "--cafile", files.certificate)
        assert result.code == 0, result.err
        assert b"TLSv1.3" in result.out
