"""The server: what it accepts, what it refuses with which alert, and how sessions are resumed."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from impl.tls13 import (
    AlertDescription,
    ApplicationDataReceived,
    Client,
    ClientAuthentication,
    ClientHelloReceived,
    EarlyDataRejected,
    ExternalPsk,
    HandshakeCompleted,
    ReplayGuard,
    Server,
    ServerConfig,
    Session,
    TicketProtection,
    TicketReceived,
    WrongMoment,
)
from impl.tls13.cipher_suites import suite_by_name
from impl.tls13.extensions import KeyShareEntry, encode_key_shares, encode_server_name, encode_supported_groups
from impl.tls13.messages import ClientHello, EncryptedExtensions, ServerHello
from impl.tls13.registries import ExtensionType, HandshakeType, NamedGroup
from tests.support.puppet import Puppet, message, messages_in, plain, secret_of
from tests.support.tls import (
    NAME,
    NOW,
    Authority,
    Pair,
    authority,
    client_config,
    connected,
    credentials,
    pair,
    server_config,
)

X25519, P256, P384 = NamedGroup.X25519, NamedGroup.SECP256R1, NamedGroup.SECP384R1


def hello(**settings: object) -> ClientHello:
    """What a client with these settings offers."""
    client = Client(client_config(groups=(X25519, P256), **settings))
    client.start(NOW)
    return ClientHello.decode(messages_in(client.data_to_send())[0].body)


def altered(offer: ClientHello, extensions: Mapping[int, bytes | None], **fields: object) -> ClientHello:
    """The offer with other fields, and with other extensions, or (None) without them."""
    changed = {**offer.extensions, **extensions}
    kept = {number: body for number, body in changed.items() if body is not None}
    return replace(offer, extensions=kept, **fields)  # type: ignore[arg-type]  # the fields are the test's own


def answer(offer: ClientHello, config: ServerConfig | None = None) -> Server:
    """A server that has received the offer."""
    server = Server(config or server_config())
    server.receive(plain(offer.encode()), NOW)
    return server


def assert_fails(server: Server, alert: AlertDescription) -> None:
    assert server.failed is not None
    assert server.failed.alert is alert, server.failed
    assert server.failed.by == "local"


def resuming(**settings: object) -> tuple[ServerConfig, Session]:
    """A server's settings, and a session with it."""
    config = server_config(
        tickets=TicketProtection(), max_early_data=1000, replay_guard=ReplayGuard(), groups=(X25519, P256), **settings
    )
    both = connected(client_config(groups=(X25519, P256)), config)
    return config, session_of(both)


def session_of(both: Pair) -> Session:
    return next(event.session for event in both.client_events if isinstance(event, TicketReceived))


def completed(events: list[object]) -> HandshakeCompleted:
    return next(event for event in events if isinstance(event, HandshakeCompleted))


