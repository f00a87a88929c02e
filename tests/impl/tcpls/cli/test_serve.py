"""``tcpls serve`` and its clients that do not know TCPLS: curl, openssl, Python's ssl."""

import http.client
import re
import signal
import socket
import ssl
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest

from impl.tls13.cli.site import pseudo_random
from tests.impl.tcpls.cli.commands import Command, Service, service
from tests.support.tls_streams import identity

pytestmark = pytest.mark.timeout(60)


def connection(running: Service) -> http.client.HTTPSConnection:
    context = ssl.create_default_context(cafile=str(running.ca))
    return http.client.HTTPSConnection("localhost", running.port, context=context, timeout=20)


class TestPlainTls:
    def test_curl_fetches(self, shared: Service) -> None:
        urls = [shared.url("/file.txt", "localhost"), shared.url("/bytes/300000", "localhost")]
        done = subprocess.run(["curl", "-sSv", "--cacert", str(shared.ca), *urls], capture_output=True, timeout=30)
        assert done.returncode == 0, done.stderr
        assert done.stdout == b"a file" + b"".join(pseudo_random(300_000))
        assert b"TLSv1.3" in done.stderr
        assert b"Re-using existing connection" in done.stderr

    def test_curl_uploads(self, shared: Service, tmp_path: Path) -> None:
        data = tmp_path / "data"
        data.write_bytes(b"".join(pseudo_random(3_000_000)))
        curl = ["curl", "-sS", "--cacert", str(shared.ca), "-T"]
        for name, expect in ((str(data), "Expect: 100-continue"), ("-", "Expect:")):
            with data.open("rb") as source:
                done = subprocess.run(
                    [*curl, name, "-H", expect, shared.url("/by-curl", "localhost")],
                    stdin=source,
                    capture_output=True,
                    timeout=30,
                )
            assert done.returncode == 0, done.stderr
            assert sha256(data.read_bytes()).hexdigest().encode() in done.stdout
            assert (shared.ca.parent / "uploads" / "by-curl").read_bytes() == data.read_bytes()

    def test_openssl(self, shared: Service) -> None:
        client = ["openssl", "s_client", "-quiet", "-verify_return_error", "-servername", "localhost"]
        done = subprocess.run(
            [*client, "-connect", f"127.0.0.1:{shared.port}", "-CAfile", str(shared.ca)],
            input=b"GET /file.txt HTTP/1.0\n\n",
            capture_output=True,
            timeout=30,
        )
        assert done.stdout.endswith(b"\r\n\r\na file")

    def test_requests_one_after_the_other(self, shared: Service) -> None:
        client = connection(shared)
        client.connect()
        ours = client.sock
        for method, path, body, status, length in (
            ("GET", "/", None, 200, None),
            ("HEAD", "/bytes/10", None, 200, 0),
            ("PUT", "/sequence", b"data", 201, None),
            ("PUT", "/sequence", b"data", 200, None),
            ("GET", "/nothing", None, 404, None),
            ("GET", "/bytes/10", None, 200, 10),
        ):
            client.request(method, path, body)
            response = client.getresponse()
            content = response.read()
            assert response.status == status, path
            assert length is None or len(content) == length
            assert client.sock is ours
        client.request("POST", "/", b"data")
        response = client.getresponse()
        assert response.status == 405
        assert response.getheader("allow") == "GET, HEAD, PUT"
        assert response.getheader("connection") == "close"
        client.close()

    def test_what_is_not_http(self, shared: Service) -> None:
        context = ssl.create_default_context(cafile=str(shared.ca))
        with (
            socket.create_connection(("127.0.0.1", shared.port), timeout=20) as raw,
            context.wrap_socket(raw, server_hostname="localhost") as secured,
        ):
            secured.sendall(b"hello\r\n")
            assert secured.recv(1000).startswith(b"HTTP/1.1 400 ")


class TestCertificates:
    def test_one_of_its_own(self, tmp_path: Path) -> None:
        with service(tmp_path, "--name", "further.test") as running:
            assert "certificate for localhost, 127.0.0.1, ::1, " in running.greeting
            assert ", further.test; " in running.greeting
            fingerprint = re.search(r"SHA-256 fingerprint ([0-9A-F:]{95})\n", running.greeting)
            assert fingerprint
            certificate = ssl.get_server_certificate(("127.0.0.1", running.port))
            assert certificate.strip() == running.ca.read_text().strip()
            digest = sha256(ssl.PEM_cert_to_DER_cert(certificate)).hexdigest().upper()
            assert fingerprint[1].replace(":", "") == digest

    def test_one_that_is_given(self, tcpls: Command, tmp_path: Path) -> None:
        certificate, key = identity().write(tmp_path)
        command: list[str | Path] = ["--certificate", certificate, "--key", key]
        result = tcpls("serve", *command, "--ca-out", tmp_path / "ca")
        assert (result.code, "--ca-out: is for a certificate made here" in result.err) == (2, True)


