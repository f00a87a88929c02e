"""Tests of impl.tls13.messages.types: the table of handshake messages."""

from functools import partial

import pytest

from impl.tls13.messages import MESSAGE_TYPES, ClientHello, KeyUpdate, decode_message
from impl.tls13.registries import AlertDescription, HandshakeType, KeyUpdateRequest
from tests.support import rfc8448
from tests.support.tls13_codecs import DECODE_ERROR, alert_of


class TestTable:
    def test_it_has_every_message_that_comes_on_the_wire(self) -> None:
        assert set(MESSAGE_TYPES) == set(HandshakeType) - {
            HandshakeType.HELLO_RETRY_REQUEST,
            HandshakeType.MESSAGE_HASH,
        }

    def test_each_is_of_its_type(self) -> None:
        assert all(message.handshake_type == number for number, message in MESSAGE_TYPES.items())
        assert MESSAGE_TYPES[1] is ClientHello


class TestDecoding:
    @pytest.mark.parametrize("name", rfc8448.NAMES)
    def test_all_messages_of_rfc_8448_are_read_and_written_again(self, name: str) -> None:
        for message in rfc8448.trace(name).messages:
            assert decode_message(message.data[0], message.data[4:]).encode() == message.data

    def test_the_type_decides(self) -> None:
        assert decode_message(24, b"\x01") == KeyUpdate(KeyUpdateRequest.UPDATE_REQUESTED)

    @pytest.mark.parametrize("number", [0, 3, 6, 12, 67, 254, 255])
    def test_a_type_that_does_not_exist_is_unexpected(self, number: int) -> None:
        assert alert_of(partial(decode_message, number), b"") is AlertDescription.UNEXPECTED_MESSAGE

    def test_errors_of_the_message_come_through(self) -> None:
        assert alert_of(partial(decode_message, 24), b"") is DECODE_ERROR
