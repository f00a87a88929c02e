"""Tests of impl.tls13.messages.client_hello."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impl.tls13.alerts import TLSError
from impl.tls13.extensions import OfferedPsks, PskIdentity
from impl.tls13.messages import ClientHello
from impl.tls13.registries import AlertDescription, ExtensionType
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

PSK = ExtensionType.PRE_SHARED_KEY
RANDOM = bytes(range(32))

RFC8448_SECTION_3 = bytes.fromhex(
    "010000c00303cb34ecb1e78163ba1c38c6dacb196a6dffa21a8d9912ec18a2ef6283024dece7000006130113031302010000910000000b0009000006"
    "736572766572ff01000100000a00140012001d0017001800190100010101020103010400230000003300260024001d002099381de560e4bd43d23d8e"
    "435a7dbafeb3c06e51c13cae4d5413691e529aaf2c002b0003020304000d0020001e0403050306030203080408050806040105010601020104020502"
    "06020202002d00020101001c00024001"
)


def psk_last(extensions: dict[int, bytes]) -> dict[int, bytes]:
    """Move pre_shared_key to its place."""
    psk = {number: data for number, data in extensions.items() if number == PSK}
    return {number: data for number, data in extensions.items() if number != PSK} | psk


hellos = st.builds(
    ClientHello,
    random=st.binary(min_size=32, max_size=32),
    legacy_session_id=st.binary(max_size=32),
    cipher_suites=st.lists(u16, min_size=1, max_size=5).map(tuple),
    extensions=extension_blocks().map(psk_last),
    legacy_version=u16,
    legacy_compression_methods=st.binary(min_size=1, max_size=4),
)


def body_of(hello: ClientHello) -> bytes:
    """Encode a message's body alone, from its fields."""
    return replace(hello).encode()[4:]


def hello_with(*extensions: tuple[int, bytes]) -> ClientHello:
    """A ClientHello with these extensions."""
    return ClientHello(RANDOM, b"", (0x1301,), dict(extensions))


class TestCodec:
    @given(hellos)
    def test_it_survives(self, hello: ClientHello) -> None:
        # A hello may end before its extensions, as those of old do.
        end = len(body_of(replace(hello, extensions={})))
        check_round_trip(hello, body_of, ClientHello.decode, ends={end})

    @given(hellos)
    def test_the_order_of_extensions_survives(self, hello: ClientHello) -> None:
        assert list(ClientHello.decode(body_of(hello)).extensions) == list(hello.extensions)

    @given(damaged(hellos.map(body_of)))
    def test_any_bytes_are_refused_or_mean_what_they_say(self, body: bytes) -> None:
        def encode(hello: ClientHello) -> bytes:
            without_block = body_of(hello)
            # An empty block of extensions reads like none.
            return body if body == without_block + b"\x00\x00" else without_block

        check_any_bytes(body, ClientHello.decode, encode)

    @given(hellos)
    def test_what_was_received_is_kept(self, hello: ClientHello) -> None:
        message = hello.encode()
        decoded = ClientHello.decode(message[4:])
        assert decoded.raw == decoded.encode() == message

    def test_an_empty_block_of_extensions_is_kept_as_received(self) -> None:
        message = hello_with().encode()
        message = bytes((1, 0, 0, message[3] + 2)) + message[4:] + b"\x00\x00"
        hello = ClientHello.decode(message[4:])
        assert hello.extensions == {}
        assert hello.encode() == message

    def test_a_changed_copy_is_not_encoded_as_received(self) -> None:
        hello = ClientHello.decode(hello_with((0x1A1A, b"x")).encode()[4:])
        assert replace(hello, extensions={}).encode() == hello_with().encode()


class TestKnownVectors:
    def test_the_fields_of_rfc_8448_section_3(self) -> None:
        hello = ClientHello.decode(RFC8448_SECTION_3[4:])
        assert hello.legacy_version == 0x0303
        assert hello.random.hex() == "cb34ecb1e78163ba1c38c6dacb196a6dffa21a8d9912ec18a2ef6283024dece7"
        assert hello.legacy_session_id == b""
        assert hello.cipher_suites == (0x1301, 0x1303, 0x1302)
        assert hello.legacy_compression_methods == b"\x00"
        assert list(hello.extensions) == [0, 0xFF01, 10, 35, 51, 43, 13, 45, 28]
        assert hello.extensions[28] == b"\x40\x01"

    def test_rfc_8448_section_3_is_encoded_from_its_fields(self) -> None:
        hello = replace(ClientHello.decode(RFC8448_SECTION_3[4:]))
        assert hello.raw == b""
        assert hello.encode() == RFC8448_SECTION_3

    @pytest.mark.parametrize(
        ("name", "index"), [("resumed_0rtt", 0), ("hello_retry_request", 1), ("compatibility_mode", 0)]
    )
    def test_others_of_rfc_8448_are_encoded_from_their_fields(self, name: str, index: int) -> None:
        message = rfc8448.trace(name).message("ClientHello", index=index)
        assert replace(ClientHello.decode(message[4:])).encode() == message