class TestOffersThatAreRefused:
    @pytest.mark.parametrize(
        ("extensions", "alert"),
        [
            ({ExtensionType.SUPPORTED_VERSIONS: None}, AlertDescription.PROTOCOL_VERSION),
            ({ExtensionType.SUPPORTED_VERSIONS: b"\x02\x03\x03"}, AlertDescription.PROTOCOL_VERSION),
            ({ExtensionType.SIGNATURE_ALGORITHMS: None}, AlertDescription.MISSING_EXTENSION),
            ({ExtensionType.SUPPORTED_GROUPS: None}, AlertDescription.MISSING_EXTENSION),
            ({ExtensionType.KEY_SHARE: None}, AlertDescription.MISSING_EXTENSION),
            ({ExtensionType.SUPPORTED_GROUPS: b"\0\2\x01\0", ExtensionType.KEY_SHARE: b"\0\0"},
             AlertDescription.HANDSHAKE_FAILURE),
            ({ExtensionType.SIGNATURE_ALGORITHMS: b"\0\2\x08\x07"}, AlertDescription.HANDSHAKE_FAILURE),
            ({ExtensionType.KEY_SHARE: encode_key_shares([KeyShareEntry(X25519, bytes(31))])},
             AlertDescription.ILLEGAL_PARAMETER),
            ({ExtensionType.KEY_SHARE: encode_key_shares([KeyShareEntry(X25519, bytes(32))])},
             AlertDescription.ILLEGAL_PARAMETER),
            ({ExtensionType.KEY_SHARE: encode_key_shares([KeyShareEntry(X25519, b"\x09" * 32)] * 2)},
             AlertDescription.ILLEGAL_PARAMETER),
            ({ExtensionType.KEY_SHARE: encode_key_shares([KeyShareEntry(P384, b"\x04" * 97)])},
             AlertDescription.ILLEGAL_PARAMETER),
            ({ExtensionType.EARLY_DATA: b"\0"}, AlertDescription.DECODE_ERROR),
            ({ExtensionType.OID_FILTERS: b"\0\0"}, AlertDescription.ILLEGAL_PARAMETER),
            ({ExtensionType.RECORD_SIZE_LIMIT: b"\0\x3f"}, AlertDescription.ILLEGAL_PARAMETER),
            ({ExtensionType.SIGNATURE_ALGORITHMS_CERT: b"\0\1\x08"}, AlertDescription.DECODE_ERROR),
            ({ExtensionType.PRE_SHARED_KEY: bytes.fromhex("0007 0001 61 00000000 0021 20") + bytes(32),
              ExtensionType.PSK_KEY_EXCHANGE_MODES: None}, AlertDescription.MISSING_EXTENSION),
        ],
    )  # fmt: skip
    def test_extensions(self, extensions: dict[int, bytes | None], alert: AlertDescription) -> None:
        assert_fails(answer(altered(hello(), extensions)), alert)

    def test_compression(self) -> None:
        offer = altered(hello(), {}, legacy_compression_methods=b"\1\0")
        assert_fails(answer(offer), AlertDescription.ILLEGAL_PARAMETER)

    @pytest.mark.parametrize("version", [0x0000, 0x0002, 0x0200, 0x0300])
    def test_ssl(self, version: int) -> None:
        assert_fails(answer(altered(hello(), {}, legacy_version=version)), AlertDescription.PROTOCOL_VERSION)

    def test_obsolete_group_in_a_share(self) -> None:
        share = encode_key_shares([KeyShareEntry(0x0013, b"\4" * 49)])
        groups = encode_supported_groups((0x0013, X25519))
        offer = altered(hello(), {ExtensionType.KEY_SHARE: share, ExtensionType.SUPPORTED_GROUPS: groups})
        assert_fails(answer(offer), AlertDescription.ILLEGAL_PARAMETER)

    def test_refusal_comes_before_any_answer(self) -> None:
        server = answer(altered(hello(), {ExtensionType.SIGNATURE_ALGORITHMS: b"\0\2\x08\x07"}))
        assert server.data_to_send() == plain(b"\x02\x28", 21)

    def test_no_suite_in_common(self) -> None:
        offer = altered(hello(), {}, cipher_suites=(0x1304, 0x00FF))
        assert_fails(answer(offer), AlertDescription.HANDSHAKE_FAILURE)

    def test_key_exchange_with_a_psk_alone(self) -> None:
        psk = bytes.fromhex("0007 0001 61 00000000 0021 20") + bytes(32)
        offer = hello()
        changes: dict[int, bytes | None] = {ExtensionType.KEY_SHARE: None, ExtensionType.SUPPORTED_GROUPS: None}
        offer = altered(altered(offer, changes), {ExtensionType.PRE_SHARED_KEY: psk})
        assert_fails(answer(offer), AlertDescription.HANDSHAKE_FAILURE)

    def test_no_application_protocol_in_common(self) -> None:
        both = pair(client_config(alpn_protocols=(b"a",)), server_config(alpn_protocols=(b"b",)))
        both.start()
        assert_fails(both.server, AlertDescription.NO_APPLICATION_PROTOCOL)
        assert both.client.failed is not None
        assert both.client.failed.alert is AlertDescription.NO_APPLICATION_PROTOCOL
        assert both.client.failed.by == "peer"

    def test_message_that_does_not_end_with_its_record(self) -> None:
        server = Server(server_config())
        server.receive(plain(hello().encode() + message(HandshakeType.FINISHED)[:2]), NOW)
        assert_fails(server, AlertDescription.UNEXPECTED_MESSAGE)


