"""Resumption, early data, pre-shared keys and HelloRetryRequest against OpenSSL, in both roles."""

import os
from dataclasses import replace

import pytest

from impl.tls13 import (
    AlertDescription,
    ClientAuthentication,
    ExternalPsk,
    ServerConfig,
    Session,
    TicketProtection,
    TicketReceived,
)
from impl.tls13.cipher_suites import CIPHER_SUITES, CipherSuite
from impl.tls13.registries import NamedGroup
from tests.support.openssl import Certificates, OpenSSLServers, openssl_client
from tests.support.openssl_sessions import CURVES, OpenSSLTwice, every_suite, first_session
from tests.support.peers import Listener

PSK = bytes(range(32))


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

    def test_without_showing_its_certificate_again(self, servers: OpenSSLServers, certificates: Certificates) -> None:
        server = servers.get("-Verify", "1", "-verify_return_error", "-CAfile", certificates.root)
        own = certificates.identity(client=True).credentials
        session = first_session(server, certificates, credentials=own)
        with server.connect(certificates.client_config(session=session)) as client:
            assert client.handshake().resumed
            server.expect("Reused session-id")
            client.close()

    def test_not_with_a_ticket_of_another_server(self, servers: OpenSSLServers, certificates: Certificates) -> None:
        session = first_session(servers.get("-no_ticket"), certificates)
        with servers.get().connect(certificates.client_config(session=session)) as client:
            completed = client.handshake()
            client.close()
        assert not completed.resumed
        assert completed.peer_chain


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
        assert (failure.alert, failure.by) == (AlertDescription.ILLEGAL_PARAMETER, "peer")

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
