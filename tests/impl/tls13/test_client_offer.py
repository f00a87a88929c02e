"""The ClientHello that a client's settings lead to."""

from dataclasses import replace

from cryptography.hazmat.primitives import hashes

from impl.tls13 import ExternalPsk, ServerConfig, Session, TicketProtection, TicketReceived
from impl.tls13.cipher_suites import CIPHER_SUITES, suite_by_name
from impl.tls13.client_offer import first_offer, host_name, second_offer
from impl.tls13.extensions import OfferedPsks, decode_cookie, decode_key_shares
from impl.tls13.messages import ClientHello
from impl.tls13.registries import ExtensionType, NamedGroup
from impl.tls13.transcript import Transcript
from tests.support.tls import NOW, client_config, connected, server_config

E = ExtensionType
X25519, P256 = NamedGroup.X25519, NamedGroup.SECP256R1


def session(**settings: object) -> Session:
    config: ServerConfig = server_config(tickets=TicketProtection(), **settings)
    return next(e.session for e in connected(None, config).client_events if isinstance(e, TicketReceived))


class TestFirst:
    def test_is_what_is_sent(self) -> None:
        offer = first_offer(client_config(), NOW)
        assert ClientHello.decode(offer.encoded[4:]) == offer.hello

    def test_pre_shared_key_is_last_whatever_the_order(self) -> None:
        offer = first_offer(client_config(session=session(), extension_order=(E.PRE_SHARED_KEY, E.KEY_SHARE)), NOW)
        assert next(iter(offer.hello.extensions)) == E.KEY_SHARE
        assert list(offer.hello.extensions)[-1] == E.PRE_SHARED_KEY

    def test_further_extensions(self) -> None:
        offer = first_offer(client_config(extensions={0xFF01: b"x", E.SERVER_NAME: b"y"}), NOW)
        assert offer.hello.extensions[0xFF01] == b"x"
        assert offer.hello.extensions[E.SERVER_NAME] == b"y"

    def test_shares_of_choice(self) -> None:
        offer = first_offer(client_config(key_shares=(P256,)), NOW)
        assert [share.group for share in decode_key_shares(offer.hello.extensions[E.KEY_SHARE])] == [P256]

    def test_no_share_at_all_asks_for_a_retry(self) -> None:
        both = connected(client_config(key_shares=()))
        assert not both.failures()

    def test_age_of_the_ticket_is_hidden(self) -> None:
        kept = session()
        offer = first_offer(client_config(session=kept), NOW + 3)
        (identity,) = OfferedPsks.decode(offer.hello.extensions[E.PRE_SHARED_KEY]).identities
        assert (identity.obfuscated_ticket_age - kept.age_add) % 2**32 == 3000

    def test_without_compatibility_mode(self) -> None:
        assert first_offer(client_config(compatibility_mode=False), NOW).hello.legacy_session_id == b""


class TestSecond:
    def test_changes_only_what_it_must(self) -> None:
        config = client_config(groups=(X25519, P256))
        first = first_offer(config, NOW)
        transcript = Transcript()
        second = second_offer(config, first, transcript, CIPHER_SUITES[0x1301], NOW, group=P256, cookie=b"c")
        assert decode_cookie(second.hello.extensions[E.COOKIE]) == b"c"
        assert [s.group for s in decode_key_shares(second.hello.extensions[E.KEY_SHARE])] == [P256]
        changed = {E.COOKIE, E.KEY_SHARE}
        assert {k: v for k, v in second.hello.extensions.items() if k not in changed} == {
            k: v for k, v in first.hello.extensions.items() if k not in changed
        }
        fields = ("random", "legacy_session_id", "cipher_suites")
        assert [getattr(second.hello, name) for name in fields] == [getattr(first.hello, name) for name in fields]

    def test_keys_of_another_hash_are_left_out(self) -> None:
        psk = ExternalPsk(identity=b"a", key=bytes(48), hash=hashes.SHA384())
        config = client_config(session=session(), psk=psk)
        first = first_offer(config, NOW)
        assert len(first.keys) == 2
        transcript = Transcript()
        transcript.add(first.encoded)
        suite = suite_by_name("TLS_AES_256_GCM_SHA384")
        transcript.choose(suite.hash)
        second = second_offer(config, first, transcript, suite, NOW, group=None, cookie=b"c")
        assert [key.identity for key in second.keys] == [b"a"]


class TestName:
    def test_in_the_form_that_is_sent(self) -> None:
        assert host_name(client_config(server_name="Server.Test.")) == "server.test"

    def test_addresses_are_none(self) -> None:
        assert host_name(client_config(server_name="::1")) is None

    def test_nobody(self) -> None:
        assert host_name(replace(client_config(), server_name=None)) is None