class TestOffersThatAreTaken:
    def test_unknown_things_are_ignored(self) -> None:
        offer = hello()
        groups = encode_supported_groups((0x0A0A, X25519, P256))
        share = KeyShareEntry(0x0A0A, b"\0")
        shares = offer.extensions[ExtensionType.KEY_SHARE]
        mine = encode_key_shares([share])[2:] + shares[2:]
        offer = altered(
            offer,
            {
                0x0A0A: b"\1\2\3",
                ExtensionType.SUPPORTED_GROUPS: groups,
                ExtensionType.KEY_SHARE: len(mine).to_bytes(2, "big") + mine,
                ExtensionType.SUPPORTED_VERSIONS: bytes.fromhex("06 0a0a 0304 0303"),
                ExtensionType.SIGNATURE_ALGORITHMS: bytes.fromhex("0004 0a0a 0403"),
            },
            cipher_suites=(0x0A0A, 0x1302),
            legacy_version=0x0301,
        )
        server = answer(offer)
        assert server.failed is None
        sent = ServerHello.decode(messages_in(server.data_to_send())[0].body)
        assert sent.cipher_suite == 0x1302

    def test_session_id_is_echoed_and_change_cipher_spec_follows(self) -> None:
        offer = hello()
        flight = answer(offer).data_to_send()
        sent = ServerHello.decode(messages_in(flight)[0].body)
        assert sent.legacy_session_id_echo == offer.legacy_session_id
        assert b"\x14\x03\x03\x00\x01\x01" in flight

    def test_no_change_cipher_spec_for_clients_that_are_not_in_compatibility_mode(self) -> None:
        flight = answer(hello(compatibility_mode=False)).data_to_send()
        assert b"\x14\x03\x03\x00\x01\x01" not in flight

    @pytest.mark.parametrize(("kind", "name"), [("p256", "a.test"), ("p384", "b.test"), ("p256", None)])
    def test_certificate_by_name(self, kind: str, name: str | None) -> None:
        chains = (authority().issue("p256", names=["a.test"]), authority().issue("p384", names=["b.test"]))
        both = pair(client_config(server_name=name), server_config(credentials=chains))
        both.start()
        assert not both.failures()
        expected = chains[0 if kind == "p256" else 1].certificate
        assert completed([*both.client_events]).peer_chain[0] == expected

    def test_certificate_by_algorithm_where_the_name_fits_none(self) -> None:
        chains = (credentials("p256"), credentials("ed25519"))
        both = pair(
            client_config(server_name="other.test", verify=False, signature_schemes=(0x0807,)),
            server_config(credentials=chains),
        )
        both.start()
        assert completed([*both.client_events]).peer_chain[0] == chains[1].certificate

    def test_what_is_offered_and_agreed(self) -> None:
        both = connected(
            client_config(alpn_protocols=(b"x", b"y"), cipher_suites=(suite_by_name("TLS_CHACHA20_POLY1305_SHA256"),)),
            server_config(alpn_protocols=(b"y", b"x")),
        )
        event = completed([*both.server_events])
        assert event.alpn_protocol == b"y"
        assert event.server_name == NAME
        assert event.cipher_suite == "TLS_CHACHA20_POLY1305_SHA256"
        assert not event.resumed
        assert completed([*both.client_events]).alpn_protocol == b"y"


