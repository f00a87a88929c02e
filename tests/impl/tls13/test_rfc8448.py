"""The traces of RFC 8448, byte for byte: both cores get the traces' random values, keys and signatures alone."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from impl.tls13 import (
    ApplicationDataReceived,
    Client,
    ClientAuthentication,
    ClientConfig,
    Credentials,
    Event,
    Failed,
    HandshakeCompleted,
    PeerClosed,
    ReplayGuard,
    SecretDerived,
    Server,
    ServerConfig,
    TicketReceived,
)
from impl.tls13.cipher_suites import CIPHER_SUITES
from impl.tls13.key_exchange import EcdheKeyExchange, KeyExchange
from impl.tls13.registries import ExtensionType, NamedGroup, SignatureScheme
from impl.tls13.tickets import TicketProtection, TicketState
from tests.support.rfc8448 import EphemeralKey, Party, Trace, server_rsa_key, trace
from tests.support.tls import authority

NOW = 1_500_000_000.0
SUITES = (CIPHER_SUITES[0x1301], CIPHER_SUITES[0x1303], CIPHER_SUITES[0x1302])
APPLICATION_DATA = bytes(range(50))
RENEGOTIATION_INFO, SESSION_TICKET = 65281, 35
NSS_GROUPS = bytes.fromhex("0012001d00170018001901000101010201030104")
NSS_SCHEMES = (
    0x0403, 0x0503, 0x0603, 0x0203, 0x0804, 0x0805, 0x0806,
    0x0401, 0x0501, 0x0601, 0x0201, 0x0402, 0x0502, 0x0602, 0x0202,
)  # fmt: skip
RECORD_SIZE_LIMIT = 2**14 + 1


def exchange(key: EphemeralKey) -> EcdheKeyExchange:
    if key.group == NamedGroup.X25519:
        return EcdheKeyExchange(X25519PrivateKey.from_private_bytes(key.private_key))
    return EcdheKeyExchange(ec.derive_private_key(int.from_bytes(key.private_key, "big"), ec.SECP256R1()))


def credentials(party: Party) -> Credentials:
    """The trace's certificate, with a key that gives the trace's signature: the real ones are random, or not known."""
    if party.certificate is None or party.signature is None or party.signature_scheme is None:
        raise ValueError("this side shows no certificate in the trace")
    signature = party.signature
    return Credentials(
        chain=(party.certificate,),
        certificate=x509.load_der_x509_certificate(party.certificate),
        private_key=server_rsa_key(),
        sign=lambda _scheme, _content: signature,
        schemes=(SignatureScheme(party.signature_scheme),),
    )


def drawn(*values: bytes) -> Callable[[int], bytes]:
    """A source of random bytes that gives these, in this order, in these sizes."""
    left = [value for value in values if value]

    def take(size: int) -> bytes:
        value = left.pop(0)
        assert len(value) == size
        return value

    return take


def client_of(example: Trace, **changes: object) -> Client:
    keys = iter(example.client.keys)

    def generate(group: NamedGroup) -> KeyExchange:
        key = next(keys)
        assert key.group == group
        return exchange(key)

    config = ClientConfig(
        server_name="server",
        verify=False,
        cipher_suites=SUITES,
        groups=(NamedGroup.X25519, NamedGroup.SECP256R1, NamedGroup.SECP384R1),
        record_size_limit=RECORD_SIZE_LIMIT,
        compatibility_mode=bool(example.client.session_id),
        random=drawn(example.client.random, example.client.session_id),
        generate=generate,
        extensions={
            RENEGOTIATION_INFO: b"\0",
            ExtensionType.SUPPORTED_GROUPS: NSS_GROUPS,
        },
        signature_schemes=NSS_SCHEMES,
        certificate_signature_schemes=None,
        extension_order=(0, 65281, 10, 35, 51, 42, 43, 13, 44, 45, 28, 21, 41),
    )
    return Client(replace(config, **changes))  # type: ignore[arg-type]  # the fields are the test's own


def server_of(example: Trace, **changes: object) -> Server:
    key = example.server.keys[0]

    def respond(group: NamedGroup, share: bytes) -> tuple[bytes, bytes]:
        assert group == key.group
        ours = exchange(key)
        return ours.share, ours.shared_secret(share)

    config = ServerConfig(
        credentials=(credentials(example.server),) if example.server.certificate else (credentials(first_server()),),
        cipher_suites=SUITES,
        groups=(NamedGroup(key.group),),
        record_size_limit=RECORD_SIZE_LIMIT,
        random=drawn(example.server.random),
        respond=respond,
        extensions={ExtensionType.SUPPORTED_GROUPS: NSS_GROUPS, ExtensionType.SERVER_NAME: b""},
        extension_order=(10, 28, 0, 42),
    )
    return Server(replace(config, **changes))  # type: ignore[arg-type]  # the fields are the test's own


def first_server() -> Party:
    return trace("simple_1rtt").server


def secrets(events: list[Event]) -> dict[str, bytes]:
    return {event.label: event.secret for event in events if isinstance(event, SecretDerived)}


def assert_fine(events: list[Event]) -> list[Event]:
    assert not [event for event in events if isinstance(event, Failed)]
    return events


class Replay:
    """Runs both ends through a trace: what one sends must be the trace's bytes, and is given to the other."""

    def __init__(self, example: Trace, client: Client, server: Server) -> None:
        self.example = example
        self.client = client
        self.server = server
        self.client_events: list[Event] = []
        self.server_events: list[Event] = []
        self._flights: Iterator[tuple[str, bytes]] = iter([(f.sender, f.wire) for f in example.flights])

    def start(self) -> None:
        self.client_events += self.client.start(NOW)

    def flight(self) -> None:
        """Compare the next flight of the trace with what its sender sends, and hand it over."""
        sender, wire = next(self._flights)
        if sender == "client":
            assert self.client.data_to_send().hex() == wire.hex()
            self.server_events += assert_fine(self.server.receive(wire, NOW))
        else:
            assert self.server.data_to_send().hex() == wire.hex()
            self.client_events += assert_fine(self.client.receive(wire, NOW))

    def finish(self) -> None:
        """Both sides are done: the whole trace has been seen, and both have the trace's secrets."""
        assert list(self._flights) == []
        assert PeerClosed() in self.client_events
        assert PeerClosed() in self.server_events
        names = {
            "CLIENT_EARLY_TRAFFIC_SECRET": "client_early_traffic",
            "EARLY_EXPORTER_SECRET": "early_exporter",
            "CLIENT_HANDSHAKE_TRAFFIC_SECRET": "client_handshake_traffic",
            "SERVER_HANDSHAKE_TRAFFIC_SECRET": "server_handshake_traffic",
            "CLIENT_TRAFFIC_SECRET_0": "client_application_traffic",
            "SERVER_TRAFFIC_SECRET_0": "server_application_traffic",
            "EXPORTER_SECRET": "exporter",
        }
        expected = {label: self.example.secrets[name] for label, name in names.items() if name in self.example.secrets}
        assert secrets(self.client_events) == expected
        assert secrets(self.server_events) == expected

    def close(self) -> None:
        """The alerts at the end of each trace: the client's flight may have begun already."""
        self.client.close()
        self.flight()
        self.server.close()
        self.flight()


