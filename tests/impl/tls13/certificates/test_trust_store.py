"""Tests of impl.tls13.certificates.trust_store: bundles as people have them, and what is wrong with some."""

import base64
from pathlib import Path

import pytest

from impl.tls13.certificates.trust_store import TrustStore
from tests.support import pki

FIRST, SECOND = pki.authority("first"), pki.authority("second")
STRANGER = pki.authority("stranger")
BAD_PEM = FIRST.pem.replace(b"M", b"N", 5)


def old_root() -> bytes:
    """A root (PEM) with a negative serial number, as some in use have, though it must be positive."""
    start = FIRST.der.index(bytes.fromhex("a003020102")) + 7
    negative = FIRST.der[:start] + bytes([FIRST.der[start] | 0x80]) + FIRST.der[start + 1 :]
    return b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(negative) + b"-----END CERTIFICATE-----\n"


class TestFromPem:
    def test_several_with_text_between(self) -> None:
        trust = TrustStore.from_pem(
            b"# first\n" + FIRST.pem + b"\nthe second one:\r\n" + SECOND.pem.replace(b"\n", b"\r\n")
        )
        assert trust.anchors == (FIRST.certificate, SECOND.certificate)

    def test_the_same_twice(self) -> None:
        assert FIRST.der in TrustStore.from_pem(FIRST.pem * 2)

    @pytest.mark.parametrize("text", [b"", b"nothing", FIRST.key_pem, FIRST.der])
    def test_none(self, text: bytes) -> None:
        with pytest.raises(ValueError, match="at least one certificate"):
            TrustStore.from_pem(text)

    def test_a_malformed_one_is_named(self) -> None:
        with pytest.raises(ValueError, match="certificate 2 cannot be parsed"):
            TrustStore.from_pem(SECOND.pem + BAD_PEM)


class TestFromFile:
    def test_reads_it(self, tmp_path: Path) -> None:
        file = tmp_path / "roots.pem"
        file.write_bytes(FIRST.pem)
        assert TrustStore.from_file(file).anchors == TrustStore.from_file(str(file)).anchors == (FIRST.certificate,)

    def test_errors_name_the_file(self, tmp_path: Path) -> None:
        file = tmp_path / "roots.pem"
        file.write_bytes(BAD_PEM)
        with pytest.raises(ValueError, match=r"roots\.pem: certificate 1 cannot be parsed"):
            TrustStore.from_file(file)
        with pytest.raises(FileNotFoundError):
            TrustStore.from_file(tmp_path / "none.pem")


class TestSystem:
    @pytest.fixture
    def bundle(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        file = tmp_path / "bundle.crt"
        monkeypatch.setattr(
            "impl.tls13.certificates.trust_store._SYSTEM_BUNDLES", ("/nonexistent/bundle.crt", str(file))
        )
        return file

    def test_takes_the_first_bundle_there_is(self, bundle: Path) -> None:
        bundle.write_bytes(FIRST.pem + SECOND.pem)
        assert TrustStore.system().anchors == (FIRST.certificate, SECOND.certificate)

    def test_passes_over_what_cannot_be_parsed(self, bundle: Path) -> None:
        bundle.write_bytes(BAD_PEM + SECOND.pem)
        assert TrustStore.system().anchors == (SECOND.certificate,)

    def test_tells_where_it_has_looked(self, bundle: Path) -> None:
        with pytest.raises(FileNotFoundError, match=r"/nonexistent/bundle\.crt, .*bundle\.crt"):
            TrustStore.system()

    def test_that_of_this_machine(self) -> None:
        assert len(TrustStore.system().anchors) > 20


class TestContent:
    TRUST = TrustStore([FIRST.certificate, SECOND.certificate])

    def test_contains_by_the_whole_certificate(self) -> None:
        assert FIRST.der in self.TRUST
        assert STRANGER.der not in self.TRUST
        assert pki.authority("first").der not in self.TRUST  # same name and key, another serial number

    def test_finds_by_name(self) -> None:
        assert self.TRUST.named(FIRST.certificate.subject) == (FIRST.certificate,)
        assert self.TRUST.named(STRANGER.certificate.subject) == ()

    def test_of_nobody_is_refused(self) -> None:
        with pytest.raises(ValueError, match="at least one certificate"):
            TrustStore([])

    def test_old_serial_numbers_give_no_warning(self) -> None:
        """Warnings are errors here."""
        assert len(TrustStore.from_pem(old_root()).anchors) == 1