class TestHold:
    def test_user_sees_the_offer_and_answers_with_extensions(self) -> None:
        client = Client(client_config(extensions={0xFF01: b"question"}, hold=True))
        server = Server(server_config(hold=True))
        client.start(NOW)
        (seen,) = server.receive(client.data_to_send(), NOW)
        assert isinstance(seen, ClientHelloReceived)
        assert seen.hello.extensions[0xFF01] == b"question"
        assert seen.server_name == NAME
        assert server.data_to_send() == b""
        server.proceed(NOW, extensions={0xFF01: b"answer"})
        client_events = client.receive(server.data_to_send(), NOW)
        assert client_events[-1].extensions[0xFF01] == b"answer"  # type: ignore[union-attr]
        assert not client.established
        client.proceed(NOW)
        assert client.established
        server.receive(client.data_to_send(), NOW)
        assert server.established

    def test_user_refuses(self) -> None:
        server = answer(hello(), server_config(hold=True))
        server.abort(AlertDescription.UNRECOGNIZED_NAME, "not here")
        assert server.data_to_send() == plain(b"\x02\x70", 21)
        with pytest.raises(WrongMoment):
            server.proceed(NOW)

    def test_user_chooses_credentials(self) -> None:
        client = Client(client_config(server_name="special.test"))
        server = Server(server_config(hold=True))
        client.start(NOW)
        server.receive(client.data_to_send(), NOW)
        server.proceed(NOW, credentials=[authority().issue(names=["special.test"])])
        client.receive(server.data_to_send(), NOW)
        assert client.established

    def test_answer_that_nobody_asked_for_is_refused_by_the_client(self) -> None:
        both = pair(None, server_config(extensions={0xFF01: b""}))
        both.start()
        assert both.client.failed is not None
        assert both.client.failed.alert is AlertDescription.UNSUPPORTED_EXTENSION


class TestHelloRetryRequest:
    def retried(self, **settings: object) -> tuple[Client, Server]:
        client = Client(client_config(groups=(X25519, P256)))
        server = Server(server_config(groups=(P256,), cookie=lambda: b"cookie", **settings))
        client.start(NOW)
        server.receive(client.data_to_send(), NOW)
        return client, server

    def test_completes_in_one_more_round_trip(self) -> None:
        both = connected(client_config(groups=(X25519, P256)), server_config(groups=(P256,), cookie=lambda: b"c"))
        for events in (both.client_events, both.server_events):
            assert completed([*events]).hello_retry_request
            assert completed([*events]).group is P256

    @pytest.mark.parametrize(
        "change",
        [
            {"extensions": {ExtensionType.COOKIE: b"\0\3bad"}},
            {"extensions": {ExtensionType.COOKIE: None}},
            {"extensions": {ExtensionType.EARLY_DATA: b"", ExtensionType.PRE_SHARED_KEY: None}},
            {"extensions": {ExtensionType.SIGNATURE_ALGORITHMS: b"\0\2\4\3"}},
            {"extensions": {0xFF01: b""}},
            {"extensions": {ExtensionType.KEY_SHARE: encode_key_shares([])}},
            {"extensions": {ExtensionType.KEY_SHARE: encode_key_shares([KeyShareEntry(X25519, b"\x09" * 32)])}},
            {"random": bytes(32)},
            {"legacy_session_id": bytes(32)},
            {"cipher_suites": (0x1301,)},
        ],
        ids=str,
    )
    def test_second_offer_may_change_only_what_it_must(self, change: dict[str, object]) -> None:
        client, server = self.retried()
        client.receive(server.data_to_send(), NOW)
        second = ClientHello.decode(messages_in(client.data_to_send())[0].body)
        extensions = change.pop("extensions", {})
        assert isinstance(extensions, dict)
        server.receive(plain(altered(second, extensions, **change).encode()), NOW)
        assert_fails(server, AlertDescription.ILLEGAL_PARAMETER)


