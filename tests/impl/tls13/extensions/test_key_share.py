"""Tests of impl.tls13.extensions.key_share, in its three forms."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impl.tls13.alerts import TLSError
from impl.tls13.extensions import (
    KeyShareEntry,
    check_key_shares,
    decode_key_shares,
    decode_selected_group,
    decode_server_share,
    encode_key_shares,
    encode_selected_group,
    encode_server_share,
)
from impl.tls13.registries import NamedGroup
from tests.support.tls13_codecs import (
    DECODE_ERROR,
    ILLEGAL_PARAMETER,
    alert_of,
    check_any_bytes,
    check_round_trip,
    damaged,
    u16,
)

GREASE = 0x1A1A
X25519_SHARE = bytes.fromhex("99381de560e4bd43d23d8e435a7dbafeb3c06e51c13cae4d5413691e529aaf2c")

entries = st.builds(KeyShareEntry, group=u16, key_exchange=st.binary(min_size=1, max_size=20))
offers = st.lists(entries, max_size=4).map(tuple)


class TestClientShares:
    @given(offers)
    def test_they_survive(self, shares: tuple[KeyShareEntry, ...]) -> None:
        check_round_trip(shares, encode_key_shares, decode_key_shares)

    @given(damaged(offers.map(encode_key_shares)))
    def test_any_bytes_are_refused_or_mean_what_they_say(self, data: bytes) -> None:
        check_any_bytes(data, decode_key_shares, encode_key_shares)

    def test_that_of_rfc_8448_section_3(self) -> None:
        data = bytes.fromhex("0024001d0020") + X25519_SHARE
        assert decode_key_shares(data) == (KeyShareEntry(NamedGroup.X25519, X25519_SHARE),)

    def test_a_group_that_nobody_knows_is_kept(self) -> None:
        shares = decode_key_shares(bytes.fromhex("000a 1a1a 0001 00 001d 0001 00"))
        assert [share.group for share in shares] == [GREASE, NamedGroup.X25519]

    def test_there_may_be_none_but_the_list_must_be_there(self) -> None:
        assert decode_key_shares(b"\x00\x00") == ()
        assert alert_of(decode_key_shares, b"") is DECODE_ERROR

    @pytest.mark.parametrize(
        "data",
        [
            "0004 001d 0000",  # an empty key_exchange
            "0009 001d 0001 00 0017 0000",  # in the second share
            "0005 001d 0002 00",  # a share that is longer than the list
            "0003 001d 00",  # half a length
            "0001 00",  # half a group
        ],
    )
    def test_empty_shares_and_wrong_lengths_are_decode_errors(self, data: str) -> None:
        assert alert_of(decode_key_shares, bytes.fromhex(data)) is DECODE_ERROR


class TestSelectedGroup:
    @given(u16)
    def test_it_survives(self, group: int) -> None:
        check_round_trip(group, encode_selected_group, decode_selected_group)

    def test_the_form(self) -> None:
        assert encode_selected_group(NamedGroup.SECP256R1) == b"\x00\x17"


class TestServerShare:
    @given(entries)
    def test_it_survives(self, share: KeyShareEntry) -> None:
        check_round_trip(share, encode_server_share, decode_server_share)

    @given(damaged(entries.map(encode_server_share)))
    def test_any_bytes_are_refused_or_mean_what_they_say(self, data: bytes) -> None:
        check_any_bytes(data, decode_server_share, encode_server_share)

    def test_the_form(self) -> None:
        assert encode_server_share(KeyShareEntry(NamedGroup.X25519, X25519_SHARE)) == b"\x00\x1d\x00\x20" + X25519_SHARE

    @pytest.mark.parametrize("data", ["001d", "001d 0000", "001d 0001 00 00", "0005 001d 0001 00"])
    def test_an_empty_share_and_wrong_lengths_are_decode_errors(self, data: str) -> None:
        assert alert_of(decode_server_share, bytes.fromhex(data)) is DECODE_ERROR


class TestChecks:
    @pytest.mark.parametrize("shared", [(), (29,), (23, 24), (24, 23), (GREASE, 29)])
    def test_any_of_the_groups_may_have_a_share(self, shared: Sequence[int]) -> None:
        check_key_shares([KeyShareEntry(group, b"x") for group in shared], (GREASE, 29, 23, 24))

    @pytest.mark.parametrize(
        ("shared", "what"),
        [((29, 29), "two shares"), ((29, 23, 29), "two shares"), ((25,), "0x0019"), ((29, 25), "0x0019")],
    )
    def test_two_shares_of_a_group_or_one_not_in_the_list_are_illegal(self, shared: Sequence[int], what: str) -> None:
        with pytest.raises(TLSError, match=what) as caught:
            check_key_shares([KeyShareEntry(group, b"x") for group in shared], (GREASE, 29, 23, 24))
        assert caught.value.alert is ILLEGAL_PARAMETER
