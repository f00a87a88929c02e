"""Each message in each state: the one or two that the RFC's diagrams have there are taken, all others are refused."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import pytest

from impl.tls13 import AlertDescription, Client, ClientState, Event, Failed, Server, ServerState
from impl.tls13.registries import HandshakeType
from tests.support.puppet import Puppet, message, messages_in, plain, secret_of
from tests.support.recorded import EARLY, Kind, recorded
from tests.support.tls import NOW

TYPES = sorted(set(HandshakeType) - {HandshakeType.HELLO_RETRY_REQUEST, HandshakeType.MESSAGE_HASH})

CLIENT_HANDSHAKE = (
    HandshakeType.SERVER_HELLO,
    HandshakeType.ENCRYPTED_EXTENSIONS,
    HandshakeType.CERTIFICATE_REQUEST,
    HandshakeType.CERTIFICATE,
    HandshakeType.CERTIFICATE_VERIFY,
    HandshakeType.FINISHED,
)
"""What a server sends, in order."""

CLIENT_TAKES = {
    ClientState.WAIT_SH: {HandshakeType.SERVER_HELLO},
    ClientState.WAIT_EE: {HandshakeType.ENCRYPTED_EXTENSIONS},
    ClientState.WAIT_CERT_CR: {HandshakeType.CERTIFICATE_REQUEST, HandshakeType.CERTIFICATE},
    ClientState.WAIT_CERT: {HandshakeType.CERTIFICATE},
    ClientState.WAIT_CV: {HandshakeType.CERTIFICATE_VERIFY},
    ClientState.WAIT_FINISHED: {HandshakeType.FINISHED},
    ClientState.CONNECTED: {HandshakeType.NEW_SESSION_TICKET, HandshakeType.KEY_UPDATE},
}
SERVER_TAKES = {
    ServerState.START: {HandshakeType.CLIENT_HELLO},
    ServerState.WAIT_SECOND_CH: {HandshakeType.CLIENT_HELLO},
    ServerState.WAIT_EOED: {HandshakeType.END_OF_EARLY_DATA},
    ServerState.WAIT_CERT: {HandshakeType.CERTIFICATE},
    ServerState.WAIT_CV: {HandshakeType.CERTIFICATE_VERIFY},
    ServerState.WAIT_FINISHED: {HandshakeType.FINISHED},
    ServerState.CONNECTED: {HandshakeType.KEY_UPDATE},
}


@dataclass
class Stage:
    """An end in a state; `record` makes records that it can read there, `bodies` has messages of a real peer."""

    end: Client | Server
    record: Callable[[bytes], bytes]
    bodies: dict[HandshakeType, bytes]

    def send(self, kind: HandshakeType) -> list[Event]:
        return self.end.receive(self.record(message(kind, self.bodies.get(kind, b"\0"))), NOW)

    def go(self, kind: HandshakeType) -> None:
        self.send(kind)
        assert self.end.failed is None, self.end.failed


@cache
def _bodies(kind: Kind) -> dict[HandshakeType, bytes]:
    """A body for each type, most of them right: what is refused must be refused for its moment, not for its content."""
    server = recorded("full").server()
    server_events = server.receive(recorded("full").to_server[0], NOW)
    client_secret = secret_of(server_events, "CLIENT_HANDSHAKE_TRAFFIC_SECRET")
    server_secret = secret_of(server_events, "SERVER_HANDSHAKE_TRAFFIC_SECRET")
    found = {
        raw.type: raw.body
        for raw in (
            *messages_in(recorded("full").to_server[1], [client_secret]),
            *messages_in(recorded("full").to_client[0], [server_secret]),
        )
    }
    return found | {
        HandshakeType.CLIENT_HELLO: messages_in(recorded(kind).to_server[0])[0].body,
        HandshakeType.END_OF_EARLY_DATA: b"",
        HandshakeType.KEY_UPDATE: b"\0",
        HandshakeType.NEW_SESSION_TICKET: bytes.fromhex("00000e10 00000000 0100 0001aa 0000"),
    }


def client_in(state: ClientState) -> Stage:
    conversation = recorded("full")
    server = conversation.server()
    events = server.receive(conversation.to_server[0], NOW)
    handshake = Puppet(secret_of(events, "SERVER_HANDSHAKE_TRAFFIC_SECRET"))
    stage = Stage(conversation.client(), plain, _bodies(conversation.kind))
    for kind in CLIENT_HANDSHAKE:
        if stage.end.state is state:
            return stage
        stage.go(kind)
        stage.record = handshake.record
    stage.record = Puppet(secret_of(events, "SERVER_TRAFFIC_SECRET_0")).record
    return stage


def server_in(state: ServerState) -> Stage:
    kinds: dict[ServerState, Kind] = {ServerState.WAIT_SECOND_CH: "retried", ServerState.WAIT_EOED: "resumed"}
    conversation = recorded(kinds.get(state, "full"))
    server = conversation.server()
    stage = Stage(server, plain, dict(_bodies(conversation.kind)))
    if state is ServerState.START:
        return stage
    events = server.receive(conversation.to_server[0], NOW)
    if state is ServerState.WAIT_SECOND_CH:
        stage.bodies[HandshakeType.CLIENT_HELLO] = messages_in(conversation.to_server[1])[0].body
        return stage
    if state is ServerState.WAIT_EOED:
        puppet = Puppet(secret_of(events, "CLIENT_EARLY_TRAFFIC_SECRET"))
        puppet.record(EARLY)  # the record that came with the ClientHello has the key's first number
        stage.record = puppet.record
        return stage
    handshake = Puppet(secret_of(events, "CLIENT_HANDSHAKE_TRAFFIC_SECRET"))
    stage.record = handshake.record
    for raw in messages_in(conversation.to_server[1], [secret_of(events, "CLIENT_HANDSHAKE_TRAFFIC_SECRET")]):
        stage.bodies[raw.type] = raw.body
    for kind in (HandshakeType.CERTIFICATE, HandshakeType.CERTIFICATE_VERIFY, HandshakeType.FINISHED):
        if server.state is state:
            return stage
        stage.go(kind)
    stage.record = Puppet(secret_of(events, "CLIENT_TRAFFIC_SECRET_0")).record
    return stage


def assert_taken_or_refused(stage: Stage, kind: HandshakeType, takes: set[HandshakeType]) -> None:
    before = stage.end.state
    events = stage.send(kind)
    if kind in takes:
        # Another body may be wrong for this connection, but not the moment.
        failed = stage.end.failed
        assert failed is None or failed.alert is not AlertDescription.UNEXPECTED_MESSAGE, failed
        return
    assert stage.end.failed is not None
    assert stage.end.failed.alert is AlertDescription.UNEXPECTED_MESSAGE
    assert stage.end.failed.by == "local"
    assert stage.end.state is before
    assert isinstance(events[-1], Failed)
    assert stage.end.data_to_send(), "the peer is told"


class TestClient:
    @pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.name)
    @pytest.mark.parametrize("state", CLIENT_TAKES, ids=lambda state: state.name)
    def test_each_message_in_each_state(self, state: ClientState, kind: HandshakeType) -> None:
        stage = client_in(state)
        assert stage.end.state is state
        assert_taken_or_refused(stage, kind, CLIENT_TAKES[state])

    @pytest.mark.parametrize(("state", "following"), [
        (ClientState.WAIT_SH, ClientState.WAIT_EE),
        (ClientState.WAIT_EE, ClientState.WAIT_CERT_CR),
        (ClientState.WAIT_CERT_CR, ClientState.WAIT_CERT),
        (ClientState.WAIT_CERT, ClientState.WAIT_CV),
        (ClientState.WAIT_CV, ClientState.WAIT_FINISHED),
        (ClientState.WAIT_FINISHED, ClientState.CONNECTED),
    ])  # fmt: skip
    def test_the_right_message_leads_on(self, state: ClientState, following: ClientState) -> None:
        stage = client_in(state)
        stage.go(CLIENT_HANDSHAKE[list(CLIENT_TAKES).index(state)])
        assert stage.end.state is following


class TestServer:
    @pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.name)
    @pytest.mark.parametrize("state", SERVER_TAKES, ids=lambda state: state.name)
    def test_each_message_in_each_state(self, state: ServerState, kind: HandshakeType) -> None:
        stage = server_in(state)
        assert stage.end.state is state
        assert_taken_or_refused(stage, kind, SERVER_TAKES[state])

    @pytest.mark.parametrize(("state", "kind", "following"), [
        (ServerState.START, HandshakeType.CLIENT_HELLO, ServerState.WAIT_CERT),
        (ServerState.WAIT_SECOND_CH, HandshakeType.CLIENT_HELLO, ServerState.WAIT_CERT),
        (ServerState.WAIT_EOED, HandshakeType.END_OF_EARLY_DATA, ServerState.WAIT_FINISHED),
        (ServerState.WAIT_CERT, HandshakeType.CERTIFICATE, ServerState.WAIT_CV),
        (ServerState.WAIT_CV, HandshakeType.CERTIFICATE_VERIFY, ServerState.WAIT_FINISHED),
        (ServerState.WAIT_FINISHED, HandshakeType.FINISHED, ServerState.CONNECTED),
    ])  # fmt: skip
    def test_the_right_message_leads_on(self, state: ServerState, kind: HandshakeType, following: ServerState) -> None:
        stage = server_in(state)
        stage.go(kind)
        assert stage.end.state is following
