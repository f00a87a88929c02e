"""OpenSSL as the peer: what it offers and we do not know, and messages that are longer than a record."""

import pytest

from impl.tls13 import Credentials
from impl.tls13.registries import NamedGroup
from tests.support.openssl import Certificates, Identity, OpenSSLServers, openssl_client
from tests.support.peers import Listener


class TestOpenSSLsClientOffersMore:
    @pytest.mark.parametrize(
        "options",
        [
            ("-status",),
            ("-maxfraglen", "512"),
            ("-enable_pha",),
            ("-use_srtp", "SRTP_AES128_CM_SHA1_80"),
            ("-serverinfo", "18"),
            ("-fallback_scsv",),
            ("-allow_no_dhe_kex",),
            ("-servername", "192.0.2.1"),
            ("-ciphersuites", "TLS_AES_128_CCM_SHA256:TLS_CHACHA20_POLY1305_SHA256"),
        ],
        ids=" ".join,
    )
    def test_than_our_server_knows(
        self, listener: Listener, certificates: Certificates, options: tuple[str, ...]
    ) -> None:
        config = certificates.server_config()
        with openssl_client(listener, certificates, *options) as peer, listener.accept(config, peer) as server:
            server.handshake()
            peer.type("hello\n")
            server.expect(b"hello\n")
            server.close()

    def test_authorities_of_the_servers_that_it_trusts(self, listener: Listener, certificates: Certificates) -> None:
        options = ("-requestCAfile", certificates.root)
        config = certificates.server_config()
        with openssl_client(listener, certificates, *options) as peer, listener.accept(config, peer) as server:
            server.handshake()
            server.close()

    @pytest.mark.parametrize(
        ("groups", "chosen"),
        [("P-521:X448:P-256", NamedGroup.SECP256R1), ("ffdhe2048:P-384", NamedGroup.SECP384R1)],
    )
    def test_groups(self, listener: Listener, certificates: Certificates, groups: str, chosen: NamedGroup) -> None:
        config = certificates.server_config()
        with (
            openssl_client(listener, certificates, "-groups", groups) as peer,
            listener.accept(config, peer) as server,
        ):
            completed = server.handshake()
            server.close()
        assert completed.hello_retry_request
        assert completed.group is chosen


@pytest.fixture(scope="module")
def chain(certificates: Certificates) -> Identity:
    """A server's certificate, and others that have nothing to do with it and are large."""
    issue = certificates.authority.issue
    own = certificates.write(issue())
    others = [certificates.write(issue(names=[f"n{i}.example" for i in range(500)])) for _ in range(6)]
    path = own.certificate.with_suffix(".chain")
    path.write_bytes(b"".join(identity.certificate.read_bytes() for identity in (own, *others)))
    credentials = Credentials.from_files(path, own.key)
    assert sum(map(len, credentials.chain)) > 2 * 2**14
    return Identity(credentials, path, own.key)


class TestLongChain:
    """A message Certificate that fills several records."""

    def test_of_openssls_server(self, servers: OpenSSLServers, certificates: Certificates, chain: Identity) -> None:
        server = servers.get("-cert_chain", chain.certificate, identity=chain)
        with server.connect(certificates.client_config()) as client:
            client.handshake()
            client.close()

    def test_of_our_server(self, listener: Listener, certificates: Certificates, chain: Identity) -> None:
        config = certificates.server_config(credentials=[chain.credentials])
        with openssl_client(listener, certificates) as peer, listener.accept(config, peer) as server:
            server.handshake()
            peer.expect("Verification: OK")
            server.close()
