"""Tests of impl.tls13.extensions.psk_key_exchange_modes."""

from hypothesis import given
from hypothesis import strategies as st

from impl.tls13.extensions import decode_psk_key_exchange_modes, encode_psk_key_exchange_modes
from impl.tls13.registries import PskKeyExchangeMode
from tests.support.tls13_codecs import DECODE_ERROR, alert_of, check_any_bytes, check_round_trip, damaged

mode_lists = st.lists(st.integers(0, 255), min_size=1, max_size=5).map(tuple)


class TestCodec:
    @given(mode_lists)
    def test_they_survive(self, modes: tuple[int, ...]) -> None:
        check_round_trip(modes, encode_psk_key_exchange_modes, decode_psk_key_exchange_modes)

    @given(damaged(mode_lists.map(encode_psk_key_exchange_modes)))
    def test_any_bytes_are_refused_or_mean_what_they_say(self, data: bytes) -> None:
        check_any_bytes(data, decode_psk_key_exchange_modes, encode_psk_key_exchange_modes)

    def test_those_of_rfc_8448_with_one_that_nobody_knows(self) -> None:
        assert encode_psk_key_exchange_modes((PskKeyExchangeMode.PSK_DHE_KE,)) == b"\x01\x01"
        assert decode_psk_key_exchange_modes(b"\x02\x0b\x01") == (0x0B, PskKeyExchangeMode.PSK_DHE_KE)

    def test_none_is_a_decode_error(self) -> None:
        assert alert_of(decode_psk_key_exchange_modes, b"\x00") is DECODE_ERROR
