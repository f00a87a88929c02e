"""Sessions of OpenSSL's programs, for tests of connections that resume them."""

from pathlib import Path

import pytest

from impl.tls13 import HandshakeCompleted, ServerConfig, Session, TicketReceived
from impl.tls13.cipher_suites import CIPHER_SUITES
from impl.tls13.registries import NamedGroup
from tests.support.openssl import Certificates, OpenSSLServer, openssl_client
from tests.support.peers import Listener

every_suite = pytest.mark.parametrize("suite", CIPHER_SUITES.values(), ids=lambda suite: str(suite.name))

EARLY = b"what comes early\n"
CURVES = (NamedGroup.X25519, NamedGroup.SECP256R1)


def first_session(server: OpenSSLServer, certificates: Certificates, **settings: object) -> Session:
    """A session of a first connection to s_server."""
    with server.connect(certificates.client_config(**settings)) as client:
        assert not client.handshake().resumed
        session = client.wait_for(TicketReceived).session
        client.close()
    return session


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
