"""Python's ssl module as the peer, in memory: both roles, resumption, certificates, large data in pieces."""

import random
import ssl
import time

import pytest

from impl.tls13 import (
    AlertDescription,
    Client,
    ClientAuthentication,
    HandshakeCompleted,
    PeerClosed,
    Server,
    TicketProtection,
    TicketReceived,
)
from tests.support.openssl import Certificates
from tests.support.python_ssl import Peer, client_context, data_in, exchange, server_context
from tests.support.tls import NAME, Authority

LARGE = 3_000_000


class TestOurClient:
    def test_handshake_and_close(self, certificates: Certificates) -> None:
        context = server_context(certificates.identity())
        context.set_alpn_protocols(["second", "first"])
        peer = Peer(context, server=True)
        client = Client(certificates.client_config(alpn_protocols=(b"first", b"second")))
        client.start(time.time())
        events = exchange(client, peer)
        completed = next(event for event in events if isinstance(event, HandshakeCompleted))
        assert completed.alpn_protocol == b"second"
        assert peer.tls.selected_alpn_protocol() == "second"
        assert peer.tls.version() == "TLSv1.3"
        cipher = peer.tls.cipher()
        assert cipher is not None
        assert cipher[0] == completed.cipher_suite
        client.close()
        exchange(client, peer)
        assert peer.closed
        peer.tls.unwrap()  # sends close_notify, too, and has ours already
        assert client.receive(peer.outgoing.read(), time.time()) == [PeerClosed()]

    def test_resumption(self, certificates: Certificates) -> None:
        context = server_context(certificates.identity())
        session = None
        for turn in range(3):
            peer = Peer(context, server=True)
            client = Client(certificates.client_config(session=session))
            client.start(time.time())
            events = exchange(client, peer)
            completed = next(event for event in events if isinstance(event, HandshakeCompleted))
            assert completed.resumed == bool(turn)
            assert peer.tls.session_reused == bool(turn)
            session = next(event.session for event in events if isinstance(event, TicketReceived))

    @pytest.mark.parametrize("seed", range(3))
    def test_much_data_in_pieces(self, certificates: Certificates, seed: int) -> None:
        print("seed", seed)
        chance = random.Random(seed)
        peer = Peer(server_context(certificates.identity()), server=True)
        client = Client(certificates.client_config())
        client.start(time.time())
        exchange(client, peer)
        sent = chance.randbytes(LARGE)
        client.send(sent)
        peer.tls.write(sent)
        assert data_in(exchange(client, peer, chance)) == sent
        assert peer.read == sent

    def test_certificate_is_shown(self, certificates: Certificates) -> None:
        peer = Peer(server_context(certificates.identity(), certificates.root), server=True)
        mine = certificates.identity(client=True)
        client = Client(certificates.client_config(credentials=mine.credentials))
        client.start(time.time())
        exchange(client, peer)
        assert peer.done
        assert peer.tls.getpeercert(binary_form=True) == mine.credentials.chain[0]

    def test_certificate_is_missing(self, certificates: Certificates) -> None:
        peer = Peer(server_context(certificates.identity(), certificates.root), server=True)
        client = Client(certificates.client_config())
        client.start(time.time())
        exchange(client, peer)
        assert client.failed is not None
        assert (client.failed.alert, client.failed.by) == (AlertDescription.CERTIFICATE_REQUIRED, "peer")


class TestOurServer:
    def test_handshake_and_data(self, certificates: Certificates) -> None:
        context = client_context(certificates.root)
        context.set_alpn_protocols(["a", "b"])
        peer = Peer(context, server=False)
        server = Server(certificates.server_config(alpn_protocols=(b"b",)))
        exchange(server, peer)
        assert peer.done
        assert peer.tls.selected_alpn_protocol() == "b"
        server.send(b"hello")
        exchange(server, peer)
        assert peer.read == b"hello"
        server.close()
        exchange(server, peer)
        assert peer.closed

    def test_resumption(self, certificates: Certificates) -> None:
        context = client_context(certificates.root)
        config = certificates.server_config(tickets=TicketProtection())
        session = None
        for turn in range(3):
            peer = Peer(context, server=False, session=session)
            server = Server(config)
            exchange(server, peer)
            assert server.established
            assert peer.tls.session_reused == bool(turn)
            session = peer.tls.session

    @pytest.mark.parametrize("seed", range(3))
    def test_much_data_in_pieces(self, certificates: Certificates, seed: int) -> None:
        print("seed", seed)
        chance = random.Random(seed)
        peer = Peer(client_context(certificates.root), server=False)
        server = Server(certificates.server_config())
        exchange(server, peer)
        sent = chance.randbytes(LARGE)
        server.send(sent)
        peer.tls.write(sent)
        assert data_in(exchange(server, peer, chance)) == sent
        assert peer.read == sent

    def test_asks_for_a_certificate(self, certificates: Certificates) -> None:
        context = client_context(certificates.root)
        mine = certificates.identity(client=True)
        context.load_cert_chain(mine.certificate, mine.key)
        peer = Peer(context, server=False)
        server = Server(
            certificates.server_config(
                client_authentication=ClientAuthentication.REQUIRED, trust=certificates.authority.trust
            )
        )
        exchange(server, peer)
        assert server.established
        assert server.peer_chain[0] == mine.credentials.certificate

    @pytest.mark.parametrize(
        ("days", "names", "reason"),
        [
            ((-9, -1), (NAME,), "CERTIFICATE_VERIFY_FAILED"),
            ((1, 9), (NAME,), "CERTIFICATE_VERIFY_FAILED"),
            ((-1, 9), ("other.test",), "CERTIFICATE_VERIFY_FAILED"),
        ],
    )
    def test_refusals_of_the_peer_are_told(
        self, certificates: Certificates, days: tuple[int, int], names: tuple[str, ...], reason: str
    ) -> None:
        chain = certificates.authority.issue(days=days, names=names)
        peer = Peer(client_context(certificates.root), server=False)
        server = Server(certificates.server_config(credentials=(chain,)))
        exchange(server, peer)
        assert peer.error is not None
        assert peer.error.reason == reason
        assert server.failed is not None
        assert server.failed.by == "peer"

    def test_certificate_of_nobody(self, certificates: Certificates) -> None:
        chain = Authority(name="nobody", now=time.time()).issue()
        peer = Peer(client_context(certificates.root), server=False)
        server = Server(certificates.server_config(credentials=(chain,)))
        exchange(server, peer)
        assert server.failed is not None
        assert (server.failed.alert, server.failed.by) == (AlertDescription.UNKNOWN_CA, "peer")


class TestOlderVersions:
    """A peer that speaks nothing newer than TLS 1.2 is refused in both roles."""

    def test_server(self, certificates: Certificates) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        identity = certificates.identity()
        context.load_cert_chain(identity.certificate, identity.key)
        peer = Peer(context, server=True)
        client = Client(certificates.client_config())
        client.start(time.time())
        exchange(client, peer)
        assert client.failed is not None
        assert client.failed.alert is AlertDescription.PROTOCOL_VERSION

    def test_client(self, certificates: Certificates) -> None:
        context = ssl.create_default_context(cafile=str(certificates.root))
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        peer = Peer(context, server=False)
        server = Server(certificates.server_config())
        exchange(server, peer)
        assert server.failed is not None
        assert (server.failed.alert, server.failed.by) == (AlertDescription.PROTOCOL_VERSION, "local")
        assert peer.error is not None
        assert peer.error.reason == "TLSV1_ALERT_PROTOCOL_VERSION"
