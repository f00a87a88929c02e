"""``tcpls get`` against ``tcpls serve`` and against servers that do not know TCPLS."""

import json
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from impl.tls13.cli.site import pseudo_random
from tests.impl.tcpls.cli.commands import TCPLS, Command, Service, environment, service
from tests.support.tls_command import Files
from tests.support.tls_command import service as tls_service
from tests.support.tls_streams import identity

pytestmark = pytest.mark.timeout(60)


class TestOne:
    def test_the_page_tells_what_was_negotiated(self, tcpls: Command, shared: Service) -> None:
        result = tcpls("get", shared.url(), "--ca", shared.ca)
        assert result.code == 0, result.err
        page = result.out.decode()
        assert "protocol: TCPLS\n" in page
        assert "application protocol: http/1.1\n" in page
        assert "resumed: no\n" in page
        assert re.search(r"connection 0: 127\.0\.0\.1 → 127\.0\.0\.1, open", page)

    def test_connections_are_accounted_for(self, tcpls: Command, shared: Service, tmp_path: Path) -> None:
        out = tmp_path / "out"
        result = tcpls("get", shared.url("/bytes/3000000"), "--ca", shared.ca, "-o", out)
        assert result.code == 0, result.err
        assert out.read_bytes() == b"".join(pseudo_random(3_000_000))
        assert re.search(r"^0 +127\.0\.0\.1 → 127\.0\.0\.1 +open +[0-9]+ B +3\.00 MB +100%", result.err, re.MULTILINE)
        assert re.search(rf"^tcpls: {out}: 3\.00 MB in [0-9.]+ m?s, [0-9.]+ [MG]bit/s$", result.err, re.MULTILINE)

    def test_quiet(self, tcpls: Command, shared: Service) -> None:
        result = tcpls("get", shared.url("/file.txt"), "--ca", shared.ca, "-q")
        assert (result.code, result.out, result.err) == (0, b"a file", "")

    def test_ipv6_and_a_name(self, tcpls: Command, shared: Service) -> None:
        for host in ("[::1]", "localhost"):
            result = tcpls("get", shared.url("/file.txt", host), "--ca", shared.ca, "-q")
            assert (result.code, result.out) == (0, b"a file"), result.err

    def test_a_folder_gets_the_file_under_its_name(self, tcpls: Command, shared: Service, tmp_path: Path) -> None:
        assert tcpls("get", shared.url("/file.txt"), "--ca", shared.ca, "-q", "-o", tmp_path).code == 0
        assert (tmp_path / "file.txt").read_text() == "a file"

    def test_what_is_not_there(self, tcpls: Command, shared: Service, tmp_path: Path) -> None:
        result = tcpls("get", shared.url("/nothing"), "--ca", shared.ca, "-o", tmp_path / "out")
        assert result.code == 1
        assert result.err.endswith(f"tcpls: 127.0.0.1:{shared.port}: the server answers 404 Not Found\n")
        assert not (tmp_path / "out").exists()


class TestSeveral:
    def test_they_share_a_session(self, tcpls: Command, shared: Service, tmp_path: Path) -> None:
        urls = [shared.url(path) for path in ("/file.txt", "/bytes/100000", "/other.txt", "/file.txt", "/")]
        result = tcpls("get", *urls, "--ca", shared.ca, "-o", tmp_path / "new", "--json")
        assert result.code == 0, result.err
        found = {path.name: path.read_bytes() for path in (tmp_path / "new").iterdir()}
        assert b"protocol: TCPLS" in found.pop("index.html")
        numbers = b"".join(pseudo_random(100_000))
        assert found == {
            "file.txt": b"a file",
            "file.txt.1": b"a file",
            "other.txt": b"another file",
            "100000": numbers,
        }
        told = json.loads(result.out)
        assert len(told["sessions"]) == 1
        assert [transfer["size"] for transfer in told["transfers"]][:2] == [6, 100_000]
        assert told["sessions"][0]["connections"][0]["received"] > 100_000

    def test_what_fails_leaves_the_others(self, tcpls: Command, shared: Service, tmp_path: Path) -> None:
        urls = [shared.url("/nothing"), shared.url("/file.txt")]
        result = tcpls("get", *urls, "--ca", shared.ca, "-o", tmp_path)
        assert result.code == 1
        assert f"tcpls: {urls[0]}: the server answers 404 Not Found\n" in result.err
        assert "1 of 2 transfers have failed" in result.err
        assert [path.name for path in tmp_path.iterdir()] == ["file.txt"]


