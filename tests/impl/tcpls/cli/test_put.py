"""``tcpls put`` against ``tcpls serve`` and against others."""

import json
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest

from impl.tls13.cli.site import pseudo_random
from tests.impl.tcpls.cli.commands import TCPLS, Command, Service, environment
from tests.support.tls_command import Files, other_server
from tests.support.tls_command import service as tls_service
from tests.support.tls_streams import identity

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    file = tmp_path / "some data"
    file.write_bytes(b"".join(pseudo_random(2_000_000)))
    return file


class TestPut:
    def test_a_file_under_its_name(self, tcpls: Command, shared: Service, data: Path) -> None:
        result = tcpls("put", data, shared.url("/put/"), "--ca", shared.ca)
        assert result.code == 0, result.err
        assert "2.00 MB in" in result.err
        assert f"SHA-256 {sha256(data.read_bytes()).hexdigest()}, the server has the same\n" in result.err
        assert (shared.ca.parent / "uploads" / "put" / "some data").read_bytes() == data.read_bytes()

    def test_over_several_connections(self, tcpls: Command, shared: Service, data: Path) -> None:
        ways = ["--remote", "127.0.0.2", "--scheduler", "redundant", "--padding", "random:100", "--record-size", "4096"]
        result = tcpls("put", data, shared.url("/several"), "--ca", shared.ca, "--json", *ways)
        assert result.code == 0, result.err
        told = json.loads(result.out)
        assert told["transfers"][0]["verified"]
        assert told["transfers"][0]["size"] == 2_000_000
        assert (shared.ca.parent / "uploads" / "several").read_bytes() == data.read_bytes()

    def test_it_migrates(self, tcpls: Command, shared: Service, tmp_path: Path) -> None:
        large = tmp_path / "large"
        large.write_bytes(bytes(40_000_000))
        ways = ["--remote", "127.0.0.2", "--policy", "manual", "--migrate-after", "2M", "--json"]
        result = tcpls("put", large, shared.url("/large"), "--ca", shared.ca, *ways)
        assert (result.code, result.err) == (0, "")
        (session,) = json.loads(result.out)["sessions"]
        assert session["connections"][1]["sent"] > 20_000_000

    def test_standard_input(self, shared: Service, data: Path) -> None:
        command = [*TCPLS, "put", "-", shared.url("/piped"), "--ca", str(shared.ca)]
        with data.open("rb") as source:
            done = subprocess.run(command, stdin=source, capture_output=True, env=environment(), timeout=30)
        assert done.returncode == 0, done.stderr
        assert (shared.ca.parent / "uploads" / "piped").read_bytes() == data.read_bytes()

    def test_an_empty_file(self, tcpls: Command, shared: Service, tmp_path: Path) -> None:
        (tmp_path / "empty").touch()
        assert tcpls("put", tmp_path / "empty", shared.url("/"), "--ca", shared.ca, "-q").code == 0
        assert (shared.ca.parent / "uploads" / "empty").read_bytes() == b""


class TestFailures:
    def test_the_server_refuses(self, tcpls: Command, shared: Service, data: Path) -> None:
        result = tcpls("put", data, shared.url("/../out"), "--ca", shared.ca, "-q")
        assert result.code == 1
        assert result.err == f"tcpls: 127.0.0.1:{shared.port}: the server answers 403 Forbidden\n"

    def test_the_server_knows_no_uploads(self, tcpls: Command, data: Path, tmp_path: Path) -> None:
        files = Files(tmp_path, *identity().write(tmp_path))
        with tls_service(*files.served, "--alpn", "http/1.1") as running:
            result = tcpls("put", data, running.url("/"), "--ca", files.certificate)
        assert result.code == 1
        assert "speaks no TCPLS" in result.err
        assert "405 Method Not Allowed" in result.err or "the session is over" in result.err

    @pytest.mark.parametrize(
        ("digest", "code", "words"),
        [("", 0, "not compared: the server tells none"), ("00" * 32, 1, "the server has something else")],
    )
    def test_what_the_server_has(self, tcpls: Command, tmp_path: Path, digest: str, code: int, words: str) -> None:
        (tmp_path / "small").write_bytes(b"x")
        files = Files(tmp_path, *identity().write(tmp_path))
        encoded = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
        field = f"Repr-Digest: sha-256=:{encoded}:\r\n" if digest else ""
        answer = f"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n{field}\r\nok".encode()
        with other_server(files, answer, unwrap=False) as url:
            result = tcpls("put", tmp_path / "small", url, "--ca", files.certificate)
        assert result.code == code, result.err
        assert words in result.err

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["/nowhere", "https://h/"], "/nowhere: No such file or directory"),
            (["/", "https://h/"], "/: Is a directory"),
            (["-", "https://h/"], "standard input has no name"),
            (["/dev/null", "https://h/", "-k", "--padding", "much"], "--padding: padding 'much' is not known"),
            (["/dev/null", "https://h/", "-k", "--record-size", "20k"], "--record-size: records of 20000 bytes"),
            (["/dev/null"], "Missing argument"),
        ],
    )
    def test_bad_usage(self, tcpls: Command, arguments: list[str], words: str) -> None:
        result = tcpls("put", *arguments)
        assert result.code == 2
        assert words in result.err
