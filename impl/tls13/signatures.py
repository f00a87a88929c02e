"""Signatures: which scheme fits which key, and CertificateVerify (RFC 8446, sections 4.2.3 and 4.4.3)."""

from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes, PrivateKeyTypes
from cryptography.x509.oid import PublicKeyAlgorithmOID

from impl.tls13.alerts import TLSError, illegal_parameter
from impl.tls13.registries import AlertDescription, SignatureScheme

PublicKey = CertificatePublicKeyTypes | x509.Certificate
"""A public key, or the certificate that holds it: that alone tells whether an RSA key is of the OID id-RSASSA-PSS."""


@dataclass(frozen=True, slots=True)
class _Ecdsa:
    algorithm: ec.ECDSA
    curve: str


@dataclass(frozen=True, slots=True)
class _RsaPss:
    hash: hashes.HashAlgorithm
    padding: padding.PSS
    minimum_bits: int
    key_oid: x509.ObjectIdentifier


def _ecdsa(algorithm: hashes.HashAlgorithm, curve: ec.EllipticCurve) -> _Ecdsa:
    return _Ecdsa(ec.ECDSA(algorithm), curve.name)


def _rsa_pss(algorithm: hashes.HashAlgorithm, key_oid: x509.ObjectIdentifier) -> _RsaPss:
    size = algorithm.digest_size
    # EMSA-PSS (RFC 8017, section 9.1.1) puts hash, salt and two bytes into one bit less than the modulus has; the salt
    # has the size of the hash (section 4.2.3).
    return _RsaPss(algorithm, padding.PSS(padding.MGF1(algorithm), size), 8 * (2 * size + 2) - 6, key_oid)


_RSAE: Final = PublicKeyAlgorithmOID.RSAES_PKCS1_v1_5  # rsaEncryption
_PSS: Final = PublicKeyAlgorithmOID.RSASSA_PSS
_ALGORITHMS: Final[dict[SignatureScheme, _Ecdsa | _RsaPss | None]] = {
    SignatureScheme.ECDSA_SECP256R1_SHA256: _ecdsa(hashes.SHA256(), ec.SECP256R1()),
    SignatureScheme.ED25519: None,
    SignatureScheme.ECDSA_SECP384R1_SHA384: _ecdsa(hashes.SHA384(), ec.SECP384R1()),
    SignatureScheme.RSA_PSS_RSAE_SHA256: _rsa_pss(hashes.SHA256(), _RSAE),
    SignatureScheme.RSA_PSS_RSAE_SHA384: _rsa_pss(hashes.SHA384(), _RSAE),
    SignatureScheme.RSA_PSS_RSAE_SHA512: _rsa_pss(hashes.SHA512(), _RSAE),
    SignatureScheme.RSA_PSS_PSS_SHA256: _rsa_pss(hashes.SHA256(), _PSS),
    SignatureScheme.RSA_PSS_PSS_SHA384: _rsa_pss(hashes.SHA384(), _PSS),
    SignatureScheme.RSA_PSS_PSS_SHA512: _rsa_pss(hashes.SHA512(), _PSS),
}

SIGNATURE_SCHEMES: Final[tuple[SignatureScheme, ...]] = tuple(_ALGORITHMS)
"""What may stand in CertificateVerify, in order of preference: the fastest first."""

CERTIFICATE_SCHEMES: Final[tuple[SignatureScheme, ...]] = (
    *SIGNATURE_SCHEMES,
    SignatureScheme.RSA_PKCS1_SHA256,
    SignatureScheme.RSA_PKCS1_SHA384,
    SignatureScheme.RSA_PKCS1_SHA512,
)
"""What may stand in certificates: also PKCS #1 v1.5, which most certificates of RSA issuers are signed with."""


def schemes_for(key: PublicKey) -> tuple[SignatureScheme, ...]:
    """List the schemes that the key can sign a CertificateVerify with, in order of preference; empty if there are none.

    A bare RSA key counts as one of the OID rsaEncryption. RSA keys too small for a hash and its salt lack that scheme.
    """
    public_key, oid = _split(key)
    return tuple(scheme for scheme in SIGNATURE_SCHEMES if _fits(public_key, oid, scheme))