class TestResumption:
    def test_with_a_ticket(self) -> None:
        config, session = resuming()
        both = connected(client_config(session=session, groups=(X25519, P256)), config)
        for events in (both.client_events, both.server_events):
            assert completed([*events]).resumed
        assert session_of(both).psk != session.psk

    def test_again_and_again_stays_verified(self) -> None:
        config, session = resuming()
        for _ in range(3):
            session = session_of(connected(client_config(session=session, groups=(X25519, P256)), config))
        assert session.verified
        assert session.chain

    def test_after_hello_retry_request(self) -> None:
        config, session = resuming()
        config = replace(config, groups=(P256,))
        both = connected(client_config(session=session, groups=(X25519, P256)), config)
        event = completed([*both.server_events])
        assert event.resumed
        assert event.hello_retry_request

    def test_wrong_binder(self) -> None:
        config, session = resuming()
        offer = hello(session=replace(session, psk=bytes(32)))
        assert_fails(answer(offer, config), AlertDescription.DECRYPT_ERROR)

    def test_unknown_ticket_leads_to_a_full_handshake(self) -> None:
        config, session = resuming()
        both = connected(client_config(session=session), replace(config, tickets=TicketProtection()))
        assert not completed([*both.server_events]).resumed

    def test_ticket_of_another_name_leads_to_a_full_handshake(self) -> None:
        _, session = resuming()
        config, _ = resuming()
        chains = (credentials(), authority().issue(names=["other.test"]))
        config = replace(config, credentials=chains)
        first = connected(client_config(groups=(X25519, P256)), config)
        other = replace(session_of(first), server_name="other.test")
        both = connected(client_config(server_name="other.test", session=other), config)
        assert not completed([*both.server_events]).resumed
        assert session.server_name == NAME

    def test_ticket_of_another_hash_leads_to_a_full_handshake(self) -> None:
        config, session = resuming()
        config = replace(config, cipher_suites=(suite_by_name("TLS_AES_256_GCM_SHA384"),))
        both = connected(client_config(session=session), config)
        assert not completed([*both.server_events]).resumed

    def test_another_suite_of_the_same_hash(self) -> None:
        config, session = resuming()
        suite = suite_by_name("TLS_CHACHA20_POLY1305_SHA256")
        both = connected(client_config(session=session), replace(config, cipher_suites=(suite,)))
        assert completed([*both.server_events]).resumed
        assert completed([*both.server_events]).cipher_suite == suite.name

    def test_psk_from_elsewhere(self) -> None:
        psk = ExternalPsk(identity=b"friend", key=bytes(range(32)))
        both = connected(client_config(psk=psk), server_config(credentials=(), psks=(psk,)))
        assert completed([*both.client_events]).resumed
        assert completed([*both.client_events]).peer_chain == ()

    def test_psk_after_a_session_that_the_server_does_not_know(self) -> None:
        _, session = resuming()
        psk = ExternalPsk(identity=b"friend", key=bytes(range(32)))
        both = connected(client_config(psk=psk, session=session), server_config(psks=(psk,)))
        assert completed([*both.server_events]).resumed

    def test_only_as_many_tickets_as_configured(self) -> None:
        both = connected(None, server_config(tickets=TicketProtection(), tickets_per_handshake=3))
        tickets = [event.session.ticket for event in both.client_events if isinstance(event, TicketReceived)]
        assert len(set(tickets)) == 3

    def test_further_ticket_on_demand(self) -> None:
        both = connected(None, server_config(tickets=TicketProtection(), tickets_per_handshake=0))
        assert not [event for event in both.client_events if isinstance(event, TicketReceived)]
        both.server.send_ticket(NOW)
        both.exchange()
        assert session_of(both)

    def test_long_names_fit_into_tickets(self) -> None:
        name = ".".join(["a" * 60] * 5)  # longer than DNS allows; a server need not know that
        extensions = {ExtensionType.SERVER_NAME: encode_server_name(name)}
        both = connected(client_config(extensions=extensions), server_config(tickets=TicketProtection()))
        assert session_of(both)
        assert both.server.server_name == name

    def test_chain_that_is_too_long_for_a_ticket(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("impl.tls13.server._LONGEST_CHAIN_IN_TICKET", 1000)
        mine = credentials(client=True)
        mine = replace(mine, chain=mine.chain + (authority().certificate.public_bytes(Encoding.DER),) * 3)
        config = server_config(
            tickets=TicketProtection(),
            client_authentication=ClientAuthentication.REQUIRED,
            trust=authority().trust,
        )
        both = connected(client_config(credentials=mine), config)
        assert not [event for event in both.client_events if isinstance(event, TicketReceived)]

    def test_more_tickets_than_two_bytes_can_count(self) -> None:
        both = connected(None, server_config(tickets=TicketProtection(), tickets_per_handshake=0))
        both.server._tickets_sent = 2**16
        both.server.send_ticket(NOW)
        both.exchange()
        assert session_of(both)

    def test_client_without_a_mode_for_it_gets_no_tickets(self) -> None:
        both = pair(
            client_config(extensions={ExtensionType.PSK_KEY_EXCHANGE_MODES: b"\1\0"}),
            server_config(tickets=TicketProtection()),
        )
        both.start()
        assert not both.failures()
        assert not [event for event in both.client_events if isinstance(event, TicketReceived)]

    def test_no_tickets_on_demand_without_keys(self) -> None:
        with pytest.raises(WrongMoment):
            connected().server.send_ticket(NOW)


class TestEarlyData:
    def run(self, config: ServerConfig, session: Session, *, data: bytes = b"early", **settings: object) -> Pair:
        both = pair(client_config(session=session, early_data=True, groups=(X25519, P256), **settings), config)
        both.client_events += both.client.start(NOW)
        assert both.client.send_early(data) == len(data)
        both.exchange()
        return both

    def early(self, both: Pair) -> bytes:
        events = [event for event in both.server_events if isinstance(event, ApplicationDataReceived)]
        assert all(event.early for event in events)
        return b"".join(event.data for event in events)

    def test_accepted(self) -> None:
        both = self.run(*resuming())
        assert not both.failures()
        assert self.early(both) == b"early"
        assert completed([*both.server_events]).early_data_accepted
        assert completed([*both.client_events]).early_data_accepted

    def test_exporters_of_early_data_are_equal(self) -> None:
        both = self.run(*resuming())
        exported = both.client.export("test", b"", 16, early=True)
        assert exported == both.server.export("test", b"", 16, early=True)
        assert exported != both.client.export("test", b"", 16)

    def test_limit_of_the_ticket(self) -> None:
        config, session = resuming()
        client = Client(client_config(session=session, early_data=True, groups=(X25519, P256)))
        client.start(NOW)
        assert client.send_early(bytes(1200)) == 1000
        assert client.early_data_left == 0
        server = Server(config)
        server.receive(client.data_to_send(), NOW)
        assert server.failed is None

    def test_more_than_the_ticket_allows(self) -> None:
        config, session = resuming()
        both = self.run(config, replace(session, max_early_data=2000), data=bytes(1001))
        assert_fails(both.server, AlertDescription.UNEXPECTED_MESSAGE)

    def test_refused_by_a_server_that_does_not_take_any(self) -> None:
        config, session = resuming()
        self.check_refused(replace(config, max_early_data=0), session)

    def check_refused(self, config: ServerConfig, session: Session, **settings: object) -> None:
        both = self.run(config, session, data=b"early", **settings)
        assert not both.failures(), both.failures()
        assert EarlyDataRejected() in both.client_events
        assert self.early(both) == b""
        assert both.client.send_early(b"too late") == 0
        both.client.send(b"once more")
        both.exchange()
        received = [event for event in both.server_events if isinstance(event, ApplicationDataReceived)]
        assert [(bytes(event.data), event.early) for event in received] == [(b"once more", False)]

    def test_refused_after_hello_retry_request(self) -> None:
        config, session = resuming()
        self.check_refused(replace(config, groups=(P256,)), session)

    def test_refused_when_the_ticket_is_unknown(self) -> None:
        config, session = resuming()
        self.check_refused(replace(config, tickets=TicketProtection()), session)

    def test_refused_with_another_suite(self) -> None:
        config, session = resuming()
        suite = suite_by_name("TLS_CHACHA20_POLY1305_SHA256")
        self.check_refused(replace(config, cipher_suites=(suite,)), session)

    def test_refused_with_another_application_protocol(self) -> None:
        config, session = resuming()
        self.check_refused(replace(config, alpn_protocols=(b"new",)), session, alpn_protocols=(b"new",))

    def test_refused_when_the_age_is_wrong(self) -> None:
        config, session = resuming()
        self.check_refused(config, replace(session, received=NOW - 60))

    def test_replay_is_refused(self) -> None:
        config, session = resuming()
        client = Client(client_config(session=session, early_data=True, groups=(X25519, P256)))
        client.start(NOW)
        client.send_early(b"pay 100")
        flight = client.data_to_send()
        first, second = Server(config), Server(config)
        assert [e for e in first.receive(flight, NOW) if isinstance(e, ApplicationDataReceived)]
        assert not [e for e in second.receive(flight, NOW + 1) if isinstance(e, ApplicationDataReceived)]
        assert second.failed is None

    def test_skipped_records_are_limited(self) -> None:
        config, session = resuming()
        client = Client(client_config(session=session, early_data=True, groups=(X25519, P256)))
        client.start(NOW)
        server = Server(replace(config, tickets=TicketProtection()))
        server.receive(client.data_to_send(), NOW)
        for _ in range(20):
            server.receive(plain(bytes(1000), 23), NOW)
        assert server.failed is not None

    def test_answer_before_the_handshake_is_over(self) -> None:
        config, session = resuming()
        client = Client(client_config(session=session, early_data=True, groups=(X25519, P256)))
        client.start(NOW)
        client.send_early(b"question")
        server = Server(config)
        server.receive(client.data_to_send(), NOW)
        assert not server.established
        server.send(b"answer")
        events = client.receive(server.data_to_send(), NOW)
        assert [bytes(event.data) for event in events if isinstance(event, ApplicationDataReceived)] == [b"answer"]


class TestClientCertificates:
    def settings(self, **changes: object) -> ServerConfig:
        settings = {"client_authentication": ClientAuthentication.REQUIRED, "trust": authority().trust}
        return server_config(**settings | {"tickets": TicketProtection()} | changes)

    @pytest.mark.parametrize("kind", ["p256", "p384", "ed25519", "rsa"])
    def test_accepted(self, kind: str) -> None:
        mine = credentials(kind, client=True)
        both = connected(client_config(credentials=mine), self.settings())
        assert completed([*both.server_events]).peer_chain[0] == mine.certificate

    def test_missing(self) -> None:
        both = pair(None, self.settings())
        both.start()
        assert_fails(both.server, AlertDescription.CERTIFICATE_REQUIRED)

    def test_missing_is_fine_where_it_is_optional(self) -> None:
        config = self.settings(client_authentication=ClientAuthentication.OPTIONAL)
        both = connected(None, config)
        assert completed([*both.server_events]).peer_chain == ()

    def test_left_out_where_no_algorithm_fits(self) -> None:
        config = self.settings(signature_schemes=(0x0403,))
        both = pair(client_config(credentials=credentials("ed25519", client=True)), config)
        both.start()
        assert_fails(both.server, AlertDescription.CERTIFICATE_REQUIRED)

    @pytest.mark.parametrize(
        ("issue", "alert"),
        [
            (lambda: Authority(name="nobody").issue(client=True), AlertDescription.UNKNOWN_CA),
            (lambda: authority().issue(client=True, days=(-9, -1)), AlertDescription.CERTIFICATE_EXPIRED),
            (lambda: authority().issue(client=True, days=(1, 9)), AlertDescription.CERTIFICATE_EXPIRED),
            (lambda: authority().issue(client=False), AlertDescription.UNSUPPORTED_CERTIFICATE),
            (lambda: authority().issue(client=True, digital_signature=False), AlertDescription.UNSUPPORTED_CERTIFICATE),
        ],
    )
    def test_refused(self, issue: object, alert: AlertDescription) -> None:
        assert callable(issue)
        both = pair(client_config(credentials=issue()), self.settings())
        both.start()
        assert_fails(both.server, alert)
        assert both.client.failed is not None
        assert both.client.failed.alert is alert
        assert both.client.failed.by == "peer"

    def test_session_remembers_the_client(self) -> None:
        config = self.settings()
        mine = credentials(client=True)
        first = connected(client_config(credentials=mine), config)
        both = connected(client_config(session=session_of(first)), config)
        event = completed([*both.server_events])
        assert event.resumed
        assert event.peer_chain[0] == mine.certificate

    def test_session_of_an_unknown_client_is_not_resumed(self) -> None:
        config = self.settings()
        first = connected(None, replace(config, client_authentication=ClientAuthentication.NONE))
        both = pair(client_config(session=session_of(first)), config)
        both.start()
        assert_fails(both.server, AlertDescription.CERTIFICATE_REQUIRED)

    def test_proof_with_another_key(self) -> None:
        mine = credentials(client=True)
        other = credentials(client=False)
        both = pair(client_config(credentials=replace(mine, sign=lambda s, _: other.sign(s, b"else"))), self.settings())
        both.start()
        assert_fails(both.server, AlertDescription.DECRYPT_ERROR)


class TestAlertsOfClientsWithoutKeys:
    def test_plaintext_alert_in_answer_to_the_server_hello(self) -> None:
        server = answer(hello())
        server.receive(plain(b"\x02\x2f", 21), NOW)
        assert server.failed is not None
        assert server.failed.alert is AlertDescription.ILLEGAL_PARAMETER
        assert server.failed.by == "peer"

    def test_plaintext_alert_later(self) -> None:
        both = connected()
        both.server.receive(plain(b"\x02\x2f", 21), NOW)
        assert_fails(both.server, AlertDescription.UNEXPECTED_MESSAGE)


class TestServerExtensions:
    def test_are_only_those_that_the_client_offers(self) -> None:
        offer = hello()
        server = Server(server_config(record_size_limit=1000))
        events = server.receive(plain(offer.encode()), NOW)
        flight = messages_in(server.data_to_send(), [secret_of(events, "SERVER_HANDSHAKE_TRAFFIC_SECRET")])
        extensions = EncryptedExtensions.decode(flight[1].body).extensions
        assert set(extensions) <= set(offer.extensions)
        assert ExtensionType.RECORD_SIZE_LIMIT not in extensions


def test_finished_of_another_handshake_is_refused() -> None:
    server = Server(server_config())
    events = server.receive(plain(hello().encode()), NOW)
    puppet = Puppet(secret_of(events, "CLIENT_HANDSHAKE_TRAFFIC_SECRET"))
    server.receive(puppet.record(message(HandshakeType.FINISHED, bytes(32))), NOW)
    assert_fails(server, AlertDescription.DECRYPT_ERROR)


def test_finished_of_wrong_length_is_refused() -> None:
    server = Server(server_config())
    events = server.receive(plain(hello().encode()), NOW)
    puppet = Puppet(secret_of(events, "CLIENT_HANDSHAKE_TRAFFIC_SECRET"))
    server.receive(puppet.record(message(HandshakeType.FINISHED, bytes(31))), NOW)
    assert_fails(server, AlertDescription.DECODE_ERROR)
