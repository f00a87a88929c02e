"""Tests of impl.tls13.extensions.supported_versions, in its two forms."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impl.tls13.extensions import (
    decode_selected_version,
    decode_supported_versions,
    encode_selected_version,
    encode_supported_versions,
)
from tests.support.tls13_codecs import DECODE_ERROR, alert_of, check_any_bytes, check_round_trip, damaged, u16

version_lists = st.lists(u16, min_size=1, max_size=6).map(tuple)


class TestOffer:
    @given(version_lists)
    def test_they_survive(self, versions: tuple[int, ...]) -> None:
        check_round_trip(versions, encode_supported_versions, decode_supported_versions)

    @given(damaged(version_lists.map(encode_supported_versions)))
    def test_any_bytes_are_refused_or_mean_what_they_say(self, data: bytes) -> None:
        check_any_bytes(data, decode_supported_versions, encode_supported_versions)

    def test_that_of_rfc_8448_with_one_that_nobody_knows(self) -> None:
        assert encode_supported_versions((0x0304,)) == b"\x02\x03\x04"
        assert decode_supported_versions(b"\x04\x1a\x1a\x03\x04") == (0x1A1A, 0x0304)

    @pytest.mark.parametrize("data", ["", "00", "01 03", "03 030403", "ff" + 255 * "03", "02 0304 00", "04 0304"])
    def test_no_versions_halves_and_wrong_lengths_are_decode_errors(self, data: str) -> None:
        assert alert_of(decode_supported_versions, bytes.fromhex(data)) is DECODE_ERROR


class TestChoice:
    @given(u16)
    def test_it_survives(self, version: int) -> None:
        check_round_trip(version, encode_selected_version, decode_selected_version)

    def test_the_form(self) -> None:
        assert encode_selected_version(0x0304) == b"\x03\x04"
