"""Tests of impl.tls13.extensions.server_name."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impl.tls13.extensions import decode_server_name, encode_server_name
from impl.tls13.wire import vector16
from tests.support.tls13_codecs import (
    DECODE_ERROR,
    ILLEGAL_PARAMETER,
    alert_of,
    check_any_bytes,
    check_round_trip,
    damaged,
)

host_names = st.text(string.ascii_letters + string.digits + "-._", min_size=1, max_size=40)


def names(*entries: tuple[int, bytes]) -> bytes:
    """Write any names."""
    return vector16(b"".join(bytes((name_type,)) + vector16(name) for name_type, name in entries))


class TestCodec:
    @given(host_names)
    def test_it_survives(self, host_name: str) -> None:
        check_round_trip(host_name, encode_server_name, decode_server_name)

    @given(damaged(host_names.map(encode_server_name)))
    def test_any_bytes_are_a_name_or_refused(self, data: bytes) -> None:
        check_any_bytes(data, decode_server_name)

    def test_that_of_rfc_8448(self) -> None:
        assert encode_server_name("server").hex() == "0009000006736572766572"

    def test_a_name_that_is_not_ascii_is_not_encoded(self) -> None:
        with pytest.raises(ValueError, match="ascii"):
            encode_server_name("bücher.example")


class TestDecoding:
    @pytest.mark.parametrize("name", ["localhost", "xn--bcher-kva.example", "_dane.EXAMPLE.com", "192.0.2.1"])
    def test_the_name_is_given_back_as_it_was_written(self, name: str) -> None:
        assert decode_server_name(encode_server_name(name)) == name

    @pytest.mark.parametrize("entries", [[(0, b"host"), (1, b"\x00\xff")], [(1, b""), (0, b"host"), (2, b"x")]])
    def test_names_of_types_that_nobody_knows_are_passed_over(self, entries: list[tuple[int, bytes]]) -> None:
        assert decode_server_name(names(*entries)) == "host"

    def test_they_may_be_all_there_is(self) -> None:
        assert decode_server_name(names((1, b"x"))) is None

    @pytest.mark.parametrize(
        "data",
        [
            "",  # nothing
            "0000",  # no names
            "0003 00 0000",  # an empty host name
            "0001 00",  # half a name
            "0005 00 0001 61 00",  # half a name behind another
            "0004 00 0002 61",  # a name that is longer than the list
            "0004 00 0001 61 00",  # something behind the list
        ],
    )
    def test_empty_names_and_wrong_lengths_are_decode_errors(self, data: str) -> None:
        assert alert_of(decode_server_name, bytes.fromhex(data)) is DECODE_ERROR

    @pytest.mark.parametrize(
        "entries", [[(0, b"one"), (0, b"two")], [(0, b"one"), (0, b"one")], [(1, b""), (0, b"x"), (1, b"")]]
    )
    def test_two_names_of_a_type_are_illegal(self, entries: list[tuple[int, bytes]]) -> None:
        assert alert_of(decode_server_name, names(*entries)) is ILLEGAL_PARAMETER

    @pytest.mark.parametrize(
        "name",
        [
            b"host\x00",
            b"\x00",
            b"ho\x07st",
            b"\x1b[31mhost",
            "bücher.example".encode(),
            b"\xff",
            b"a b",
            b"::1",
            b"a/b",
            b"*.a",
        ],
    )
    def test_bytes_that_no_dns_name_has_are_illegal(self, name: bytes) -> None:
        assert alert_of(decode_server_name, names((0, name))) is ILLEGAL_PARAMETER
