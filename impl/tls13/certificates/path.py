"""Certification paths step by step: why the library's verifier refuses one, or cannot judge it (RFC 5280, 6)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, PublicKeyAlgorithmOID

from impl.tls13.alerts import TLSError
from impl.tls13.certificates.parsing import bad_certificate, describe, extension, unsupported_certificate
from impl.tls13.certificates.trust_store import TrustStore
from impl.tls13.registries import AlertDescription

MAX_DEPTH: Final = 8
"""The most intermediate certificates between the peer's own and a trust anchor."""

MINIMUM_RSA_BITS: Final = 2048

_HASHES: Final = frozenset({"sha256", "sha384", "sha512"})

# Keys of issuers that the library's verifier refuses, as they have no place on the public web.
_BEYOND_LIBRARY: Final = frozenset({PublicKeyAlgorithmOID.ED25519, PublicKeyAlgorithmOID.RSASSA_PSS})

_UNDERSTOOD: Final = frozenset(
    kind.oid for kind in (x509.BasicConstraints, x509.KeyUsage, x509.ExtendedKeyUsage, x509.SubjectAlternativeName)
)


def find_path(
    leaf: x509.Certificate,
    others: Sequence[x509.Certificate],
    *,
    trust: TrustStore,
    moment: datetime,
    purpose: x509.ObjectIdentifier,
) -> tuple[x509.Certificate, ...]:
    """Find the path from a leaf, which is checked already, to a trust anchor.

    It is for where the library's verifier has refused: it names the cause. Of several issuers by the same name the
    first fitting one is taken, and no other way is tried after it. Name constraints are not looked at.

    Args:
        leaf: the peer's own certificate.
        others: what else the peer has shown, in any order.
        trust: where a path may end.
        moment: when every certificate of it must be valid.
        purpose: what an issuer's extended key usage must allow, if it has any.

    Raises:
        TLSError: there is none, with the alerts that ``impl.tls13.certificates`` lists.

    """
    path = [leaf]
    while path[-1].public_bytes(Encoding.DER) not in trust:
        if len(path) > MAX_DEPTH:
            raise unknown_ca(f"the chain has more than {MAX_DEPTH} intermediate certificates")
        known = [*trust.named(path[-1].issuer), *(other for other in others if other.subject == path[-1].issuer)]
        path.append(_issuer(path, [candidate for candidate in known if candidate not in path], moment, purpose))
    return tuple(path)


def is_beyond_library(path: Sequence[x509.Certificate]) -> bool:
    """Whether the algorithms of an issuer's key are why the library's verifier refuses a path that ``find_path`` found.

    Those are Ed25519 and id-RSASSA-PSS, which TLS 1.3 has (RFC 8446, section 4.2.3). As such a path is believed on
    ``find_path``'s word, it may have nothing that is not looked at there: name constraints, other critical extensions.
    """
    return (
        any(issuer.public_key_algorithm_oid in _BEYOND_LIBRARY for issuer in path[1:])
        and all(certificate.version is x509.Version.v3 for certificate in path)
        and all(extension(certificate, x509.NameConstraints) is None for certificate in path)
        and all(found.oid in _UNDERSTOOD for one in path for found in one.extensions if found.critical)
    )


def check_validity(certificate: x509.Certificate, moment: datetime) -> None:
    """Raise TLSError (certificate_expired) if the certificate is not valid at that moment, no longer or not yet."""
    if moment > certificate.not_valid_after_utc:
        problem = f"has expired at {certificate.not_valid_after_utc:%Y-%m-%d %H:%M:%S} UTC"
    elif moment < certificate.not_valid_before_utc:
        problem = f"is not valid before {certificate.not_valid_before_utc:%Y-%m-%d %H:%M:%S} UTC"
    else:
        return
    raise TLSError(
        AlertDescription.CERTIFICATE_EXPIRED, f"the certificate of {describe(certificate.subject)} {problem}"
    )


def check_key_size(certificate: x509.Certificate) -> None:
    """Raise TLSError (bad_certificate) if an RSA key is too small to be safe."""
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < MINIMUM_RSA_BITS:
        raise bad_certificate(
            f"the RSA key of {describe(certificate.subject)} has {key.key_size} bits; the least is {MINIMUM_RSA_BITS}"
        )


def allows_purpose(issuer: x509.ExtendedKeyUsage | None, purpose: x509.ObjectIdentifier) -> bool:
    """Whether the extended key usage of an issuer, if it has one, allows it to issue certificates for the purpose."""
    return issuer is None or purpose in issuer or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in issuer


def unknown_ca(reason: str) -> TLSError:
    """No path leads to a trust anchor, or somebody on it is not an authority (section 6.2)."""
    return TLSError(AlertDescription.UNKNOWN_CA, reason)


def _issuer(
    path: Sequence[x509.Certificate],
    candidates: Sequence[x509.Certificate],
    moment: datetime,
    purpose: x509.ObjectIdentifier,
) -> x509.Certificate:
    """Choose who has issued the last certificate of the path; TLSError if nobody has that may."""
    certificate = path[-1]
    subject = describe(certificate.subject)
    if not candidates:
        if certificate.issuer == certificate.subject:
            raise unknown_ca(f"the certificate of {subject} is self-signed, and not among the trusted ones")
        raise unknown_ca(
            f"the issuer of the certificate of {subject}, {describe(certificate.issuer)}, is neither trusted nor shown"
        )
    try:
        hash_algorithm = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm as error:
        raise unsupported_certificate(f"the certificate of {subject} is signed in an unknown way") from error
    if hash_algorithm is not None and hash_algorithm.name not in _HASHES:
        raise bad_certificate(
            f"the certificate of {subject} is signed with {hash_algorithm.name}, which is not allowed"
        )
    refusal: TLSError | None = None
    for candidate in candidates:
        if not _has_signed(candidate, certificate):
            continue
        try:
            _check_issuer(candidate, len(path) - 1, moment, purpose)
        except TLSError as error:
            refusal = refusal or error
        else:
            return candidate
    raise refusal or bad_certificate(
        f"the signature of the certificate of {subject} does not fit its issuer's key, {describe(certificate.issuer)}"
    )


def _has_signed(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return True


def _check_issuer(
    issuer: x509.Certificate, intermediates_below: int, moment: datetime, purpose: x509.ObjectIdentifier
) -> None:
    check_validity(issuer, moment)
    subject = describe(issuer.subject)
    constraints = extension(issuer, x509.BasicConstraints)
    if constraints is None or not constraints.ca:
        raise unknown_ca(f"{subject} is not a certificate authority, yet has issued a certificate")
    if constraints.path_length is not None and intermediates_below > constraints.path_length:
        raise unknown_ca(
            f"{subject} allows {constraints.path_length} intermediate authorities below it, not {intermediates_below}"
        )
    usage = extension(issuer, x509.KeyUsage)
    if usage is not None and not usage.key_cert_sign:
        raise unknown_ca(f"the key usage of {subject} does not allow it to sign certificates")
    if not allows_purpose(extension(issuer, x509.ExtendedKeyUsage), purpose):
        raise unsupported_certificate(f"the extended key usage of {subject} is for other purposes")
    check_key_size(issuer)
