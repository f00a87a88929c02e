"""Tests of impl.tls13.extensions.signature_algorithms."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impl.tls13.extensions import decode_signature_algorithms, encode_signature_algorithms
from impl.tls13.registries import SignatureScheme
from tests.support.tls13_codecs import DECODE_ERROR, alert_of, check_any_bytes, check_round_trip, damaged, u16

scheme_lists = st.lists(u16, min_size=1, max_size=8).map(tuple)


class TestCodec:
    @given(scheme_lists)
    def test_they_survive(self, schemes: tuple[int, ...]) -> None:
        check_round_trip(schemes, encode_signature_algorithms, decode_signature_algorithms)

    @given(damaged(scheme_lists.map(encode_signature_algorithms)))
    def test_any_bytes_are_refused_or_mean_what_they_say(self, data: bytes) -> None:
        check_any_bytes(data, decode_signature_algorithms, encode_signature_algorithms)

    def test_the_form(self) -> None:
        schemes = (SignatureScheme.ED25519, SignatureScheme.RSA_PSS_RSAE_SHA256)
        assert encode_signature_algorithms(schemes).hex() == "000408070804"

    def test_as_many_as_fit(self) -> None:
        data = b"\xff\xfe" + 32767 * b"\x08\x04"
        assert decode_signature_algorithms(data) == 32767 * (0x0804,)

    @pytest.mark.parametrize("data", ["", "0000", "0001 08", "0003 080408", "0002 0804 00", "0004 0804"])
    def test_no_schemes_halves_and_wrong_lengths_are_decode_errors(self, data: str) -> None:
        assert alert_of(decode_signature_algorithms, bytes.fromhex(data)) is DECODE_ERROR

    @pytest.mark.parametrize("schemes", [(2**16,), (-1,), 32768 * (0x0804,)])
    def test_what_does_not_fit_is_not_encoded(self, schemes: tuple[int, ...]) -> None:
        with pytest.raises(ValueError, match="two bytes"):
            encode_signature_algorithms(schemes)
