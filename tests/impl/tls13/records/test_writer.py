"""Tests of impl.tls13.records: fragments, padding, and what is never written."""

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
CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, DATA = (
    ContentType.CHANGE_CIPHER_SPEC,
    ContentType.ALERT,
    ContentType.HANDSHAKE,
    ContentType.APPLICATION_DATA,
)


def writer_with(keys: TrafficKeys | None = KEYS) -> RecordWriter:
    writer = RecordWriter()
    if keys is not None:
        writer.sealer = Sealer(SUITE, keys)
    return writer


def records_in(stream: bytes, keys: TrafficKeys | None = KEYS, max_content: int = MAX_PLAINTEXT) -> list[Record]:
    reader = RecordReader()
    reader.max_content = max_content
    if keys is not None:
        reader.opener = Opener(SUITE, keys)
    reader.receive(stream)
    records = []
    while (record := reader.next_record()) is not None:
        records.append(record)
    assert not reader.buffered
    return records


class TestWriter:
    def test_without_protection(self) -> None:
        writer = writer_with(None)
        writer.record_version = 0x0301
        assert writer.write(HANDSHAKE, b"hello") == b"\x16\x03\x01\x00\x05hello"
        writer.record_version = 0x0303
        assert writer.write(ALERT, b"\x02\x28") == b"\x15\x03\x03\x00\x02\x02\x28"

    def test_change_cipher_spec_is_never_protected(self) -> None:
        assert writer_with().write(CHANGE_CIPHER_SPEC, b"\x01") == b"\x14\x03\x03\x00\x01\x01"

    def test_protected_records_have_the_fixed_version(self) -> None:
        writer = writer_with()
        writer.record_version = 0x0301
        assert writer.write(HANDSHAKE, b"x")[:3] == b"\x17\x03\x03"

    @given(
        content_type=st.sampled_from([HANDSHAKE, DATA]),
        size=st.integers(1, 3000),
        max_content=st.integers(63, 1000),
        padded=st.booleans(),
        protected=st.booleans(),
    )
    @settings(max_examples=50)
    def test_fragments_within_the_limit(
        self, content_type: int, size: int, max_content: int, padded: bool, protected: bool
    ) -> None:
        if content_type == DATA and not protected:
            return
        content = bytes(i % 255 + 1 for i in range(size))
        writer = writer_with(KEYS if protected else None)
        writer.max_content = max_content
        writer.padding = (lambda size, room: 7) if padded else None
        records = records_in(writer.write(content_type, content), KEYS if protected else None, max_content)
        assert b"".join(record.content for record in records) == content
        assert {record.content_type for record in records} == {content_type}
        assert len(records) == (-(-size // max_content) if protected else 1)

    def test_long_messages_without_protection(self) -> None:
        records = records_in(writer_with(None).write(HANDSHAKE, bytes(40000)), None)
        assert [len(record.content) for record in records] == [MAX_PLAINTEXT, MAX_PLAINTEXT, 40000 - 2 * MAX_PLAINTEXT]

    def test_padding_policy(self) -> None:
        seen = []

        def to_a_multiple_of_100(size: int, room: int) -> int:
            seen.append((size, room))
            return -size % 100

        writer = writer_with()
        writer.padding = to_a_multiple_of_100
        writer.max_content = 250
        records = writer.write(HANDSHAKE, bytes([1]) * 120), writer.write(DATA, b"")
        assert seen == [(120, 130), (0, 250)]
        assert [len(record) for record in records] == [200 + OVERHEAD, OVERHEAD]
        full = writer.write(DATA, bytes(240))
        assert len(full) == 250 + OVERHEAD  # 60 zeros are wished, there is room for 10

    @pytest.mark.parametrize("size", [0, 1, 250, 1000, 70 * 250 + 3])
    @pytest.mark.parametrize("padded", [False, True])
    def test_write_into(self, size: int, padded: bool) -> None:
        data = bytearray(i % 255 + 1 for i in range(size))
        original = bytes(data)
        writer = writer_with()
        writer.max_content = 250
        writer.padding = (lambda size, room: room) if padded else None
        out = bytearray(writer.sealed_size(size) + 5)
        written = writer.write_into(data, out)
        assert written <= writer.sealed_size(size)
        assert len(out) == writer.sealed_size(size) + 5
        records = records_in(bytes(out[:written]))
        assert b"".join(record.content for record in records) == original == data
        assert out[written:] == bytes(len(out) - written)

    def test_write_into_without_room(self) -> None:
        writer = writer_with()
        with pytest.raises(ValueError, match="room"):
            writer.write_into(b"data", bytearray(25))
        writer.padding = lambda size, room: 0
        with pytest.raises(ValueError, match="room"):
            writer.write_into(b"data", bytearray(25))

    def test_no_application_data_without_protection(self) -> None:
        with pytest.raises(RuntimeError, match="never sent without protection"):
            writer_with(None).write(DATA, b"data")
        with pytest.raises(RuntimeError, match="never sent without protection"):
            writer_with(None).write_into(b"data", bytearray(100))

    @pytest.mark.parametrize(
        ("content_type", "content"), [(HANDSHAKE, b""), (ALERT, b""), (ALERT, b"\x01"), (ALERT, bytes(4))]
    )
    @pytest.mark.parametrize("keys", [None, KEYS])
    def test_what_no_record_may_hold(self, content_type: int, content: bytes, keys: TrafficKeys | None) -> None:
        with pytest.raises(ValueError, match=r"empty|alert"):
            writer_with(keys).write(content_type, content)

    @pytest.mark.parametrize("padded", [False, True])
    def test_all_or_nothing_when_the_key_is_used_up(self, padded: bool) -> None:
        writer = RecordWriter()
        writer.sealer = Sealer(SUITE, KEYS, sequence=SUITE.record_limit - 2)
        writer.max_content = 100
        writer.padding = (lambda size, room: 1) if padded else None
        with pytest.raises(TLSError) as error:
            writer.write(DATA, bytes(250))
        assert error.value.alert is AlertDescription.INTERNAL_ERROR
        assert writer.sealer.records_left == 2
