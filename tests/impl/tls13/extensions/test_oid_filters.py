"""Tests of impl.tls13.extensions.oid_filters."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impl.tls13.extensions import OIDFilter, decode_oid_filters
from impl.tls13.wire import vector8, vector16
from tests.support.tls13_codecs import (
    DECODE_ERROR,
    ILLEGAL_PARAMETER,
    alert_of,
    check_any_bytes,
    check_round_trip,
    damaged,
)

filter_lists = st.lists(
    st.builds(OIDFilter, oid=st.binary(min_size=1, max_size=10), values=st.binary(max_size=10)),
    max_size=3,
    unique_by=lambda filter_: filter_.oid,
).map(tuple)


def encode(filters: Sequence[OIDFilter]) -> bytes:
    """Write what only servers write."""
    return vector16(b"".join(vector8(filter_.oid) + vector16(filter_.values) for filter_ in filters))


class TestCodec:
    @given(filter_lists)
    def test_they_survive(self, filters: tuple[OIDFilter, ...]) -> None:
        check_round_trip(filters, encode, decode_oid_filters)

    @given(damaged(filter_lists.map(encode)))
    def test_any_bytes_are_refused_or_mean_what_they_say(self, data: bytes) -> None:
        check_any_bytes(data, decode_oid_filters, encode)

    def test_the_form(self) -> None:
        key_usage = bytes.fromhex("0603551d0f")
        data = bytes.fromhex("000c 05 0603551d0f 0004 03020780")
        assert decode_oid_filters(data) == (OIDFilter(key_usage, bytes.fromhex("03020780")),)

    def test_there_may_be_none_but_the_list_must_be_there(self) -> None:
        assert decode_oid_filters(b"\x00\x00") == ()
        assert alert_of(decode_oid_filters, b"") is DECODE_ERROR

    @pytest.mark.parametrize("data", ["0003 00 0000", "0002 01 06", "0003 01 06 00", "0004 01 06 0001"])
    def test_an_empty_identifier_and_wrong_lengths_are_decode_errors(self, data: str) -> None:
        assert alert_of(decode_oid_filters, bytes.fromhex(data)) is DECODE_ERROR

    def test_an_identifier_that_comes_twice_is_illegal(self) -> None:
        assert alert_of(decode_oid_filters, bytes.fromhex("0009 01 06 0000 01 06 0001 00")) is ILLEGAL_PARAMETER
