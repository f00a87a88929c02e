"""OpenSSL as the peer: KeyUpdate, ALPN, names, exporters, key logs, padding, small fragments, compatibility mode."""

from pathlib import Path

import pytest

from impl.tls13 import AlertDescription, KeysUpdated
from tests.support.openssl import Certificates, OpenSSLServers, openssl_client
from tests.support.peers import Listener
from tests.support.tls import NAME

LABEL, LENGTH = "EXPORTER-of-a-test", 40


def exported(shown: str) -> bytes:
    return bytes.fromhex(shown)


class TestKeyUpdate:
    def test_by_our_client(self, servers: OpenSSLServers, certificates: Certificates) -> None:
        server = servers.get()
        with server.connect(certificates.client_config()) as client:
            client.handshake()
            server.expect("CIPHER is")
            for i in range(3):
                client.core.update_keys()
                client.send(f"generation {i}\n".encode())
                server.expect(f"generation {i}\n")
            client.close()

    def test_asked_for_by_our_client(self, servers: OpenSSLServers, certificates: Certificates) -> None:
        server = servers.get()
        with server.connect(certificates.client_config()) as client:
            client.handshake()
            server.expect("CIPHER is")
            client.core.update_keys(request_peer=True)
            client.send(b"new keys, please\n")
            server.expect("new keys, please\n")
            server.type("here they are\n")
            client.expect(b"here they are\n")
            assert client.wait_for(KeysUpdated).generation == 1
            client.close()

    @pytest.mark.parametrize(("command", "asked"), [("k\n", False), ("K\n", True)])
    def test_by_openssls_server(
        self, servers: OpenSSLServers, certificates: Certificates, command: str, asked: bool
    ) -> None:
        server = servers.get()
        with server.connect(certificates.client_config()) as client:
            client.handshake()
            server.expect("CIPHER is")
            server.type(command)
            assert client.wait_for(KeysUpdated).answer_requested is asked
            client.send(b"with my next keys\n")
            server.expect("with my next keys\n")
            server.type("and with mine\n")
            client.expect(b"and with mine\n")
            client.close()

    @pytest.mark.parametrize(("command", "asked"), [("k\n", False), ("K\n", True)])
    def test_by_openssls_client(
        self, listener: Listener, certificates: Certificates, command: str, asked: bool
    ) -> None:
        with (
            openssl_client(listener, certificates) as peer,
            listener.accept(certificates.server_config(), peer) as server,
        ):
            server.handshake()
            peer.expect("Verify return code: 0")
            peer.type(command)
            assert server.wait_for(KeysUpdated).answer_requested is asked
            server.send(b"from the server\n")
            peer.expect("from the server\n")
            peer.type("from the client\n")
            server.expect(b"from the client\n")
            server.close()

    def test_asked_for_by_our_server(self, listener: Listener, certificates: Certificates) -> None:
        with (
            openssl_client(listener, certificates) as peer,
            listener.accept(certificates.server_config(), peer) as server,
        ):
            server.handshake()
            peer.expect("Verify return code: 0")
            server.core.update_keys(request_peer=True)
            server.send(b"new keys, please\n")
            peer.expect("new keys, please\n")
            peer.type("here they are\n")
            server.expect(b"here they are\n")
            assert server.wait_for(KeysUpdated).generation == 1
            server.close()


class TestApplicationProtocol:
    def test_chosen_by_openssl(self, servers: OpenSSLServers, certificates: Certificates) -> None:
        server = servers.get("-alpn", "second,first")
        with server.connect(certificates.client_config(alpn_protocols=(b"first", b"second"))) as client:
            assert client.handshake().alpn_protocol == b"second"
            client.close()

    def test_none_in_common_with_openssl(self, servers: OpenSSLServers, certificates: Certificates) -> None:
        server = servers.get("-alpn", "second,first")
        with server.connect(certificates.client_config(alpn_protocols=(b"third",))) as client:
            failure = client.failure()
        assert (failure.alert, failure.by) == (AlertDescription.NO_APPLICATION_PROTOCOL, "peer")

    def test_chosen_by_us(self, listener: Listener, certificates: Certificates) -> None:
        config = certificates.server_config(alpn_protocols=(b"second", b"first"))
        with (
            openssl_client(listener, certificates, "-alpn", "first,second") as peer,
            listener.accept(config, peer) as server,
        ):
            assert server.handshake().alpn_protocol == b"second"
            peer.expect("ALPN protocol: second")
            server.close()

    def test_none_in_common_with_us(self, listener: Listener, certificates: Certificates) -> None:
        config = certificates.server_config(alpn_protocols=(b"second",))
        with (
            openssl_client(listener, certificates, "-alpn", "third") as peer,
            listener.accept(config, peer) as server,
        ):
            failure = server.failure()
            peer.expect(r"SSL alert number 120")
        assert failure.alert is AlertDescription.NO_APPLICATION_PROTOCOL


