"""Properties of whole connections: splits do not matter, no change goes unnoticed, every message has its moment."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from impl.tls13 import (
    AlertDescription,
    ApplicationDataReceived,
    Client,
    Event,
    Failed,
    HandshakeCompleted,
    Server,
)
from impl.tls13.records.format import HEADER_SIZE
from impl.tls13.registries import ContentType, HandshakeType
from tests.support.recorded import KINDS, Kind, Recorded, recorded
from tests.support.tls import NOW

TYPES = sorted(set(HandshakeType) - {HandshakeType.HELLO_RETRY_REQUEST, HandshakeType.MESSAGE_HASH})
kinds = pytest.mark.parametrize("kind", KINDS)


def merged(events: Sequence[Event]) -> list[Event]:
    """The events with neighbouring application data put together: their cuts depend on the arrival of bytes."""
    result: list[Event] = []
    for event in events:
        if isinstance(event, ApplicationDataReceived):
            start = ApplicationDataReceived(data=b"", ends=(), early=event.early)
            last = result.pop() if result else start
            if not isinstance(last, ApplicationDataReceived) or last.early != event.early:
                result.append(last)
                last = start
            ends = last.ends + tuple(len(last.data) + end for end in event.ends)
            event = ApplicationDataReceived(data=bytes(last.data) + bytes(event.data), ends=ends, early=event.early)
        result.append(event)
    return result


def pieces(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    return [data[start:end] for start, end in pairwise([0, *sorted(cuts), len(data)])]


def client_after(conversation: Recorded, flights: Sequence[Sequence[bytes]]) -> tuple[Client, list[Event]]:
    """The client, and what it tells when the server's flights come in these pieces."""
    client = conversation.client()
    events: list[Event] = []
    for flight in flights:
        for piece in flight:
            events += client.receive(piece, NOW)
        client.data_to_send()
    return client, events


def server_after(conversation: Recorded, flights: Sequence[Sequence[bytes]]) -> tuple[Server, list[Event]]:
    server = conversation.server()
    events: list[Event] = []
    for flight in flights:
        for piece in flight:
            events += server.receive(piece, NOW)
    return server, events


class TestSplits:
    """A receiver cannot tell how the network cut the bytes."""

    @kinds
    @settings(max_examples=25)
    @given(data=st.data())
    def test_of_the_servers_bytes(self, kind: Kind, data: st.DataObject) -> None:
        conversation = recorded(kind)
        whole = client_after(conversation, [[flight] for flight in conversation.to_client])[1]
        cut = [
            pieces(flight, data.draw(st.lists(st.integers(0, len(flight)), max_size=12)))
            for flight in conversation.to_client
        ]
        assert merged(client_after(conversation, cut)[1]) == merged(whole)

    @kinds
    @settings(max_examples=25)
    @given(data=st.data())
    def test_of_the_clients_bytes(self, kind: Kind, data: st.DataObject) -> None:
        conversation = recorded(kind)
        whole = server_after(conversation, [[flight] for flight in conversation.to_server])[1]
        cut = [
            pieces(flight, data.draw(st.lists(st.integers(0, len(flight)), max_size=12)))
            for flight in conversation.to_server
        ]
        assert merged(server_after(conversation, cut)[1]) == merged(whole)

    @kinds
    def test_into_single_bytes(self, kind: Kind) -> None:
        conversation = recorded(kind)
        for after, flights in ((client_after, conversation.to_client), (server_after, conversation.to_server)):
            single = [[flight[i : i + 1] for i in range(len(flight))] for flight in flights]
            whole = [[flight] for flight in flights]
            assert merged(after(conversation, single)[1]) == merged(after(conversation, whole)[1])


def ignored_offsets(flights: Sequence[bytes]) -> set[tuple[int, int]]:
    """Where the versions of unprotected records stand, which must be ignored for all purposes (section 5.1)."""
    offsets = set()
    for number, flight in enumerate(flights):
        position = 0
        while position < len(flight):
            if flight[position] != ContentType.APPLICATION_DATA:
                offsets |= {(number, position + 1), (number, position + 2)}
            position += HEADER_SIZE + int.from_bytes(flight[position + 3 : position + 5], "big")
    return offsets


