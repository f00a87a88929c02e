"""Tests of impl.tls13.records: any split of the bytes, every rule about headers, early data that is skipped."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from impl.tls13.alerts import TLSError
from impl.tls13.cipher_suites import suite_by_name
from impl.tls13.key_schedule import TrafficKeys
from impl.tls13.records import MAX_PLAINTEXT, OVERHEAD, Opener, Record, RecordReader, RecordWriter, Sealer
from impl.tls13.registries import AlertDescription, ContentType

SUITE = suite_by_name("TLS_AES_128_GCM_SHA256")
KEYS = TrafficKeys(key=bytes(16), iv=bytes(range(12)))
OTHER_KEYS = TrafficKeys(key=bytes(range(16)), iv=bytes(range(12)))
CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, DATA = (
    ContentType.CHANGE_CIPHER_SPEC,
    ContentType.ALERT,
    ContentType.HANDSHAKE,
    ContentType.APPLICATION_DATA,
)
UNEXPECTED = AlertDescription.UNEXPECTED_MESSAGE
COMPATIBILITY = b"\x14\x03\x03\x00\x01\x01"
SECOND_HELLO = b"\x16\x03\x03\x00\x0bclienthello"


def reader_with(keys: TrafficKeys | None = KEYS, *data: bytes) -> RecordReader:
    reader = RecordReader()
    if keys is not None:
        reader.opener = Opener(SUITE, keys)
    for part in data:
        reader.receive(part)
    return reader


def writer_with(keys: TrafficKeys | None = KEYS) -> RecordWriter:
    writer = RecordWriter()
    if keys is not None:
        writer.sealer = Sealer(SUITE, keys)
    return writer


def all_records(reader: RecordReader) -> list[Record]:
    records = []
    while (record := reader.next_record()) is not None:
        records.append(record)
    return records


def alert_of(reader: RecordReader) -> AlertDescription:
    with pytest.raises(TLSError) as error:
        all_records(reader)
    return error.value.alert


class TestSplitting:
    @given(data=st.data())
    @settings(max_examples=40)
    def test_any_split_gives_the_same_records(self, data: st.DataObject) -> None:
        items = data.draw(
            st.lists(
                st.one_of(
                    st.tuples(st.just(DATA), st.binary(max_size=60)),
                    st.tuples(st.just(HANDSHAKE), st.binary(min_size=1, max_size=60)),
                    st.tuples(st.just(ALERT), st.binary(min_size=2, max_size=2)),
                    st.tuples(st.just(CHANGE_CIPHER_SPEC), st.just(b"\x01")),
                ),
                max_size=12,
            )
        )
        writer = writer_with()
        stream = b"".join(writer.write(content_type, content) for content_type, content in items)
        cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=9)))
        reader = reader_with()
        records = []
        for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
            reader.receive(stream[start:end])
            records += all_records(reader)
        assert [(record.content_type, record.content) for record in records] == items
        assert all(record.protected is (record.content_type != CHANGE_CIPHER_SPEC) for record in records)
        assert reader.buffered == 0

    @pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
    def test_bytes_of_any_kind(self, kind: type) -> None:
        reader = reader_with()
        reader.receive(kind(writer_with().write(DATA, b"data")))
        assert reader.next_record() == Record(DATA, b"data", True)

    def test_received_bytes_may_change_afterwards(self) -> None:
        buffer = bytearray(writer_with().write(DATA, b"data"))
        reader = reader_with()
        reader.receive(memoryview(buffer))
        buffer[:] = bytes(len(buffer))
        assert reader.next_record() == Record(DATA, b"data", True)

    def test_what_was_taken_is_dropped(self) -> None:
        record = writer_with(None).write(HANDSHAKE, bytes(1000))
        reader = reader_with(None)
        for _ in range(50):
            reader.receive(record + record[:500])
            assert len(all_records(reader)) >= 1
            reader.receive(record[500:])
            all_records(reader)
            assert reader.buffered == 0

    def test_a_large_record_byte_by_byte_is_opened_once(self) -> None:
        stream = writer_with().write(DATA, bytes(2000))
        reader = reader_with()
        for i in range(len(stream) - 1):
            reader.receive(stream[i : i + 1])
            assert reader.next_record() is None
        reader.receive(stream[-1:])
        assert reader.next_record() == Record(DATA, bytes(2000), True)


class TestOuterRules:
    """Sections 5, 5.1 and 5.2."""

    @pytest.mark.parametrize("content_type", [0, 1, 19, 24, 25, 64, 128, 255])
    @pytest.mark.parametrize("keys", [None, KEYS])
    def test_unknown_types_fail_at_the_first_byte(self, content_type: int, keys: TrafficKeys | None) -> None:
        assert alert_of(reader_with(keys, COMPATIBILITY, bytes([content_type]))) is UNEXPECTED

    @pytest.mark.parametrize(
        "garbage",
        [b"GET / HTTP/1.1\r\n", b"HTTP/1.1 400 Bad Request\r\n", b"\x80\x2e\x01\x00\x02", b"SSH-2.0-x\r\n", b"\0"],
    )
    def test_other_protocols_fail_at_once_with_a_clear_reason(self, garbage: bytes) -> None:
        with pytest.raises(TLSError, match="this is not TLS") as error:
            reader_with(None, garbage).next_record()
        assert repr(garbage[:8]) in error.value.reason

    @pytest.mark.parametrize("start", [b"\x16\x02", b"\x16\x00\x16\x03", b"\x15\xfe\xff", b"\x16\x47ET "])
    def test_another_major_version_of_the_first_record(self, start: bytes) -> None:
        assert alert_of(reader_with(None, start)) is AlertDescription.PROTOCOL_VERSION

    @pytest.mark.parametrize("version", [b"\x03\x00", b"\x03\x01", b"\x03\x04", b"\x03\xff"])
    def test_minor_version_is_ignored(self, version: bytes) -> None:
        assert reader_with(None, b"\x16" + version + b"\x00\x02hi").next_record() == Record(HANDSHAKE, b"hi", False)

    def test_version_is_ignored_after_the_first_record(self) -> None:
        reader = reader_with(None, SECOND_HELLO, b"\x16\x00\x00\x00\x02hi")
        assert [record.content for record in all_records(reader)] == [b"clienthello", b"hi"]

    def test_longest_record_without_protection(self) -> None:
        record = b"\x16\x03\x03\x40\x00" + bytes(MAX_PLAINTEXT)
        assert reader_with(None, record).next_record() == Record(HANDSHAKE, bytes(MAX_PLAINTEXT), False)

    @pytest.mark.parametrize("header", [b"\x16\x03\x03\x40\x01", b"\x15\x03\x03\x40\x01", b"\x14\x03\x03\xff\xff"])
    def test_too_long_without_protection_by_the_header_alone(self, header: bytes) -> None:
        assert alert_of(reader_with(None, header)) is AlertDescription.RECORD_OVERFLOW

    def test_too_long_with_protection_by_the_header_alone(self) -> None:
        assert reader_with(KEYS, b"\x17\x03\x03\x41\x00").next_record() is None
        assert alert_of(reader_with(KEYS, b"\x17\x03\x03\x41\x01")) is AlertDescription.RECORD_OVERFLOW

    def test_the_limit_we_announced_is_for_protected_records_alone(self) -> None:
        reader = reader_with(None, b"\x16\x03\x03\x00\xc8" + bytes(200))
        reader.max_content = 63
        assert reader.next_record() == Record(HANDSHAKE, bytes(200), False)
        reader.opener = Opener(SUITE, KEYS)
        writer = writer_with()
        reader.receive(writer.write(DATA, bytes(63)) + writer.write(DATA, bytes(64)))
        assert reader.next_record() == Record(DATA, bytes(63), True)
        assert alert_of(reader) is AlertDescription.RECORD_OVERFLOW

    def test_the_limit_can_change_under_the_same_key(self) -> None:
        reader = reader_with(KEYS, writer_with().write(DATA, bytes(64)))
        reader.max_content = 63
        assert alert_of(reader) is AlertDescription.RECORD_OVERFLOW

    @pytest.mark.parametrize("keys", [None, KEYS])
    @pytest.mark.parametrize("content_type", [20, 21, 22])
    def test_empty_records_without_protection(self, content_type: int, keys: TrafficKeys | None) -> None:
        assert alert_of(reader_with(keys, bytes([content_type]) + b"\x03\x03\x00\x00")) is UNEXPECTED

    def test_empty_application_data(self) -> None:
        assert reader_with(KEYS, writer_with().write(DATA, b"")).next_record() == Record(DATA, b"", True)

    @pytest.mark.parametrize("keys", [None, KEYS])
    def test_change_cipher_spec(self, keys: TrafficKeys | None) -> None:
        assert reader_with(keys, COMPATIBILITY).next_record() == Record(CHANGE_CIPHER_SPEC, b"\x01", False)
        assert alert_of(reader_with(keys, COMPATIBILITY[:-1] + b"\x02")) is UNEXPECTED
        assert alert_of(reader_with(keys, b"\x14\x03\x03\x00\x02")) is UNEXPECTED

    def test_protected_change_cipher_spec(self) -> None:
        assert alert_of(reader_with(KEYS, Sealer(SUITE, KEYS).seal(CHANGE_CIPHER_SPEC, b"\x01"))) is UNEXPECTED

    @pytest.mark.parametrize("keys", [None, KEYS])
    def test_alert_without_protection(self, keys: TrafficKeys | None) -> None:
        assert reader_with(keys, b"\x15\x03\x03\x00\x02\x02\x28").next_record() == Record(ALERT, b"\x02\x28", False)

    @pytest.mark.parametrize("size", [1, 3, 4])
    def test_alert_of_a_wrong_size(self, size: int) -> None:
        assert alert_of(reader_with(None, b"\x15\x03\x03\x00" + bytes([size]))) is AlertDescription.DECODE_ERROR
        assert (
            alert_of(reader_with(KEYS, Sealer(SUITE, KEYS).seal(ALERT, bytes(size)))) is AlertDescription.DECODE_ERROR
        )

    def test_protected_record_before_keys_fails_at_the_first_byte(self) -> None:
        assert alert_of(reader_with(None, b"\x17")) is UNEXPECTED

    def test_handshake_record_without_protection_after_keys(self) -> None:
        assert alert_of(reader_with(KEYS, b"\x16")) is UNEXPECTED

    @given(data=st.data())
    @settings(max_examples=60)
    def test_any_bytes_never_raise_anything_else(self, data: st.DataObject) -> None:
        keys = data.draw(st.sampled_from([None, KEYS]))
        start = data.draw(st.sampled_from([b"", b"\x16\x03\x03\x00", b"\x17\x03\x03\x00", COMPATIBILITY, SECOND_HELLO]))
        for skip in (False, True):
            reader = reader_with(keys, start + data.draw(st.binary(max_size=60)))
            if skip:
                reader.skip_undecryptable_early_data(30)
            reason = None
            try:
                all_records(reader)
            except TLSError as error:
                reason = error.reason
            if reason is not None:
                with pytest.raises(TLSError) as again:
                    reader.next_record()
                assert again.value.reason == reason


class TestKeysChange:
    def test_buffered_records_are_opened_with_the_new_key(self) -> None:
        reader = reader_with(None, SECOND_HELLO, writer_with().write(HANDSHAKE, b"old"))
        reader.receive(writer_with(OTHER_KEYS).write(DATA, b"new"))
        assert reader.next_record() == Record(HANDSHAKE, b"clienthello", False)
        assert not reader.opened_any
        reader.opener = Opener(SUITE, KEYS)
        assert reader.next_record() == Record(HANDSHAKE, b"old", True)
        assert reader.opened_any
        reader.opener = Opener(SUITE, OTHER_KEYS)
        assert reader.next_record() == Record(DATA, b"new", True)
        assert reader.next_record() is None

    def test_a_failed_reader_stays_failed(self) -> None:
        writer = writer_with()
        reader = reader_with(OTHER_KEYS, writer.write(DATA, b"data"))
        assert alert_of(reader) is AlertDescription.BAD_RECORD_MAC
        reader.opener = Opener(SUITE, KEYS)
        reader.receive(writer.write(DATA, b"data"))
        assert alert_of(reader) is AlertDescription.BAD_RECORD_MAC
        with pytest.raises(TLSError):
            reader.open_into(bytearray(MAX_PLAINTEXT + 1))


class TestSkippingEarlyData:
    """Section 4.2.10: what a server does with early data that it has rejected."""

    def test_what_cannot_be_opened_is_dropped_until_one_can(self) -> None:
        early = writer_with(OTHER_KEYS)
        stream = (
            COMPATIBILITY
            + early.write(DATA, bytes(100))
            + early.write(DATA, bytes(50))
            + early.write(HANDSHAKE, b"eoed")
        )
        reader = reader_with(KEYS, stream)
        reader.skip_undecryptable_early_data(154)
        reader.receive(writer_with().write(HANDSHAKE, b"finished"))
        assert all_records(reader) == [Record(CHANGE_CIPHER_SPEC, b"\x01", False), Record(HANDSHAKE, b"finished", True)]

    def test_after_the_first_good_record_nothing_is_dropped(self) -> None:
        reader = reader_with(
            KEYS, writer_with().write(HANDSHAKE, b"finished"), writer_with(OTHER_KEYS).write(DATA, b"late")
        )
        reader.skip_undecryptable_early_data(1000)
        assert reader.next_record() == Record(HANDSHAKE, b"finished", True)
        assert alert_of(reader) is AlertDescription.BAD_RECORD_MAC

    def test_a_record_that_opens_must_be_right(self) -> None:
        reader = reader_with(KEYS, Sealer(SUITE, KEYS).seal(CHANGE_CIPHER_SPEC, b"\x01"))
        reader.skip_undecryptable_early_data(1000)
        assert alert_of(reader) is UNEXPECTED

    @pytest.mark.parametrize("contents", [[100, 51], [151], [0] * 151])
    def test_more_than_the_budget(self, contents: list[int]) -> None:
        early = writer_with(OTHER_KEYS)
        records = [early.write(DATA, bytes(size)) for size in contents]
        reader = reader_with(KEYS, *records[:-1])
        reader.skip_undecryptable_early_data(150)
        assert reader.next_record() is None
        reader.receive(records[-1])
        with pytest.raises(TLSError, match="early data") as error:
            reader.next_record()
        assert error.value.alert is UNEXPECTED

    def test_before_the_second_hello_nothing_is_tried(self) -> None:
        early = writer_with(OTHER_KEYS)
        stream = early.write(DATA, bytes(100)) + COMPATIBILITY + b"\x17\x03\x03\x00\x03abc" + SECOND_HELLO
        reader = reader_with(None, stream)
        reader.skip_early_data_before_second_hello(101)
        assert [record.content_type for record in all_records(reader)] == [CHANGE_CIPHER_SPEC, HANDSHAKE]

    def test_after_the_second_hello_nothing_is_dropped(self) -> None:
        reader = reader_with(None, SECOND_HELLO, writer_with(OTHER_KEYS).write(DATA, b"late"))
        reader.skip_early_data_before_second_hello(1000)
        assert reader.next_record() == Record(HANDSHAKE, b"clienthello", False)
        assert alert_of(reader) is UNEXPECTED

    def test_more_than_the_budget_before_the_second_hello(self) -> None:
        reader = reader_with(None, writer_with(OTHER_KEYS).write(DATA, bytes(100)))
        reader.skip_early_data_before_second_hello(99)
        assert alert_of(reader) is UNEXPECTED

    def test_other_rules_still_hold(self) -> None:
        reader = reader_with(None, b"\x17\x03\x03\x41\x01")
        reader.skip_early_data_before_second_hello(10**6)
        assert alert_of(reader) is AlertDescription.RECORD_OVERFLOW

    def test_open_into_skips_as_well(self) -> None:
        reader = reader_with(
            KEYS, writer_with(OTHER_KEYS).write(DATA, b"early"), writer_with().write(HANDSHAKE, b"hello")
        )
        reader.skip_undecryptable_early_data(100)
        opened = reader.open_into(bytearray(MAX_PLAINTEXT + 1))
        assert (opened.other, reader.buffered) == (Record(HANDSHAKE, b"hello", True), 0)


class TestOpeningMany:
    """The fast paths give what next_record gives."""

    @given(data=st.data())
    @settings(max_examples=40)
    def test_any_split_gives_the_same_bytes(self, data: st.DataObject) -> None:
        items = data.draw(
            st.lists(
                st.tuples(
                    st.sampled_from([DATA, DATA, DATA, HANDSHAKE]),
                    st.sampled_from([1, 5, 5, 5, 5, 40]),
                    st.integers(1, 9),
                ),
                max_size=8,
            )
        )
        writer = writer_with()
        expected: list[tuple[int, bytes]] = []
        stream = bytearray()
        for content_type, size, times in items:
            for _ in range(times):
                content = bytes([len(expected) % 255 + 1]) * size
                expected.append((content_type, content))
                stream += writer.write(content_type, content)
        cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
        from_own_buffer = data.draw(st.booleans())
        reader = reader_with()
        out = bytearray(MAX_PLAINTEXT + 1)
        found: list[tuple[int, bytes]] = []
        position = 0
        for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
            if not from_own_buffer:
                reader.receive(stream[start:end])
            while True:
                opened = reader.open_from(stream, out, position, end) if from_own_buffer else reader.open_into(out)
                position += opened.consumed
                for a, b in zip([0, *opened.ends], opened.ends, strict=False):
                    found.append((DATA, bytes(out[a:b])))
                if opened.other is not None:
                    assert opened.other.protected
                    found.append((opened.other.content_type, opened.other.content))
                if not opened.consumed:
                    break
        assert found == expected
        assert reader.buffered == 0
        assert position == len(stream)

    def test_other_records_without_protection(self) -> None:
        reader = reader_with(KEYS, writer_with().write(DATA, b"data"), COMPATIBILITY)
        out = bytearray(MAX_PLAINTEXT + 1)
        first, second, third = (reader.open_into(out) for _ in range(3))
        assert (first.produced, first.other) == (4, None)
        assert (second.produced, second.other) == (0, Record(CHANGE_CIPHER_SPEC, b"\x01", False))
        assert (third.consumed, third.other) == (0, None)

    def test_before_keys(self) -> None:
        reader = reader_with(None, SECOND_HELLO + b"\x17")
        out = bytearray(MAX_PLAINTEXT + 1)
        assert reader.open_into(out).other == Record(HANDSHAKE, b"clienthello", False)
        with pytest.raises(TLSError):
            reader.open_into(out)

    def test_good_data_first_then_the_failure_for_ever(self) -> None:
        stream = bytearray(writer_with().write(DATA, b"good") + writer_with().write(DATA, b"replayed"))
        reader = reader_with()
        out = bytearray(MAX_PLAINTEXT + 1)
        opened = reader.open_from(stream, out)
        assert (bytes(out[: opened.produced]), opened.consumed) == (b"good", 4 + OVERHEAD)
        assert opened.failure is not None
        for _ in range(2):
            with pytest.raises(TLSError) as error:
                reader.open_from(stream, out, opened.consumed)
            assert error.value.alert is AlertDescription.BAD_RECORD_MAC
        stream.clear()

    def test_nothing_is_opened_after_a_failure(self) -> None:
        writer = writer_with()
        good = [writer.write(DATA, b"good") for _ in range(2)]
        out = bytearray(MAX_PLAINTEXT + 1)
        reader = reader_with()
        assert reader.open_from(bytearray(good[0] + good[0]), out).failure is not None
        with pytest.raises(TLSError):
            reader.open_from(bytearray(good[1]), out)

    def test_the_buffer_can_be_resized_after_a_failure(self) -> None:
        stream = bytearray(writer_with(OTHER_KEYS).write(DATA, b"data"))
        reader = reader_with()
        with contextlib.suppress(TLSError):
            reader.open_from(stream, bytearray(MAX_PLAINTEXT + 1))
        stream.clear()
        with pytest.raises(TLSError):
            reader.next_record()

    def test_wrong_header_after_good_data(self) -> None:
        reader = reader_with(KEYS, writer_with().write(DATA, b"good"), b"\x16")
        out = bytearray(MAX_PLAINTEXT + 1)
        assert reader.open_into(out).produced == 4
        with pytest.raises(TLSError) as error:
            reader.open_into(out)
        assert error.value.alert is UNEXPECTED

    def test_bytes_that_wait_come_first(self) -> None:
        stream = writer_with().write(DATA, b"data")
        reader = reader_with(KEYS, stream[:9])
        out = bytearray(MAX_PLAINTEXT + 1)
        with pytest.raises(RuntimeError, match="take_buffered"):
            reader.open_from(bytearray(stream[9:]), out)
        buffer = bytearray(reader.take_buffered() + stream[9:])
        assert reader.buffered == 0
        assert reader.open_from(buffer, out).produced == 4

    def test_the_limit_we_announced(self) -> None:
        reader = reader_with(KEYS, writer_with().write(DATA, bytes(64)))
        reader.max_content = 63
        with pytest.raises(TLSError) as error:
            reader.open_into(bytearray(64))
        assert error.value.alert is AlertDescription.RECORD_OVERFLOW