class TestConnections:
    def test_one_for_each_pair_of_addresses(self, tcpls: Command, shared: Service, tmp_path: Path) -> None:
        ways: list[str | Path] = [
            "--local",
            "127.0.0.1",
            "--local",
            "127.0.0.3",
            "--remote",
            "127.0.0.2",
            "--join",
            "apparent",
        ]
        result = tcpls("get", shared.url("/bytes/50000000"), "--ca", shared.ca, "-o", "/dev/null", "-v", *ways)
        assert result.code == 0, result.err
        assert re.search(r"connection 1 +joined: 127\.0\.0\.3 → 127\.0\.0\.2", result.err)
        assert re.search(r"^1 +127\.0\.0\.3 → 127\.0\.0\.2 +open", result.err, re.MULTILINE)

    def test_paths_without_a_connection_are_told(self, tcpls: Command, shared: Service) -> None:
        ways: list[str | Path] = ["--remote", "127.0.0.9", "-o", "/dev/null", "--json"]
        result = tcpls("get", shared.url("/bytes/50000000"), "--ca", shared.ca, *ways)
        assert result.code == 0
        (unreached,) = json.loads(result.out)["sessions"][0]["unreached"]
        assert unreached["path"] == "any address → 127.0.0.9"
        assert "nothing listens there" in unreached["reason"]

    def test_it_migrates(self, tcpls: Command, shared: Service) -> None:
        ways: list[str | Path] = [
            "--remote",
            "127.0.0.2",
            "--policy",
            "manual",
            "--migrate-after",
            "5MB",
            "-o",
            "/dev/null",
            "--json",
        ]
        result = tcpls("get", shared.url("/bytes/60000000"), "--ca", shared.ca, *ways)
        assert (result.code, result.err) == (0, "")
        (session,) = json.loads(result.out)["sessions"]
        assert [e["what"] for e in session["events"] if e["connection"] == 1] == ["joined", "migrated"]
        first, second = session["connections"]
        assert first["received"] >= 5_000_000
        assert second["received"] > 30_000_000

    def test_nowhere_to_migrate_to(self, tcpls: Command, shared: Service) -> None:
        get: list[str | Path] = [
            "get",
            shared.url("/bytes/100000"),
            "--ca",
            shared.ca,
            "-o",
            "/dev/null",
            "--migrate-after",
        ]
        assert "no other connection to migrate to" in tcpls(*get, "1k").err
        assert "more than the size" in tcpls(*get, "1M").err


class TestResumption:
    def test_a_session_is_kept_and_resumed(self, tcpls: Command, shared: Service, tmp_path: Path) -> None:
        kept = tmp_path / "session"
        get: list[str | Path] = ["get", shared.url(), "--ca", shared.ca, "--session", kept, "-v"]
        assert "resumed: no\n" in tcpls(*get).out.decode()
        assert kept.stat().st_mode & 0o777 == 0o600
        before = kept.read_bytes()
        again = tcpls(*get)
        assert "protocol: TCPLS\n" in again.out.decode()
        assert "resumed: yes\n" in again.out.decode()
        assert ", resumed\n" in again.err
        assert kept.read_bytes() != before


