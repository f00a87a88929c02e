"""Tests of impl.tls13.messages.server_hello."""

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impl.tls13.messages import DOWNGRADE_TLS11, DOWNGRADE_TLS12, HELLO_RETRY_REQUEST_RANDOM, ServerHello
from impl.tls13.registries import HandshakeType
from tests.support import rfc8448
from tests.support.tls13_codecs import (
    DECODE_ERROR,
    ILLEGAL_PARAMETER,
    alert_of,
    check_any_bytes,
    check_round_trip,
    damaged,
    extension_blocks,
    u16,
)

RANDOM = bytes(range(32))

RFC8448_SECTION_3 = bytes.fromhex(
    "020000560303a6af06a4121860dc5e6e60249cd34c95930c8ac5cb1434dac155772ed3e2692800130100002e00330024001d0020c9828876112095fe"
    "66762bdbf7c672e156d6cc253b833df1dd69b1b04e751f0f002b00020304"
)

hellos = st.builds(
    ServerHello,
    random=st.binary(min_size=32, max_size=32),
    legacy_session_id_echo=st.binary(max_size=32),
    cipher_suite=u16,
    extensions=extension_blocks(),
    legacy_version=u16,
)


def body_of(hello: ServerHello) -> bytes:
    """Encode a message's body alone."""
    return hello.encode()[4:]


class TestCodec:
    @given(hellos)
    def test_it_survives(self, hello: ServerHello) -> None:
        end = len(body_of(replace(hello, extensions={})))
        check_round_trip(hello, body_of, ServerHello.decode, ends={end})

    @given(damaged(hellos.map(body_of)))
    def test_any_bytes_are_refused_or_mean_what_they_say(self, body: bytes) -> None:
        def encode(hello: ServerHello) -> bytes:
            without_block = body_of(hello)
            # An empty block of extensions reads like none.
            return body if body == without_block + b"\x00\x00" else without_block

        check_any_bytes(body, ServerHello.decode, encode)


class TestKnownVectors:
    def test_the_fields_of_rfc_8448_section_3(self) -> None:
        hello = ServerHello.decode(RFC8448_SECTION_3[4:])
        assert hello.legacy_version == 0x0303
        assert hello.random.hex() == "a6af06a4121860dc5e6e60249cd34c95930c8ac5cb1434dac155772ed3e26928"
        assert hello.legacy_session_id_echo == b""
        assert hello.cipher_suite == 0x1301
        assert list(hello.extensions) == [51, 43]
        assert hello.extensions[43] == b"\x03\x04"
        assert not hello.is_hello_retry_request
        assert hello.extension_row is HandshakeType.SERVER_HELLO

    def test_rfc_8448_section_3_is_encoded_from_its_fields(self) -> None:
        assert ServerHello.decode(RFC8448_SECTION_3[4:]).encode() == RFC8448_SECTION_3

    def test_the_hello_retry_request_of_rfc_8448_section_5(self) -> None:
        message = rfc8448.trace("hello_retry_request").message("HelloRetryRequest")
        hello = ServerHello.decode(message[4:])
        assert hello.is_hello_retry_request
        assert hello.extension_row is HandshakeType.HELLO_RETRY_REQUEST
        assert list(hello.extensions) == [51, 44, 43]
        assert hello.encode() == message


class TestRandomValues:
    def test_a_hello_retry_request_has_the_hash_of_its_name(self) -> None:
        assert hashlib.sha256(b"HelloRetryRequest").digest() == HELLO_RETRY_REQUEST_RANDOM

    def test_downgrades_have_the_values_of_section_4_1_3(self) -> None:
        assert DOWNGRADE_TLS12.hex() == "444f574e47524401"
        assert DOWNGRADE_TLS11.hex() == "444f574e47524400"


class TestRefusals:
    @pytest.mark.parametrize(
        "fields",
        [
            "21" + 33 * "00" + "1301 00 0000",  # legacy_session_id_echo of 33 bytes
            "00 1301 00 00",  # half a length
            "00 1301 00 0001 00",  # half an extension type
            "00 1301 00 0000 00",  # something behind the extensions
            "00 1301 01 0006 002b 0002 0304",  # compression
        ],
    )
    def test_what_the_syntax_does_not_allow_is_a_decode_error(self, fields: str) -> None:
        assert alert_of(ServerHello.decode, b"\x03\x03" + RANDOM + bytes.fromhex(fields)) is DECODE_ERROR

    def test_key_share_twice_is_an_illegal_parameter(self) -> None:
        body = b"\x03\x03" + RANDOM + bytes.fromhex("00 1301 00 000c 0033 0002 001d 0033 0002 001d")
        assert alert_of(ServerHello.decode, body) is ILLEGAL_PARAMETER

    def test_one_of_an_older_version_may_have_no_extensions(self) -> None:
        hello = ServerHello.decode(b"\x03\x03" + RANDOM + bytes.fromhex("00 c02f 00"))
        assert hello.extensions == {}
        assert hello.cipher_suite == 0xC02F
