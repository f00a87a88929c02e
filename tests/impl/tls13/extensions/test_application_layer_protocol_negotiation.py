"""Tests of impl.tls13.extensions.application_layer_protocol_negotiation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impl.tls13.extensions import (
    decode_protocols,
    decode_selected_protocol,
    encode_protocols,
    encode_selected_protocol,
)
from tests.support.tls13_codecs import DECODE_ERROR, alert_of, check_any_bytes, check_round_trip, damaged

names = st.binary(min_size=1, max_size=12)
offers = st.lists(names, min_size=1, max_size=4).map(tuple)


class TestOffer:
    @given(offers)
    def test_it_survives(self, protocols: tuple[bytes, ...]) -> None:
        check_round_trip(protocols, encode_protocols, decode_protocols)

    @given(damaged(offers.map(encode_protocols)))
    def test_any_bytes_are_refused_or_mean_what_they_say(self, data: bytes) -> None:
        check_any_bytes(data, decode_protocols, encode_protocols)

    def test_the_form(self) -> None:
        assert encode_protocols((b"h2", b"http/1.1")) == b"\x00\x0c\x02h2\x08http/1.1"

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"\x00\x00",  # no name
            b"\x00\x01\x00",  # an empty name alone
            b"\x00\x04\x02h2\x00",  # an empty name at the end
            b"\x00\x04\x00\x02h2",  # or at the beginning
            b"\x00\x03\x03h2",  # a name that is longer than the list
            b"\x00\x02\x02h2",  # a list that is shorter than its names
            b"\x00\x04\x02h2",  # or longer
        ],
    )
    def test_empty_names_and_wrong_lengths_are_decode_errors(self, data: bytes) -> None:
        assert alert_of(decode_protocols, data) is DECODE_ERROR

    def test_names_that_do_not_fit_are_not_encoded(self) -> None:
        with pytest.raises(ValueError, match="256 bytes"):
            encode_protocols((bytes(256),))
        with pytest.raises(ValueError, match="65536 bytes"):
            encode_protocols((bytes(255),) * 256)


class TestChoice:
    @given(names)
    def test_it_survives(self, protocol: bytes) -> None:
        check_round_trip(protocol, encode_selected_protocol, decode_selected_protocol)

    @given(damaged(names.map(encode_selected_protocol)))
    def test_any_bytes_are_refused_or_mean_what_they_say(self, data: bytes) -> None:
        check_any_bytes(data, decode_selected_protocol, encode_selected_protocol)

    def test_two_protocols_are_a_decode_error(self) -> None:
        assert alert_of(decode_selected_protocol, encode_protocols((b"h2", b"http/1.1"))) is DECODE_ERROR

    def test_an_empty_one_is_a_decode_error(self) -> None:
        assert alert_of(decode_selected_protocol, b"\x00\x01\x00") is DECODE_ERROR
