"""What both ends do after the handshake: data, keys, alerts, closing, exporters, limits."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from impl.tls13 import (
    AlertDescription,
    ApplicationDataReceived,
    Client,
    Connection,
    Event,
    Failed,
    KeysUpdated,
    PeerClosed,
    SecretDerived,
    Server,
    WrongMoment,
)
from impl.tls13.cipher_suites import CIPHER_SUITES
from impl.tls13.connection import MAX_IDLE_RECORDS
from impl.tls13.key_schedule import next_traffic_secret
from impl.tls13.registries import ContentType, HandshakeType
from tests.support.puppet import SUITE, Puppet, message, plain, secret_of
from tests.support.tls import NOW, Pair, client_config, connected, server_config


def data_in(events: list[Event]) -> bytes:
    return b"".join(event.data for event in events if isinstance(event, ApplicationDataReceived))


def assert_fails(end: Client | Server, alert: AlertDescription) -> None:
    assert end.failed is not None
    assert end.failed.alert is alert, end.failed
    assert end.failed.by == "local"
    assert end.closed


def speaking() -> tuple[Client, Puppet]:
    """A client after its handshake, and somebody with the server's keys."""
    both = connected()
    return both.client, Puppet(secret_of(both.server_events, "SERVER_TRAFFIC_SECRET_0"))


class TestData:
    @settings(max_examples=30)
    @given(st.lists(st.tuples(st.booleans(), st.binary(max_size=40_000)), max_size=6))
    def test_both_ways(self, turns: list[tuple[bool, bytes]]) -> None:
        both = connected()
        sent = {True: b"", False: b""}
        received = {True: b"", False: b""}
        for by_client, data in turns:
            sender, receiver = (both.client, both.server) if by_client else (both.server, both.client)
            sender.send(data)
            sent[by_client] += data
            received[by_client] += data_in(receiver.receive(sender.data_to_send(), NOW))
        assert received == sent

    def test_ends_of_records(self) -> None:
        both = connected()
        both.client.send(b"one")
        both.client.send(b"")
        both.client.send(bytes(2**14 + 1))
        events = both.server.receive(both.client.data_to_send(), NOW)
        ends: list[int] = []
        for event in events:
            assert isinstance(event, ApplicationDataReceived)
            start = ends[-1] if ends else 0
            ends += [start + end for end in event.ends]
        assert ends == [3, 3, 3 + 2**14, 3 + 2**14 + 1]

    def test_out_of_a_buffer_of_the_callers(self) -> None:
        both = connected()
        both.client.send(bytes(50_000))
        wire = both.client.data_to_send()
        buffer = bytearray(wire + bytes(100))
        scratch = bytearray(2**15)
        received = b""
        left, position = 0, 0
        while position < len(wire):
            step = min(7_000, len(wire) - position)
            buffer[left : left + step] = wire[position : position + step]
            position += step
            taken, events = both.server.receive_from(buffer, left + step, scratch, NOW)
            received += data_in(events)
            buffer[: left + step - taken] = buffer[taken : left + step]
            left = left + step - taken
        assert left == 0
        assert received == bytes(50_000)

    def test_not_before_the_handshake(self) -> None:
        client = Client(client_config())
        assert not client.can_send
        with pytest.raises(WrongMoment):
            client.send(b"too early")

    @pytest.mark.parametrize("suite", CIPHER_SUITES.values(), ids=lambda suite: suite.name)
    def test_with_each_suite(self, suite: object) -> None:
        both = connected(client_config(cipher_suites=(suite,)))
        both.client.send(b"question")
        assert data_in(both.server.receive(both.client.data_to_send(), NOW)) == b"question"
        both.server.send(b"answer")
        assert data_in(both.client.receive(both.server.data_to_send(), NOW)) == b"answer"

    def test_padding_hides_the_length(self) -> None:
        both = connected(client_config(padding=lambda size, room: min(room, -size % 1024)))
        lengths = set()
        for size in (1, 500, 1023, 1024):
            both.client.send(bytes(size))
            wire = both.client.data_to_send()
            lengths.add(len(wire))
            assert data_in(both.server.receive(wire, NOW)) == bytes(size)
        assert len(lengths) == 1