class FixedTickets(TicketProtection):
    """Gives and knows the trace's ticket; what NSS has sealed in it nobody else can read."""

    def __init__(self, example: Trace) -> None:
        ticket = example.ticket
        if ticket is None:
            raise ValueError("this trace has no ticket")
        super().__init__(lifetime=ticket.lifetime)
        self._ticket = ticket.ticket
        self.state: TicketState | None = None

    def seal(self, state: TicketState, now: float) -> bytes:
        self.state = state
        return self._ticket

    def open(self, ticket: bytes, now: float) -> TicketState | None:
        return self.state if ticket == self._ticket else None


def run_simple() -> tuple[Replay, FixedTickets]:
    example = trace("simple_1rtt")
    ticket = example.ticket
    assert ticket is not None
    tickets = FixedTickets(example)
    client = client_of(
        example,
        extensions={
            RENEGOTIATION_INFO: b"\0",
            SESSION_TICKET: b"",
            ExtensionType.SUPPORTED_GROUPS: NSS_GROUPS,
        },
    )
    server = server_of(
        example,
        tickets=tickets,
        max_early_data=ticket.max_early_data,
        replay_guard=ReplayGuard(),
        random=drawn(example.server.random, ticket.age_add.to_bytes(4, "big")),
    )
    replay = Replay(example, client, server)
    replay.start()
    replay.flight()  # ClientHello
    replay.flight()  # ServerHello … Finished
    replay.flight()  # Finished
    replay.flight()  # NewSessionTicket
    client.send(APPLICATION_DATA)
    replay.flight()
    server.send(APPLICATION_DATA)
    replay.flight()
    replay.close()
    replay.finish()
    return replay, tickets