class TestName:
    def test_openssl_asks_for_it(self, listener: Listener, certificates: Certificates) -> None:
        with (
            openssl_client(listener, certificates) as peer,
            listener.accept(certificates.server_config(), peer) as server,
        ):
            assert server.handshake().server_name == NAME
            server.close()

    def test_openssl_leaves_it_out(self, listener: Listener, certificates: Certificates) -> None:
        with (
            openssl_client(listener, certificates, name=None) as peer,
            listener.accept(certificates.server_config(), peer) as server,
        ):
            assert server.handshake().server_name is None
            server.close()


class TestExporters:
    OPTIONS = ("-keymatexport", LABEL, "-keymatexportlen", str(LENGTH))
    PATTERN = r"Keying material: ([0-9A-F]+)"

    def test_with_openssls_server(self, servers: OpenSSLServers, certificates: Certificates) -> None:
        server = servers.get(*self.OPTIONS)
        with server.connect(certificates.client_config()) as client:
            client.handshake()
            assert exported(server.expect(self.PATTERN)[1]) == client.core.export(LABEL, b"", LENGTH)
            client.close()

    def test_with_openssls_client(self, listener: Listener, certificates: Certificates) -> None:
        with (
            openssl_client(listener, certificates, *self.OPTIONS) as peer,
            listener.accept(certificates.server_config(), peer) as server,
        ):
            server.handshake()
            assert exported(peer.expect(self.PATTERN)[1]) == server.core.export(LABEL, b"", LENGTH)
            server.close()


class TestKeyLog:
    def test_has_the_lines_of_openssls_client(
        self, listener: Listener, certificates: Certificates, tmp_path: Path
    ) -> None:
        log = tmp_path / "keys.log"
        with (
            openssl_client(listener, certificates, "-keylogfile", log) as peer,
            listener.accept(certificates.server_config(), peer) as server,
        ):
            server.handshake()
            peer.expect("Verify return code: 0")
            theirs = {line for line in log.read_text().splitlines() if not line.startswith("#")}
            server.close()
            assert server.key_log() == theirs


class TestRecords:
    @pytest.mark.parametrize(
        "options",
        [("-record_padding", "512"), ("-max_send_frag", "512"), ("-split_send_frag", "512", "-max_pipelines", "1")],
        ids=" ".join,
    )
    def test_of_openssls_server(
        self, servers: OpenSSLServers, certificates: Certificates, options: tuple[str, ...]
    ) -> None:
        server = servers.get(*options)
        with server.connect(certificates.client_config()) as client:
            client.handshake()
            server.expect("CIPHER is")
            server.type("x" * 5000 + "\n")
            client.expect(b"x" * 5000 + b"\n")
            client.close()

    def test_of_ours_with_padding(self, servers: OpenSSLServers, certificates: Certificates) -> None:
        server = servers.get()
        padding = certificates.client_config(padding=lambda size, room: min(room, -size % 4096))
        with server.connect(padding) as client:
            client.handshake()
            server.expect("CIPHER is")
            client.send(b"y" * 20_000 + b"\n")
            server.expect("y{20000}\n")
            client.close()


class TestCompatibilityMode:
    def test_off_in_our_client(self, servers: OpenSSLServers, certificates: Certificates) -> None:
        server = servers.get()
        with server.connect(certificates.client_config(compatibility_mode=False)) as client:
            client.handshake()
            client.close()

    def test_off_in_openssls_client(self, listener: Listener, certificates: Certificates) -> None:
        with (
            openssl_client(listener, certificates, "-no_middlebox") as peer,
            listener.accept(certificates.server_config(), peer) as server,
        ):
            server.handshake()
            server.close()


class TestOlderVersions:
    def test_openssls_server(self, servers: OpenSSLServers, certificates: Certificates) -> None:
        with servers.get("-tls1_2").connect(certificates.client_config()) as client:
            failure = client.failure()
        assert failure.alert is AlertDescription.PROTOCOL_VERSION

    def test_openssls_client(self, listener: Listener, certificates: Certificates) -> None:
        with (
            openssl_client(listener, certificates, "-tls1_2") as peer,
            listener.accept(certificates.server_config(), peer) as server,
        ):
            failure = server.failure()
            peer.expect("SSL alert number 70")
        assert (failure.alert, failure.by) == (AlertDescription.PROTOCOL_VERSION, "local")