class TestRecordSizeLimit:
    def test_holds_both_ways(self) -> None:
        both = connected(client_config(record_size_limit=100), server_config(record_size_limit=200))
        both.client.send(bytes(1000))
        both.server.send(bytes(1000))
        for end, limit in ((both.client, 200), (both.server, 100)):
            wire = end.data_to_send()
            sizes = []
            while wire:
                sizes.append(wire[3] << 8 | wire[4])
                wire = wire[5 + sizes[-1] :]
            assert max(sizes) == limit + 16  # the limit counts the content type, and the tag comes on top

    def test_larger_record_than_was_announced(self) -> None:
        both = connected(client_config(record_size_limit=100))
        puppet = Puppet(secret_of(both.server_events, "SERVER_TRAFFIC_SECRET_0"))
        both.client.receive(puppet.record(bytes(99), ContentType.APPLICATION_DATA), NOW)
        assert both.client.failed is None
        both.client.receive(puppet.record(bytes(100), ContentType.APPLICATION_DATA), NOW)
        assert_fails(both.client, AlertDescription.RECORD_OVERFLOW)


class TestKeyUpdate:
    def test_one_way(self) -> None:
        both = connected()
        both.client.update_keys()
        both.client.send(b"new")
        events = both.server.receive(both.client.data_to_send(), NOW)
        assert KeysUpdated(generation=1, answer_requested=False) in events
        assert data_in(events) == b"new"
        both.server.send(b"old")
        assert data_in(both.client.receive(both.server.data_to_send(), NOW)) == b"old"

    def test_answer_goes_out_before_the_next_data(self) -> None:
        both = connected()
        both.client.update_keys(request_peer=True)
        both.server.receive(both.client.data_to_send(), NOW)
        assert both.server.data_to_send() == b""
        both.server.send(b"data")
        events = both.client.receive(both.server.data_to_send(), NOW)
        told = [type(event) for event in events if not isinstance(event, SecretDerived)]
        assert told == [KeysUpdated, ApplicationDataReceived]

    def test_one_answer_for_many_requests(self) -> None:
        both = connected()
        for _ in range(5):
            both.client.update_keys(request_peer=True)
            both.server.receive(both.client.data_to_send(), NOW)
        both.server.send(b"data")
        both.server.send(b"more")
        events = both.client.receive(both.server.data_to_send(), NOW)
        assert len([event for event in events if isinstance(event, KeysUpdated)]) == 1

    def test_many_in_both_directions_at_once(self) -> None:
        both = connected()
        for _ in range(20):
            both.client.update_keys(request_peer=True)
            both.server.update_keys(request_peer=True)
            both.client.send(b"c")
            both.server.send(b"s")
            both.exchange()
        assert not both.failures()
        assert data_in(both.client_events) == b"s" * 20
        assert data_in(both.server_events) == b"c" * 20

    def test_secrets_follow_from_each_other(self) -> None:
        both = connected()
        both.client.update_keys()
        both.server_events += both.server.receive(both.client.data_to_send(), NOW)
        first = secret_of(both.server_events, "CLIENT_TRAFFIC_SECRET_0")
        second = secret_of(both.server_events, "CLIENT_TRAFFIC_SECRET_1")
        assert second == next_traffic_secret(SUITE, first)

    def test_by_itself_before_the_usage_limit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("impl.tls13.connection._KEY_UPDATE_MARGIN", SUITE.record_limit - 10)
        both = connected()
        for _ in range(40):
            both.client.send(b"x")
        events = both.server.receive(both.client.data_to_send(), NOW)
        assert len([event for event in events if isinstance(event, KeysUpdated)]) >= 3
        assert data_in(events) == b"x" * 40

    def test_followed_by_more_in_its_record(self) -> None:
        client, puppet = speaking()
        update = message(HandshakeType.KEY_UPDATE, b"\0")
        client.receive(puppet.record(update + update), NOW)
        assert_fails(client, AlertDescription.UNEXPECTED_MESSAGE)

    @pytest.mark.parametrize(
        ("body", "alert"),
        [
            (b"", AlertDescription.DECODE_ERROR),
            (b"\0\0", AlertDescription.DECODE_ERROR),
            (b"\2", AlertDescription.ILLEGAL_PARAMETER),
        ],
    )
    def test_wrong_form(self, body: bytes, alert: AlertDescription) -> None:
        client, puppet = speaking()
        client.receive(puppet.record(message(HandshakeType.KEY_UPDATE, body)), NOW)
        assert_fails(client, alert)

    def test_not_before_the_handshake_is_over(self) -> None:
        with pytest.raises(WrongMoment):
            Client(client_config()).update_keys()