def certificate_verify_content(*, server: bool, transcript_hash: bytes) -> bytes:
    """What is signed in a CertificateVerify (section 4.4.3)."""
    context = b"TLS 1.3, server CertificateVerify" if server else b"TLS 1.3, client CertificateVerify"
    return b" " * 64 + context + b"\0" + transcript_hash


def sign(private_key: PrivateKeyTypes, scheme: SignatureScheme, content: bytes) -> bytes:
    """Sign `content`; ValueError if the scheme does not fit the key."""
    algorithm = _ALGORITHMS.get(scheme)
    if isinstance(private_key, Ed25519PrivateKey) and scheme is SignatureScheme.ED25519:
        return private_key.sign(content)
    if isinstance(private_key, ec.EllipticCurvePrivateKey) and isinstance(algorithm, _Ecdsa):
        if private_key.curve.name == algorithm.curve:
            return private_key.sign(content, algorithm.algorithm)
    elif isinstance(private_key, rsa.RSAPrivateKey) and isinstance(algorithm, _RsaPss):
        return private_key.sign(content, algorithm.padding, algorithm.hash)
    raise ValueError(f"{scheme.name} does not fit a key of type {type(private_key).__name__}")


def verify(key: PublicKey, scheme: SignatureScheme, signature: bytes, content: bytes) -> None:
    """Verify the signature of a CertificateVerify.

    Give the peer's certificate rather than its public key: with a bare RSA key rsa_pss_pss_* never fits.

    Raises:
        TLSError: illegal_parameter if the scheme does not fit the key or is not for CertificateVerify,
            unsupported_certificate if the key cannot be used at all, decrypt_error if the signature is wrong.

    """
    public_key, oid = _split(key)
    if not _fits(public_key, oid, scheme):
        raise illegal_parameter(f"CertificateVerify has {scheme.name}, which does not fit the key of the certificate")
    algorithm = _ALGORITHMS[scheme]
    try:
        if isinstance(algorithm, _Ecdsa) and isinstance(public_key, ec.EllipticCurvePublicKey):
            public_key.verify(signature, content, algorithm.algorithm)
        elif isinstance(algorithm, _RsaPss) and isinstance(public_key, rsa.RSAPublicKey):
            public_key.verify(signature, content, algorithm.padding, algorithm.hash)
        elif isinstance(public_key, Ed25519PublicKey):
            public_key.verify(signature, content)
        else:
            raise AssertionError("a scheme that fits a key has an algorithm for it")
    except InvalidSignature as error:
        reason = "the signature of CertificateVerify is wrong: the peer has not got the key of its certificate"
        raise TLSError(AlertDescription.DECRYPT_ERROR, reason) from error


def _split(key: PublicKey) -> tuple[CertificatePublicKeyTypes, x509.ObjectIdentifier]:
    if not isinstance(key, x509.Certificate):
        return key, _RSAE
    try:
        return key.public_key(), key.public_key_algorithm_oid
    except (ValueError, UnsupportedAlgorithm) as error:
        raise TLSError(
            AlertDescription.UNSUPPORTED_CERTIFICATE, f"the public key of a certificate cannot be used: {error}"
        ) from error


def _fits(key: CertificatePublicKeyTypes, oid: x509.ObjectIdentifier, scheme: SignatureScheme) -> bool:
    if isinstance(key, Ed25519PublicKey):
        return scheme is SignatureScheme.ED25519
    algorithm = _ALGORITHMS.get(scheme)
    if isinstance(key, ec.EllipticCurvePublicKey):
        return isinstance(algorithm, _Ecdsa) and algorithm.curve == key.curve.name
    return (
        isinstance(key, rsa.RSAPublicKey)
        and isinstance(algorithm, _RsaPss)
        and algorithm.key_oid == oid
        and key.key_size >= algorithm.minimum_bits
    )
