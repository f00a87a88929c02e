"""Tests of impl.tls13.extensions.certificate_authorities."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impl.tls13.extensions import decode_certificate_authorities, encode_certificate_authorities
from tests.support.tls13_codecs import DECODE_ERROR, alert_of, check_any_bytes, check_round_trip, damaged

authorities = st.lists(st.binary(min_size=1, max_size=20), min_size=1, max_size=4).map(tuple)


class TestCodec:
    @given(authorities)
    def test_they_survive(self, names: tuple[bytes, ...]) -> None:
        check_round_trip(names, encode_certificate_authorities, decode_certificate_authorities)

    @given(damaged(authorities.map(encode_certificate_authorities)))
    def test_any_bytes_are_refused_or_mean_what_they_say(self, data: bytes) -> None:
        check_any_bytes(data, decode_certificate_authorities, encode_certificate_authorities)

    def test_the_form(self) -> None:
        assert encode_certificate_authorities((b"\x30\x00",)).hex() == "000400023000"

    @pytest.mark.parametrize(
        "data", ["", "0000", "0002 0000", "0003 000000", "0004 0000 0000", "0006 0001 78 0001", "0006 0001 78 0002 78"]
    )
    def test_empty_names_and_wrong_lengths_are_decode_errors(self, data: str) -> None:
        assert alert_of(decode_certificate_authorities, bytes.fromhex(data)) is DECODE_ERROR