class TestSecretsAndTraces:
    def test_they_are_written(self, tcpls: Command, shared: Service, tmp_path: Path) -> None:
        log, traces = tmp_path / "log", tmp_path / "traces"
        get: list[str | Path] = ["get", shared.url(), "--ca", shared.ca, "-q"]
        assert tcpls(*get, "--key-log", log, "--qlog", traces).code == 0
        assert "CLIENT_TRAFFIC_SECRET_0 " in log.read_text()
        (trace,) = traces.iterdir()
        assert trace.name.endswith("_client.sqlog")
        assert "tcpls:session_closed" in trace.read_text()
        assert tcpls(*get, SSLKEYLOGFILE=str(tmp_path / "log2"), QLOGDIR=str(tmp_path / "traces2")).code == 0
        assert (tmp_path / "log2").exists()
        assert len(list((tmp_path / "traces2").iterdir())) == 1


class TestPlainTls:
    def test_of_tls_serve(self, tcpls: Command, tmp_path: Path) -> None:
        files = Files(tmp_path, *identity().write(tmp_path))
        with tls_service(*files.served, "--alpn", "http/1.1") as running:
            urls = [running.url("/bytes/300000"), running.url("/bytes/10")]
            result = tcpls("get", *urls, "--ca", files.certificate, "-o", tmp_path / "out")
        assert result.code == 0, result.err
        assert f"tcpls: localhost:{running.port} speaks no TCPLS: plain TLS" in result.err
        assert (tmp_path / "out" / "300000").read_bytes() == b"".join(pseudo_random(300_000))
        assert (tmp_path / "out" / "10").stat().st_size == 10
        assert re.search(r"^0 .* 300 kB +100%", result.err, re.MULTILINE)

    def test_of_openssl(self, tcpls: Command, tmp_path: Path) -> None:
        files = Files(tmp_path, *identity().write(tmp_path))
        with socket.create_server(("127.0.0.1", 0)) as listening:
            port = listening.getsockname()[1]
        command = ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-www", "-naccept", "1"]
        command += ["-cert", str(files.certificate), "-key", str(files.key)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as server:
            assert server.stdout is not None
            assert any(b"ACCEPT" in line for line in iter(server.stdout.readline, b""))
            result = tcpls("get", f"https://127.0.0.1:{port}/", "--ca", files.certificate)
        assert result.code == 0, result.err
        assert b"TLSv1.3" in result.out


class TestFailures:
    def test_an_authority_that_nobody_knows(self, tcpls: Command, shared: Service, tmp_path: Path) -> None:
        certificate, _ = identity("other.test").write(tmp_path)
        result = tcpls("get", shared.url(), "--ca", certificate)
        assert result.code == 1
        assert re.fullmatch(r"tcpls: 127\.0\.0\.1:[0-9]+: unknown_ca: .*--ca, or .*--insecure\n", result.err)
        assert tcpls("get", shared.url(), "--insecure").code == 0

    def test_a_certificate_for_others(self, tcpls: Command, shared: Service) -> None:
        result = tcpls("get", shared.url(host="127.0.0.77"), "--ca", shared.ca)
        assert result.code == 1
        assert "nothing listens there" in result.err
        result = tcpls("get", f"https://localhost.localdomain:{shared.port}/", "--ca", shared.ca)
        assert result.code == 1
        assert len(result.err.splitlines()) == 1

    def test_nobody_there(self, tcpls: Command) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            port = listening.getsockname()[1]
        result = tcpls("get", f"https://127.0.0.1:{port}/", "-k")
        assert result.code == 1
        assert result.err == (
            f"tcpls: 127.0.0.1:{port}: no connection could be made: cannot connect to 127.0.0.1:{port}: "
            "Connection refused (nothing listens there)\n"
        )

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["https://h/", "--scheduler", "none"], "--scheduler: there is no scheduler 'none'; the schedulers are: "),
            (["http://h/"], "begins with https://"),
            (["https://h/", "https://i/", "-o", "x"], "a session is with one server"),
            (["https://h/", "https://h/2"], "--output DIR"),
            (["https://h/", "https://h/2", "-o", "/dev/null"], "need a folder"),
            (["https://h/", "--json"], "--json: standard output is for the result"),
            (["https://h/", "--local", "h"], "--local: 'h' is no IP address"),
            (["https://192.0.2.1/", "-k", "--local", "::1"], "no path from ::1 to 192.0.2.1"),
            (["https://h/", "--insecure", "--ca", "x"], "--insecure: believes everybody"),
            (["https://h/", "--ca", "/nowhere"], "/nowhere is not there"),
            (["https://h/", "-k", "--migrate-after", "5 miles"], "--migrate-after: '5 miles' is not a size"),
            (["https://h/", "-k", "--key-log", "/nowhere/x"], "--key-log: /nowhere/x: No such file"),
            (["https://h/", "-k", "--qlog", "/dev/null"], "--qlog: /dev/null: "),
            (["https://h/", "-k", "--session", "/"], "--session: /: "),
            (["https://h/", "--policy", "some"], "'--policy'"),
            ([], "Usage: "),
        ],
    )
    def test_bad_usage(self, tcpls: Command, arguments: list[str], words: str) -> None:
        result = tcpls("get", *arguments)
        assert result.code == 2
        assert words in result.err + result.out.decode()

    def test_an_output_that_cannot_be_written(self, tcpls: Command, shared: Service) -> None:
        result = tcpls("get", shared.url("/bytes/100000"), "--ca", shared.ca, "-o", "/dev/full", "-q")
        assert result.code == 1
        assert result.err == "tcpls: /dev/full: No space left on device\n"


