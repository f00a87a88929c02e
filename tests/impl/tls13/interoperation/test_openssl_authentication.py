"""OpenSSL as the peer: certificates of both sides, accepted, refused and missing, with the alerts that it sees."""

import time
from collections.abc import Callable

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from impl.tls13 import AlertDescription, ClientAuthentication, Credentials, ServerConfig, self_signed
from tests.support.openssl import Certificates, OpenSSLServers, openssl_client
from tests.support.peers import Listener
from tests.support.tls import NAME, Authority

Issue = Callable[[Certificates], Credentials]

UNFIT: list[tuple[str, Issue, AlertDescription]] = [
    ("expired", lambda c: c.authority.issue(days=(-9, -1)), AlertDescription.CERTIFICATE_EXPIRED),
    ("not yet valid", lambda c: c.authority.issue(days=(1, 9)), AlertDescription.CERTIFICATE_EXPIRED),
    ("wrong name", lambda c: c.authority.issue(names=["other.test"]), AlertDescription.BAD_CERTIFICATE),
    ("self-signed", lambda _: self_signed([NAME], now=time.time()), AlertDescription.UNKNOWN_CA),
    ("unknown authority", lambda _: Authority(name="nobody", now=time.time()).issue(), AlertDescription.UNKNOWN_CA),
    ("usage of a client", lambda c: c.authority.issue(client=True), AlertDescription.UNSUPPORTED_CERTIFICATE),
    (
        "usage of a mail server",
        lambda c: c.authority.issue(usage=ExtendedKeyUsageOID.EMAIL_PROTECTION),
        AlertDescription.UNSUPPORTED_CERTIFICATE,
    ),
    (
        "key that may not sign",
        lambda c: c.authority.issue(digital_signature=False),
        AlertDescription.UNSUPPORTED_CERTIFICATE,
    ),
]


def number(alert: AlertDescription) -> str:
    """How openssl shows an alert that it has received."""
    return f"SSL alert number {alert.value}\\b"


class TestOurClientRefuses:
    @pytest.mark.parametrize(("issue", "alert"), [case[1:] for case in UNFIT], ids=[case[0] for case in UNFIT])
    def test_a_certificate_that_does_not_fit(
        self, servers: OpenSSLServers, certificates: Certificates, issue: Issue, alert: AlertDescription
    ) -> None:
        server = servers.get(identity=certificates.write(issue(certificates)))
        with server.connect(certificates.client_config()) as client:
            failure = client.failure()
            server.expect(number(alert))
        assert (failure.alert, failure.by) == (alert, "local")

    def test_none_of_them_without_verification(self, servers: OpenSSLServers, certificates: Certificates) -> None:
        server = servers.get(identity=certificates.write(UNFIT[0][1](certificates)))
        with server.connect(certificates.client_config(verify=False, trust=None)) as client:
            client.handshake()
            client.close()

    def test_name_in_another_spelling_is_the_same(self, servers: OpenSSLServers, certificates: Certificates) -> None:
        server = servers.get()
        with server.connect(certificates.client_config(server_name=f"{NAME.upper()}.")) as client:
            client.handshake()
            client.close()


class TestOurClientShows:
    @pytest.mark.parametrize("kind", ["p256", "p384", "ed25519", "rsa", "rsa-pss"])
    def test_a_certificate(self, servers: OpenSSLServers, certificates: Certificates, kind: str) -> None:
        server = servers.get("-Verify", "1", "-verify_return_error", "-CAfile", certificates.root)
        mine = certificates.identity(kind, client=kind != "rsa-pss")
        with server.connect(certificates.client_config(credentials=mine.credentials)) as client:
            client.handshake()
            server.expect("CIPHER is")
            client.send(b"it is me\n")
            server.expect("it is me")
            client.close()

    @pytest.mark.parametrize(
        ("issue", "alert"),
        [
            (lambda c: c.authority.issue(client=True, days=(-9, -1)), AlertDescription.CERTIFICATE_EXPIRED),
            (lambda _: Authority(name="nobody", now=time.time()).issue(client=True), AlertDescription.UNKNOWN_CA),
            (lambda c: c.authority.issue(client=False), AlertDescription.UNSUPPORTED_CERTIFICATE),
        ],
        ids=["expired", "unknown authority", "usage of a server"],
    )
    def test_one_that_is_refused(
        self, servers: OpenSSLServers, certificates: Certificates, issue: Issue, alert: AlertDescription
    ) -> None:
        server = servers.get("-Verify", "1", "-verify_return_error", "-CAfile", certificates.root)
        with server.connect(certificates.client_config(credentials=issue(certificates))) as client:
            failure = client.failure()
        assert (failure.alert, failure.by) == (alert, "peer")

    def test_none_where_one_is_required(self, servers: OpenSSLServers, certificates: Certificates) -> None:
        server = servers.get("-Verify", "1", "-verify_return_error", "-CAfile", certificates.root)
        with server.connect(certificates.client_config()) as client:
            failure = client.failure()
        assert (failure.alert, failure.by) == (AlertDescription.CERTIFICATE_REQUIRED, "peer")

    def test_none_where_one_is_wished_for(self, servers: OpenSSLServers, certificates: Certificates) -> None:
        server = servers.get("-verify", "1", "-CAfile", certificates.root)
        with server.connect(certificates.client_config()) as client:
            client.handshake()
            server.expect("CIPHER is")
            client.close()


