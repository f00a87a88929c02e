"""Tests of impl.tls13.extensions.supported_groups."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impl.tls13.extensions import decode_supported_groups, encode_supported_groups
from tests.support.tls13_codecs import DECODE_ERROR, alert_of, check_any_bytes, check_round_trip, damaged, u16

group_lists = st.lists(u16, min_size=1, max_size=8).map(tuple)


class TestCodec:
    @given(group_lists)
    def test_they_survive(self, groups: tuple[int, ...]) -> None:
        check_round_trip(groups, encode_supported_groups, decode_supported_groups)

    @given(damaged(group_lists.map(encode_supported_groups)))
    def test_any_bytes_are_refused_or_mean_what_they_say(self, data: bytes) -> None:
        check_any_bytes(data, decode_supported_groups, encode_supported_groups)

    def test_those_of_rfc_8448_section_3(self) -> None:
        data = bytes.fromhex("0012001d0017001800190100010101020103 0104")
        assert decode_supported_groups(data) == (29, 23, 24, 25, 256, 257, 258, 259, 260)

    @pytest.mark.parametrize("data", ["", "0000", "0001 00", "0003 001d00", "0002 001d 00", "0004 001d"])
    def test_no_groups_halves_and_wrong_lengths_are_decode_errors(self, data: str) -> None:
        assert alert_of(decode_supported_groups, bytes.fromhex(data)) is DECODE_ERROR
