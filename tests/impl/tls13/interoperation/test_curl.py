"""curl as the client of our server: what most people will try first."""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from impl.tls13 import AlertDescription, ClientAuthentication, ServerConfig, TicketProtection
from impl.tls13.cipher_suites import CIPHER_SUITES
from impl.tls13.registries import NamedGroup
from tests.support.openssl import Certificates
from tests.support.peers import Endpoint, Listener
from tests.support.programs import Program
from tests.support.tls import NAME, Authority

BODY = b"hello, curl\n"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"


def options(certificates: Certificates) -> list[str | Path]:
    """What each request needs."""
    quiet = ["--silent", "--show-error", "--noproxy", "*", "--max-time", "10"]
    return [*quiet, "--tlsv1.3", "--cacert", certificates.root]


def where(listener: Listener, host: str = NAME) -> list[str | Path]:
    """The address of our server, by which name it is called."""
    return ["--connect-to", f"{host}:443:127.0.0.1:{listener.port}", f"https://{host}/"]


@contextmanager
def asked(
    listener: Listener,
    certificates: Certificates,
    config: ServerConfig,
    *further: str | Path,
    host: str = NAME,
    after: Sequence[str | Path] = (),
) -> Iterator[tuple[Program, Endpoint]]:
    """A curl that asks our server; `after` are options of its next request."""
    command = ["curl", "--disable", *options(certificates), *further, *where(listener, host), *after]
    with Program(command) as curl, listener.accept(config, curl) as server:
        yield curl, server


def answer(server: Endpoint) -> None:
    """Answer the request."""
    server.wait(lambda: b"\r\n\r\n" in server.received, "the request is there")
    assert server.received.startswith(b"GET / HTTP/1.1\r\n")
    server.send(HEAD % len(BODY) + BODY)
    server.close()


def answer_only(curl: Program, server: Endpoint) -> None:
    """Answer the request, which is the only one; curl must have the body, and be content."""
    answer(server)
    assert curl.finish() == 0, curl.output
    assert BODY.decode() in curl.output


class TestAnswered:
    @pytest.mark.parametrize("suite", [suite.name for suite in CIPHER_SUITES.values()])
    @pytest.mark.parametrize(
        ("curve", "group"),
        [("X25519", NamedGroup.X25519), ("P-256", NamedGroup.SECP256R1), ("P-384", NamedGroup.SECP384R1)],
    )
    def test_with_each_suite_and_curve(
        self, listener: Listener, certificates: Certificates, suite: str, curve: str, group: NamedGroup
    ) -> None:
        wanted = ("--tls13-ciphers", suite, "--curves", curve)
        with asked(listener, certificates, certificates.server_config(), *wanted) as (curl, server):
            completed = server.handshake()
            answer_only(curl, server)
        assert (completed.cipher_suite, completed.group) == (suite, group)

    def test_protocol_of_http(self, listener: Listener, certificates: Certificates) -> None:
        config = certificates.server_config(alpn_protocols=(b"http/1.1",))
        with asked(listener, certificates, config) as (curl, server):
            assert server.handshake().alpn_protocol == b"http/1.1"
            answer_only(curl, server)

    def test_with_a_certificate_of_curls(self, listener: Listener, certificates: Certificates) -> None:
        mine = certificates.identity(client=True)
        config = certificates.server_config(
            client_authentication=ClientAuthentication.REQUIRED, trust=certificates.authority.trust
        )
        own = ("--cert", mine.certificate, "--key", mine.key)
        with asked(listener, certificates, config, *own) as (curl, server):
            assert server.handshake().peer_chain[0] == mine.credentials.certificate
            answer_only(curl, server)

    def test_after_a_hello_retry_request(self, listener: Listener, certificates: Certificates) -> None:
        config = certificates.server_config(groups=(NamedGroup.SECP384R1,))
        with asked(listener, certificates, config) as (curl, server):
            assert server.handshake().hello_retry_request
            answer_only(curl, server)

    def test_second_time_with_the_session_of_the_first(self, listener: Listener, certificates: Certificates) -> None:
        config = certificates.server_config(tickets=TicketProtection())
        twice = ("--next", *options(certificates), *where(listener))
        with asked(listener, certificates, config, after=twice) as (curl, first):
            assert not first.handshake().resumed
            answer(first)
            with listener.accept(config, curl) as second:
                assert second.handshake().resumed
                answer(second)
            assert curl.finish() == 0, curl.output
            assert curl.output.count(BODY.decode()) == 2

    def test_much_data_in_both_directions(self, listener: Listener, certificates: Certificates, tmp_path: Path) -> None:
        seed = 13
        print("seed", seed)
        data = random.Random(seed).randbytes(4_000_000)
        given, taken = tmp_path / "given", tmp_path / "taken"
        given.write_bytes(data)
        upload = ("--request", "PUT", "--upload-file", given, "--header", "Expect:", "--output", taken)
        with asked(listener, certificates, certificates.server_config(), *upload) as (curl, server):
            server.handshake()
            server.wait(lambda: server.received.endswith(data[-100:]), "the whole body is there")
            head, _, body = bytes(server.received).partition(b"\r\n\r\n")
            assert head.startswith(b"PUT /given HTTP/1.1\r\n")
            assert body == data
            server.send(HEAD % len(data) + data)
            server.close()
            assert curl.finish() == 0, curl.output
        assert taken.read_bytes() == data


class TestRefused:
    @pytest.mark.parametrize("why", ["expired", "unknown authority"])
    def test_our_certificate(self, listener: Listener, certificates: Certificates, why: str) -> None:
        authority = certificates.authority
        shown, alert = {
            "expired": (authority.issue(days=(-9, -1)), AlertDescription.CERTIFICATE_EXPIRED),
            "unknown authority": (Authority(name="nobody", now=authority.now).issue(), AlertDescription.UNKNOWN_CA),
        }[why]
        config = certificates.server_config(credentials=[shown])
        with asked(listener, certificates, config) as (curl, server):
            failure = server.failure()
            assert curl.finish() == 60, curl.output  # "peer certificate cannot be authenticated"
        assert (failure.alert, failure.by) == (alert, "peer")

    def test_wrong_name(self, listener: Listener, certificates: Certificates) -> None:
        config = certificates.server_config()
        with asked(listener, certificates, config, host="other.test") as (curl, server):
            server.handshake()  # curl looks at the name by itself, afterwards
            server.close()
            assert curl.finish() == 60, curl.output  # "peer certificate cannot be authenticated"

    def test_no_certificate_of_curls(self, listener: Listener, certificates: Certificates) -> None:
        config = certificates.server_config(
            client_authentication=ClientAuthentication.REQUIRED, trust=certificates.authority.trust
        )
        with asked(listener, certificates, config) as (curl, server):
            assert server.failure().alert is AlertDescription.CERTIFICATE_REQUIRED
            assert curl.finish() != 0
            assert "certificate required" in curl.output