class TestOurServerAsks:
    def config(self, certificates: Certificates, **settings: object) -> ServerConfig:
        wanted = {"client_authentication": ClientAuthentication.REQUIRED, "trust": certificates.authority.trust}
        return certificates.server_config(**wanted | settings)

    @pytest.mark.parametrize("kind", ["p256", "p384", "ed25519", "rsa", "rsa-pss"])
    def test_and_is_shown_a_certificate(self, listener: Listener, certificates: Certificates, kind: str) -> None:
        mine = certificates.identity(kind, client=kind != "rsa-pss")
        with (
            openssl_client(listener, certificates, *mine.options) as peer,
            listener.accept(self.config(certificates), peer) as server,
        ):
            completed = server.handshake()
            server.close()
        assert completed.peer_chain[0] == mine.credentials.certificate

    def test_and_is_shown_none(self, listener: Listener, certificates: Certificates) -> None:
        with (
            openssl_client(listener, certificates) as peer,
            listener.accept(self.config(certificates), peer) as server,
        ):
            failure = server.failure()
            peer.expect(number(AlertDescription.CERTIFICATE_REQUIRED))
        assert (failure.alert, failure.by) == (AlertDescription.CERTIFICATE_REQUIRED, "local")

    def test_and_does_without(self, listener: Listener, certificates: Certificates) -> None:
        config = self.config(certificates, client_authentication=ClientAuthentication.OPTIONAL)
        with openssl_client(listener, certificates) as peer, listener.accept(config, peer) as server:
            completed = server.handshake()
            server.close()
        assert completed.peer_chain == ()

    @pytest.mark.parametrize(
        ("issue", "alert"),
        [
            (lambda c: c.authority.issue(client=True, days=(-9, -1)), AlertDescription.CERTIFICATE_EXPIRED),
            (lambda _: Authority(name="nobody", now=time.time()).issue(client=True), AlertDescription.UNKNOWN_CA),
            (lambda c: c.authority.issue(client=False), AlertDescription.UNSUPPORTED_CERTIFICATE),
        ],
        ids=["expired", "unknown authority", "usage of a server"],
    )
    def test_and_refuses_one(
        self, listener: Listener, certificates: Certificates, issue: Issue, alert: AlertDescription
    ) -> None:
        mine = certificates.write(issue(certificates))
        with (
            openssl_client(listener, certificates, *mine.options) as peer,
            listener.accept(self.config(certificates), peer) as server,
        ):
            failure = server.failure()
            peer.expect(number(alert))
        assert (failure.alert, failure.by) == (alert, "local")


class TestOpenSSLsClientRefuses:
    @pytest.mark.parametrize("case", [UNFIT[0], UNFIT[2], UNFIT[3], UNFIT[4]], ids=lambda case: case[0])
    def test_our_certificate(
        self, listener: Listener, certificates: Certificates, case: tuple[str, Issue, AlertDescription]
    ) -> None:
        config = certificates.server_config(credentials=(case[1](certificates),))
        with openssl_client(listener, certificates) as peer, listener.accept(config, peer) as server:
            failure = server.failure()
        assert failure.by == "peer"
        assert failure.alert in (case[2], AlertDescription.CERTIFICATE_UNKNOWN)
