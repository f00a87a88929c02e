"""curl as the client of our server: what most people will try first."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from impl.tls13 import AlertDescription, ClientAuthentication, ServerConfig
from impl.tls13.cipher_suites import CIPHER_SUITES
from impl.tls13.registries import NamedGroup
from tests.support.openssl import Certificates
from tests.support.peers import Endpoint, Listener
from tests.support.programs import Program
from tests.support.tls import NAME

BODY = b"hello, curl\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(BODY), BODY)


@contextmanager
def asked(
    listener: Listener, certificates: Certificates, config: ServerConfig, *options: str | Path, host: str = NAME
) -> Iterator[tuple[Program, Endpoint]]:
    """A curl that asks our server."""
    where = ["--connect-to", f"{host}:443:127.0.0.1:{listener.port}", f"https://{host}/"]
    quiet: list[str | Path] = [
        "--silent",
        "--show-error",
        "--noproxy",
        "*",
        "--max-time",
        "10",
        "--cacert",
        certificates.root,
    ]
    with (
        Program(["curl", "--tlsv1.3", *quiet, *options, *where]) as curl,
        listener.accept(config, curl) as server,
    ):
        yield curl, server


def answer(curl: Program, server: Endpoint) -> None:
    """Answer the request; curl must have the body, and be content."""
    server.wait(lambda: b"\r\n\r\n" in server.received, "the request is there")
    assert server.received.startswith(b"GET / HTTP/1.1\r\n")
    server.send(ANSWER)
    server.close()
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
        options = ("--tls13-ciphers", suite, "--curves", curve)
        with asked(listener, certificates, certificates.server_config(), *options) as (curl, server):
            completed = server.handshake()
            answer(curl, server)
        assert (completed.cipher_suite, completed.group) == (suite, group)

    def test_protocol_of_http(self, listener: Listener, certificates: Certificates) -> None:
        config = certificates.server_config(alpn_protocols=(b"http/1.1",))
        with asked(listener, certificates, config) as (curl, server):
            assert server.handshake().alpn_protocol == b"http/1.1"
            answer(curl, server)

    def test_with_a_certificate_of_curls(self, listener: Listener, certificates: Certificates) -> None:
        mine = certificates.identity(client=True)
        config = certificates.server_config(
            client_authentication=ClientAuthentication.REQUIRED, trust=certificates.authority.trust
        )
        options = ("--cert", mine.certificate, "--key", mine.key)
        with asked(listener, certificates, config, *options) as (curl, server):
            assert server.handshake().peer_chain[0] == mine.credentials.certificate
            answer(curl, server)

    def test_after_a_hello_retry_request(self, listener: Listener, certificates: Certificates) -> None:
        config = certificates.server_config(groups=(NamedGroup.SECP384R1,))
        with asked(listener, certificates, config) as (curl, server):
            assert server.handshake().hello_retry_request
            answer(curl, server)


class TestRefused:
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
