"""Tests of impl.tls13.records: known records, batches against records made by hand, and broken records."""

from collections.abc import Iterator
from itertools import count

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given, settings
from hypothesis import strategies as st

from impl.tls13.alerts import TLSError
from impl.tls13.cipher_suites import CIPHER_SUITES, CipherSuite, suite_by_name
from impl.tls13.key_schedule import TrafficKeys, hkdf_expand_label, traffic_keys
from impl.tls13.records import (
    MAX_CIPHERTEXT,
    MAX_PLAINTEXT,
    OVERHEAD,
    NonceConstruction,
    Opened,
    Opener,
    Record,
    Sealer,
    per_record_nonces,
)
from impl.tls13.records.batches import BATCH
from impl.tls13.registries import AlertDescription, ContentType

SUITES = tuple(CIPHER_SUITES.values())
AES_128 = suite_by_name("TLS_AES_128_GCM_SHA256")
CHACHA20 = suite_by_name("TLS_CHACHA20_POLY1305_SHA256")
DATA = ContentType.APPLICATION_DATA
HANDSHAKE = ContentType.HANDSHAKE
ALERT = ContentType.ALERT
# RFC 8448, section 3: the server's application traffic.
SECRET = bytes.fromhex("a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643")
KEYS = TrafficKeys(
    key=bytes.fromhex("9f02283b6c9c07efc26bb9f2ac92e356"), iv=bytes.fromhex("cf782b88dd83549aadf1e984")
)  # fmt: skip


def keys_for(suite: CipherSuite) -> TrafficKeys:
    return TrafficKeys(key=bytes(range(suite.key_size)), iv=bytes(range(100, 112)))


