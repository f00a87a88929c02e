"""Resumption, early data, pre-shared keys and HelloRetryRequest against OpenSSL, in both roles."""

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from impl.tls13 import (
    AlertDescription,
    ClientAuthentication,
    EarlyDataRejected,
    ExternalPsk,
    HandshakeCompleted,
    ReplayGuard,
    ServerConfig,
    Session,
    TicketProtection,
    TicketReceived,
)
from impl.tls13.cipher_suites import CIPHER_SUITES, CipherSuite
from impl.tls13.registries import NamedGroup
from tests.support.openssl import Certificates, OpenSSLServer, OpenSSLServers, openssl_client
from tests.support.peers import Listener

every_suite = pytest.mark.parametrize("suite", CIPHER_SUITES.values(), ids=lambda suite: str(suite.name))

EARLY = b"what comes early\n"
PSK = bytes(range(32))
CURVES = (NamedGroup.X25519, NamedGroup.SECP256R1)


def first_session(server: OpenSSLServer, certificates: Certificates, **settings: object) -> Session:
    """A session of a first connection to s_server."""
    with server.connect(certificates.client_config(**settings)) as client:
        assert not client.handshake().resumed
        session = client.wait_for(TicketReceived).session
        client.close()
    return session


class TestOurClientResumes:
    @every_suite
    def test_a_session(self, servers: OpenSSLServers, certificates: Certificates, suite: CipherSuite) -> None:
        server = servers.get()
        session = first_session(server, certificates, cipher_suites=(suite,))
        stored = Session.from_bytes(session.to_bytes())
        with server.connect(certificates.client_config(session=stored, cipher_suites=(suite,))) as client:
            completed = client.handshake()
            server.expect("Reused session-id")
            client.send(b"resumed\n")
            server.expect("resumed\n")
            client.close()
        assert completed.resumed
        assert completed.cipher_suite == suite.name

    def test_the_session_of_a_resumed_connection(self, servers: OpenSSLServers, certificates: Certificates) -> None:
        server = servers.get()
        session = first_session(server, certificates)
        for _ in range(2):
            with server.connect(certificates.client_config(session=session)) as client:
                assert client.handshake().resumed
                session = client.wait_for(TicketReceived).session
                client.close()

    def test_with_a_session_that_the_server_remembers(
        self, servers: OpenSSLServers, certificates: Certificates
    ) -> None:
        """Its tickets are names of sessions in its memory."""
        server = servers.get("-no_ticket")
        session = first_session(server, certificates)
        with server.connect(certificates.client_config(session=session)) as client:
            assert client.handshake().resumed
            client.close()

    def test_after_a_hello_retry_request(self, servers: OpenSSLServers, certificates: Certificates) -> None:
        server = servers.get("-groups", "P-256")
        session = first_session(server, certificates, groups=CURVES)
        with server.connect(certificates.client_config(session=session, groups=CURVES)) as client:
            completed = client.handshake()
            client.close()
        assert completed.resumed
        assert completed.hello_retry_request

    def test_not_with_a_ticket_of_another_server(self, servers: OpenSSLServers, certificates: Certificates) -> None:
        session = first_session(servers.get("-no_ticket"), certificates)
        with servers.get().connect(certificates.client_config(session=session)) as client:
            completed = client.handshake()
            client.close()
        assert not completed.resumed
        assert completed.peer_chain


