"""Settings: what cannot work is refused when it is said, not in the middle of a handshake."""

import pytest

from impl.tls13 import ClientAuthentication, ClientConfig, ReplayGuard, ServerConfig, TicketProtection
from impl.tls13.registries import NamedGroup
from tests.support.tls import authority, client_config, credentials, server_config


class TestRefused:
    @pytest.mark.parametrize(
        ("settings", "words"),
        [
            ({"cipher_suites": ()}, "TLS_AES_128_GCM_SHA256"),
            ({"groups": ()}, "X25519"),
            ({"record_size_limit": 63}, "64"),
            ({"record_size_limit": 16386}, "16385"),
            ({"alpn_protocols": (b"",)}, "ALPN"),
            ({"alpn_protocols": (bytes(256),)}, "ALPN"),
        ],
    )
    def test_of_both_sides(self, settings: dict[str, object], words: str) -> None:
        with pytest.raises(ValueError, match=words):
            client_config(**settings)
        with pytest.raises(ValueError, match=words):
            server_config(**settings)

    @pytest.mark.parametrize(
        ("settings", "words"),
        [
            ({"trust": None}, "trust"),
            ({"server_name": "no host"}, "no host"),
            ({"server_name": ""}, "host name"),
            ({"key_shares": (NamedGroup.SECP384R1,), "groups": (NamedGroup.X25519,)}, "SECP384R1"),
        ],
    )
    def test_of_clients(self, settings: dict[str, object], words: str) -> None:
        with pytest.raises(ValueError, match=words):
            client_config(**settings)

    @pytest.mark.parametrize(
        ("settings", "words"),
        [
            ({"credentials": ()}, "credentials"),
            ({"client_authentication": ClientAuthentication.REQUIRED}, "trust"),
            ({"max_early_data": 1}, "replay guard"),
            ({"max_early_data": 1, "tickets": TicketProtection()}, "replay guard"),
            ({"max_early_data": 1, "replay_guard": ReplayGuard()}, "tickets"),
        ],
    )
    def test_of_servers(self, settings: dict[str, object], words: str) -> None:
        with pytest.raises(ValueError, match=words):
            server_config(**settings)


class TestDefaults:
    def test_least_that_must_be_said(self) -> None:
        ClientConfig(server_name="server.test", trust=authority().trust)
        ClientConfig(server_name=None, verify=False)
        ServerConfig(credentials=(credentials(),))


class TestArrangement:
    def test_further_extensions_take_the_place_of_built_in_ones(self) -> None:
        assert client_config().arranged({1: b"a", 2: b"b"}, {2: b"c", 3: b"d"}) == {1: b"a", 2: b"c", 3: b"d"}

    def test_order(self) -> None:
        config = client_config(extension_order=(3, 9, 1))
        assert list(config.arranged({1: b"", 2: b""}, {3: b""})) == [3, 1, 2]