class TestEnds:
    @contextmanager
    def running(self, *arguments: str | Path) -> Iterator[subprocess.Popen[bytes]]:
        """A download without end, of which the beginning has come."""
        command = [*TCPLS, "get", *map(str, arguments)]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), start_new_session=True
        ) as process:
            assert process.stdout is not None
            assert len(process.stdout.read(1_000_000)) == 1_000_000
            yield process
            process.kill()

    def test_an_interruption(self, tmp_path: Path) -> None:
        with service(tmp_path) as running:
            with self.running(running.url("/bytes/900000000000"), "--ca", running.ca) as process:
                process.send_signal(signal.SIGINT)
                _, err = process.communicate(timeout=20)
                assert process.returncode == 130
            assert err.decode().endswith("tcpls: interrupted\n")
            assert b"Traceback" not in err
            assert ": TCPLS: 1 stream, sent " in (line := running.line())
            assert "the peer says " in line

    def test_a_reader_that_leaves(self, shared: Service) -> None:
        with self.running(shared.url("/bytes/900000000000"), "--ca", shared.ca, "-q") as process:
            assert process.stdout is not None
            process.stdout.close()
            process.stdout = None
            _, err = process.communicate(timeout=20)
            assert (process.returncode, err) == (0, b"")

    def test_a_server_that_stops(self, tmp_path: Path) -> None:
        with service(tmp_path) as running:
            with self.running(running.url("/bytes/900000000000"), "--ca", running.ca) as process:
                running.process.send_signal(signal.SIGTERM)
                _, err = process.communicate(timeout=20)
                assert process.returncode == 1
            assert "Traceback" not in err.decode()
            assert re.search(r"tcpls: 127\.0\.0\.1:[0-9]+: .+\n$", err.decode())
            assert running.process.wait(20) == 0

    def test_a_server_that_dies(self, tmp_path: Path) -> None:
        with service(tmp_path) as running:
            get: list[str | Path] = [running.url("/bytes/900000000000"), "--ca", running.ca, "--patience", "0.5"]
            with self.running(*get) as process:
                running.process.kill()
                _, err = process.communicate(timeout=20)
                assert process.returncode == 1
        assert "connection 0 has failed" in err.decode()
        assert err.decode().endswith("the session is over: no connection for 0.5 s\n")