class TestClosing:
    def test_half_close(self) -> None:
        both = connected()
        both.client.close()
        assert both.server.receive(both.client.data_to_send(), NOW) == [PeerClosed()]
        both.server.send(b"still here")
        assert data_in(both.client.receive(both.server.data_to_send(), NOW)) == b"still here"
        both.server.close()
        assert both.client.receive(both.server.data_to_send(), NOW) == [PeerClosed()]
        assert not both.failures()

    def test_nothing_can_be_sent_afterwards(self) -> None:
        both = connected()
        both.client.close()
        assert not both.client.can_send
        with pytest.raises(WrongMoment):
            both.client.send(b"x")
        with pytest.raises(WrongMoment):
            both.client.update_keys()

    def test_closing_twice_sends_one_alert(self) -> None:
        both = connected()
        both.client.close()
        assert both.client.data_to_send()
        both.client.close()
        assert both.client.data_to_send() == b""

    def test_bytes_after_it_are_ignored(self) -> None:
        both = connected()
        both.client.close()
        both.server.receive(both.client.data_to_send() + b"garbage", NOW)
        assert both.server.receive(b"more garbage", NOW) == []
        assert both.server.failed is None

    def test_end_of_the_transport_after_it(self) -> None:
        both = connected()
        both.client.close()
        both.server.receive(both.client.data_to_send(), NOW)
        assert both.server.receive_eof(NOW) == []

    def test_end_of_the_transport_without_it(self) -> None:
        (event,) = connected().server.receive_eof(NOW)
        assert isinstance(event, Failed)
        assert (event.alert, event.by) == (None, "transport")

    def test_during_the_handshake(self) -> None:
        server = Server(server_config())
        server.receive(plain(b"\x01\x00", ContentType.ALERT), NOW)
        assert server.failed is not None
        assert (server.failed.alert, server.failed.by) == (AlertDescription.CLOSE_NOTIFY, "peer")

    def test_by_the_user_during_the_handshake(self) -> None:
        client = Client(client_config())
        client.start(NOW)
        client.data_to_send()
        client.close()
        assert client.data_to_send() == plain(b"\x01\x00", ContentType.ALERT)


