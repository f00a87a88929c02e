"""OpenSSL as the peer: many changes of keys, records of all sizes, versions that are refused, ends without goodbye."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from impl.tls13 import AlertDescription, KeysUpdated
from impl.tls13.cipher_suites import CIPHER_SUITES, CipherSuite
from impl.tls13.registries import ExtensionType
from tests.support.openssl import Certificates, OpenSSLServer, OpenSSLServers, openssl_client
from tests.support.openssl_sessions import EARLY, every_suite, first_session
from tests.support.peers import Endpoint, Listener
from tests.support.programs import Program

LINES = (b"0123456789" * 5 + b"\n") * 1000
"""Large data; no line begins with the letter of a command."""

RECORDS = pytest.mark.parametrize(
    "options",
    [
        ("-record_padding", "512"),
        ("-record_padding", "16384"),
        ("-max_send_frag", "512"),
        ("-max_send_frag", "512", "-split_send_frag", "512"),
        ("-no_middlebox",),
    ],
    ids=" ".join,
)


def both_ways(endpoint: Endpoint, peer: Program, note: str = "") -> None:
    """Send a line in both directions."""
    endpoint.send(f"to the program {note}\n".encode())
    peer.expect(f"to the program {note}\n")
    peer.type(f"from the program {note}\n")
    endpoint.expect(f"from the program {note}\n".encode())


class TestManyKeyUpdates:
    @every_suite
    def test_with_openssls_server(
        self, servers: OpenSSLServers, certificates: Certificates, suite: CipherSuite
    ) -> None:
        server = servers.get()
        with server.connect(certificates.client_config(cipher_suites=(suite,))) as client:
            client.handshake()
            self._check(client, server)
            client.close()

    @every_suite
    def test_with_openssls_client(self, listener: Listener, certificates: Certificates, suite: CipherSuite) -> None:
        config = certificates.server_config(cipher_suites=(suite,))
        with openssl_client(listener, certificates) as peer, listener.accept(config, peer) as server:
            server.handshake()
            self._check(server, peer)
            server.close()

    @staticmethod
    def _check(endpoint: Endpoint, peer: Program) -> None:
        """Change keys from both sides in turn, with and without a request; data goes both ways in between."""
        both_ways(endpoint, peer)
        for i in range(3):
            peer.type("K\n")
            endpoint.wait_for(KeysUpdated, number=2 * i + 1)
            both_ways(endpoint, peer, f"{i} after its request")
            endpoint.core.update_keys()
            endpoint.core.update_keys(request_peer=True)
            both_ways(endpoint, peer, f"{i} after ours")
            assert endpoint.last(KeysUpdated) == KeysUpdated(generation=2 * i + 2, answer_requested=False)

    def test_an_answer_is_not_a_request(self, servers: OpenSSLServers, certificates: Certificates) -> None:
        """Who was asked for new keys and asks itself sends two KeyUpdates: the answer, and the request."""
        server = servers.get("-msg")
        with server.connect(certificates.client_config()) as client:
            client.handshake()
            server.type("K\n")
            client.wait_for(KeysUpdated)
            client.core.update_keys(request_peer=True)
            both_ways(client, server)
            received = re.findall(
                r"<<< TLS 1.3, Handshake \[length 0005\], KeyUpdate\s+18 00 00 01 (\d\d)", server.recent
            )
            client.close()
        assert received == ["00", "01"]

    def test_many_requests_at_once(self, servers: OpenSSLServers, certificates: Certificates) -> None:
        server = servers.get()
        with server.connect(certificates.client_config()) as client:
            client.handshake()
            for _ in range(20):
                client.core.update_keys(request_peer=True)
            both_ways(client, server)
            client.close()


class TestSecrets:
    """Secrets that both sides derive: equal for each hash, and those of early data."""

    OPTIONS = ("-keymatexport", "EXPORTER-test", "-keymatexportlen", "96")

    @every_suite
    def test_exported_by_our_client_and_openssl(
        self, servers: OpenSSLServers, certificates: Certificates, suite: CipherSuite
    ) -> None:
        server = servers.get(*self.OPTIONS)
        with server.connect(certificates.client_config(cipher_suites=(suite,))) as client:
            client.handshake()
            printed = server.expect(r"Keying material: ([0-9A-F]{192})\n")[1]
            assert bytes.fromhex(printed) == client.core.export("EXPORTER-test", b"", 96)
            client.close()

    def test_in_the_key_log_of_openssls_server(self, certificates: Certificates, tmp_path: Path) -> None:
        log = tmp_path / "keys"
        early: list[str | Path] = ["-early_data", "-max_early_data", "16384"]
        with OpenSSLServer([*early, "-keylogfile", log, *certificates.identity().options]) as server:
            session = first_session(server, certificates)
            log.write_text("")
            with server.connect(certificates.client_config(session=session, early_data=True), EARLY) as client:
                assert client.handshake().early_data_accepted
                both_ways(client, server)
                client.close()
                lines = client.key_log()
            theirs = {line.lstrip("\0") for line in log.read_text().splitlines()}
        assert lines == theirs
        assert {line.split()[0] for line in lines} > {"CLIENT_EARLY_TRAFFIC_SECRET", "EARLY_EXPORTER_SECRET"}


class TestRecordSizes:
    @RECORDS
    @pytest.mark.parametrize("compatibility_mode", [True, False], ids=["compatible", "plain"])
    def test_of_openssls_server(
        self, servers: OpenSSLServers, certificates: Certificates, options: tuple[str, ...], compatibility_mode: bool
    ) -> None:
        server = servers.get(*options, identity=certificates.identity("rsa"))
        with server.connect(certificates.client_config(compatibility_mode=compatibility_mode)) as client:
            client.handshake()
            self._exchange(client, server)
            client.close()

    @RECORDS
    def test_of_openssls_client(self, listener: Listener, certificates: Certificates, options: tuple[str, ...]) -> None:
        config = certificates.server_config()
        with openssl_client(listener, certificates, *options) as peer, listener.accept(config, peer) as server:
            server.handshake()
            self._exchange(server, peer)
            server.close()

    def test_of_our_client(self, servers: OpenSSLServers, certificates: Certificates) -> None:
        config = certificates.client_config(padding=lambda size, room: 300, record_size_limit=64)
        server = servers.get()
        with server.connect(config) as client:  # OpenSSL 3.0 does not know record_size_limit, and may pass over it
            client.handshake()
            self._exchange(client, server)
            client.close()

    def test_of_our_server(self, listener: Listener, certificates: Certificates) -> None:
        config = certificates.server_config(padding=lambda size, room: room)
        with openssl_client(listener, certificates) as peer, listener.accept(config, peer) as server:
            server.handshake()
            self._exchange(server, peer)
            server.close()

    @staticmethod
    def _exchange(endpoint: Endpoint, peer: Program) -> None:
        peer.type(LINES.decode())
        endpoint.expect(LINES)
        endpoint.send(LINES)
        peer.expect(LINES.decode())


class TestOlderVersionsChosen:
    @pytest.mark.parametrize(
        ("options", "versions", "alert"),
        [
            (["-tls1_2"], "0403040303", AlertDescription.PROTOCOL_VERSION),
            ([], "020303", AlertDescription.ILLEGAL_PARAMETER),
        ],
        ids=["by an old server", "because of a downgrade"],
    )
    def test_our_client_refuses(
        self,
        servers: OpenSSLServers,
        certificates: Certificates,
        options: list[str],
        versions: str,
        alert: AlertDescription,
    ) -> None:
        """A client that offers TLS 1.2 without knowing it, as if somebody had changed its ClientHello."""
        old_suite = replace(CIPHER_SUITES[0x1301], code=0xC02B)  # TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
        config = certificates.client_config(
            cipher_suites=(*CIPHER_SUITES.values(), old_suite),
            extensions={ExtensionType.SUPPORTED_VERSIONS: bytes.fromhex(versions)},
        )
        server = servers.get(*options)
        with server.connect(config) as client:
            failure = client.failure()
            server.expect(f"SSL alert number {alert.value}\\b")
        assert (failure.alert, failure.by) == (alert, "local")


class TestEnds:
    def test_openssls_server_vanishes(self, certificates: Certificates) -> None:
        server = OpenSSLServer(certificates.identity().options)
        with server, server.connect(certificates.client_config()) as client:
            client.handshake()
            both_ways(client, server)
            server.kill()
            failure = client.failure()
        assert (failure.alert, failure.by) == (None, "transport")

    def test_our_client_vanishes(self, servers: OpenSSLServers, certificates: Certificates) -> None:
        server = servers.get()
        with server.connect(certificates.client_config()) as client:
            client.handshake()
            both_ways(client, server)
            client.vanish()
        server.expect("unexpected eof while reading")

    def test_our_server_vanishes(self, listener: Listener, certificates: Certificates) -> None:
        config = certificates.server_config()
        with openssl_client(listener, certificates) as peer, listener.accept(config, peer) as server:
            server.handshake()
            both_ways(server, peer)
            server.vanish()
            peer.expect("unexpected eof while reading")

    def test_openssls_client_says_goodbye_first(self, listener: Listener, certificates: Certificates) -> None:
        config = certificates.server_config()
        with openssl_client(listener, certificates) as peer, listener.accept(config, peer) as server:
            server.handshake()
            both_ways(server, peer)
            peer.type("Q\n")
            server.wait(lambda: server.core.peer_closed, "the client says goodbye")
            server.close()
            assert peer.finish() == 0, peer.output
