"""Tests of impl.tls13.messages.authentication: Certificate, CertificateVerify, Finished, EndOfEarlyData."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impl.tls13.alerts import TLSError
from impl.tls13.messages import Certificate, CertificateEntry, CertificateVerify, EndOfEarlyData, Finished
from impl.tls13.registries import AlertDescription
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

certificates = st.builds(
    Certificate,
    context=st.binary(max_size=20),
    entries=st.lists(
        st.builds(CertificateEntry, data=st.binary(min_size=1, max_size=30), extensions=extension_blocks(2)), max_size=3
    ).map(tuple),
)
verifies = st.builds(CertificateVerify, scheme=u16, signature=st.binary(max_size=80))


def body_of(message: Certificate | CertificateVerify) -> bytes:
    """Encode a message's body alone."""
    return message.encode()[4:]


class TestCertificate:
    @given(certificates)
    def test_it_survives(self, message: Certificate) -> None:
        check_round_trip(message, body_of, Certificate.decode)

    @given(damaged(certificates.map(body_of)))
    def test_any_bytes_are_refused_or_mean_what_they_say(self, body: bytes) -> None:
        check_any_bytes(body, Certificate.decode, body_of)

    def test_that_of_rfc_8448_section_3(self) -> None:
        trace = rfc8448.trace("simple_1rtt")
        message = trace.message("Certificate")
        decoded = Certificate.decode(message[4:])
        assert decoded.context == b""
        assert [entry.data for entry in decoded.entries] == [trace.server.certificate]
        assert decoded.entries[0].extensions == {}
        assert decoded.encode() == message

    def test_a_client_may_have_none(self) -> None:
        assert Certificate.decode(bytes.fromhex("02 aabb 000000")) == Certificate(b"\xaa\xbb", ())

    @pytest.mark.parametrize(
        "body",
        [
            "00 000005 000000 0000",  # an empty certificate
            "00 000003 000000",  # and no list of extensions
            "00 000004 000001 30",  # no list of extensions
            "00 000005 000001 30 00",  # half a length
            "00 000007 000001 30 0000 00",  # the list is longer than its entries
            "00 000006 000001 30 0001",  # extensions that are not there
        ],
    )
    def test_wrong_lengths_are_decode_errors(self, body: str) -> None:
        assert alert_of(Certificate.decode, bytes.fromhex(body)) is DECODE_ERROR

    def test_status_request_twice_in_an_entry_is_an_illegal_parameter(self) -> None:
        body = bytes.fromhex("00 00000e 000001 30 0008 0005 0000 0005 0000")
        assert alert_of(Certificate.decode, body) is ILLEGAL_PARAMETER

    def test_the_same_extension_in_two_entries_is_right(self) -> None:
        entry = CertificateEntry(b"0", {5: b"\x01"})
        assert Certificate.decode(body_of(Certificate(b"", (entry, entry)))).entries == (entry, entry)


class TestCertificateVerify:
    @given(verifies)
    def test_it_survives(self, message: CertificateVerify) -> None:
        check_round_trip(message, body_of, CertificateVerify.decode)

    @given(damaged(verifies.map(body_of)))
    def test_any_bytes_are_refused_or_mean_what_they_say(self, body: bytes) -> None:
        check_any_bytes(body, CertificateVerify.decode, body_of)

    def test_that_of_rfc_8448_section_3(self) -> None:
        trace = rfc8448.trace("simple_1rtt")
        decoded = CertificateVerify.decode(trace.message("CertificateVerify")[4:])
        assert decoded == CertificateVerify(0x0804, trace.server.signature or b"")


class TestFinished:
    def test_that_of_rfc_8448_section_3(self) -> None:
        trace = rfc8448.trace("simple_1rtt")
        message = trace.message("Finished", "server")
        decoded = Finished.decode(message[4:])
        assert decoded.encode() == message
        decoded.verify(trace.server.verify_data)

    @given(st.binary(max_size=64))
    def test_it_is_its_verify_data(self, verify_data: bytes) -> None:
        assert Finished(verify_data).encode() == b"\x14\x00\x00" + bytes((len(verify_data),)) + verify_data
        assert Finished.decode(verify_data).verify_data == verify_data

    @pytest.mark.parametrize("size", [0, 1, 31, 33, 48])
    def test_a_wrong_length_is_a_decode_error(self, size: int) -> None:
        with pytest.raises(TLSError) as caught:
            Finished(bytes(size)).verify(bytes(32))
        assert caught.value.alert is DECODE_ERROR

    @given(st.binary(min_size=32, max_size=32), st.integers(0, 255))
    def test_a_wrong_bit_is_a_decrypt_error(self, verify_data: bytes, bit: int) -> None:
        wrong = (int.from_bytes(verify_data, "big") ^ 1 << bit).to_bytes(32, "big")
        with pytest.raises(TLSError) as caught:
            Finished(wrong).verify(verify_data)
        assert caught.value.alert is AlertDescription.DECRYPT_ERROR


class TestEndOfEarlyData:
    def test_it_is_a_header(self) -> None:
        assert EndOfEarlyData().encode() == b"\x05\x00\x00\x00"
        assert EndOfEarlyData.decode(b"") == EndOfEarlyData()

    def test_anything_in_it_is_a_decode_error(self) -> None:
        assert alert_of(EndOfEarlyData.decode, b"\x00") is DECODE_ERROR