class TestAlerts:
    @pytest.mark.parametrize("level", [1, 2, 0, 255])
    def test_all_but_two_end_the_connection(self, level: int) -> None:
        client, puppet = speaking()
        (event,) = client.receive(puppet.record(bytes((level, 40)), ContentType.ALERT), NOW)
        assert event == Failed(
            alert=AlertDescription.HANDSHAKE_FAILURE, reason="the peer says handshake_failure", by="peer"
        )
        assert client.data_to_send() == b""

    def test_unknown_ones_do_too(self) -> None:
        client, puppet = speaking()
        (event,) = client.receive(puppet.record(b"\1\xf0", ContentType.ALERT), NOW)
        assert isinstance(event, Failed)
        assert "240" in event.reason

    def test_user_canceled_is_followed_by_something_else(self) -> None:
        client, puppet = speaking()
        assert client.receive(puppet.record(b"\1\x5a", ContentType.ALERT), NOW) == []
        assert client.receive(puppet.record(b"\1\x00", ContentType.ALERT), NOW) == [PeerClosed()]

    @pytest.mark.parametrize("content", [b"\2", b"\2\x28\0", b"\2\x28\2\x28"])
    def test_of_wrong_size(self, content: bytes) -> None:
        client, puppet = speaking()
        client.receive(puppet.record(content, ContentType.ALERT), NOW)
        assert_fails(client, AlertDescription.DECODE_ERROR)

    def test_without_protection_after_the_handshake(self) -> None:
        client, _ = speaking()
        client.receive(plain(b"\2\x28", ContentType.ALERT), NOW)
        assert_fails(client, AlertDescription.UNEXPECTED_MESSAGE)

    def test_abort_tells_the_peer(self) -> None:
        both = connected()
        (event,) = both.client.abort(AlertDescription.ACCESS_DENIED, "no entry")
        assert isinstance(event, Failed)
        both.server.receive(both.client.data_to_send(), NOW)
        assert both.server.failed is not None
        assert (both.server.failed.alert, both.server.failed.by) == (AlertDescription.ACCESS_DENIED, "peer")

    def test_nothing_comes_after_a_failure(self) -> None:
        client, puppet = speaking()
        client.receive(plain(b"\2\x28", ContentType.ALERT), NOW)
        client.data_to_send()
        assert client.receive(puppet.record(b"data", ContentType.APPLICATION_DATA), NOW) == []
        assert client.abort(AlertDescription.INTERNAL_ERROR, "again") == []
        assert client.data_to_send() == b""


class TestRecordsAtTheWrongMoment:
    @pytest.mark.parametrize(
        "wire",
        [
            plain(b"\1", ContentType.CHANGE_CIPHER_SPEC),
            plain(b"\0\0\0\0", ContentType.HANDSHAKE),
        ],
    )
    def test_without_protection_after_the_handshake(self, wire: bytes) -> None:
        client, _ = speaking()
        client.receive(wire, NOW)
        assert_fails(client, AlertDescription.UNEXPECTED_MESSAGE)

    def test_change_cipher_spec_before_the_first_hello(self) -> None:
        server = Server(server_config())
        server.receive(plain(b"\1", ContentType.CHANGE_CIPHER_SPEC), NOW)
        assert_fails(server, AlertDescription.UNEXPECTED_MESSAGE)

    def test_data_between_the_pieces_of_a_message(self) -> None:
        client, puppet = speaking()
        piece = puppet.record(message(HandshakeType.KEY_UPDATE, b"\0")[:2])
        client.receive(piece + puppet.record(b"data", ContentType.APPLICATION_DATA), NOW)
        assert_fails(client, AlertDescription.UNEXPECTED_MESSAGE)

    def test_alert_between_the_pieces_of_a_message(self) -> None:
        client, puppet = speaking()
        piece = puppet.record(message(HandshakeType.KEY_UPDATE, b"\0")[:2])
        client.receive(piece + puppet.record(b"\1\0", ContentType.ALERT), NOW)
        assert_fails(client, AlertDescription.UNEXPECTED_MESSAGE)

    def test_record_that_does_not_authenticate(self) -> None:
        client, puppet = speaking()
        wire = bytearray(puppet.record(b"data", ContentType.APPLICATION_DATA))
        wire[-1] ^= 1
        client.receive(wire, NOW)
        assert_fails(client, AlertDescription.BAD_RECORD_MAC)

    def test_what_came_before_it_is_told(self) -> None:
        client, puppet = speaking()
        wire = bytearray(b"".join(puppet.record(bytes([i]), ContentType.APPLICATION_DATA) for i in range(9)))
        wire[-1] ^= 1
        events = client.receive(wire, NOW)
        assert data_in(events) == bytes(range(8))
        assert isinstance(events[-1], Failed)

    def test_replayed_record(self) -> None:
        client, puppet = speaking()
        wire = puppet.record(b"data", ContentType.APPLICATION_DATA)
        assert data_in(client.receive(wire, NOW)) == b"data"
        client.receive(wire, NOW)
        assert_fails(client, AlertDescription.BAD_RECORD_MAC)


