"""Tests of impl.tls13.messages.framing: headers, and blocks of extensions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impl.tls13.alerts import TLSError
from impl.tls13.messages import HEADER_SIZE, decode_extensions, encode_extensions, handshake_header
from impl.tls13.messages.framing import encode_message
from impl.tls13.registries import ExtensionType, HandshakeType
from tests.support.tls13_codecs import (
    DECODE_ERROR,
    ILLEGAL_PARAMETER,
    alert_of,
    check_any_bytes,
    damaged,
    extension_blocks,
)


def decode(block: bytes) -> dict[int, bytes]:
    """Read a block without its length."""
    return decode_extensions(block, "a test")


def encode(extensions: dict[int, bytes]) -> bytes:
    """Write a block without its length."""
    return encode_extensions(extensions)[2:]


class TestHeader:
    def test_it_has_type_and_length(self) -> None:
        assert handshake_header(HandshakeType.FINISHED, bytes(0x010203)) == b"\x14\x01\x02\x03"

    def test_a_message_is_header_and_body(self) -> None:
        message = encode_message(HandshakeType.KEY_UPDATE, b"\x01")
        assert message == b"\x18\x00\x00\x01\x01"
        assert len(message) == HEADER_SIZE + 1

    def test_a_body_that_its_length_cannot_say_is_refused(self) -> None:
        with pytest.raises(ValueError, match="certificate of 16777216 bytes"):
            handshake_header(HandshakeType.CERTIFICATE, bytes(2**24))


class TestExtensions:
    def test_the_form(self) -> None:
        assert encode_extensions({43: b"\x03\x04", 0x1A1A: b""}).hex() == "000a 002b 0002 0304 1a1a 0000".replace(
            " ", ""
        )

    @given(extension_blocks())
    def test_they_survive_in_their_order(self, extensions: dict[int, bytes]) -> None:
        assert list(decode(encode(extensions)).items()) == list(extensions.items())

    @given(damaged(extension_blocks().map(encode)))
    def test_any_bytes_are_refused_or_mean_what_they_say(self, block: bytes) -> None:
        check_any_bytes(block, decode, encode)

    @given(st.dictionaries(st.integers(0, 0xFFFF), st.binary(max_size=4), min_size=1, max_size=3), st.data())
    def test_one_that_ends_early_is_refused(self, extensions: dict[int, bytes], data: st.DataObject) -> None:
        block = encode(extensions)
        whole = {0}
        for extension in extensions.values():
            whole.add(max(whole) + 4 + len(extension))
        for size in set(range(len(block))) - whole:
            assert alert_of(decode, block[:size]) is DECODE_ERROR

    @pytest.mark.parametrize("extension_type", [ExtensionType.COOKIE, ExtensionType.KEY_SHARE, ExtensionType.PADDING])
    def test_a_known_one_that_comes_twice_is_an_illegal_parameter(self, extension_type: ExtensionType) -> None:
        block = encode({extension_type: b"\x00", 0x1A1A: b""}) + encode({extension_type: b""})
        assert alert_of(decode, block) is ILLEGAL_PARAMETER

    @pytest.mark.parametrize("extension_type", [0xFFFF, 0x1A1A, 23])
    def test_an_unknown_one_that_comes_twice_is_a_decode_error(self, extension_type: int) -> None:
        assert alert_of(decode, 2 * encode({extension_type: b""})) is DECODE_ERROR

    def test_the_reason_says_where_and_what(self) -> None:
        with pytest.raises(TLSError, match="extension 51 comes twice in ServerHello"):
            decode_extensions(2 * encode({51: b""}), "ServerHello")

    @pytest.mark.parametrize("extensions", [{1: bytes(2**16)}, {1: bytes(2**15), 2: bytes(2**15)}, {2**16: b""}])
    def test_what_does_not_fit_is_not_encoded(self, extensions: dict[int, bytes]) -> None:
        with pytest.raises(ValueError, match=r"extension|vector"):
            encode_extensions(extensions)
