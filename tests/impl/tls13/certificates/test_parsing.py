"""Tests of impl.tls13.certificates.parsing: whatever is malformed is found at once, and memory is bounded."""

import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st

from impl.tls13.alerts import TLSError
from impl.tls13.certificates.parsing import describe, extension, parse_certificate
from impl.tls13.registries import AlertDescription
from tests.support import pki

FIRST, SECOND = (x509.UnrecognizedExtension(x509.ObjectIdentifier(f"1.2.3.{n}"), b"\5\0") for n in (4, 5))
LEAF = pki.issue(usage=["digital_signature"], extra=[(FIRST, False), (SECOND, False)])


def changed(old: bytes, new: bytes) -> bytes:
    assert LEAF.der.count(old) == 1
    return LEAF.der.replace(old, new)


def reason(data: bytes) -> str:
    with pytest.raises(TLSError) as caught:
        parse_certificate(data)
    assert caught.value.alert is AlertDescription.BAD_CERTIFICATE
    return caught.value.reason


class TestParsing:
    def test_a_good_one(self) -> None:
        assert parse_certificate(LEAF.der) == LEAF.certificate

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"\x30\x00",
            LEAF.der[:-1],
            LEAF.der + b"\0",
            LEAF.pem,
            changed(bytes.fromhex("2a0305"), bytes.fromhex("2a0304")),  # the same extension twice
            changed(bytes.fromhex("0603551d0f0101ff040403020780"), bytes.fromhex("0603551d0f0101ff040404020780")),
            changed(b"server.test", b"server\xff\xfeest"),  # names are of ASCII
            changed(bytes.fromhex("a003020102"), bytes.fromhex("a003020107")),  # version 8
        ],
        ids=["empty", "no content", "short", "long", "PEM", "twice", "key usage", "name", "version"],
    )
    def test_malformed(self, data: bytes) -> None:
        assert "cannot be parsed" in reason(data)

    def test_a_negative_serial_number(self) -> None:
        """The library warns of it as yet; warnings are errors here."""
        start = LEAF.der.index(bytes.fromhex("a003020102")) + 7
        negative = LEAF.der[:start] + bytes([LEAF.der[start] | 0x80]) + LEAF.der[start + 1 :]
        assert "cannot be parsed" in reason(negative)

    @given(st.integers(0, len(LEAF.der) - 1), st.integers(1, 255))
    @settings(max_examples=100)
    def test_a_changed_byte_is_parsed_or_refused(self, place: int, change: int) -> None:
        data = LEAF.der[:place] + bytes([LEAF.der[place] ^ change]) + LEAF.der[place + 1 :]
        try:
            certificate = parse_certificate(data)
        except TLSError as error:
            assert error.alert is AlertDescription.BAD_CERTIFICATE  # noqa: PT017 - both outcomes are right
        else:
            assert list(certificate.extensions) is not None

    @given(st.binary(max_size=200))
    @settings(max_examples=50)
    def test_garbage_is_refused(self, data: bytes) -> None:
        assert reason(data)


class TestMemory:
    def test_small_ones_are_parsed_once(self) -> None:
        assert parse_certificate(LEAF.der) is parse_certificate(bytes(bytearray(LEAF.der)))

    def test_large_ones_are_not_kept(self) -> None:
        large = pki.issue(names=[f"n{number}.test" for number in range(1000)])
        assert parse_certificate(large.der) == large.certificate
        assert parse_certificate(large.der) is not parse_certificate(large.der)


class TestExtensions:
    def test_one_that_is_there(self) -> None:
        usage = extension(LEAF.certificate, x509.KeyUsage)
        assert usage is not None
        assert usage.digital_signature

    def test_one_that_is_not(self) -> None:
        assert extension(LEAF.certificate, x509.NameConstraints) is None


class TestNames:
    def test_for_persons(self) -> None:
        assert describe(pki.distinguished_name("leaf")) == "CN=leaf"
        assert describe(x509.Name([])) == "(no name)"