class TestOurClientSendsEarly:
    OPTIONS = ("-early_data", "-max_early_data", "16384", "-alpn", "second,first")

    @pytest.fixture
    def server(self, servers: OpenSSLServers) -> OpenSSLServer:
        return servers.get(*self.OPTIONS)

    @every_suite
    def test_accepted(self, server: OpenSSLServer, certificates: Certificates, suite: CipherSuite) -> None:
        session = first_session(server, certificates, cipher_suites=(suite,))
        assert session.max_early_data == 16384
        config = certificates.client_config(session=session, early_data=True, cipher_suites=(suite,))
        with server.connect(config, EARLY) as client:
            completed = client.handshake()
            # The data go out at once, and what is said about them through a buffer.
            server.expect(EARLY.decode())
            server.expect("End of early data")
            client.send(b"what comes later\n")
            server.expect("what comes later\n")
            server.type("the answer\n")
            client.expect(b"the answer\n")
            client.close()
        assert completed.early_data_accepted

    def test_as_much_as_is_allowed(self, server: OpenSSLServer, certificates: Certificates) -> None:
        session = first_session(server, certificates)
        data = b"e" * session.max_early_data
        with server.connect(certificates.client_config(session=session, early_data=True), data) as client:
            assert client.handshake().early_data_accepted
            server.expect(f"e{{{len(data)}}}")
            client.close()

    def test_rejected_together_with_the_session(self, server: OpenSSLServer, certificates: Certificates) -> None:
        """OpenSSL takes a ticket of early data once."""
        session = first_session(server, certificates)
        config = certificates.client_config(session=session, early_data=True)
        with server.connect(config, EARLY) as client:
            assert client.handshake().early_data_accepted
            client.close()
        with server.connect(config, EARLY) as client:
            completed = client.handshake()
            client.last(EarlyDataRejected)
            server.expect("CIPHER is")
            client.send(b"again: " + EARLY)
            server.expect(f"again: {EARLY.decode()}")
            client.close()
        assert not completed.resumed
        assert not completed.early_data_accepted

    def test_rejected_because_the_protocol_differs(self, server: OpenSSLServer, certificates: Certificates) -> None:
        session = first_session(server, certificates, alpn_protocols=(b"first",))
        config = certificates.client_config(session=session, early_data=True, alpn_protocols=(b"first", b"second"))
        with server.connect(config, EARLY) as client:
            completed = client.handshake()
            client.last(EarlyDataRejected)
            client.send(b"again: " + EARLY)
            server.expect(f"again: {EARLY.decode()}")
            client.close()
        assert completed.resumed
        assert not completed.early_data_accepted

    def test_rejected_by_a_hello_retry_request(self, servers: OpenSSLServers, certificates: Certificates) -> None:
        server = servers.get(*self.OPTIONS, "-groups", "P-256")
        session = first_session(server, certificates, groups=CURVES)
        config = certificates.client_config(session=session, early_data=True, groups=CURVES)
        with server.connect(config, EARLY) as client:
            completed = client.handshake()
            client.last(EarlyDataRejected)
            client.send(b"again: " + EARLY)
            server.expect(f"again: {EARLY.decode()}")
            client.close()
        assert completed.hello_retry_request
        assert not completed.early_data_accepted


class TestHelloRetryRequest:
    def test_our_client_is_asked_for_another_group(self, servers: OpenSSLServers, certificates: Certificates) -> None:
        server = servers.get("-groups", "P-384")
        with server.connect(certificates.client_config()) as client:
            completed = client.handshake()
            client.close()
        assert completed.hello_retry_request
        assert completed.group is NamedGroup.SECP384R1

    @pytest.mark.parametrize("groups", [CURVES, CURVES[::-1]], ids=["cookie alone", "cookie and group"])
    def test_our_client_sends_the_cookie_back(
        self, servers: OpenSSLServers, certificates: Certificates, groups: tuple[NamedGroup, ...]
    ) -> None:
        server = servers.get("-stateless", "-groups", "X25519")
        # A stateless server of OpenSSL 3.0 does not get along with compatibility mode; its own client fails as well.
        config = certificates.client_config(groups=groups, compatibility_mode=False)
        with server.connect(config) as client:
            completed = client.handshake()
            client.send(b"after the cookie\n")
            server.expect("after the cookie\n")
            client.close()
        assert completed.hello_retry_request

    @pytest.mark.parametrize("cookie", [None, b"a cookie"], ids=["without a cookie", "with a cookie"])
    def test_our_server_asks_for_another_group(
        self, listener: Listener, certificates: Certificates, cookie: bytes | None
    ) -> None:
        config = certificates.server_config(
            groups=(NamedGroup.SECP384R1,), cookie=None if cookie is None else lambda: cookie
        )
        with (
            openssl_client(listener, certificates, "-groups", "X25519:P-384") as peer,
            listener.accept(config, peer) as server,
        ):
            completed = server.handshake()
            peer.type("after the retry\n")
            server.expect(b"after the retry\n")
            server.close()
        assert completed.hello_retry_request
        assert completed.group is NamedGroup.SECP384R1