class TestSimpleHandshake:
    def test_bytes_and_secrets(self) -> None:
        replay, _ = run_simple()
        data = ApplicationDataReceived(data=APPLICATION_DATA, ends=(50,))
        assert data in replay.client_events
        assert data in replay.server_events

    def test_ticket(self) -> None:
        replay, tickets = run_simple()
        ticket = replay.example.ticket
        assert ticket is not None
        (session,) = [event.session for event in replay.client_events if isinstance(event, TicketReceived)]
        assert (session.ticket, session.psk, session.age_add) == (ticket.ticket, ticket.psk, ticket.age_add)
        assert (session.lifetime, session.max_early_data) == (ticket.lifetime, ticket.max_early_data)
        assert tickets.state is not None
        assert tickets.state.psk == ticket.psk


class TestResumedWithEarlyData:
    def test_bytes_and_secrets(self) -> None:
        first, tickets = run_simple()
        example = trace("resumed_0rtt")
        assert example.ticket_age is not None
        (session,) = [event.session for event in first.client_events if isinstance(event, TicketReceived)]
        client = client_of(
            example,
            session=replace(session, received=NOW - example.ticket_age / 1000),
            early_data=True,
            extensions={
                RENEGOTIATION_INFO: b"\0",
                ExtensionType.SUPPORTED_GROUPS: NSS_GROUPS,
                ExtensionType.PADDING: bytes(87),
            },
        )
        server = server_of(
            example,
            tickets=tickets,
            tickets_per_handshake=0,
            max_early_data=session.max_early_data,
            replay_guard=ReplayGuard(),
        )
        replay = Replay(example, client, server)
        replay.start()
        assert client.send_early(b"ABCDEF") == 6
        replay.flight()  # ClientHello, early data
        assert ApplicationDataReceived(data=b"ABCDEF", ends=(6,), early=True) in replay.server_events
        replay.flight()  # ServerHello … Finished
        client.send(APPLICATION_DATA)
        replay.flight()  # EndOfEarlyData, Finished, data
        server.send(APPLICATION_DATA)
        replay.flight()
        replay.close()
        replay.finish()
        completed = [event for event in replay.client_events if isinstance(event, HandshakeCompleted)]
        assert [(event.resumed, event.early_data_accepted) for event in completed] == [(True, True)]


class TestHelloRetryRequest:
    def test_bytes_and_secrets(self) -> None:
        example = trace("hello_retry_request")
        extensions = {
            RENEGOTIATION_INFO: b"\0",
            ExtensionType.SUPPORTED_GROUPS: bytes.fromhex("0006001d00170018"),
        }
        client = client_of(example, extensions=extensions)
        cookie = example.cookie
        assert cookie is not None
        server = server_of(
            example,
            cookie=lambda: cookie,
            extensions={
                ExtensionType.SUPPORTED_GROUPS: bytes.fromhex("000600170018001d"),
                ExtensionType.SERVER_NAME: b"",
            },
        )
        replay = Replay(example, client, server)
        replay.start()
        replay.flight()  # ClientHello
        # NSS pads its second ClientHello, and only that.
        client.config = replace(client.config, extensions={**extensions, ExtensionType.PADDING: bytes(175)})
        replay.flight()  # HelloRetryRequest
        replay.flight()  # ClientHello
        replay.flight()  # ServerHello … Finished
        replay.close()
        replay.finish()


class TestClientAuthentication:
    def test_bytes_and_secrets(self, monkeypatch: pytest.MonkeyPatch) -> None:
        example = trace("client_authentication")
        certificate = example.client.certificate
        assert certificate is not None
        # The trace's client certificate is self-signed and has expired: NSS's test does not verify it.
        monkeypatch.setattr(
            "impl.tls13.server.verify_client", lambda *_, **__: (x509.load_der_x509_certificate(certificate),)
        )
        client = client_of(example, credentials=credentials(example.client))
        server = server_of(
            example,
            client_authentication=ClientAuthentication.REQUIRED,
            trust=authority().trust,
            signature_schemes=NSS_SCHEMES,
            certificate_signature_schemes=None,
        )
        replay = Replay(example, client, server)
        replay.start()
        for _ in range(2):
            replay.flight()
        replay.close()
        replay.finish()


class TestCompatibilityMode:
    def test_bytes_and_secrets(self) -> None:
        example = trace("compatibility_mode")
        replay = Replay(example, client_of(example), server_of(example))
        replay.start()
        for _ in range(2):
            replay.flight()
        replay.close()
        replay.finish()