class TestIdleRecords:
    @pytest.mark.parametrize(
        "make",
        [
            lambda puppet: puppet.record(b"", ContentType.APPLICATION_DATA),
            lambda puppet: puppet.record(b"\1\x5a", ContentType.ALERT),
        ],
    )
    @pytest.mark.parametrize("at_once", [True, False])
    def test_are_limited(self, make: Callable[[Puppet], bytes], at_once: bool) -> None:
        client, puppet = speaking()
        records = [make(puppet) for _ in range(MAX_IDLE_RECORDS + 1)]
        for wire in [b"".join(records)] if at_once else records:
            client.receive(wire, NOW)
        assert_fails(client, AlertDescription.UNEXPECTED_MESSAGE)

    def test_are_forgotten_when_something_comes(self) -> None:
        client, puppet = speaking()
        for _ in range(3):
            wire = b"".join(puppet.record(b"", ContentType.APPLICATION_DATA) for _ in range(MAX_IDLE_RECORDS))
            client.receive(wire + puppet.record(b"x", ContentType.APPLICATION_DATA), NOW)
        assert client.failed is None

    def test_change_cipher_specs_are_limited(self) -> None:
        client = Client(client_config())
        client.start(NOW)
        client.receive(plain(b"\1", ContentType.CHANGE_CIPHER_SPEC) * MAX_IDLE_RECORDS, NOW)
        assert client.failed is None
        client.receive(plain(b"\1", ContentType.CHANGE_CIPHER_SPEC), NOW)
        assert_fails(client, AlertDescription.UNEXPECTED_MESSAGE)


class TestExporters:
    def test_both_ends_have_the_same(self) -> None:
        both = connected()
        material = both.client.export("EXPORTER-test", b"context", 48)
        assert material == both.server.export("EXPORTER-test", b"context", 48)
        assert len(material) == 48

    def test_label_context_and_connection_make_a_difference(self) -> None:
        both = connected()
        assert (
            len(
                {
                    both.client.export("a", b"x", 32),
                    both.client.export("b", b"x", 32),
                    both.client.export("a", b"y", 32),
                    connected().client.export("a", b"x", 32),
                }
            )
            == 4
        )

    def test_stay_the_same_after_an_update_of_keys(self) -> None:
        both = connected()
        before = both.client.export("a", b"", 32)
        both.client.update_keys()
        assert both.client.export("a", b"", 32) == before

    def test_not_before_the_handshake(self) -> None:
        with pytest.raises(WrongMoment):
            Client(client_config()).export("a", b"", 32)

    def test_early_one_not_without_early_data(self) -> None:
        with pytest.raises(WrongMoment):
            connected().client.export("a", b"", 32, early=True)


class TestSecrets:
    def test_both_ends_tell_the_same(self) -> None:
        both = connected()

        def secrets(events: list[Event]) -> dict[str, bytes]:
            return {event.label: event.secret for event in events if isinstance(event, SecretDerived)}

        assert secrets(both.client_events) == secrets(both.server_events)
        assert set(secrets(both.client_events)) == {
            "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
            "SERVER_HANDSHAKE_TRAFFIC_SECRET",
            "CLIENT_TRAFFIC_SECRET_0",
            "SERVER_TRAFFIC_SECRET_0",
            "EXPORTER_SECRET",
        }
        assert both.client.client_random == both.server.client_random

    def test_are_not_shown(self) -> None:
        both = connected()
        event = next(event for event in both.client_events if isinstance(event, SecretDerived))
        assert event.secret.hex() not in repr(event)
        assert repr(event.secret) not in repr(event)


def test_a_connection_is_abstract() -> None:
    with pytest.raises(TypeError):
        Connection(client_config())  # type: ignore[abstract]


def test_pairs_do_not_disturb_each_other() -> None:
    first, second = connected(), connected()
    first.client.send(b"one")
    second.client.send(b"two")
    crossed = Pair(first.client, second.server)
    crossed.server.receive(first.client.data_to_send(), NOW)
    assert_fails(crossed.server, AlertDescription.BAD_RECORD_MAC)