class TestWhatItTells:
    def test_sessions_and_requests(self, tcpls: Command, tmp_path: Path) -> None:
        with service(tmp_path, "-v") as running:
            assert tcpls("get", running.url("/bytes/1000"), "--ca", running.ca, "-q", "-o", "/dev/null").code == 0
            assert re.fullmatch(r"tcpls: 127\.0\.0\.1:[0-9]+: stream 0: GET /bytes/1000: 200\n", running.line())
            assert re.fullmatch(
                r"tcpls: 127\.0\.0\.1:[0-9]+: TCPLS: 1 stream, sent 1\.00 kB, received 0 B, 1 connection: closed\n",
                running.line(),
            )
            client = connection(running)
            client.request("GET", "/x")
            client.getresponse().read()
            client.close()
            assert "stream 0: GET /x: 404" in running.line()
            assert ": plain TLS: 1 stream, " in running.line()
            with socket.create_connection(("127.0.0.1", running.port)) as raw:
                raw.sendall(b"GET / HTTP/1.1\r\n\r\n")
                assert raw.recv(1000)
            assert re.match(r"tcpls: 127\.0\.0\.1:[0-9]+: no session: ", running.line())
            assert tcpls("get", running.url(), "--ca", identity("other.test").write(tmp_path)[0]).code == 1
            assert re.match(r"tcpls: 127\.0\.0\.1:[0-9]+: no session: .*unknown_ca", running.line())
            assert running.stop() == ""

    def test_both_sides_write_the_same_secrets(self, tcpls: Command, tmp_path: Path) -> None:
        logs = tmp_path / "server", tmp_path / "client"
        with service(tmp_path, SSLKEYLOGFILE=str(logs[0]), QLOGDIR=str(tmp_path / "traces")) as running:
            get: list[str | Path] = ["--ca", running.ca, "-q", "--key-log", logs[1]]
            assert tcpls("get", running.url(), *get).code == 0
            running.line()
            (trace,) = (tmp_path / "traces").iterdir()
            assert "tcpls:session_closed" in trace.read_text()
        lines = [sorted(log.read_text().splitlines()) for log in logs]
        assert lines[0] == lines[1]
        assert len(lines[0]) >= 5


class TestItsEnd:
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_with_sessions_open(self, tmp_path: Path, number: int) -> None:
        with service(tmp_path) as running:
            idle = connection(running)
            idle.request("GET", "/")
            idle.getresponse().read()
            busy = connection(running)
            busy.request("GET", "/bytes/900000000")
            said = running.stop(number)
            assert len(re.findall(": plain TLS: 1 stream, ", said)) == 2
            idle.close()
            busy.close()


class TestFailures:
    @pytest.mark.parametrize(
        ("arguments", "code", "words"),
        [
            (["--root", "/nowhere"], 2, "--root: /nowhere is not a folder"),
            (["--upload", "/dev/null"], 2, "--upload: /dev/null is not a folder"),
            (["--certificate", "/nowhere", "--key", "/nowhere"], 2, "/nowhere: No such file"),
            (["--certificate", "/nowhere"], 2, "belong together"),
            (["--ca-out", "/"], 2, "--ca-out: /: Is a directory"),
            (["--scheduler", "none"], 2, "the schedulers are: primary-backup"),
            (["--padding", "none:5"], 2, "--padding: "),
            (["--port", "70000"], 2, "'--port'"),
            (["192.0.2.1"], 1, "cannot listen on 192.0.2.1:4433: Cannot assign requested address"),
            (["nowhere.invalid"], 1, "cannot resolve 'nowhere.invalid'"),
            (["127.0.0.1", "--port", "0", "--congestion", "none"], 1, "congestion control 'none' is refused"),
        ],
    )
    def test_what_cannot_be(self, tcpls: Command, arguments: list[str], code: int, words: str) -> None:
        result = tcpls("serve", *arguments)
        assert result.code == code
        assert words in result.err

    def test_a_port_that_is_taken(self, tcpls: Command, shared: Service) -> None:
        result = tcpls("serve", "127.0.0.1", "--port", str(shared.port))
        assert result.code == 1
        assert "Address already in use" in result.err
