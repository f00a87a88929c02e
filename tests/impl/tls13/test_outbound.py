"""The bytes for the peer: in order, in few records, each with the keys of its moment."""

from dataclasses import replace

from impl.tls13.cipher_suites import CIPHER_SUITES
from impl.tls13.key_schedule import next_traffic_secret, traffic_keys
from impl.tls13.outbound import Outbound
from impl.tls13.records import Opener, RecordReader
from impl.tls13.registries import AlertDescription, AlertLevel, ContentType, KeyUpdateRequest

SUITE = CIPHER_SUITES[0x1301]
FIRST, SECOND = bytes(32), bytes([1]) * 32


def types(out: Outbound) -> list[int]:
    """The outer types of the records."""
    wire, found = out.take(), []
    while wire:
        found.append(wire[0])
        wire = wire[5 + int.from_bytes(wire[3:5], "big") :]
    return found


class TestFlights:
    def test_messages_share_a_record(self) -> None:
        out = Outbound(None)
        out.message(b"one")
        out.message(b"two")
        assert out.take() == b""
        out.flush()
        assert out.take() == b"\x16\x03\x03\x00\x06onetwo"

    def test_nothing_is_no_record(self) -> None:
        out = Outbound(None)
        out.flush()
        assert not out.pending
        assert out.take() == b""

    def test_what_is_in_the_flight_goes_before_a_change_cipher_spec(self) -> None:
        out = Outbound(None)
        out.message(b"hello")
        out.change_cipher_spec()
        assert types(out) == [ContentType.HANDSHAKE, ContentType.CHANGE_CIPHER_SPEC]

    def test_close_notify_comes_after_the_flight(self) -> None:
        out = Outbound(None)
        out.message(b"hello")
        out.alert(AlertLevel.WARNING, AlertDescription.CLOSE_NOTIFY)
        assert types(out) == [ContentType.HANDSHAKE, ContentType.ALERT]

    def test_an_error_drops_the_flight(self) -> None:
        out = Outbound(None)
        out.message(b"hello")
        out.alert(AlertLevel.FATAL, AlertDescription.DECODE_ERROR)
        assert types(out) == [ContentType.ALERT]


class TestKeys:
    def test_the_flight_has_the_keys_before(self) -> None:
        out = Outbound(None)
        out.message(b"hello")
        out.change_keys(SUITE, FIRST)
        out.message(b"secret")
        out.flush()
        assert types(out) == [ContentType.HANDSHAKE, ContentType.APPLICATION_DATA]
        assert out.protected

    def test_update(self) -> None:
        out = Outbound(None)
        out.change_keys(SUITE, FIRST)
        assert out.update_keys(SUITE, KeyUpdateRequest.UPDATE_REQUESTED) == next_traffic_secret(SUITE, FIRST)
        out.data(b"data")
        assert out.generation == 1
        reader = RecordReader()
        reader.opener = Opener(SUITE, traffic_keys(SUITE, FIRST))
        reader.receive(out.take())
        update = reader.next_record()
        assert update is not None
        assert update.content == b"\x18\x00\x00\x01\x01"
        reader.opener = Opener(SUITE, traffic_keys(SUITE, next_traffic_secret(SUITE, FIRST)))
        data = reader.next_record()
        assert data is not None
        assert data.content == b"data"

    def test_dropped(self) -> None:
        out = Outbound(None)
        out.change_keys(SUITE, SECOND)
        out.data(b"early")
        out.drop_keys()
        out.message(b"hello")
        out.flush()
        assert types(out) == [ContentType.APPLICATION_DATA, ContentType.HANDSHAKE]
        assert out.records_left == 0

    def test_nothing_is_said_with_keys_that_are_used_up(self) -> None:
        out = Outbound(None)
        out.change_keys(replace(SUITE, record_limit=1), FIRST)
        out.data(b"the last record")
        out.take()
        out.alert(AlertLevel.WARNING, AlertDescription.CLOSE_NOTIFY)
        assert out.take() == b""

    def test_records_left_count_down(self) -> None:
        out = Outbound(None)
        out.change_keys(SUITE, FIRST)
        before = out.records_left
        out.data(b"x")
        assert out.records_left == before - 1
