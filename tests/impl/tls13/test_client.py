"""The client: what it takes from a server, and what it refuses with which alert."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from impl.tls13 import (
    AlertDescription,
    Client,
    ClientState,
    EarlyDataRejected,
    Event,
    HandshakeCompleted,
    ReplayGuard,
    Server,
    ServerConfig,
    Session,
    TicketProtection,
    TicketReceived,
    WrongMoment,
)
from impl.tls13.extensions import KeyShareEntry, encode_server_share
from impl.tls13.handshake_messages import RawMessage
from impl.tls13.messages import (
    HELLO_RETRY_REQUEST_RANDOM,
    Certificate,
    CertificateEntry,
    CertificateRequest,
    CertificateVerify,
    ClientHello,
    EncryptedExtensions,
    NewSessionTicket,
    ServerHello,
)
from impl.tls13.registries import ExtensionType, HandshakeType, NamedGroup
from tests.support.puppet import Puppet, message, messages_in, plain, secret_of
from tests.support.tls import (
    NAME,
    NOW,
    Authority,
    authority,
    client_config,
    connected,
    credentials,
    pair,
    server_config,
)

X25519, P256, P384 = NamedGroup.X25519, NamedGroup.SECP256R1, NamedGroup.SECP384R1
E = ExtensionType


@dataclass
class Meeting:
    """A client that has spoken, and what a server would answer."""

    client: Client
    hello: ServerHello
    flight: list[RawMessage]
    puppet: Puppet

    def answer(self, hello: ServerHello) -> None:
        """Give the client this ServerHello."""
        self.client.receive(plain(hello.encode()), NOW)

    def go_on(self, *messages: bytes) -> list[Event]:
        """Give it the real ServerHello, then these messages, protected."""
        self.answer(self.hello)
        assert self.client.failed is None, self.client.failed
        return self.client.receive(b"".join(self.puppet.record(one) for one in messages), NOW)


def meet(**settings: object) -> Meeting:
    client = Client(client_config(groups=(X25519, P256), **settings))
    client.start(NOW)
    answering = Server(server_config())
    events = answering.receive(client.data_to_send(), NOW)
    secret = secret_of(events, "SERVER_HANDSHAKE_TRAFFIC_SECRET")
    flight = messages_in(answering.data_to_send(), [secret])
    return Meeting(client, ServerHello.decode(flight[0].body), flight[1:], Puppet(secret))


def assert_fails(client: Client, alert: AlertDescription) -> None:
    assert client.failed is not None
    assert client.failed.alert is alert, client.failed
    assert client.failed.by == "local"


def with_extensions(hello: ServerHello, extensions: dict[int, bytes | None], **fields: object) -> ServerHello:
    changed = {**hello.extensions, **extensions}
    kept = {number: body for number, body in changed.items() if body is not None}
    return replace(hello, extensions=kept, **fields)  # type: ignore[arg-type]  # the fields are the test's own


def share(group: NamedGroup, key_exchange: bytes) -> bytes:
    return encode_server_share(KeyShareEntry(group, key_exchange))


class TestServerHello:
    @pytest.mark.parametrize(
        ("extensions", "fields", "alert"),
        [
            ({E.SUPPORTED_VERSIONS: None}, {}, AlertDescription.PROTOCOL_VERSION),
            ({E.SUPPORTED_VERSIONS: None}, {"random": bytes(24) + b"DOWNGRD\1"}, AlertDescription.ILLEGAL_PARAMETER),
            ({E.SUPPORTED_VERSIONS: None}, {"random": bytes(24) + b"DOWNGRD\0"}, AlertDescription.ILLEGAL_PARAMETER),
            ({E.SUPPORTED_VERSIONS: b"\3\3"}, {}, AlertDescription.ILLEGAL_PARAMETER),
            ({E.SUPPORTED_VERSIONS: b"\3\5"}, {}, AlertDescription.ILLEGAL_PARAMETER),
            ({E.SUPPORTED_VERSIONS: b"\3"}, {}, AlertDescription.DECODE_ERROR),
            ({}, {"legacy_version": 0x0304}, AlertDescription.ILLEGAL_PARAMETER),
            ({}, {"legacy_version": 0x0300}, AlertDescription.PROTOCOL_VERSION),
            ({}, {"legacy_session_id_echo": bytes(32)}, AlertDescription.ILLEGAL_PARAMETER),
            ({}, {"legacy_session_id_echo": b""}, AlertDescription.ILLEGAL_PARAMETER),
            ({}, {"cipher_suite": 0x1304}, AlertDescription.ILLEGAL_PARAMETER),
            ({}, {"legacy_compression_method": 1}, AlertDescription.DECODE_ERROR),
            ({E.KEY_SHARE: None}, {}, AlertDescription.MISSING_EXTENSION),
            ({E.KEY_SHARE: share(P256, b"\4" * 65)}, {}, AlertDescription.ILLEGAL_PARAMETER),
            ({E.KEY_SHARE: share(X25519, bytes(32))}, {}, AlertDescription.ILLEGAL_PARAMETER),
            ({E.KEY_SHARE: share(X25519, b"short")}, {}, AlertDescription.ILLEGAL_PARAMETER),
            ({E.PRE_SHARED_KEY: b"\0\0"}, {}, AlertDescription.UNSUPPORTED_EXTENSION),
            ({E.COOKIE: b"\0\1a"}, {}, AlertDescription.UNSUPPORTED_EXTENSION),
            ({E.SERVER_NAME: b""}, {}, AlertDescription.ILLEGAL_PARAMETER),
            ({0x1234: b""}, {}, AlertDescription.UNSUPPORTED_EXTENSION),
        ],
    )  # fmt: skip
    def test_what_is_refused(
        self, extensions: dict[int, bytes | None], fields: dict[str, object], alert: AlertDescription
    ) -> None:
        meeting = meet()
        meeting.answer(with_extensions(meeting.hello, extensions, **fields))
        assert_fails(meeting.client, alert)

    def test_alert_is_sent_without_protection(self) -> None:
        meeting = meet()
        meeting.client.data_to_send()
        meeting.answer(replace(meeting.hello, cipher_suite=0x1304))
        assert meeting.client.data_to_send() == plain(b"\x02\x2f", 21)

    def test_message_that_does_not_end_with_its_record(self) -> None:
        meeting = meet()
        meeting.client.receive(plain(meeting.hello.encode() + message(HandshakeType.ENCRYPTED_EXTENSIONS)), NOW)
        assert_fails(meeting.client, AlertDescription.UNEXPECTED_MESSAGE)

    def test_message_in_many_records(self) -> None:
        meeting = meet()
        encoded = meeting.hello.encode()
        for i in range(0, len(encoded), 10):
            meeting.client.receive(plain(encoded[i : i + 10]), NOW)
        assert meeting.client.failed is None
        assert meeting.client.state is ClientState.WAIT_EE

    def test_change_cipher_spec_inside_a_message(self) -> None:
        meeting = meet()
        encoded = meeting.hello.encode()
        meeting.client.receive(plain(encoded[:10]) + plain(b"\1", 20) + plain(encoded[10:]), NOW)
        assert_fails(meeting.client, AlertDescription.UNEXPECTED_MESSAGE)

    def test_pre_shared_key_that_was_not_offered(self) -> None:
        _, session = session_with()
        meeting = meet(session=session)
        meeting.answer(with_extensions(meeting.hello, {E.PRE_SHARED_KEY: b"\0\1"}))
        assert_fails(meeting.client, AlertDescription.ILLEGAL_PARAMETER)

    def test_pre_shared_key_of_another_hash(self) -> None:
        _, session = session_with()
        meeting = meet(session=session)
        meeting.answer(with_extensions(meeting.hello, {E.PRE_SHARED_KEY: b"\0\0"}, cipher_suite=0x1302))
        assert_fails(meeting.client, AlertDescription.ILLEGAL_PARAMETER)


def session_with(**settings: object) -> tuple[ServerConfig, Session]:
    config = server_config(tickets=TicketProtection(), **settings)
    both = connected(client_config(groups=(X25519, P256)), config)
    return config, next(event.session for event in both.client_events if isinstance(event, TicketReceived))


class TestHelloRetryRequest:
    def request(self, meeting: Meeting, extensions: dict[int, bytes], **fields: object) -> ServerHello:
        hello = with_extensions(meeting.hello, {E.KEY_SHARE: None, E.SUPPORTED_VERSIONS: b"\3\4", **extensions})
        return replace(hello, random=HELLO_RETRY_REQUEST_RANDOM, **fields)  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("extensions", "fields", "alert"),
        [
            ({}, {}, AlertDescription.ILLEGAL_PARAMETER),
            ({E.KEY_SHARE: X25519.to_bytes(2, "big")}, {}, AlertDescription.ILLEGAL_PARAMETER),
            ({E.KEY_SHARE: P384.to_bytes(2, "big")}, {}, AlertDescription.ILLEGAL_PARAMETER),
            ({E.KEY_SHARE: b"\x01\x00"}, {}, AlertDescription.ILLEGAL_PARAMETER),
            ({E.KEY_SHARE: b"\0"}, {}, AlertDescription.DECODE_ERROR),
            ({E.COOKIE: b"\0\0"}, {}, AlertDescription.DECODE_ERROR),
            ({E.COOKIE: b"\0\1a", 0x1234: b""}, {}, AlertDescription.UNSUPPORTED_EXTENSION),
            ({E.COOKIE: b"\0\1a"}, {"cipher_suite": 0x1304}, AlertDescription.ILLEGAL_PARAMETER),
        ],
    )
    def test_what_is_refused(
        self, extensions: dict[int, bytes], fields: dict[str, object], alert: AlertDescription
    ) -> None:
        meeting = meet()
        meeting.answer(self.request(meeting, extensions, **fields))
        assert_fails(meeting.client, alert)

    def test_second_one(self) -> None:
        meeting = meet()
        meeting.answer(self.request(meeting, {E.COOKIE: b"\0\1a"}))
        assert meeting.client.failed is None
        meeting.answer(self.request(meeting, {E.COOKIE: b"\0\1b"}))
        assert_fails(meeting.client, AlertDescription.UNEXPECTED_MESSAGE)

    def test_cookie_alone_is_sent_back_and_the_share_stays(self) -> None:
        meeting = meet()
        meeting.client.data_to_send()
        meeting.answer(self.request(meeting, {E.COOKIE: b"\0\1a"}))
        second = ClientHello.decode(messages_in(meeting.client.data_to_send())[0].body)
        assert second.extensions[E.COOKIE] == b"\0\1a"

    def test_suite_must_stay_the_same(self) -> None:
        meeting = meet()
        meeting.answer(self.request(meeting, {E.COOKIE: b"\0\1a"}))
        meeting.answer(replace(meeting.hello, cipher_suite=0x1302))
        assert_fails(meeting.client, AlertDescription.ILLEGAL_PARAMETER)

    def test_early_data_are_lost(self) -> None:
        config, session = session_with(max_early_data=100, replay_guard=ReplayGuard())
        client = Client(client_config(session=session, early_data=True, groups=(X25519, P256)))
        client.start(NOW)
        client.send_early(b"early")
        server = Server(replace(config, groups=(P256,)))
        server.receive(client.data_to_send(), NOW)
        assert EarlyDataRejected() in client.receive(server.data_to_send(), NOW)


class TestEncryptedExtensions:
    @pytest.mark.parametrize(
        ("extensions", "alert"),
        [
            ({E.APPLICATION_LAYER_PROTOCOL_NEGOTIATION: b"\0\2\1x"}, AlertDescription.ILLEGAL_PARAMETER),
            ({E.APPLICATION_LAYER_PROTOCOL_NEGOTIATION: b"\0\4\1a\1b"}, AlertDescription.DECODE_ERROR),
            ({E.SERVER_NAME: b"\0"}, AlertDescription.DECODE_ERROR),
            ({E.EARLY_DATA: b""}, AlertDescription.UNSUPPORTED_EXTENSION),
            ({E.RECORD_SIZE_LIMIT: b"\0\x3f"}, AlertDescription.ILLEGAL_PARAMETER),
            ({E.RECORD_SIZE_LIMIT: b"\x40\x02"}, AlertDescription.ILLEGAL_PARAMETER),
            ({E.SUPPORTED_GROUPS: b"\0"}, AlertDescription.DECODE_ERROR),
            ({E.KEY_SHARE: b""}, AlertDescription.ILLEGAL_PARAMETER),
            ({E.SIGNATURE_ALGORITHMS: b"\0\2\4\3"}, AlertDescription.ILLEGAL_PARAMETER),
            ({E.SUPPORTED_VERSIONS: b"\3\4"}, AlertDescription.ILLEGAL_PARAMETER),
            ({E.PSK_KEY_EXCHANGE_MODES: b"\1\1"}, AlertDescription.ILLEGAL_PARAMETER),
            ({0x1234: b""}, AlertDescription.UNSUPPORTED_EXTENSION),
        ],
    )
    def test_what_is_refused(self, extensions: dict[int, bytes], alert: AlertDescription) -> None:
        meeting = meet(alpn_protocols=(b"a", b"b"), record_size_limit=16385)
        meeting.go_on(EncryptedExtensions(extensions).encode())
        assert_fails(meeting.client, alert)

    def test_supported_groups_are_allowed(self) -> None:
        meeting = meet()
        meeting.go_on(EncryptedExtensions({E.SUPPORTED_GROUPS: b"\0\2\0\x17"}).encode())
        assert meeting.client.failed is None

    def test_early_data_without_the_first_key(self) -> None:
        config, session = session_with(max_early_data=100, replay_guard=ReplayGuard())
        client = Client(client_config(session=session, early_data=True, groups=(X25519, P256)))
        client.start(NOW)
        # A server that has forgotten its ticket keys goes on without a pre-shared key.
        server = Server(replace(config, tickets=TicketProtection()))
        events = server.receive(client.data_to_send(), NOW)
        secret = secret_of(events, "SERVER_HANDSHAKE_TRAFFIC_SECRET")
        flight = messages_in(server.data_to_send(), [secret])
        client.receive(plain(flight[0].encoded), NOW)
        client.receive(Puppet(secret).record(EncryptedExtensions({E.EARLY_DATA: b""}).encode()), NOW)
        assert_fails(client, AlertDescription.ILLEGAL_PARAMETER)


class TestCertificateRequest:
    @pytest.mark.parametrize(
        ("request_", "alert"),
        [
            (CertificateRequest(b"x", {E.SIGNATURE_ALGORITHMS: b"\0\2\4\3"}), AlertDescription.ILLEGAL_PARAMETER),
            (CertificateRequest(b"", {E.SUPPORTED_GROUPS: b"\0\2\4\3"}), AlertDescription.MISSING_EXTENSION),
            (CertificateRequest(b"", {E.SIGNATURE_ALGORITHMS: b"\0\2\4\3", E.KEY_SHARE: b""}),
             AlertDescription.ILLEGAL_PARAMETER),
        ],
    )  # fmt: skip
    def test_what_is_refused(self, request_: CertificateRequest, alert: AlertDescription) -> None:
        meeting = meet()
        meeting.go_on(meeting.flight[0].encoded, request_.encode())
        assert_fails(meeting.client, alert)

    def test_unknown_extensions_are_ignored(self) -> None:
        meeting = meet()
        asked = CertificateRequest(b"", {E.SIGNATURE_ALGORITHMS: b"\0\2\4\3", 0x1234: b"?"})
        meeting.go_on(meeting.flight[0].encoded, asked.encode())
        assert meeting.client.failed is None


class TestCertificate:
    def show(self, certificate: Certificate, **settings: object) -> Client:
        meeting = meet(**settings)
        meeting.go_on(meeting.flight[0].encoded, certificate.encode())
        return meeting.client

    def chain(self) -> bytes:
        return credentials().chain[0]

    def test_context(self) -> None:
        certificate = Certificate(b"x", (CertificateEntry(self.chain(), {}),))
        assert_fails(self.show(certificate), AlertDescription.ILLEGAL_PARAMETER)

    def test_none(self) -> None:
        assert_fails(self.show(Certificate(b"", ())), AlertDescription.DECODE_ERROR)

    def test_extension_that_was_not_offered(self) -> None:
        certificate = Certificate(b"", (CertificateEntry(self.chain(), {E.STATUS_REQUEST: b""}),))
        assert_fails(self.show(certificate), AlertDescription.UNSUPPORTED_EXTENSION)

    def test_extension_of_another_message(self) -> None:
        certificate = Certificate(b"", (CertificateEntry(self.chain(), {E.KEY_SHARE: b""}),))
        assert_fails(self.show(certificate), AlertDescription.ILLEGAL_PARAMETER)

    def test_garbage(self) -> None:
        certificate = Certificate(b"", (CertificateEntry(b"garbage", {}),))
        assert_fails(self.show(certificate), AlertDescription.BAD_CERTIFICATE)

    @pytest.mark.parametrize(
        ("issue", "alert"),
        [
            (lambda: Authority(name="nobody").issue(), AlertDescription.UNKNOWN_CA),
            (lambda: authority().issue(days=(-9, -1)), AlertDescription.CERTIFICATE_EXPIRED),
            (lambda: authority().issue(days=(1, 9)), AlertDescription.CERTIFICATE_EXPIRED),
            (lambda: authority().issue(client=True), AlertDescription.UNSUPPORTED_CERTIFICATE),
            (lambda: authority().issue(digital_signature=False), AlertDescription.UNSUPPORTED_CERTIFICATE),
            (lambda: authority().issue(names=["other.test"]), AlertDescription.BAD_CERTIFICATE),
        ],
    )
    def test_verification(self, issue: Callable[[], object], alert: AlertDescription) -> None:
        both = pair(None, server_config(credentials=(issue(),)))
        both.start()
        assert_fails(both.client, alert)
        assert both.server.failed is not None
        assert (both.server.failed.alert, both.server.failed.by) == (alert, "peer")

    def test_without_verification_anybody_is_taken(self) -> None:
        chains = (Authority(name="nobody").issue(names=["other.test"]),)
        both = connected(client_config(verify=False, trust=None), server_config(credentials=chains))
        assert both.client.peer_chain[0] == chains[0].certificate


class TestCertificateVerify:
    def prove(self, proof: CertificateVerify, **settings: object) -> Client:
        meeting = meet(**settings)
        meeting.go_on(meeting.flight[0].encoded, meeting.flight[1].encoded, proof.encode())
        return meeting.client

    @pytest.mark.parametrize("scheme", [0x0401, 0x0201, 0x0203, 0x0603, 0x0A0A, 0x0840])
    def test_schemes_that_were_not_offered(self, scheme: int) -> None:
        assert_fails(self.prove(CertificateVerify(scheme, bytes(64))), AlertDescription.ILLEGAL_PARAMETER)

    def test_scheme_that_may_stand_in_certificates_alone(self) -> None:
        client = self.prove(CertificateVerify(0x0401, bytes(64)), signature_schemes=(0x0403, 0x0401))
        assert_fails(client, AlertDescription.ILLEGAL_PARAMETER)

    @pytest.mark.parametrize("scheme", [0x0503, 0x0804, 0x0809, 0x0807])
    def test_schemes_of_another_kind_of_key(self, scheme: int) -> None:
        assert_fails(self.prove(CertificateVerify(scheme, bytes(64))), AlertDescription.ILLEGAL_PARAMETER)

    @pytest.mark.parametrize("signature", [b"", bytes(64), b"\x30\x06\x02\x01\x01\x02\x01\x01"])
    def test_wrong_signatures(self, signature: bytes) -> None:
        assert_fails(self.prove(CertificateVerify(0x0403, signature)), AlertDescription.DECRYPT_ERROR)

    def test_signature_of_another_handshake(self) -> None:
        proof = CertificateVerify.decode(meet().flight[2].body)
        assert_fails(self.prove(proof), AlertDescription.DECRYPT_ERROR)


class TestFinished:
    @pytest.mark.parametrize(
        ("body", "alert"),
        [
            (bytes(32), AlertDescription.DECRYPT_ERROR),
            (bytes(31), AlertDescription.DECODE_ERROR),
            (bytes(33), AlertDescription.DECODE_ERROR),
            (b"", AlertDescription.DECODE_ERROR),
        ],
    )
    def test_wrong(self, body: bytes, alert: AlertDescription) -> None:
        meeting = meet()
        given = [raw.encoded for raw in meeting.flight[:-1]]
        meeting.go_on(*given, message(HandshakeType.FINISHED, body))
        assert_fails(meeting.client, alert)

    def test_right_one(self) -> None:
        meeting = meet()
        events = meeting.go_on(*[raw.encoded for raw in meeting.flight])
        assert isinstance(events[-1], HandshakeCompleted)

    def test_followed_by_more_in_its_record(self) -> None:
        meeting = meet()
        *first, last = [raw.encoded for raw in meeting.flight]
        meeting.go_on(*first, last + message(HandshakeType.NEW_SESSION_TICKET))
        assert_fails(meeting.client, AlertDescription.UNEXPECTED_MESSAGE)


class TestTickets:
    def receive(self, ticket: bytes) -> tuple[Client, list[Event]]:
        both = connected()
        secret = secret_of(both.server_events, "SERVER_TRAFFIC_SECRET_0")
        return both.client, both.client.receive(Puppet(secret).record(ticket), NOW)

    def test_lifetime_is_at_most_a_week(self) -> None:
        _, (event,) = self.receive(NewSessionTicket(2**31, 0, b"", b"t", {}).encode())
        assert isinstance(event, TicketReceived)
        assert event.session.lifetime == 7 * 24 * 3600

    def test_lifetime_zero_is_discarded(self) -> None:
        client, events = self.receive(NewSessionTicket(0, 0, b"", b"t", {}).encode())
        assert events == []
        assert client.failed is None

    @pytest.mark.parametrize(
        ("extensions", "alert"),
        [
            ({E.EARLY_DATA: b""}, AlertDescription.DECODE_ERROR),
            ({E.KEY_SHARE: b""}, AlertDescription.ILLEGAL_PARAMETER),
        ],
    )
    def test_what_is_refused(self, extensions: dict[int, bytes], alert: AlertDescription) -> None:
        client, _ = self.receive(NewSessionTicket(60, 0, b"", b"t", extensions).encode())
        assert_fails(client, alert)

    def test_unknown_extensions_are_ignored(self) -> None:
        client, _ = self.receive(NewSessionTicket(60, 0, b"", b"t", {0x1234: b""}).encode())
        assert client.failed is None


class TestSessions:
    def offered(self, session: Session, now: float = NOW, **settings: object) -> bool:
        client = Client(client_config(session=session, **settings))
        client.start(now)
        offer = ClientHello.decode(messages_in(client.data_to_send())[0].body)
        return E.PRE_SHARED_KEY in offer.extensions

    def test_offered_while_it_is_good(self) -> None:
        _, session = session_with()
        assert self.offered(session)
        assert not self.offered(session, NOW + session.lifetime + 1)
        assert not self.offered(session, NOW - 1)

    def test_not_offered_to_another_server(self) -> None:
        _, session = session_with()
        assert not self.offered(session, server_name="other.test")

    def test_unverified_session_is_not_offered_where_verification_is_wanted(self) -> None:
        _, session = session_with()
        assert not self.offered(replace(session, verified=False))
        assert self.offered(replace(session, verified=False), verify=False)

    def test_not_offered_without_a_suite_of_its_hash(self) -> None:
        _, session = session_with()
        suites = tuple(s for s in client_config().cipher_suites if s.hash.name == "sha384")
        assert not self.offered(session, cipher_suites=suites)

    def test_early_data_only_on_demand(self) -> None:
        _, session = session_with(max_early_data=100, replay_guard=ReplayGuard())
        client = Client(client_config(session=session))
        client.start(NOW)
        assert client.early_data_left == 0
        assert client.send_early(b"x") == 0


class TestMisuse:
    def test_start_twice(self) -> None:
        client = Client(client_config())
        client.start(NOW)
        with pytest.raises(WrongMoment):
            client.start(NOW)

    def test_proceed_when_nothing_is_held(self) -> None:
        client = Client(client_config())
        with pytest.raises(WrongMoment):
            client.proceed(NOW)


class TestFirstOffer:
    def test_hybrid_share_comes_with_one_of_a_curve(self) -> None:
        client = Client(client_config())
        client.start(NOW)
        flight = client.data_to_send()
        offer = ClientHello.decode(messages_in(flight)[0].body)
        assert offer.random
        assert len(offer.extensions[E.KEY_SHARE]) > 1184 + 32

    def test_addresses_are_not_sent_as_names(self) -> None:
        client = Client(client_config(server_name="192.0.2.1"))
        client.start(NOW)
        offer = ClientHello.decode(messages_in(client.data_to_send())[0].body)
        assert E.SERVER_NAME not in offer.extensions

    def test_name_is_sent(self) -> None:
        both = connected()
        assert both.server.server_name == NAME

    def test_first_record_says_tls_1_0(self) -> None:
        client = Client(client_config())
        client.start(NOW)
        assert client.data_to_send()[:3] == b"\x16\x03\x01"

    def test_two_clients_share_nothing_that_links_them(self) -> None:
        offers = []
        for _ in range(2):
            client = Client(client_config())
            client.start(NOW)
            offers.append(ClientHello.decode(messages_in(client.data_to_send())[0].body))
        first, second = offers
        assert first.random != second.random
        assert first.legacy_session_id != second.legacy_session_id
        assert first.extensions[E.KEY_SHARE] != second.extensions[E.KEY_SHARE]
