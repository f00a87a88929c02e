"""Connections with keys from elsewhere."""

import os

import pytest

from impl.tls13 import AlertDescription, ApplicationDataReceived, Event, Failed, KeysUpdated, PeerClosed
from impl.tls13.cipher_suites import CIPHER_SUITES
from impl.tls13.keyed import Keyed
from impl.tls13.messages import KeyUpdate
from impl.tls13.records import per_record_nonces
from impl.tls13.registries import ContentType, KeyUpdateRequest
from tests.support.tls import NOW, client_config

SECRETS = b"c" * 32, b"s" * 32


def pair(max_content: int = 2**14, max_received: int = 2**14) -> tuple[Keyed, Keyed]:
    ends = [
        Keyed(
            client_config(),
            CIPHER_SUITES[0x1301],
            write_secret=SECRETS[not client],
            read_secret=SECRETS[client],
            client=client,
            nonces=per_record_nonces,
            max_content=max_content,
            max_received=max_received,
        )
        for client in (True, False)
    ]
    return ends[0], ends[1]


def exchange(sender: Keyed, receiver: Keyed) -> list[Event]:
    return receiver.receive(sender.data_to_send(), NOW)


def data_in(events: list[Event]) -> bytes:
    return b"".join(event.data for event in events if isinstance(event, ApplicationDataReceived))


class TestFromTheStart:
    def test_data_go_both_ways(self) -> None:
        client, server = pair()
        data = os.urandom(50_000)
        for sender, receiver in ((client, server), (server, client)):
            assert sender.established
            assert sender.can_send
            sender.send(data)
            assert data_in(exchange(sender, receiver)) == data
            assert sender.records_sent == receiver.records_received == 4

    def test_closing(self) -> None:
        client, server = pair()
        client.close()
        assert exchange(client, server) == [PeerClosed()]
        assert not client.can_send
        assert server.can_send

    def test_alerts(self) -> None:
        client, server = pair()
        client.abort(AlertDescription.INTERNAL_ERROR, "why not")
        (event,) = exchange(client, server)
        assert isinstance(event, Failed)
        assert (event.alert, event.by) == (AlertDescription.INTERNAL_ERROR, "peer")


class TestKeyUpdate:
    @pytest.mark.parametrize("request_peer", [False, True])
    def test_counts_go_on(self, request_peer: bool) -> None:
        client, server = pair()
        client.send(b"one")
        client.update_keys(request_peer=request_peer)
        client.send(b"two")
        events = exchange(client, server)
        assert data_in(events) == b"onetwo"
        assert any(isinstance(event, KeysUpdated) for event in events)
        assert client.write_generation == 1
        assert client.records_sent == server.records_received == 3
        server.send(b"back")
        assert data_in(exchange(server, client)) == b"back"
        assert server.write_generation == request_peer
        assert server.records_sent == client.records_received == 1 + request_peer


class TestLimits:
    def test_of_both_directions(self) -> None:
        client, server = pair(max_content=100, max_received=100)
        assert (client.max_content, client.max_received) == (100, 100)
        client.send(bytes(250))
        assert data_in(exchange(client, server)) == bytes(250)
        assert server.records_received == 3
        large, _ = pair()
        large.send(bytes(101))
        exchange(large, pair(max_received=100)[1])
        receiver = pair(max_received=100)[1]
        large, _ = pair()
        large.send(bytes(101))
        exchange(large, receiver)
        assert receiver.failed is not None
        assert receiver.failed.alert is AlertDescription.RECORD_OVERFLOW

    @pytest.mark.parametrize("size", [1, 37, 99, 100, 101, 5000])
    def test_smaller_records_into_a_buffer(self, size: int) -> None:
        client, server = pair()
        data = bytearray(os.urandom(size))
        expected = bytes(data)
        out = bytearray(client.sealed_size(size, 100))
        written = client.send_into(data, out, 100)
        assert written == size + 22 * -(-size // 100)
        assert data_in(server.receive(out[:written], NOW)) == expected
        assert client.records_sent == -(-size // 100)

    def test_what_must_go_before_takes_the_records_with_it(self) -> None:
        client, server = pair()
        client.update_keys()
        assert client.send_into(b"x" * 250, bytearray(1000), 100) == 0
        assert data_in(exchange(client, server)) == b"x" * 250
        assert client.records_sent == 4


class TestHandshakeMessages:
    def test_have_no_place(self) -> None:
        client, server = pair()
        client._out.message(b"\x04\x00\x00\x01x")
        client._out.flush()
        (event,) = exchange(client, server)
        assert isinstance(event, Failed)
        assert event.alert is AlertDescription.UNEXPECTED_MESSAGE
        assert "on a connection that has no handshake" in event.reason

    def test_but_key_update_has(self) -> None:
        client, server = pair()
        records = client._out.writer.write(
            ContentType.HANDSHAKE, KeyUpdate(KeyUpdateRequest.UPDATE_NOT_REQUESTED).encode()
        )
        assert any(isinstance(event, KeysUpdated) for event in server.receive(records, NOW))
        assert server.failed is None


class TestUnread:
    def test_what_was_not_looked_at_is_given_back(self) -> None:
        client, server = pair()
        client.send(b"whole")
        record = client.data_to_send()
        server.receive(record[:7], NOW)
        assert server.take_unread() == record[:7]
        assert server.take_unread() == b""