class OpenSSLTwice:
    """An s_client that connects to our server, keeps the session, and connects again."""

    def __init__(self, listener: Listener, certificates: Certificates, folder: Path) -> None:
        self._listener = listener
        self._certificates = certificates
        self._session = folder / "session.pem"
        self._early = folder / "early"
        self._early.write_bytes(EARLY)

    def first(self, config: ServerConfig, *options: str | Path) -> HandshakeCompleted:
        """The connection that the session comes from."""
        options = ("-sess_out", self._session, *options)
        with (
            openssl_client(self._listener, self._certificates, *options) as peer,
            self._listener.accept(config, peer) as server,
        ):
            completed = server.handshake()
            server.send(b"now the ticket is there\n")
            peer.expect("now the ticket is there\n")
            server.close()
            assert peer.finish() == 0, peer.output
        return completed

    def second(
        self, config: ServerConfig, *options: str | Path, early: bool = False, says: str
    ) -> tuple[HandshakeCompleted, bytes]:
        """The connection that resumes it, and what came early; `says` is in what s_client prints of it."""
        options = ("-sess_in", self._session, *options)
        if early:
            options = ("-early_data", self._early, *options)
        with (
            openssl_client(self._listener, self._certificates, *options) as peer,
            self._listener.accept(config, peer) as server,
        ):
            completed = server.handshake()
            peer.expect(says)
            peer.type("from the client\n")
            server.expect(b"from the client\n")
            server.send(b"from the server\n")
            peer.expect("from the server\n")
            server.close()
            assert peer.finish() == 0, peer.output
        return completed, bytes(server.early)


@pytest.fixture
def twice(listener: Listener, certificates: Certificates, tmp_path: Path) -> OpenSSLTwice:
    return OpenSSLTwice(listener, certificates, tmp_path)


@pytest.fixture
def resuming(certificates: Certificates) -> ServerConfig:
    """A server that gives tickets with which data may come early."""
    return certificates.server_config(tickets=TicketProtection(), max_early_data=16384, replay_guard=ReplayGuard())


class TestOurServerResumes:
    @every_suite
    def test_a_session(self, twice: OpenSSLTwice, resuming: ServerConfig, suite: CipherSuite) -> None:
        config = replace(resuming, cipher_suites=(suite,))
        assert not twice.first(config).resumed
        completed, _ = twice.second(config, says=f"Reused, TLSv1.3, Cipher is {suite.name}")
        assert completed.resumed

    def test_with_another_suite_of_the_same_hash(self, twice: OpenSSLTwice, resuming: ServerConfig) -> None:
        aes, chacha = (CIPHER_SUITES[code] for code in (0x1301, 0x1303))
        twice.first(replace(resuming, cipher_suites=(aes,)))
        completed, _ = twice.second(replace(resuming, cipher_suites=(chacha,)), says=f"Reused.*{chacha.name}")
        assert completed.resumed

    def test_after_a_hello_retry_request(self, twice: OpenSSLTwice, resuming: ServerConfig) -> None:
        config = replace(resuming, groups=(NamedGroup.SECP256R1,))
        twice.first(config)
        completed, _ = twice.second(config, "-groups", "X25519:P-256", says="Reused")
        assert completed.resumed
        assert completed.hello_retry_request

    def test_not_with_a_ticket_of_other_keys(self, twice: OpenSSLTwice, resuming: ServerConfig) -> None:
        twice.first(resuming)
        completed, _ = twice.second(replace(resuming, tickets=TicketProtection()), says="New, TLSv1.3")
        assert not completed.resumed

    def test_a_session_of_a_client_with_a_certificate(
        self, twice: OpenSSLTwice, resuming: ServerConfig, certificates: Certificates
    ) -> None:
        config = replace(
            resuming, client_authentication=ClientAuthentication.REQUIRED, trust=certificates.authority.trust
        )
        identity = certificates.identity(client=True)
        twice.first(config, *identity.options)
        completed, _ = twice.second(config, says="Reused")
        assert completed.resumed
        assert completed.peer_chain[0] == identity.credentials.certificate


