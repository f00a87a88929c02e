"""Tests of impl.tls13.extensions.record_size_limit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impl.tls13.extensions import MIN_RECORD_SIZE_LIMIT, decode_record_size_limit, encode_record_size_limit
from tests.support.tls13_codecs import DECODE_ERROR, ILLEGAL_PARAMETER, alert_of, check_round_trip


class TestCodec:
    @given(st.integers(MIN_RECORD_SIZE_LIMIT, 0xFFFF))
    def test_it_survives(self, limit: int) -> None:
        check_round_trip(limit, encode_record_size_limit, decode_record_size_limit)

    @given(st.integers(0, 63))
    def test_less_than_64_is_illegal(self, limit: int) -> None:
        assert alert_of(decode_record_size_limit, limit.to_bytes(2, "big")) is ILLEGAL_PARAMETER

    @pytest.mark.parametrize("data", [b"", b"\x00", b"\x40\x01\x00", b"\x00\x01\x00"])
    def test_another_length_is_a_decode_error(self, data: bytes) -> None:
        assert alert_of(decode_record_size_limit, data) is DECODE_ERROR

    def test_that_of_rfc_8448(self) -> None:
        assert decode_record_size_limit(b"\x40\x01") == 2**14 + 1
