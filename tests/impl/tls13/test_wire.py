"""Tests of impl.tls13.wire: integers and vectors, read and written."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impl.tls13.alerts import TLSError
from impl.tls13.wire import Reader, encode_u16_list, u16_list, vector8, vector16, vector24
from tests.support.tls13_codecs import DECODE_ERROR, u16

VECTORS = {8: (vector8, Reader.vector8), 16: (vector16, Reader.vector16), 24: (vector24, Reader.vector24)}
INTEGERS: dict[int, Callable[[Reader], int]] = {1: Reader.u8, 2: Reader.u16, 3: Reader.u24, 4: Reader.u32}


def refused(read: Callable[[Reader], object], data: bytes) -> None:
    """Reading must fail, with the structure's name."""
    with pytest.raises(TLSError, match="a test") as caught:
        read(Reader(data, "a test"))
    assert caught.value.alert is DECODE_ERROR


class TestIntegers:
    @given(st.sampled_from(sorted(INTEGERS)), st.data())
    def test_they_are_read_from_the_most_significant_byte(self, size: int, data: st.DataObject) -> None:
        value = data.draw(st.integers(0, 256**size - 1))
        reader = Reader(b"\xff" + value.to_bytes(size, "big") + b"\xff", "a test")
        reader.take(1)
        assert INTEGERS[size](reader) == value
        assert reader.left == 1

    @pytest.mark.parametrize("size", INTEGERS)
    def test_one_that_ends_early_is_refused(self, size: int) -> None:
        refused(INTEGERS[size], bytes(size - 1))


class TestVectors:
    @given(st.sampled_from(sorted(VECTORS)), st.binary(max_size=40))
    def test_they_survive(self, bits: int, content: bytes) -> None:
        encode, decode = VECTORS[bits]
        encoded = encode(content)
        assert encoded == len(content).to_bytes(bits // 8, "big") + content
        reader = Reader(encoded, "a test")
        assert decode(reader) == content
        reader.finish()

    @pytest.mark.parametrize("bits", VECTORS)
    def test_one_that_ends_early_is_refused(self, bits: int) -> None:
        encode, decode = VECTORS[bits]
        for size in range(bits // 8 + 2):
            refused(decode, encode(b"xy")[:size])

    @pytest.mark.parametrize("bits", VECTORS)
    def test_its_length_must_be_within_bounds(self, bits: int) -> None:
        encode, decode = VECTORS[bits]
        for size, allowed in ((1, False), (2, True), (3, True), (4, False)):
            encoded = encode(bytes(size))
            if allowed:
                assert decode(Reader(encoded, "a test"), 2, 3) == bytes(size)
            else:
                refused(lambda reader: decode(reader, 2, 3), encoded)

    @pytest.mark.parametrize(("bits", "size"), [(8, 2**8), (16, 2**16), (24, 2**24)])
    def test_what_its_length_cannot_say_is_not_encoded(self, bits: int, size: int) -> None:
        with pytest.raises(ValueError, match=f"{size} bytes"):
            VECTORS[bits][0](bytes(size))
        assert VECTORS[bits][0](bytes(size - 1)).endswith(b"\x00")


class TestFinish:
    def test_what_is_left_over_is_refused(self) -> None:
        refused(Reader.finish, b"\x00")
        Reader(b"", "a test").finish()


class TestLists:
    @given(st.lists(u16, max_size=8).map(tuple))
    def test_they_survive(self, values: tuple[int, ...]) -> None:
        assert u16_list(encode_u16_list(values), "a test") == values

    def test_the_form(self) -> None:
        assert encode_u16_list([1, 0xFFEE]) == b"\x00\x01\xff\xee"

    def test_half_an_integer_is_refused(self) -> None:
        with pytest.raises(TLSError, match="odd") as caught:
            u16_list(b"\x00\x01\x02", "a test")
        assert caught.value.alert is DECODE_ERROR

    @pytest.mark.parametrize("value", [-1, 2**16])
    def test_what_does_not_fit_is_not_encoded(self, value: int) -> None:
        with pytest.raises(ValueError, match="two bytes"):
            encode_u16_list([value])
