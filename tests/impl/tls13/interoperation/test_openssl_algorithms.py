"""Every cipher suite, group and signature scheme against OpenSSL, which is the client and the server in turn."""

import pytest

from impl.tls13.cipher_suites import CIPHER_SUITES, CipherSuite
from impl.tls13.key_exchange import supported_groups
from impl.tls13.registries import NamedGroup, SignatureScheme
from impl.tls13.signatures import SIGNATURE_SCHEMES
from tests.support.openssl import Certificates, OpenSSLServers, openssl_client, tls_groups, version
from tests.support.peers import Listener

GROUPS = {NamedGroup.X25519: "X25519", NamedGroup.SECP256R1: "P-256", NamedGroup.SECP384R1: "P-384"}
HYBRID = NamedGroup.X25519MLKEM768

every_suite = pytest.mark.parametrize("suite", CIPHER_SUITES.values(), ids=lambda suite: str(suite.name))
every_group = pytest.mark.parametrize("group", GROUPS, ids=lambda group: str(group.name))
every_scheme = pytest.mark.parametrize("scheme", SIGNATURE_SCHEMES, ids=lambda scheme: str(scheme.name))


def kind_of_key(scheme: SignatureScheme) -> str:
    """The kind of key that fits a scheme."""
    for beginning, kind in {
        "ECDSA_SECP256R1": "p256",
        "ECDSA_SECP384R1": "p384",
        "ED25519": "ed25519",
        "RSA_PSS_RSAE": "rsa",
        "RSA_PSS_PSS": "rsa-pss",
    }.items():
        if scheme.name.startswith(beginning):
            return kind
    raise ValueError(scheme)


@every_suite
@every_group
@every_scheme
class TestEveryCombination:
    def test_our_client(
        self,
        servers: OpenSSLServers,
        certificates: Certificates,
        suite: CipherSuite,
        group: NamedGroup,
        scheme: SignatureScheme,
    ) -> None:
        server = servers.get(identity=certificates.identity(kind_of_key(scheme)))
        config = certificates.client_config(cipher_suites=(suite,), groups=(group,), signature_schemes=(scheme,))
        with server.connect(config) as client:
            completed = client.handshake()
            server.expect(f"CIPHER is {suite.name}")
            client.send(b"from the client\n")
            server.expect("from the client\n")
            server.type("from the server\n")
            client.expect(b"from the server\n")
            client.close()
        server.expect("DONE")
        assert (completed.cipher_suite, completed.group) == (suite.name, group)

    def test_our_server(
        self,
        listener: Listener,
        certificates: Certificates,
        suite: CipherSuite,
        group: NamedGroup,
        scheme: SignatureScheme,
    ) -> None:
        own = certificates.identity(kind_of_key(scheme)).credentials
        config = certificates.server_config(credentials=(own,))
        options = ["-ciphersuites", suite.name, "-groups", GROUPS[group], "-sigalgs", scheme.name.lower()]
        with openssl_client(listener, certificates, *options) as peer, listener.accept(config, peer) as server:
            completed = server.handshake()
            peer.expect(f"Cipher is {suite.name}")
            server.send(b"from the server\n")
            peer.expect("from the server\n")
            peer.type("from the client\n")
            server.expect(b"from the client\n")
            server.close()
            peer.expect("closed")
            assert peer.finish() == 0, peer.output
        assert (completed.cipher_suite, completed.group) == (suite.name, group)


class TestHybridGroup:
    @pytest.fixture(autouse=True)
    def _both_have_it(self) -> None:
        if HYBRID.name not in tls_groups():
            pytest.skip(f"{version()} lacks the group {HYBRID.name}; OpenSSL 3.5 has it (Debian 13, Ubuntu 25.10)")
        if HYBRID not in supported_groups():
            pytest.skip("the library below the Python package cryptography lacks ML-KEM; that of its wheels has it")

    def test_our_client(self, servers: OpenSSLServers, certificates: Certificates) -> None:
        server = servers.get("-groups", HYBRID.name)
        with server.connect(certificates.client_config(groups=(HYBRID,))) as client:
            assert client.handshake().group is HYBRID
            client.close()

    def test_our_server(self, listener: Listener, certificates: Certificates) -> None:
        config = certificates.server_config(groups=(HYBRID,))
        with (
            openssl_client(listener, certificates, "-groups", HYBRID.name) as peer,
            listener.accept(config, peer) as server,
        ):
            assert server.handshake().group is HYBRID
            server.close()