class TestOfOlderVersions:
    def test_it_may_have_no_extensions(self) -> None:
        hello = ClientHello.decode(bytes.fromhex("0301") + RANDOM + bytes.fromhex("00 0004 002f 000a 02 01 00"))
        assert hello.legacy_version == 0x0301
        assert hello.cipher_suites == (0x002F, 0x000A)
        assert hello.legacy_compression_methods == b"\x01\x00"
        assert hello.extensions == {}


class TestRefusals:
    @pytest.mark.parametrize(
        "fields",
        [
            "21" + 33 * "00" + "0002 1301 01 00 0000",  # legacy_session_id of 33 bytes
            "00 0000 01 00 0000",  # no cipher suites
            "00 0001 13 01 00 0000",  # half a cipher suite
            "00 0003 130113 01 00 0000",  # one and a half
            "00 0002 1301 00 0000",  # no method of compression
            "00 0002 1301 01 00 00",  # half a length
            "00 0002 1301 01 00 0001 00",  # half an extension type
            "00 0002 1301 01 00 0003 002b00",  # half an extension length
            "00 0002 1301 01 00 0005 002b0002 03",  # less data than said
            "00 0002 1301 01 00 0000 00",  # something behind the extensions
        ],
    )
    def test_wrong_lengths_are_decode_errors(self, fields: str) -> None:
        assert alert_of(ClientHello.decode, b"\x03\x03" + RANDOM + bytes.fromhex(fields)) is DECODE_ERROR

    def test_pre_shared_key_before_the_end_is_an_illegal_parameter(self) -> None:
        body = hello_with((PSK, b""), (ExtensionType.COOKIE, b"\x00\x01x")).encode()[4:]
        assert alert_of(ClientHello.decode, body) is ILLEGAL_PARAMETER

    def test_pre_shared_key_at_the_end_is_right(self) -> None:
        body = hello_with((ExtensionType.COOKIE, b"\x00\x01x"), (PSK, b"")).encode()[4:]
        assert list(ClientHello.decode(body).extensions) == [ExtensionType.COOKIE, PSK]


class TestCompression:
    def test_null_alone_is_right(self) -> None:
        hello_with().check_compression()

    @pytest.mark.parametrize("methods", [b"\x01", b"\x00\x01", b"\x01\x00", b"\x00\x00", b""])
    def test_all_else_is_an_illegal_parameter(self, methods: bytes) -> None:
        hello = replace(hello_with(), legacy_compression_methods=methods)
        with pytest.raises(TLSError) as caught:
            hello.check_compression()
        assert caught.value.alert is AlertDescription.ILLEGAL_PARAMETER


class TestBindersOffset:
    def test_the_truncated_hello_of_rfc_8448_section_4(self) -> None:
        message = rfc8448.trace("resumed_0rtt").message("ClientHello")
        binder = rfc8448.trace("resumed_0rtt").binder
        assert binder is not None
        hello = ClientHello.decode(message[4:])
        assert message[hello.binders_offset :] == b"\x00\x21\x20" + binder

    @given(st.lists(st.binary(min_size=32, max_size=64), min_size=1, max_size=4).map(tuple))
    def test_it_is_where_the_binders_begin(self, binders: tuple[bytes, ...]) -> None:
        psks = OfferedPsks(tuple(PskIdentity(b"identity", 0) for _ in binders), binders)
        hello = hello_with((0x1A1A, b""), (PSK, psks.encode()))
        assert hello.binders_offset == len(hello.encode()) - psks.binders_size
        assert ClientHello.decode(hello.encode()[4:]).binders_offset == hello.binders_offset

    def test_without_pre_shared_key_there_is_none(self) -> None:
        with pytest.raises(ValueError, match="no binders"):
            _ = hello_with().binders_offset

    @pytest.mark.parametrize("data", [b"", b"\x00", b"\x00\x01", b"\xff\xff" + bytes(100)])
    def test_a_broken_pre_shared_key_is_a_decode_error(self, data: bytes) -> None:
        hello = hello_with((PSK, data))
        with pytest.raises(TLSError) as caught:
            _ = hello.binders_offset
        assert caught.value.alert is DECODE_ERROR
