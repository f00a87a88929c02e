"""What a server makes of a ClientHello. The refusals are tested where their alerts are sent, in test_server."""

from dataclasses import replace

import pytest

from impl.tls13 import AlertDescription, Client, TLSError
from impl.tls13.cipher_suites import suite_by_name
from impl.tls13.messages import ClientHello
from impl.tls13.negotiation import (
    PeerOffer,
    choose_alpn,
    choose_credentials,
    choose_group,
    choose_suite,
    require_suite,
)
from impl.tls13.registries import ExtensionType, NamedGroup, SignatureScheme
from tests.support.puppet import messages_in
from tests.support.tls import NAME, NOW, authority, client_config, credentials, server_config

X25519, P256, P384 = NamedGroup.X25519, NamedGroup.SECP256R1, NamedGroup.SECP384R1


def offer(**settings: object) -> PeerOffer:
    client = Client(client_config(**{"groups": (X25519, P256)} | settings))
    client.start(NOW)
    return PeerOffer.of(ClientHello.decode(messages_in(client.data_to_send())[0].body))


class TestReading:
    def test_all_that_a_client_says(self) -> None:
        read = offer(alpn_protocols=(b"a", b"b"), record_size_limit=1000, signature_schemes=(0x0403,))
        assert read.server_name == NAME
        assert read.groups == (X25519, P256)
        assert list(read.shares) == [X25519]
        assert read.signature_schemes == (0x0403,)
        assert read.alpn_protocols == (b"a", b"b")
        assert read.record_size_limit == 1000
        assert read.psk_with_dhe
        assert read.psks is None
        assert not read.early_data
        assert read.cookie is None

    def test_what_a_client_leaves_out(self) -> None:
        read = offer(server_name=None, verify=False)
        assert read.server_name is None
        assert read.alpn_protocols == ()
        assert read.record_size_limit is None


class TestRepeatedOffer:
    def test_the_same_again(self) -> None:
        first = offer()
        first.check_repeats(first, None)

    def test_padding_may_change(self) -> None:
        first = offer()
        hello = replace(first.hello, extensions={**first.hello.extensions, ExtensionType.PADDING: bytes(9)})
        PeerOffer.of(hello).check_repeats(first, None)

    def test_order_may_not_change(self) -> None:
        first = offer()
        hello = replace(first.hello, extensions=dict(reversed(tuple(first.hello.extensions.items()))))
        with pytest.raises(TLSError) as error:
            PeerOffer.of(hello).check_repeats(first, None)
        assert error.value.alert is AlertDescription.ILLEGAL_PARAMETER


class TestSuite:
    def test_first_of_ours(self) -> None:
        suites = (suite_by_name("TLS_CHACHA20_POLY1305_SHA256"), suite_by_name("TLS_AES_128_GCM_SHA256"))
        assert require_suite(server_config(cipher_suites=suites), offer()) is suites[0]

    def test_of_a_hash(self) -> None:
        chosen = choose_suite(server_config(), offer(), "sha384")
        assert chosen is not None
        assert chosen.name == "TLS_AES_256_GCM_SHA384"

    def test_none(self) -> None:
        suite = suite_by_name("TLS_AES_256_GCM_SHA384")
        other = suite_by_name("TLS_AES_128_GCM_SHA256")
        with pytest.raises(TLSError) as error:
            require_suite(server_config(cipher_suites=(suite,)), offer(cipher_suites=(other,)))
        assert error.value.alert is AlertDescription.HANDSHAKE_FAILURE


class TestGroup:
    def test_first_of_ours_with_a_share(self) -> None:
        assert choose_group(server_config(groups=(P256, X25519)), offer()) is X25519

    def test_first_in_common_without_any(self) -> None:
        assert choose_group(server_config(groups=(P384, P256)), offer(groups=(X25519, P256, P384))) is P384


class TestApplicationProtocol:
    def test_first_of_ours(self) -> None:
        assert choose_alpn(server_config(alpn_protocols=(b"b", b"a")), offer(alpn_protocols=(b"a", b"b"))) == b"b"

    def test_ignored_where_one_side_has_none(self) -> None:
        assert choose_alpn(server_config(), offer(alpn_protocols=(b"a",))) is None
        assert choose_alpn(server_config(alpn_protocols=(b"a",)), offer()) is None


class TestCredentials:
    def test_for_the_name_before_the_first(self) -> None:
        chains = (authority().issue(names=["other.test"]), credentials("ed25519"))
        assert choose_credentials(chains, offer()) == (chains[1], SignatureScheme.ED25519)

    def test_first_that_can_be_verified_without_a_name(self) -> None:
        chains = (credentials("ed25519"), credentials("p256"))
        read = offer(server_name=None, verify=False, signature_schemes=(0x0403,))
        assert choose_credentials(chains, read) == (chains[1], SignatureScheme.ECDSA_SECP256R1_SHA256)