def mutate(flights: Sequence[bytes], number: int, offset: int, change: int) -> list[bytes]:
    changed = bytearray(flights[number])
    changed[offset] ^= change
    return [bytes(changed) if i == number else flight for i, flight in enumerate(flights)]


@st.composite
def mutations(draw: st.DrawFn, flights: Sequence[bytes]) -> tuple[int, int, int]:
    number = draw(st.integers(0, len(flights) - 1))
    offset = draw(st.integers(0, len(flights[number]) - 1))
    return number, offset, draw(st.integers(1, 255))


class TestMutations:
    """A changed byte is found out: by an alert, or by waiting for bytes that were promised; never by acceptance."""

    @kinds
    @settings(max_examples=150)
    @given(data=st.data())
    def test_of_the_servers_bytes(self, kind: Kind, data: st.DataObject) -> None:
        conversation = recorded(kind)
        number, offset, change = data.draw(mutations(conversation.to_client))
        if (number, offset) in ignored_offsets(conversation.to_client):
            return
        changed = mutate(conversation.to_client, number, offset, change)
        client, events = client_after(conversation, [[flight] for flight in changed])
        untouched = client_after(conversation, [[flight] for flight in conversation.to_client])[1]
        self.check(client, events, untouched)

    @kinds
    @settings(max_examples=150)
    @given(data=st.data())
    def test_of_the_clients_bytes(self, kind: Kind, data: st.DataObject) -> None:
        conversation = recorded(kind)
        number, offset, change = data.draw(mutations(conversation.to_server))
        if (number, offset) in ignored_offsets(conversation.to_server):
            return
        changed = mutate(conversation.to_server, number, offset, change)
        server, events = server_after(conversation, [[flight] for flight in changed])
        untouched = server_after(conversation, [[flight] for flight in conversation.to_server])[1]
        self.check(server, events, untouched)

    def check(self, end: Client | Server, events: list[Event], untouched: list[Event]) -> None:
        if end.failed is not None:
            assert isinstance(events[-1], Failed)
            assert isinstance(end.failed.alert, AlertDescription)
            assert end.failed.reason
            return
        # It waits for the rest of a record whose length was changed: what has been told so far is only what is true.
        assert len(merged(events)) < len(merged(untouched))

    @kinds
    def test_cut_off_anywhere_is_not_an_end(self, kind: Kind) -> None:
        conversation = recorded(kind)
        flights = [*conversation.to_client[:-1], conversation.to_client[-1][:-1]]
        client, _ = client_after(conversation, [[flight] for flight in flights])
        events = client.receive_eof(NOW)
        assert [event.by for event in events if isinstance(event, Failed)] == ["transport"]


class TestGarbage:
    """Whatever comes, it is an alert or a wait for more."""

    @settings(max_examples=200)
    @given(st.binary(max_size=200))
    def test_to_a_server(self, garbage: bytes) -> None:
        server = recorded("full").server()
        events = server.receive(garbage, NOW)
        assert server.failed is not None or not [event for event in events if isinstance(event, HandshakeCompleted)]
        assert not server.established

    @settings(max_examples=200)
    @given(st.sampled_from(TYPES), st.binary(max_size=200))
    def test_messages_to_a_client(self, kind: HandshakeType, body: bytes) -> None:
        client = recorded("full").client()
        client.receive(record(message(kind, body)), NOW)
        assert client.failed is not None
        assert client.failed.by == "local"

    @settings(max_examples=200)
    @given(st.sampled_from(TYPES), st.binary(max_size=200))
    def test_messages_to_a_server(self, kind: HandshakeType, body: bytes) -> None:
        server = recorded("full").server()
        server.receive(record(message(kind, body)), NOW)
        assert server.failed is not None
        assert server.failed.by == "local"


def message(kind: HandshakeType, body: bytes) -> bytes:
    return bytes([kind]) + len(body).to_bytes(3, "big") + body


def record(content: bytes, kind: ContentType = ContentType.HANDSHAKE) -> bytes:
    return bytes([kind, 3, 3]) + len(content).to_bytes(2, "big") + content
