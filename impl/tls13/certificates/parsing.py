"""From DER to a certificate, so that whatever is malformed in it is found here and not later (RFC 5280, section 4)."""

from functools import lru_cache
from typing import Final, TypeVar

from cryptography import x509
from cryptography.utils import CryptographyDeprecationWarning

from impl.tls13.alerts import TLSError
from impl.tls13.registries import AlertDescription

_CACHED_SIZE: Final = 4096
"""Larger certificates are parsed each time: a peer decides what comes, and must not fill the memory with it."""

_Extension = TypeVar("_Extension", bound=x509.ExtensionType)


def bad_certificate(reason: str) -> TLSError:
    """A certificate is corrupt, wrongly or weakly signed, or not for the peer (section 6.2)."""
    return TLSError(AlertDescription.BAD_CERTIFICATE, reason)


def unsupported_certificate(reason: str) -> TLSError:
    """A certificate is of a kind, or for a purpose, that cannot be used here (section 6.2)."""
    return TLSError(AlertDescription.UNSUPPORTED_CERTIFICATE, reason)


def parse_certificate(data: bytes) -> x509.Certificate:
    """Parse a certificate (DER) with all its extensions; TLSError (bad_certificate) if it is malformed."""
    return _parse_cached(data) if len(data) <= _CACHED_SIZE else _parse(data)


def _parse(data: bytes) -> x509.Certificate:
    try:
        certificate = x509.load_der_x509_certificate(data)
        # The library parses what follows when it is first asked for.
        _ = (certificate.extensions, certificate.subject, certificate.issuer)
        _ = (certificate.not_valid_before_utc, certificate.not_valid_after_utc, certificate.version)
    except (
        ValueError,
        x509.DuplicateExtension,
        x509.UnsupportedGeneralNameType,
        x509.InvalidVersion,
        CryptographyDeprecationWarning,  # a serial number that is not positive, where warnings are errors
    ) as error:
        raise bad_certificate(f"a certificate cannot be parsed: {error}") from error
    return certificate


_parse_cached = lru_cache(maxsize=256)(_parse)


def extension(certificate: x509.Certificate, kind: type[_Extension]) -> _Extension | None:
    """Find the value of an extension; None if the certificate has not got it."""
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def describe(name: x509.Name) -> str:
    """Write a distinguished name for a person."""
    return name.rfc4514_string() or "(no name)"
