"""Early data sent to OpenSSL and by it: accepted, and rejected for every reason there is."""

import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from impl.tls13 import EarlyDataRejected, ReplayGuard, ServerConfig, TicketProtection
from impl.tls13.cipher_suites import CIPHER_SUITES, CipherSuite
from impl.tls13.registries import NamedGroup
from tests.support.openssl import Certificates, OpenSSLServer, OpenSSLServers
from tests.support.openssl_sessions import CURVES, EARLY, OpenSSLTwice, every_suite, first_session


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