def pattern(size: int) -> bytearray:
    """Bytes without zeros, of which no two neighbouring stretches are equal."""
    return bytearray((i * 7 + i // 251) % 255 + 1 for i in range(size))


def by_hand(suite: CipherSuite, keys: TrafficKeys, sequence: int, inner: bytes, header: bytes | None = None) -> bytes:
    """A record as sections 5.2 and 5.3 say, without anything of what is tested."""
    nonce = bytes(a ^ b for a, b in zip(keys.iv, sequence.to_bytes(12, "big"), strict=True))
    header = header or b"\x17\x03\x03" + (len(inner) + 16).to_bytes(2, "big")
    return header + suite.aead(keys.key).encrypt(nonce, inner, header)


def stream_by_hand(suite: CipherSuite, inners: list[bytes], sequence: int = 0) -> bytes:
    keys = keys_for(suite)
    return b"".join(by_hand(suite, keys, sequence + i, inner) for i, inner in enumerate(inners))


def opened(
    suite: CipherSuite, records: bytes, *, room: int = 2**20, max_content: int = MAX_PLAINTEXT
) -> tuple[Opened, bytes]:
    out = bytearray(room)
    result = Opener(suite, keys_for(suite), max_content=max_content).open_into(records, out)
    return result, bytes(out[: result.produced])


def alert_of(suite: CipherSuite, record: bytes, max_content: int = MAX_PLAINTEXT) -> AlertDescription:
    """The alert that one record leads to, by open() and by open_into() alike."""
    with pytest.raises(TLSError) as one:
        Opener(suite, keys_for(suite), max_content=max_content).open(record[:5], record[5:])
    with pytest.raises(TLSError) as many:
        opened(suite, record, max_content=max_content)
    assert one.value.alert is many.value.alert
    return one.value.alert


def tcpls_nonces(connection_id: int) -> NonceConstruction:
    """What a user from outside may bring: the IV XOR (connection id of 32 bits, sequence number of 64 bits)."""

    def construct(iv: bytes, first: int) -> Iterator[bytes]:
        start = int.from_bytes(iv, "big") ^ connection_id << 64
        return ((start ^ sequence).to_bytes(12, "big") for sequence in count(first))

    return construct


class TestKnownValues:
    def test_keys_of_rfc8448_section_3(self) -> None:
        assert traffic_keys(AES_128, SECRET) == KEYS
        assert hkdf_expand_label(SHA256(), SECRET, "key", b"", 16) == KEYS.key

    def test_first_nonce_is_the_iv(self) -> None:
        assert next(per_record_nonces(KEYS.iv, 0)) == KEYS.iv

    @pytest.mark.parametrize("first", [0, 1, 255, 256, 2**32 - 3, 2**63, 2**64 - 300])
    def test_nonces_are_iv_xor_sequence_across_blocks(self, first: int) -> None:
        nonces = per_record_nonces(KEYS.iv, first)
        iv = int.from_bytes(KEYS.iv, "big")
        for sequence in range(first, first + 300):
            assert int.from_bytes(next(nonces), "big") == iv ^ sequence

    def test_record_without_construction_from_outside(self) -> None:
        assert Sealer(AES_128, KEYS).seal(DATA, b"\x01") == by_hand(AES_128, KEYS, 0, b"\x01\x17")


class TestNoncesFromOutside:
    def test_nonces(self) -> None:
        assert next(tcpls_nonces(1)(KEYS.iv, 0)).hex() == "cf782b89dd83549aadf1e984"
        assert next(tcpls_nonces(2)(KEYS.iv, 5)).hex() == "cf782b8add83549aadf1e981"

    def test_known_record(self) -> None:
        record = Sealer(AES_128, KEYS, nonces=tcpls_nonces(1)).seal(DATA, b"\x01")
        assert record.hex() == "1703030012e916cdebf4f4c64607ac7f524f935d7ba8c0"

    def test_another_connection_cannot_open_it(self) -> None:
        record = Sealer(AES_128, KEYS, nonces=tcpls_nonces(1)).seal(DATA, b"\x01")
        assert Opener(AES_128, KEYS, nonces=tcpls_nonces(1)).open(record[:5], record[5:]) == Record(DATA, b"\x01", True)
        with pytest.raises(TLSError) as error:
            Opener(AES_128, KEYS, nonces=tcpls_nonces(2)).open(record[:5], record[5:])
        assert error.value.alert is AlertDescription.BAD_RECORD_MAC

    def test_many_records(self) -> None:
        data = pattern(1000)
        out = bytearray(Sealer.sealed_size(1000, 10))
        Sealer(AES_128, KEYS, nonces=tcpls_nonces(7), sequence=250).seal_into(data, out, 10)
        back = bytearray(MAX_PLAINTEXT + 1)
        result = Opener(AES_128, KEYS, nonces=tcpls_nonces(7), sequence=250).open_into(out, back)
        assert back[: result.produced] == data


class TestSealingOne:
    @given(
        suite=st.sampled_from(SUITES),
        content_type=st.sampled_from([ALERT, HANDSHAKE, DATA]),
        content=st.binary(min_size=1, max_size=300),
        padding=st.integers(0, 300),
        sequence=st.integers(0, 2**20),
    )
    @settings(max_examples=40)
    def test_as_by_hand(
        self, suite: CipherSuite, content_type: int, content: bytes, padding: int, sequence: int
    ) -> None:
        keys = keys_for(suite)
        sealer = Sealer(suite, keys, sequence=sequence)
        inner = content + bytes([content_type]) + bytes(padding)
        assert sealer.seal(content_type, content, padding) == by_hand(suite, keys, sequence, inner)
        assert sealer.seal(content_type, memoryview(content)) == by_hand(
            suite, keys, sequence + 1, content + bytes([content_type])
        )
        assert sealer.sequence == sequence + 2

    @given(
        suite=st.sampled_from(SUITES),
        size=st.one_of(st.sampled_from([0, 1, MAX_PLAINTEXT - 1, MAX_PLAINTEXT]), st.integers(0, MAX_PLAINTEXT)),
        data=st.data(),
    )
    @settings(max_examples=30)
    def test_round_trip(self, suite: CipherSuite, size: int, data: st.DataObject) -> None:
        padding = data.draw(st.integers(0, MAX_PLAINTEXT - size))
        content = bytes(size) if data.draw(st.booleans()) else bytes(pattern(size))
        record = Sealer(suite, keys_for(suite)).seal(DATA, content, padding)
        assert Opener(suite, keys_for(suite)).open(record[:5], record[5:]) == Record(DATA, content, True)
        result, produced = opened(suite, record)
        assert (result.consumed, result.ends, produced) == (len(record), [size], content)

    def test_empty_application_data(self) -> None:
        assert Sealer(AES_128, KEYS).seal(DATA, b"") == by_hand(AES_128, KEYS, 0, b"\x17")

    @pytest.mark.parametrize(
        ("content_type", "size", "padding"),
        [(HANDSHAKE, 0, 0), (ALERT, 0, 9), (DATA, MAX_PLAINTEXT + 1, 0), (DATA, MAX_PLAINTEXT, 1), (DATA, 5, -1)],
    )
    def test_what_cannot_be_a_record(self, content_type: int, size: int, padding: int) -> None:
        with pytest.raises(ValueError, match=r"\d|empty"):
            Sealer(AES_128, KEYS).seal(content_type, bytes(size), padding)


class TestSealingMany:
    @pytest.mark.parametrize("suite", SUITES)
    @pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
    @pytest.mark.parametrize("size", [0, 1, 99, 100, 101, 399, 400, 401, 500, 100 * BATCH, 100 * BATCH * 2 + 350])
    def test_as_by_hand(self, suite: CipherSuite, kind: type, size: int) -> None:
        original = bytes(pattern(size))
        data = memoryview(bytearray(original)) if kind is memoryview else kind(original)
        inners = [original[i : i + 100] + b"\x17" for i in range(0, size, 100)]
        expected = stream_by_hand(suite, inners, 200)
        out = bytearray(len(expected) + 3)
        sealer = Sealer(suite, keys_for(suite), sequence=200)
        written = sealer.seal_into(data, memoryview(out) if kind is memoryview else out, 100)
        assert written == len(expected) == sealer.sealed_size(size, 100)
        assert out == expected + bytes(3)
        assert bytes(data) == original
        assert sealer.sequence == 200 + len(inners)

    @given(size=st.integers(0, 700), record_size=st.integers(1, 200), sequence=st.integers(0, 600))
    @settings(max_examples=40)
    def test_any_record_size(self, size: int, record_size: int, sequence: int) -> None:
        data = pattern(size)
        original = bytes(data)
        inners = [original[i : i + record_size] + b"\x17" for i in range(0, size, record_size)]
        out = bytearray(Sealer.sealed_size(size, record_size))
        Sealer(AES_128, keys_for(AES_128), sequence=sequence).seal_into(data, out, record_size)
        assert out == stream_by_hand(AES_128, inners, sequence)
        assert data == original

    def test_full_records(self) -> None:
        data = pattern(5 * MAX_PLAINTEXT + 1)
        inners = [bytes(data[i : i + MAX_PLAINTEXT]) + b"\x17" for i in range(0, len(data), MAX_PLAINTEXT)]
        out = bytearray(Sealer.sealed_size(len(data)))
        assert Sealer(CHACHA20, keys_for(CHACHA20)).seal_into(data, out) == len(out)
        assert out == stream_by_hand(CHACHA20, inners)

    def test_part_of_a_larger_buffer_leaves_the_rest_alone(self) -> None:
        memory = pattern(3000)
        original = bytes(memory)
        out = bytearray(3000)
        written = Sealer(AES_128, KEYS).seal_into(memoryview(memory)[500:1500], memoryview(out)[100:], 100)
        assert memory == original
        assert not any(out[:100])
        assert not any(out[100 + written :])

    def test_views_of_other_items_than_bytes(self) -> None:
        data = pattern(800)
        expected, out = bytearray(Sealer.sealed_size(800, 100)), bytearray(Sealer.sealed_size(800, 100))
        Sealer(AES_128, KEYS).seal_into(data, expected, 100)
        Sealer(AES_128, KEYS).seal_into(memoryview(data).cast("I"), memoryview(out).cast("b"), 100)
        assert out == expected

    def test_data_is_as_before_when_nonces_fail(self) -> None:
        def construct(iv: bytes, first: int) -> Iterator[bytes]:
            return iter([iv] * 3 + [b"short"] * 9)

        data = pattern(1000)
        original = bytes(data)
        sealer = Sealer(AES_128, KEYS, nonces=construct)
        with pytest.raises(ValueError, match=r"(?i)nonce"):
            sealer.seal_into(data, bytearray(Sealer.sealed_size(1000, 100)), 100)
        assert data == original

    @pytest.mark.parametrize("record_size", [0, -1, MAX_PLAINTEXT + 1])
    def test_record_size_out_of_range(self, record_size: int) -> None:
        with pytest.raises(ValueError, match="allowed are 1 to 16384"):
            Sealer(AES_128, KEYS).seal_into(bytearray(9), bytearray(99), record_size)

    def test_too_little_room(self) -> None:
        sealer = Sealer(AES_128, KEYS)
        with pytest.raises(ValueError, match="take 122 bytes; there is room for 121"):
            sealer.seal_into(bytearray(100), bytearray(121))
        assert sealer.sequence == 0


class TestLimits:
    """Sections 5.3 and 5.5."""

    def test_the_last_record_and_no_more(self) -> None:
        sealer = Sealer(AES_128, KEYS, sequence=AES_128.record_limit - 1)
        assert sealer.records_left == 1
        sealer.seal(DATA, b"last")
        assert sealer.records_left == 0
        with pytest.raises(TLSError, match="with a key that may protect") as error:
            sealer.seal(DATA, b"one more")
        assert error.value.alert is AlertDescription.INTERNAL_ERROR

    def test_many_at_once_are_all_or_nothing(self) -> None:
        sealer = Sealer(AES_128, KEYS, sequence=AES_128.record_limit - 9)
        out = bytearray(1000)
        with pytest.raises(TLSError):
            sealer.seal_into(bytearray(10), out, 1)
        assert not any(out)
        assert sealer.records_left == 9

    def test_sequence_of_the_opener_does_not_wrap(self) -> None:
        keys = keys_for(AES_128)
        last = by_hand(AES_128, keys, 2**64 - 1, b"end\x17")
        opener = Opener(AES_128, keys, sequence=2**64 - 1)
        assert opener.open(last[:5], last[5:]).content == b"end"
        first = by_hand(AES_128, keys, 0, b"again\x17")
        with pytest.raises(TLSError, match="used up") as error:
            opener.open(first[:5], first[5:])
        assert error.value.alert is AlertDescription.INTERNAL_ERROR

    def test_batches_do_not_wrap_either(self) -> None:
        keys = keys_for(AES_128)
        records = b"".join(by_hand(AES_128, keys, 2**64 - 6 + i, b"data\x17") for i in range(12))
        result = Opener(AES_128, keys, sequence=2**64 - 6).open_into(records, bytearray(MAX_PLAINTEXT + 1))
        assert len(result.ends) == 6
        assert result.failure is not None
        assert result.failure.alert is AlertDescription.INTERNAL_ERROR


class TestOpeningMany:
    @given(
        suite=st.sampled_from(SUITES),
        runs=st.lists(
            st.tuples(st.integers(0, 40), st.integers(1, 12), st.sampled_from([0, 0, 0, 1, 5])), min_size=1, max_size=6
        ),
        view=st.booleans(),
    )
    @settings(max_examples=60)
    def test_runs_of_all_sizes_and_paddings(
        self, suite: CipherSuite, runs: list[tuple[int, int, int]], view: bool
    ) -> None:
        contents = [(pattern(size + i)[i:], padding) for size, times, padding in runs for i in range(times)]
        records = bytearray(stream_by_hand(suite, [bytes(c) + b"\x17" + bytes(p) for c, p in contents]))
        out = bytearray(MAX_PLAINTEXT + 1)
        result = Opener(suite, keys_for(suite)).open_into(
            memoryview(records) if view else records, memoryview(out) if view else out
        )
        assert out[: result.produced] == b"".join(c for c, _ in contents)
        assert [b - a for a, b in zip([0, *result.ends], result.ends, strict=False)] == [len(c) for c, _ in contents]
        assert (result.consumed, result.other, result.failure) == (len(records), None, None)

    @pytest.mark.parametrize("suite", SUITES)
    @pytest.mark.parametrize("number", [1, 3, 4, 5, BATCH, BATCH + 1, 3 * BATCH + 7])
    def test_full_batches(self, suite: CipherSuite, number: int) -> None:
        data = bytes(pattern(number * 50))
        records = stream_by_hand(suite, [data[i : i + 50] + b"\x17" for i in range(0, len(data), 50)])
        result, produced = opened(suite, records)
        assert produced == data
        assert result.ends == list(range(50, len(data) + 1, 50))
        assert result.consumed == len(records)

    def test_within_a_larger_buffer(self) -> None:
        records = stream_by_hand(AES_128, [b"%03d\x17" % i for i in range(10)])
        buffer = bytearray(b"?" * 77 + records + records)
        out = bytearray(MAX_PLAINTEXT + 1)
        result = Opener(AES_128, keys_for(AES_128)).open_into(buffer, out, 77, 77 + len(records))
        assert (result.consumed, bytes(out[:30])) == (len(records), b"".join(b"%03d" % i for i in range(10)))

    @given(cut=st.integers(0, 299))
    @settings(max_examples=30)
    def test_a_partial_record_is_left(self, cut: int) -> None:
        records = stream_by_hand(AES_128, [b"8 bytes.\x17"] * 10)
        opener = Opener(AES_128, keys_for(AES_128))
        out = bytearray(MAX_PLAINTEXT + 1)
        first = opener.open_into(records[:cut], out)
        assert first.consumed == cut // 30 * 30
        second = opener.open_into(records, out, first.consumed)
        assert first.produced + second.produced == 80

    def test_room_for_some_records(self) -> None:
        records = stream_by_hand(AES_128, [bytes(pattern(7000)) + b"\x17"] * 12)
        opener = Opener(AES_128, keys_for(AES_128))
        out = bytearray(MAX_PLAINTEXT + 1)
        sizes = []
        consumed = 0
        while consumed < len(records):
            result = opener.open_into(records, out, consumed)
            assert out[: result.produced] == pattern(7000) * len(result.ends)
            consumed += result.consumed
            sizes.append(len(result.ends))
        assert sizes == [2] * 6

    def test_what_lies_beyond_the_room_is_not_written(self) -> None:
        records = stream_by_hand(AES_128, [b"x" * 5000 + b"\x17"] * 12)
        out = bytearray(b"\xaa" * (5 * 5000 + 1 + 100))
        result = Opener(AES_128, keys_for(AES_128)).open_into(records, memoryview(out)[: 5 * 5000 + 1])
        assert result.produced == 5 * 5000
        assert out[5 * 5000 + 1 :] == b"\xaa" * 100

    def test_exactly_the_room_that_is_needed(self) -> None:
        records = stream_by_hand(AES_128, [b"x" * 100 + b"\x17"])
        result, produced = opened(AES_128, records, room=101, max_content=100)
        assert (result.consumed, produced) == (len(records), b"x" * 100)

    def test_no_room_for_the_type_of_the_last_record(self) -> None:
        records = stream_by_hand(AES_128, [b"x" * 25 + b"\x17"] * 9)
        _, produced = opened(AES_128, records, room=125, max_content=100)
        assert produced == b"x" * 100

    @pytest.mark.parametrize("one_in", [1, 10])
    def test_padded_records_are_seldom_tried_as_a_batch(self, one_in: int) -> None:
        tries = []

        def construct(iv: bytes, first: int) -> Iterator[bytes]:
            tries.append(first)
            return per_record_nonces(iv, first)

        opener = Opener(AES_128, keys_for(AES_128), nonces=construct)
        records = stream_by_hand(AES_128, [b"xy\x17" if i % one_in else b"z\x17\x00" for i in range(5 * BATCH)])
        result = opener.open_into(records, bytearray(MAX_PLAINTEXT + 1))
        assert result.consumed == len(records)
        assert tries == [0, 0]

    def test_too_little_room_for_any_record(self) -> None:
        with pytest.raises(ValueError, match="16385 are needed"):
            Opener(AES_128, KEYS).open_into(b"", bytearray(MAX_PLAINTEXT))

    def test_a_message_ends_the_run(self) -> None:
        messages = [(b"a\x17", DATA)] * 6 + [(b"key update\x16\x00\x00", HANDSHAKE)] + [(b"b\x17", DATA)] * 6
        records = stream_by_hand(AES_128, [inner for inner, _ in messages])
        opener = Opener(AES_128, keys_for(AES_128))
        out = bytearray(MAX_PLAINTEXT + 1)
        first = opener.open_into(records, out)
        assert (bytes(out[: first.produced]), first.other) == (b"a" * 6, Record(HANDSHAKE, b"key update", True))
        second = opener.open_into(records, out, first.consumed)
        assert (bytes(out[: second.produced]), second.other) == (b"b" * 6, None)
        assert first.consumed + second.consumed == len(records)

    @pytest.mark.parametrize("place", range(9))
    def test_a_message_that_looks_like_the_data_around_it(self, place: int) -> None:
        inners = [b"12\x17"] * 9
        inners[place] = b"\x01\x00\x15"
        result, produced = opened(AES_128, stream_by_hand(AES_128, inners))
        assert produced == b"12" * place
        assert result.other == Record(ALERT, b"\x01\x00", True)
        assert result.consumed == 24 * (place + 1)

    def test_records_under_the_next_key_are_left_for_it(self) -> None:
        inners = [b"data-\x17"] * 5 + [b"\x18\x00\x00\x01\x00\x16"] + [b"data+\x17"] * 5
        old = stream_by_hand(AES_128, inners[:6])
        new_keys = TrafficKeys(key=bytes(16), iv=bytes(12))
        new = b"".join(by_hand(AES_128, new_keys, i, inner) for i, inner in enumerate(inners[6:]))
        out = bytearray(MAX_PLAINTEXT + 1)
        first = Opener(AES_128, keys_for(AES_128)).open_into(old + new, out)
        assert (first.produced, first.consumed, first.failure) == (25, len(old), None)
        second = Opener(AES_128, new_keys).open_into(old + new, out, first.consumed)
        assert bytes(out[: second.produced]) == b"data+" * 5

    @pytest.mark.parametrize("place", [1, 4, 5, 6, 7, 11])
    def test_good_records_before_a_bad_one_are_delivered(self, place: int) -> None:
        records = bytearray(stream_by_hand(AES_128, [b"data\x17"] * 12))
        records[26 * place + 9] ^= 1
        opener = Opener(AES_128, keys_for(AES_128))
        out = bytearray(MAX_PLAINTEXT + 1)
        result = opener.open_into(records, out)
        assert (bytes(out[: result.produced]), result.consumed) == (b"data" * place, 26 * place)
        assert result.failure is not None
        assert result.failure.alert is AlertDescription.BAD_RECORD_MAC
        assert opener.sequence == place
        with pytest.raises(TLSError) as error:
            opener.open_into(records, out, result.consumed)
        assert error.value.alert is AlertDescription.BAD_RECORD_MAC

    def test_buffers_can_be_resized_after_a_failure(self) -> None:
        records = bytearray(stream_by_hand(AES_128, [b"data\x17"] * 9))
        records[-1] ^= 1
        out = bytearray(MAX_PLAINTEXT + 1)
        result = Opener(AES_128, keys_for(AES_128)).open_into(records, out)
        assert result.failure is not None
        del records[: result.consumed]
        out.clear()

    def test_another_outer_type_is_left(self) -> None:
        records = stream_by_hand(AES_128, [b"data\x17"] * 5)
        result, _ = opened(AES_128, records + b"\x15\x03\x03\x00\x02\x01\x00" + records)
        assert (result.consumed, result.other, result.failure) == (len(records), None, None)

    def test_another_version_in_headers_is_authenticated_as_it_came(self) -> None:
        keys = keys_for(AES_128)
        records = [by_hand(AES_128, keys, i, b"data\x17", b"\x17\x03\x01\x00\x15") for i in range(6)]
        result, produced = opened(AES_128, b"".join(records))
        assert produced == b"data" * 6
        assert result.consumed == 26 * 6

    @pytest.mark.parametrize("place", [1, 2])
    def test_a_version_that_was_changed_on_the_way(self, place: int) -> None:
        records = bytearray(stream_by_hand(AES_128, [b"data\x17"] * 9))
        records[26 * 5 + place] ^= 1
        result, produced = opened(AES_128, bytes(records))
        assert produced == b"data" * 5
        assert result.failure is not None


class TestBadRecords:
    @given(suite=st.sampled_from(SUITES), position=st.integers(0, 10**6), bit=st.integers(0, 7))
    @settings(max_examples=60)
    def test_any_flipped_bit(self, suite: CipherSuite, position: int, bit: int) -> None:
        records = bytearray(stream_by_hand(suite, [b"data\x17"] * 7 + [b"padded\x17\x00\x00"] + [b"more\x17"] * 5))
        position %= len(records)
        records[position] ^= 1 << bit
        out = bytearray(MAX_PLAINTEXT + 1)
        expected = b"data" * 7 + b"padded" + b"more" * 5
        failure: TLSError | None
        try:
            result = Opener(suite, keys_for(suite)).open_into(records, out)
        except TLSError as error:
            result, failure = Opened(), error
        else:
            failure = result.failure
        assert expected.startswith(out[: result.produced])
        assert result.consumed <= position
        assert result.other is None
        if failure is None:
            # What was a header now is one of a record that is not whole, or is not protected.
            assert position - result.consumed < 5
        else:
            assert failure.alert in (AlertDescription.BAD_RECORD_MAC, AlertDescription.RECORD_OVERFLOW)

    @given(st.binary(max_size=200))
    @settings(max_examples=100)
    def test_any_bytes(self, garbage: bytes) -> None:
        for data in (garbage, b"\x17\x03\x03" + garbage, b"\x17\x03\x03\x00\x20" + garbage):
            try:
                result, _ = opened(CHACHA20, data)
            except TLSError:
                continue
            assert result.consumed == 0

    @pytest.mark.parametrize("size", [0, 1, 15])
    def test_no_room_for_the_tag(self, size: int) -> None:
        assert alert_of(AES_128, b"\x17\x03\x03\x00" + bytes([size]) + bytes(size)) is AlertDescription.BAD_RECORD_MAC

    def test_nothing_but_a_tag(self) -> None:
        record = stream_by_hand(AES_128, [b""])
        assert alert_of(AES_128, record) is AlertDescription.UNEXPECTED_MESSAGE
        assert alert_of(AES_128, record[:-1] + b"?") is AlertDescription.BAD_RECORD_MAC

    @pytest.mark.parametrize("size", [1, 2, 100, MAX_PLAINTEXT + 1])
    def test_nothing_but_zeros(self, size: int) -> None:
        assert alert_of(AES_128, stream_by_hand(AES_128, [bytes(size)])) is AlertDescription.UNEXPECTED_MESSAGE

    @pytest.mark.parametrize("content_type", [1, 19, 20, 24, 25, 255])
    @pytest.mark.parametrize("padding", [0, 3])
    def test_unknown_content_type_or_change_cipher_spec(self, content_type: int, padding: int) -> None:
        inner = b"\x01" + bytes([content_type]) + bytes(padding)
        assert alert_of(AES_128, stream_by_hand(AES_128, [inner])) is AlertDescription.UNEXPECTED_MESSAGE

    @pytest.mark.parametrize("content_type", [ALERT, HANDSHAKE])
    def test_empty_messages(self, content_type: int) -> None:
        record = stream_by_hand(AES_128, [bytes([content_type]) + bytes(9)])
        assert alert_of(AES_128, record) is AlertDescription.UNEXPECTED_MESSAGE

    @pytest.mark.parametrize("content", [b"\x01", b"\x01\x00\x01", b"\x01\x00\x01\x00"])
    def test_alerts_of_a_wrong_size(self, content: bytes) -> None:
        assert alert_of(AES_128, stream_by_hand(AES_128, [content + b"\x15"])) is AlertDescription.DECODE_ERROR

    def test_fragment_at_the_limit_and_beyond(self) -> None:
        fits = b"\x17\x03\x03" + MAX_CIPHERTEXT.to_bytes(2, "big") + bytes(MAX_CIPHERTEXT)
        assert alert_of(AES_128, fits) is AlertDescription.BAD_RECORD_MAC
        too_long = b"\x17\x03\x03" + (MAX_CIPHERTEXT + 1).to_bytes(2, "big") + bytes(MAX_CIPHERTEXT + 1)
        assert alert_of(AES_128, too_long) is AlertDescription.RECORD_OVERFLOW
        with pytest.raises(TLSError):
            opened(AES_128, too_long[:5])  # the header alone tells

    @pytest.mark.parametrize("max_content", [63, 1000, MAX_PLAINTEXT])
    def test_content_at_the_limit_and_beyond(self, max_content: int) -> None:
        at_limit = [b"x" * max_content + b"\x17", b"x\x17" + bytes(max_content - 1)]
        for inner in at_limit:
            result, produced = opened(AES_128, stream_by_hand(AES_128, [inner] * 5), max_content=max_content)
            assert len(result.ends) == 5
            assert produced == inner.rstrip(b"\0")[:-1] * 5
        for inner in (*(inner + b"\0" for inner in at_limit), b"x" * (max_content + 1) + b"\x17"):
            record = stream_by_hand(AES_128, [inner] * 5)[: len(inner) + 21]
            assert alert_of(AES_128, record, max_content) is AlertDescription.RECORD_OVERFLOW

    def test_too_much_content_in_the_midst_of_others(self) -> None:
        inners = [b"x" * 63 + b"\x17"] * 6 + [b"x" * 64 + b"\x17"] * 6
        result, produced = opened(AES_128, stream_by_hand(AES_128, inners), max_content=63)
        assert produced == b"x" * 63 * 6
        assert result.failure is not None
        assert result.failure.alert is AlertDescription.RECORD_OVERFLOW

    def test_a_record_that_does_not_authenticate_takes_no_sequence_number(self) -> None:
        good = stream_by_hand(AES_128, [b"data\x17"])
        opener = Opener(AES_128, keys_for(AES_128))
        with pytest.raises(TLSError):
            opener.open(good[:5], good[5:-1] + bytes([good[-1] ^ 1]))
        assert opener.open(good[:5], good[5:]).content == b"data"
        assert opener.sequence == 1

    def test_replayed_and_reordered_records(self) -> None:
        first, second = (stream_by_hand(AES_128, [b"1\x17", b"2\x17"])[i * 23 : (i + 1) * 23] for i in (0, 1))
        assert alert_of(AES_128, second) is AlertDescription.BAD_RECORD_MAC
        result, _ = opened(AES_128, first + first)
        assert result.consumed == len(first)
        assert result.failure is not None

    def test_overhead(self) -> None:
        assert len(stream_by_hand(AES_128, [b"data\x17"])) == len(b"data") + OVERHEAD
