"""Tests of impl.tls13.extensions.early_data."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impl.tls13.extensions import decode_max_early_data_size, encode_max_early_data_size
from tests.support.tls13_codecs import DECODE_ERROR, alert_of, check_round_trip


class TestMaxEarlyDataSize:
    @given(st.integers(0, 2**32 - 1))
    def test_it_survives(self, size: int) -> None:
        check_round_trip(size, encode_max_early_data_size, decode_max_early_data_size)

    def test_the_form(self) -> None:
        assert encode_max_early_data_size(16384) == b"\x00\x00\x40\x00"

    def test_none_at_all_is_a_decode_error(self) -> None:
        assert alert_of(decode_max_early_data_size, b"") is DECODE_ERROR

    def test_a_size_that_does_not_fit_is_not_encoded(self) -> None:
        with pytest.raises(OverflowError):
            encode_max_early_data_size(2**32)
