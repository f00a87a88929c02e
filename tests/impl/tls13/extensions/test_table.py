"""Tests of impl.tls13.extensions.table: which extension may stand where, and was it asked for."""

from collections.abc import Callable

import pytest

from impl.tls13.alerts import TLSError
from impl.tls13.extensions import ALLOWED, check_request, check_response
from impl.tls13.registries import AlertDescription, ExtensionType, HandshakeType

# Section 4.2 of RFC 8446 word for word, and RFC 8449.
TABLE = """
server_name CH, EE
max_fragment_length CH, EE
status_request CH, CR, CT
supported_groups CH, EE
signature_algorithms CH, CR
use_srtp CH, EE
heartbeat CH, EE
application_layer_protocol_negotiation CH, EE
signed_certificate_timestamp CH, CR, CT
client_certificate_type CH, EE
server_certificate_type CH, EE
padding CH
key_share CH, SH, HRR
pre_shared_key CH, SH
psk_key_exchange_modes CH
early_data CH, EE, NST
cookie CH, HRR
supported_versions CH, SH, HRR
certificate_authorities CH, CR
oid_filters CR
post_handshake_auth CH
signature_algorithms_cert CH, CR
record_size_limit CH, EE
"""
ABBREVIATIONS = {
    "CH": HandshakeType.CLIENT_HELLO,
    "SH": HandshakeType.SERVER_HELLO,
    "EE": HandshakeType.ENCRYPTED_EXTENSIONS,
    "CT": HandshakeType.CERTIFICATE,
    "CR": HandshakeType.CERTIFICATE_REQUEST,
    "NST": HandshakeType.NEW_SESSION_TICKET,
    "HRR": HandshakeType.HELLO_RETRY_REQUEST,
}
GREASE = 0x1A1A


def alert(check: Callable[[], None]) -> AlertDescription:
    """The alert of a check that fails."""
    with pytest.raises(TLSError) as caught:
        check()
    return caught.value.alert


class TestTable:
    def test_it_is_that_of_the_rfc(self) -> None:
        rows = dict(line.split(" ", 1) for line in TABLE.strip().splitlines())
        assert {ExtensionType(number).name.lower(): allowed for number, allowed in ALLOWED.items()} == {
            name: frozenset(ABBREVIATIONS[message] for message in messages.split(", "))
            for name, messages in rows.items()
        }

    def test_every_extension_that_is_known_has_a_row(self) -> None:
        assert set(ALLOWED) == set(ExtensionType)


class TestResponses:
    @pytest.mark.parametrize(
        ("message", "extension_type"),
        [
            (HandshakeType.SERVER_HELLO, ExtensionType.KEY_SHARE),
            (HandshakeType.HELLO_RETRY_REQUEST, ExtensionType.KEY_SHARE),
            (HandshakeType.ENCRYPTED_EXTENSIONS, ExtensionType.SERVER_NAME),
            (HandshakeType.CERTIFICATE, ExtensionType.STATUS_REQUEST),
        ],
    )
    def test_what_was_offered_may_be_answered(self, message: HandshakeType, extension_type: ExtensionType) -> None:
        check_response(message, {extension_type: b""}, {extension_type})
        check_response(message, {}, ())

    @pytest.mark.parametrize(
        "extension_type", [GREASE, ExtensionType.SERVER_NAME, ExtensionType.COOKIE, ExtensionType.PADDING]
    )
    def test_what_was_not_offered_is_unsupported(self, extension_type: int) -> None:
        message = HandshakeType.ENCRYPTED_EXTENSIONS
        offered = {ExtensionType.KEY_SHARE, ExtensionType.EARLY_DATA}
        assert alert(lambda: check_response(message, {extension_type: b""}, offered)) is (
            AlertDescription.UNSUPPORTED_EXTENSION
        )

    def test_a_cookie_need_not_be_offered_before_a_hello_retry_request(self) -> None:
        cookie = {ExtensionType.COOKIE: b"\x00\x01x"}
        check_response(HandshakeType.HELLO_RETRY_REQUEST, cookie, ())
        assert alert(lambda: check_response(HandshakeType.SERVER_HELLO, cookie, ())) is (
            AlertDescription.UNSUPPORTED_EXTENSION
        )

    @pytest.mark.parametrize(
        ("message", "extension_type"),
        [
            (HandshakeType.ENCRYPTED_EXTENSIONS, ExtensionType.KEY_SHARE),
            (HandshakeType.ENCRYPTED_EXTENSIONS, ExtensionType.PADDING),
            (HandshakeType.SERVER_HELLO, ExtensionType.APPLICATION_LAYER_PROTOCOL_NEGOTIATION),
            (HandshakeType.SERVER_HELLO, ExtensionType.COOKIE),
            (HandshakeType.HELLO_RETRY_REQUEST, ExtensionType.PRE_SHARED_KEY),
            (HandshakeType.CERTIFICATE, ExtensionType.SERVER_NAME),
        ],
    )
    def test_what_was_offered_and_stands_in_the_wrong_message_is_illegal(
        self, message: HandshakeType, extension_type: ExtensionType
    ) -> None:
        assert alert(lambda: check_response(message, {extension_type: b""}, {extension_type})) is (
            AlertDescription.ILLEGAL_PARAMETER
        )

    def test_an_unknown_one_that_was_offered_may_be_answered(self) -> None:
        check_response(HandshakeType.ENCRYPTED_EXTENSIONS, {GREASE: b""}, {GREASE})


class TestRequests:
    @pytest.mark.parametrize(
        "message",
        [HandshakeType.CLIENT_HELLO, HandshakeType.CERTIFICATE_REQUEST, HandshakeType.NEW_SESSION_TICKET],
    )
    def test_what_nobody_knows_is_let_through(self, message: HandshakeType) -> None:
        check_request(message, {GREASE: b"", 35: b""})

    @pytest.mark.parametrize(
        ("message", "extension_type"),
        [
            (HandshakeType.CLIENT_HELLO, ExtensionType.OID_FILTERS),
            (HandshakeType.CERTIFICATE_REQUEST, ExtensionType.SUPPORTED_GROUPS),
            (HandshakeType.NEW_SESSION_TICKET, ExtensionType.PRE_SHARED_KEY),
        ],
    )
    def test_what_is_known_and_stands_in_the_wrong_message_is_illegal(
        self, message: HandshakeType, extension_type: ExtensionType
    ) -> None:
        with pytest.raises(TLSError, match=message.name.lower()) as caught:
            check_request(message, {GREASE: b"", extension_type: b""})
        assert caught.value.alert is AlertDescription.ILLEGAL_PARAMETER
