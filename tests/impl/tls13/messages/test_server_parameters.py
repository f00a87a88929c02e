"""Tests of impl.tls13.messages.server_parameters: EncryptedExtensions and CertificateRequest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impl.tls13.messages import CertificateRequest, EncryptedExtensions
from impl.tls13.registries import AlertDescription, ExtensionType
from tests.support import rfc8448
from tests.support.tls13_codecs import (
    DECODE_ERROR,
    ILLEGAL_PARAMETER,
    REFUSALS,
    alert_of,
    check_any_bytes,
    check_round_trip,
    damaged,
    extension_blocks,
)

SIGNATURE_ALGORITHMS = {int(ExtensionType.SIGNATURE_ALGORITHMS): b"\x00\x02\x08\x04"}

encrypted = st.builds(EncryptedExtensions, extension_blocks())
requests = st.builds(
    CertificateRequest,
    context=st.binary(max_size=20),
    extensions=extension_blocks().map(lambda extensions: extensions | SIGNATURE_ALGORITHMS),
)


def body_of(message: EncryptedExtensions | CertificateRequest) -> bytes:
    """Encode a message's body alone."""
    return message.encode()[4:]


class TestEncryptedExtensions:
    @given(encrypted)
    def test_they_survive(self, message: EncryptedExtensions) -> None:
        check_round_trip(message, body_of, EncryptedExtensions.decode)

    @given(damaged(encrypted.map(body_of)))
    def test_any_bytes_are_refused_or_mean_what_they_say(self, body: bytes) -> None:
        check_any_bytes(body, EncryptedExtensions.decode, body_of)

    def test_those_of_rfc_8448_section_3(self) -> None:
        message = rfc8448.trace("simple_1rtt").message("EncryptedExtensions")
        decoded = EncryptedExtensions.decode(message[4:])
        assert list(decoded.extensions) == [10, 28, 0]
        assert decoded.encode() == message

    def test_there_may_be_none_but_the_list_must_be_there(self) -> None:
        assert EncryptedExtensions.decode(b"\x00\x00").extensions == {}
        assert alert_of(EncryptedExtensions.decode, b"") is DECODE_ERROR

    def test_server_name_twice_is_an_illegal_parameter(self) -> None:
        assert alert_of(EncryptedExtensions.decode, bytes.fromhex("0008 0000 0000 0000 0000")) is ILLEGAL_PARAMETER


class TestCertificateRequest:
    @given(requests)
    def test_it_survives(self, message: CertificateRequest) -> None:
        check_round_trip(message, body_of, CertificateRequest.decode)

    @given(damaged(requests.map(body_of)))
    def test_any_bytes_are_refused_or_mean_what_they_say(self, body: bytes) -> None:
        refusals = REFUSALS | {AlertDescription.MISSING_EXTENSION}
        check_any_bytes(body, CertificateRequest.decode, body_of, refusals=refusals)

    def test_that_of_rfc_8448_section_6(self) -> None:
        message = rfc8448.trace("client_authentication").message("CertificateRequest")
        decoded = CertificateRequest.decode(message[4:])
        assert decoded.context == b""
        assert list(decoded.extensions) == [13]
        assert decoded.encode() == message

    @pytest.mark.parametrize("body", ["00 0000", "00 0001 00", ""])
    def test_less_than_its_least_length_is_a_decode_error(self, body: str) -> None:
        assert alert_of(CertificateRequest.decode, bytes.fromhex(body)) is DECODE_ERROR

    def test_without_signature_algorithms_an_extension_is_missing(self) -> None:
        body = CertificateRequest(b"", {ExtensionType.CERTIFICATE_AUTHORITIES: b"\x00\x03\x00\x01x"}).encode()[4:]
        assert alert_of(CertificateRequest.decode, body) is AlertDescription.MISSING_EXTENSION
