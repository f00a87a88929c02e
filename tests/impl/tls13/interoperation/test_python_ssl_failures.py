"""Python's ssl module as the peer of connections that fail: which alert it is told, and streams that are cut off."""

import re
import time

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from impl.tls13 import AlertDescription, Client, ClientAuthentication, Credentials, Server, self_signed
from tests.support.openssl import Certificates
from tests.support.python_ssl import Peer, client_context, exchange, server_context
from tests.support.tls import NAME, Authority

ALERTS = {
    "expired": AlertDescription.CERTIFICATE_EXPIRED,
    "not yet valid": AlertDescription.CERTIFICATE_EXPIRED,
    "for the other role": AlertDescription.UNSUPPORTED_CERTIFICATE,
    "for code": AlertDescription.UNSUPPORTED_CERTIFICATE,
    "not for signatures": AlertDescription.UNSUPPORTED_CERTIFICATE,
    "of nobody": AlertDescription.UNKNOWN_CA,
    "self-signed": AlertDescription.UNKNOWN_CA,
    "for another name": AlertDescription.BAD_CERTIFICATE,
}
of_servers = pytest.mark.parametrize("flaw", ALERTS)
of_clients = pytest.mark.parametrize("flaw", [flaw for flaw in ALERTS if flaw != "for another name"])


def flawed(authority: Authority, flaw: str, *, client: bool) -> Credentials:
    """Credentials that must be refused."""
    match flaw:
        case "expired":
            return authority.issue(client=client, days=(-30, -1))
        case "not yet valid":
            return authority.issue(client=client, days=(1, 30))
        case "for the other role":
            return authority.issue(client=not client)
        case "for code":
            return authority.issue(usage=ExtendedKeyUsageOID.CODE_SIGNING)
        case "not for signatures":
            return authority.issue(client=client, digital_signature=False)
        case "of nobody":
            return Authority(name="nobody", now=authority.now).issue(client=client)
        case "self-signed":
            return self_signed([NAME], now=authority.now)
        case "for another name":
            return authority.issue(names=["other.test"])
    raise ValueError(flaw)


def told(peer: Peer) -> str:
    """The alert that the peer was sent, in OpenSSL's words: our names in lower case, without underscores."""
    found = re.search(r"alert ([a-z ]+) \(", str(peer.error))
    assert found is not None, f"not an alert: {peer.error}"
    return found[1]


def name(alert: AlertDescription) -> str:
    """What ``told`` gives for an alert."""
    return alert.name.lower().replace("_", " ")


def asking(certificates: Certificates) -> Server:
    """A server that wants a certificate."""
    trust = certificates.authority.trust
    return Server(certificates.server_config(client_authentication=ClientAuthentication.REQUIRED, trust=trust))


class TestCertificatesThatWeRefuse:
    @of_servers
    def test_of_a_server(self, certificates: Certificates, flaw: str) -> None:
        identity = certificates.write(flawed(certificates.authority, flaw, client=False))
        peer = Peer(server_context(identity), server=True)
        client = Client(certificates.client_config())
        client.start(time.time())
        exchange(client, peer)
        assert client.failed is not None
        assert client.failed.alert is ALERTS[flaw]
        assert told(peer) == name(ALERTS[flaw])

    @of_clients
    def test_of_a_client(self, certificates: Certificates, flaw: str) -> None:
        identity = certificates.write(flawed(certificates.authority, flaw, client=True))
        context = client_context(certificates.root)
        context.load_cert_chain(identity.certificate, identity.key)
        peer = Peer(context, server=False)
        server = asking(certificates)
        exchange(server, peer)
        assert server.failed is not None
        assert server.failed.alert is ALERTS[flaw]
        assert told(peer) == name(ALERTS[flaw])

    def test_none_of_a_client(self, certificates: Certificates) -> None:
        peer = Peer(client_context(certificates.root), server=False)
        exchange(asking(certificates), peer)
        assert peer.done  # for the client the handshake was over before the server has refused it
        assert told(peer) == "certificate required"


class TestNothingInCommon:
    def test_no_protocol(self, certificates: Certificates) -> None:
        context = client_context(certificates.root)
        context.set_alpn_protocols(["a"])
        peer = Peer(context, server=False)
        exchange(Server(certificates.server_config(alpn_protocols=[b"b"])), peer)
        assert told(peer) == "no application protocol"


class TestCutOff:
    def test_by_the_server(self, certificates: Certificates) -> None:
        client, peer = connected_client(certificates)
        peer.tls.write(b"the first half")
        exchange(client, peer)
        client.receive_eof(time.time())
        assert client.failed is not None
        assert (client.failed.alert, client.failed.by) == (None, "transport")

    def test_by_our_client(self, certificates: Certificates) -> None:
        client, peer = connected_client(certificates)
        client.send(b"the first half")
        exchange(client, peer)
        peer.incoming.write_eof()
        peer.step()
        assert peer.read == b"the first half"
        assert "eof" in str(peer.error).lower()

    def test_within_a_record(self, certificates: Certificates) -> None:
        client, peer = connected_client(certificates)
        peer.tls.write(b"the first half")
        client.receive(peer.outgoing.read()[:-1], time.time())
        client.receive_eof(time.time())
        assert client.failed is not None
        assert client.failed.by == "transport"

    def test_within_the_handshake(self, certificates: Certificates) -> None:
        peer = Peer(client_context(certificates.root), server=False)
        server = Server(certificates.server_config())
        peer.step()
        server.receive(peer.outgoing.read(), time.time())
        peer.incoming.write(server.data_to_send()[:-1])
        peer.incoming.write_eof()
        peer.step()
        assert "eof" in str(peer.error).lower()
        server.receive_eof(time.time())
        assert server.failed is not None
        assert server.failed.by == "transport"

    def test_not_when_it_said_goodbye(self, certificates: Certificates) -> None:
        client, peer = connected_client(certificates)
        client.send(b"all of it")
        client.close()
        exchange(client, peer)
        peer.incoming.write_eof()
        peer.step()
        assert peer.read == b"all of it"
        assert peer.closed
        assert peer.error is None


def connected_client(certificates: Certificates) -> tuple[Client, Peer]:
    peer = Peer(server_context(certificates.identity()), server=True)
    client = Client(certificates.client_config())
    client.start(time.time())
    exchange(client, peer)
    assert client.established
    assert peer.done
    return client, peer
