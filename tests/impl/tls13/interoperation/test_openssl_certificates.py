"""OpenSSL as the peer: chains with an intermediate authority, certificates chosen by name, and by signature scheme."""

from pathlib import Path

import pytest
from cryptography import x509

from impl.tls13 import AlertDescription, TrustStore
from tests.support.openssl import Certificates, Identity, OpenSSLServers, openssl_client
from tests.support.peers import Listener
from tests.support.tls import NAME

OTHER = "other.test"


@pytest.fixture(scope="module")
def chain(certificates: Certificates) -> Identity:
    """A server's certificate that an intermediate authority has issued."""
    return certificates.issued_by_an_intermediate()


class TestIntermediateAuthority:
    def test_openssls_server_shows_it(
        self, servers: OpenSSLServers, certificates: Certificates, chain: Identity
    ) -> None:
        server = servers.get("-cert_chain", chain.certificate, identity=chain)
        with server.connect(certificates.client_config()) as client:
            completed = client.handshake()
            client.close()
        assert len(completed.peer_chain) == 3

    def test_openssls_server_does_not_show_it(
        self, servers: OpenSSLServers, certificates: Certificates, chain: Identity
    ) -> None:
        server = servers.get(identity=chain)
        with server.connect(certificates.client_config()) as client:
            failure = client.failure()
            server.expect(f"SSL alert number {AlertDescription.UNKNOWN_CA.value}\\b")
        assert (failure.alert, failure.by) == (AlertDescription.UNKNOWN_CA, "local")

    def test_our_client_trusts_it(self, servers: OpenSSLServers, certificates: Certificates, chain: Identity) -> None:
        trust = TrustStore([x509.load_der_x509_certificate(chain.credentials.chain[1])])
        with servers.get(identity=chain).connect(certificates.client_config(trust=trust)) as client:
            completed = client.handshake()
            client.close()
        assert len(completed.peer_chain) == 2

    def test_our_server_shows_it(self, listener: Listener, certificates: Certificates, chain: Identity) -> None:
        config = certificates.server_config(credentials=[chain.credentials])
        with openssl_client(listener, certificates) as peer, listener.accept(config, peer) as server:
            server.handshake()
            peer.expect("Verification: OK")
            server.close()


class TestChosenByName:
    @pytest.fixture
    def two_names(self, certificates: Certificates) -> list[str | Path]:
        """The options of an s_server with a second certificate."""
        other = certificates.write(certificates.authority.issue(names=[OTHER]))
        return ["-cert2", other.certificate, "-key2", other.key, "-servername", OTHER]

    def test_by_openssl(self, servers: OpenSSLServers, certificates: Certificates, two_names: list[str | Path]) -> None:
        server = servers.get(*two_names)
        for name in (NAME, OTHER):
            with server.connect(certificates.client_config(server_name=name)) as client:
                assert client.handshake().server_name == name
                server.expect(f'Hostname in TLS extension: "{name}"')
                client.close()

    def test_openssl_does_not_know_the_name(
        self, servers: OpenSSLServers, certificates: Certificates, two_names: list[str | Path]
    ) -> None:
        server = servers.get(*two_names, "-servername_fatal")
        with server.connect(certificates.client_config()) as client:
            failure = client.failure()
        assert (failure.alert, failure.by) == (AlertDescription.UNRECOGNIZED_NAME, "peer")

    @pytest.mark.parametrize("name", [NAME, OTHER])
    def test_by_our_server(self, listener: Listener, certificates: Certificates, name: str) -> None:
        both = [certificates.authority.issue(names=[each]) for each in (NAME, OTHER)]
        config = certificates.server_config(credentials=both)
        with (
            openssl_client(listener, certificates, name=name) as peer,
            listener.accept(config, peer) as server,
        ):
            server.handshake()
            peer.expect(f"Verified peername: {name}")
            server.close()


class TestChosenByScheme:
    def test_by_our_server(self, listener: Listener, certificates: Certificates) -> None:
        both = [certificates.identity(kind).credentials for kind in ("p256", "rsa")]
        config = certificates.server_config(credentials=both)
        with (
            openssl_client(listener, certificates, "-sigalgs", "rsa_pss_rsae_sha384") as peer,
            listener.accept(config, peer) as server,
        ):
            server.handshake()
            peer.expect("Peer signing digest: SHA384")
            server.close()

    def test_our_server_has_none_for_openssl(self, listener: Listener, certificates: Certificates) -> None:
        with (
            openssl_client(listener, certificates, "-sigalgs", "rsa_pss_rsae_sha384") as peer,
            listener.accept(certificates.server_config(), peer) as server,
        ):
            failure = server.failure()
            peer.expect(f"SSL alert number {AlertDescription.HANDSHAKE_FAILURE.value}\\b")
        assert (failure.alert, failure.by) == (AlertDescription.HANDSHAKE_FAILURE, "local")

    def test_our_client_has_none_for_openssl(self, servers: OpenSSLServers, certificates: Certificates) -> None:
        """A certificate that the server could not verify is not shown."""
        trust = ("-verify", "1", "-verify_return_error", "-CAfile", certificates.root)
        server = servers.get(*trust, "-client_sigalgs", "rsa_pss_rsae_sha256")
        for kind, shown in (("p256", False), ("rsa", True)):
            own = certificates.identity(kind, client=True).credentials
            with server.connect(certificates.client_config(credentials=own)) as client:
                client.handshake()
                server.expect("CIPHER is")
                assert ("Client certificate" in server.recent) is shown
                client.close()
