"""Tests of impl.tls13.messages.post_handshake: NewSessionTicket and KeyUpdate."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impl.tls13.messages import MAX_TICKET_LIFETIME, KeyUpdate, NewSessionTicket
from impl.tls13.registries import ExtensionType, KeyUpdateRequest
from tests.support import rfc8448
from tests.support.tls13_codecs import (
    DECODE_ERROR,
    ILLEGAL_PARAMETER,
    alert_of,
    check_any_bytes,
    check_round_trip,
    damaged,
    extension_blocks,
)

u32 = st.integers(0, 2**32 - 1)
tickets = st.builds(
    NewSessionTicket,
    lifetime=u32,
    age_add=u32,
    nonce=st.binary(max_size=10),
    ticket=st.binary(min_size=1, max_size=40),
    extensions=extension_blocks(2),
)


def body_of(message: NewSessionTicket) -> bytes:
    """Encode a message's body alone."""
    return message.encode()[4:]


class TestNewSessionTicket:
    @given(tickets)
    def test_it_survives(self, ticket: NewSessionTicket) -> None:
        check_round_trip(ticket, body_of, NewSessionTicket.decode)

    @given(damaged(tickets.map(body_of)))
    def test_any_bytes_are_refused_or_mean_what_they_say(self, body: bytes) -> None:
        check_any_bytes(body, NewSessionTicket.decode, body_of)

    def test_that_of_rfc_8448_section_3(self) -> None:
        trace = rfc8448.trace("simple_1rtt")
        message = trace.message("NewSessionTicket")
        ticket = NewSessionTicket.decode(message[4:])
        expected = trace.ticket
        assert expected is not None
        assert ticket.lifetime == expected.lifetime
        assert ticket.age_add == expected.age_add
        assert ticket.nonce == expected.nonce
        assert ticket.ticket == expected.ticket
        assert ticket.extensions == {ExtensionType.EARLY_DATA: expected.max_early_data.to_bytes(4, "big")}
        assert ticket.encode() == message

    def test_an_empty_ticket_is_a_decode_error(self) -> None:
        body = bytes.fromhex("00000001 00000000 01 00 0000 0000")
        assert alert_of(NewSessionTicket.decode, body) is DECODE_ERROR

    def test_more_extensions_than_its_syntax_allows_are_a_decode_error(self) -> None:
        start = bytes.fromhex("00000001 00000000 00 0001 78")
        assert alert_of(NewSessionTicket.decode, start + b"\xff\xff\xff\x00\xff\xfb" + bytes(0xFFFB)) is DECODE_ERROR
        assert alert_of(NewSessionTicket.decode, start + b"\xff\xfe\xff\x00\xff\xfa" + bytes(0xFFFA)) is None

    def test_early_data_twice_is_an_illegal_parameter(self) -> None:
        body = bytes.fromhex("00000001 00000000 00 0001 78 0008 002a 0000 002a 0000")
        assert alert_of(NewSessionTicket.decode, body) is ILLEGAL_PARAMETER

    def test_a_lifetime_beyond_a_week_can_be_read(self) -> None:
        ticket = NewSessionTicket(MAX_TICKET_LIFETIME + 1, 0, b"", b"t", {})
        assert NewSessionTicket.decode(body_of(ticket)).lifetime == 7 * 24 * 3600 + 1


class TestKeyUpdate:
    @pytest.mark.parametrize("request_update", list(KeyUpdateRequest))
    def test_it_survives(self, request_update: KeyUpdateRequest) -> None:
        message = KeyUpdate(request_update).encode()
        assert message == b"\x18\x00\x00\x01" + bytes((request_update,))
        decoded = KeyUpdate.decode(message[4:])
        assert decoded.request is request_update

    @pytest.mark.parametrize("value", [2, 3, 255])
    def test_another_value_is_an_illegal_parameter(self, value: int) -> None:
        assert alert_of(KeyUpdate.decode, bytes((value,))) is ILLEGAL_PARAMETER

    @pytest.mark.parametrize("body", [b"", b"\x00\x00", b"\x02\x00"])
    def test_another_length_is_a_decode_error(self, body: bytes) -> None:
        assert alert_of(KeyUpdate.decode, body) is DECODE_ERROR