class TestOurServerTakesEarlyData:
    @every_suite
    def test_accepted(self, twice: OpenSSLTwice, resuming: ServerConfig, suite: CipherSuite) -> None:
        config = replace(resuming, cipher_suites=(suite,))
        twice.first(config)
        completed, early = twice.second(config, early=True, says="Early data was accepted")
        assert completed.early_data_accepted
        assert early == EARLY

    @pytest.mark.parametrize(
        ("change", "resumed"),
        [
            (lambda config: replace(config, max_early_data=0), True),
            (lambda config: replace(config, replay_guard=ReplayGuard(not_before=time.time() + 3600)), True),
            (lambda config: replace(config, cipher_suites=(CIPHER_SUITES[0x1303],)), True),
            (lambda config: replace(config, tickets=TicketProtection()), False),
            (lambda config: replace(config, groups=(NamedGroup.SECP384R1,)), True),
        ],
        ids=["is not wanted", "may be a replay", "another suite", "unknown ticket", "HelloRetryRequest"],
    )
    def test_rejected(
        self,
        twice: OpenSSLTwice,
        resuming: ServerConfig,
        change: Callable[[ServerConfig], ServerConfig],
        resumed: bool,
    ) -> None:
        twice.first(resuming)
        completed, early = twice.second(
            change(resuming), "-groups", "X25519:P-384", early=True, says="Early data was rejected"
        )
        assert completed.resumed is resumed
        assert not completed.early_data_accepted
        assert not early


class TestExternalKey:
    """OpenSSL's programs take a key from elsewhere as one for TLS_AES_128_GCM_SHA256."""

    OPTIONS = ("-psk", PSK.hex(), "-psk_identity", "shared")

    def test_our_client(self, servers: OpenSSLServers, certificates: Certificates) -> None:
        server = servers.get(*self.OPTIONS)
        with server.connect(certificates.client_config(psk=ExternalPsk(identity=b"shared", key=PSK))) as client:
            completed = client.handshake()
            client.close()
        assert completed.resumed
        assert not completed.peer_chain

    def test_our_client_with_a_wrong_key(self, servers: OpenSSLServers, certificates: Certificates) -> None:
        server = servers.get(*self.OPTIONS)
        psk = ExternalPsk(identity=b"shared", key=os.urandom(32))
        with server.connect(certificates.client_config(psk=psk)) as client:
            failure = client.failure()
        assert failure.by == "peer"

    def test_our_server(self, listener: Listener, certificates: Certificates) -> None:
        config = ServerConfig(psks=[ExternalPsk(identity=b"shared", key=PSK)])
        with (
            openssl_client(listener, certificates, *self.OPTIONS) as peer,
            listener.accept(config, peer) as server,
        ):
            completed = server.handshake()
            peer.expect("Reused, TLSv1.3, Cipher is TLS_AES_128_GCM_SHA256")
            server.close()
        assert completed.resumed

    def test_our_server_with_another_key(self, listener: Listener, certificates: Certificates) -> None:
        config = ServerConfig(psks=[ExternalPsk(identity=b"shared", key=os.urandom(32))])
        with (
            openssl_client(listener, certificates, *self.OPTIONS) as peer,
            listener.accept(config, peer) as server,
        ):
            failure = server.failure()
            peer.expect("SSL alert number 51")
        assert failure.alert is AlertDescription.DECRYPT_ERROR
