"""Tests of impl.tls13.signatures: which scheme fits which key, what CertificateVerify signs, and wrong signatures."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from hypothesis import given, settings
from hypothesis import strategies as st

from impl.tls13.alerts import TLSError
from impl.tls13.registries import AlertDescription, SignatureScheme
from impl.tls13.signatures import (
    CERTIFICATE_SCHEMES,
    SIGNATURE_SCHEMES,
    certificate_verify_content,
    schemes_for,
    sign,
    verify,
)
from tests.support import pki, rfc8448

P256, P384 = SignatureScheme.ECDSA_SECP256R1_SHA256, SignatureScheme.ECDSA_SECP384R1_SHA384
RSAE = (
    SignatureScheme.RSA_PSS_RSAE_SHA256,
    SignatureScheme.RSA_PSS_RSAE_SHA384,
    SignatureScheme.RSA_PSS_RSAE_SHA512,
)
PSS = (
    SignatureScheme.RSA_PSS_PSS_SHA256,
    SignatureScheme.RSA_PSS_PSS_SHA384,
    SignatureScheme.RSA_PSS_PSS_SHA512,
)
PKCS1 = (SignatureScheme.RSA_PKCS1_SHA256, SignatureScheme.RSA_PKCS1_SHA384, SignatureScheme.RSA_PKCS1_SHA512)
FITTING = {
    "p256": (P256,),
    "p384": (P384,),
    "p521": (),
    "secp256k1": (),
    "ed25519": (SignatureScheme.ED25519,),
    "ed448": (),
    "rsa": RSAE,
    "rsa1024": RSAE[:2],  # SHA-512 and a salt of the same size need more than 1024 bits
}
CONTENT = b"content"


def pss_certificate() -> x509.Certificate:
    key = pki.key("rsa")
    return pki.with_pss_key(pki.issue(own_key=key, rsa_padding=pki.PSS_SHA256), key).certificate


def alert_of(key: CertificatePublicKeyTypes | x509.Certificate, scheme: SignatureScheme, signature: bytes) -> str:
    with pytest.raises(TLSError) as caught:
        verify(key, scheme, signature, CONTENT)
    return caught.value.alert.name


class TestSchemes:
    def test_pkcs1_is_for_certificates_alone(self) -> None:
        assert not set(PKCS1) & set(SIGNATURE_SCHEMES)
        assert CERTIFICATE_SCHEMES == SIGNATURE_SCHEMES + PKCS1

    def test_all_of_the_registry_are_there_once(self) -> None:
        assert sorted(CERTIFICATE_SCHEMES) == sorted(SignatureScheme)

    def test_the_mandatory_ones_are_there(self) -> None:
        """Section 9.1."""
        assert {SignatureScheme.RSA_PSS_RSAE_SHA256, P256} <= set(SIGNATURE_SCHEMES)
        assert {SignatureScheme.RSA_PKCS1_SHA256, SignatureScheme.RSA_PSS_RSAE_SHA256, P256} <= set(CERTIFICATE_SCHEMES)

    @pytest.mark.parametrize(("kind", "schemes"), FITTING.items())
    def test_that_fit_a_key(self, kind: str, schemes: tuple[SignatureScheme, ...]) -> None:
        assert schemes_for(pki.key(kind).public_key()) == schemes
        assert schemes_for(pki.issue(own_key=pki.key(kind)).certificate) == schemes

    def test_that_fit_a_certificate_with_the_oid_rsassa_pss(self) -> None:
        assert schemes_for(pss_certificate()) == PSS

    @pytest.mark.parametrize(("bits", "count"), [(1033, 2), (1034, 3)])
    def test_sha512_needs_1034_bits(self, bits: int, count: int) -> None:
        """RFC 8017, section 9.1.1: emBits is one less than the modulus has, and at least 8 * (64 + 64) + 9."""
        key = rsa.generate_private_key(65537, bits)
        assert schemes_for(key.public_key()) == RSAE[:count]
        for scheme in RSAE[:count]:
            verify(key.public_key(), scheme, sign(key, scheme, CONTENT), CONTENT)


class TestContent:
    def test_example_of_section_4_4_3(self) -> None:
        expected = (
            "20" * 64 + "544c5320312e332c207365727665722043657274696669636174655665726966" + "79" + "00" + "01" * 32
        )
        assert certificate_verify_content(server=True, transcript_hash=b"\1" * 32).hex() == expected

    def test_that_of_clients_differs_in_one_word(self) -> None:
        server, client = (
            certificate_verify_content(server=server, transcript_hash=bytes(48)) for server in (True, False)
        )
        assert client == server.replace(b"server", b"client")
        assert client != server


class TestSignAndVerify:
    @pytest.mark.parametrize("kind", ["p256", "p384", "ed25519", "rsa", "rsa1024"])
    def test_each_scheme_of_each_key(self, kind: str) -> None:
        key = pki.key(kind)
        for scheme in FITTING[kind]:
            signature = sign(key, scheme, CONTENT)
            verify(key.public_key(), scheme, signature, CONTENT)
            verify(pki.issue(own_key=key).certificate, scheme, signature, CONTENT)
            with pytest.raises(TLSError, match="decrypt_error"):
                verify(key.public_key(), scheme, signature, CONTENT + b"\0")

    @pytest.mark.parametrize("scheme", PSS)
    def test_with_the_oid_rsassa_pss(self, scheme: SignatureScheme) -> None:
        verify(pss_certificate(), scheme, sign(pki.key("rsa"), scheme, CONTENT), CONTENT)

    @pytest.mark.parametrize("name", ["simple_1rtt", "hello_retry_request", "compatibility_mode"])
    def test_signatures_of_rfc8448(self, name: str) -> None:
        trace = rfc8448.trace(name)
        step = next(step for step in trace.steps if step.what == "sign")
        content = certificate_verify_content(server=True, transcript_hash=step.values["hash"])
        assert trace.server.certificate is not None
        assert trace.server.signature is not None
        certificate = x509.load_der_x509_certificate(trace.server.certificate)
        verify(certificate, SignatureScheme(trace.server.signature_scheme or 0), trace.server.signature, content)

    @given(st.binary(max_size=300))
    @settings(max_examples=20)
    def test_garbage_is_no_signature(self, garbage: bytes) -> None:
        for kind in ("p256", "p384", "ed25519", "rsa"):
            for scheme in FITTING[kind]:
                assert alert_of(pki.key(kind).public_key(), scheme, garbage) == "DECRYPT_ERROR"

    def test_the_salt_has_the_size_of_the_hash(self) -> None:
        """Section 4.2.3; a verifier that takes any size would accept the second."""
        key = pki.key("rsa")
        assert isinstance(key, rsa.RSAPrivateKey)
        for size, accepted in ((32, True), (20, False), (222, False)):
            pss = padding.PSS(padding.MGF1(hashes.SHA256()), size)
            signature = key.sign(CONTENT, pss, hashes.SHA256())
            if accepted:
                verify(key.public_key(), RSAE[0], signature, CONTENT)
            else:
                assert alert_of(key.public_key(), RSAE[0], signature) == "DECRYPT_ERROR"

    def test_pkcs1_signatures_are_not_accepted_under_a_pss_name(self) -> None:
        key = pki.key("rsa")
        assert isinstance(key, rsa.RSAPrivateKey)
        signature = key.sign(CONTENT, padding.PKCS1v15(), hashes.SHA256())
        assert alert_of(key.public_key(), RSAE[0], signature) == "DECRYPT_ERROR"


class TestSchemesThatDoNotFit:
    @pytest.mark.parametrize("kind", FITTING)
    @pytest.mark.parametrize("scheme", CERTIFICATE_SCHEMES, ids=lambda scheme: scheme.name)
    def test_are_refused_by_verify_and_sign(self, kind: str, scheme: SignatureScheme) -> None:
        if scheme in FITTING[kind]:
            return
        assert alert_of(pki.key(kind).public_key(), scheme, bytes(64)) == "ILLEGAL_PARAMETER"
        private_key_cannot_tell = kind.startswith("rsa") and scheme in PSS
        if not private_key_cannot_tell and (kind, scheme) != ("rsa1024", RSAE[2]):
            with pytest.raises(ValueError, match="does not fit a key"):
                sign(pki.key(kind), scheme, CONTENT)

    def test_pkcs1_is_refused_even_with_a_right_signature(self) -> None:
        """Section 4.4.3: RSA signatures MUST use RSASSA-PSS."""
        key = pki.key("rsa")
        assert isinstance(key, rsa.RSAPrivateKey)
        signature = key.sign(CONTENT, padding.PKCS1v15(), hashes.SHA256())
        assert alert_of(key.public_key(), SignatureScheme.RSA_PKCS1_SHA256, signature) == "ILLEGAL_PARAMETER"

    def test_rsae_and_pss_are_told_apart_by_the_oid(self) -> None:
        """Section 4.2.3: the certificate MUST use the OID of the scheme."""
        key = pki.key("rsa")
        with_rsae, with_pss = pki.issue(own_key=key).certificate, pss_certificate()
        assert alert_of(with_rsae, PSS[0], sign(key, PSS[0], CONTENT)) == "ILLEGAL_PARAMETER"
        assert alert_of(with_pss, RSAE[0], sign(key, RSAE[0], CONTENT)) == "ILLEGAL_PARAMETER"

    def test_the_reason_names_the_scheme(self) -> None:
        with pytest.raises(TLSError, match="ED25519, which does not fit") as caught:
            verify(pki.key("p256").public_key(), SignatureScheme.ED25519, b"", b"")
        assert caught.value.alert is AlertDescription.ILLEGAL_PARAMETER
