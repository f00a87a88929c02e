"""Trust anchors: the certificates that a user believes without further proof (RFC 5280, section 6.1.1)."""

import re
import warnings
from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.verification import Store

_BLOCK: Final = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)

# Where distributions put the bundle that they maintain: Debian, Fedora, openSUSE, Alpine and the BSDs.
_SYSTEM_BUNDLES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


class TrustStore:
    """A set of trust anchors, which does not change.

    An anchor is believed as it is: it may be a root, an intermediate, or the certificate of one server or client.

    Attributes:
        anchors: the certificates in the order in which they were given.
        store: the same as the library's verifier takes them.

    """

    __slots__ = ("_by_subject", "_encoded", "anchors", "store")

    def __init__(self, anchors: Iterable[x509.Certificate]) -> None:
        """Trust these certificates; ValueError if there are none."""
        self.anchors = tuple(anchors)
        if not self.anchors:
            raise ValueError("a trust store needs at least one certificate")
        self.store = Store(list(self.anchors))
        self._encoded = frozenset(anchor.public_bytes(Encoding.DER) for anchor in self.anchors)
        self._by_subject: dict[x509.Name, list[x509.Certificate]] = {}
        for anchor in self.anchors:
            self._by_subject.setdefault(anchor.subject, []).append(anchor)

    @classmethod
    def from_pem(cls, certificates: bytes) -> "TrustStore":
        """Trust the certificates of a PEM text; ValueError if there are none, or one cannot be parsed."""
        return cls(_load(certificates, skip_malformed=False))

    @classmethod
    def from_file(cls, path: str | PathLike[str]) -> "TrustStore":
        """Trust the certificates of a PEM file; ValueError, which names the file, as ``from_pem``; OSError."""
        try:
            return cls.from_pem(Path(path).read_bytes())
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error

    @classmethod
    def system(cls) -> "TrustStore":
        """Trust the authorities that this machine's distribution trusts.

        Roots of its bundle that the library cannot parse are left out. FileNotFoundError if no bundle is found.
        """
        for path in _SYSTEM_BUNDLES:
            if Path(path).is_file():
                return cls(_load(Path(path).read_bytes(), skip_malformed=True))
        raise FileNotFoundError(f"no bundle of trusted authorities; looked for {', '.join(_SYSTEM_BUNDLES)}")

    def __contains__(self, certificate: bytes) -> bool:
        """Whether a certificate (DER) is itself an anchor."""
        return certificate in self._encoded

    def named(self, subject: x509.Name) -> tuple[x509.Certificate, ...]:
        """List the anchors with this subject."""
        return tuple(self._by_subject.get(subject, ()))


def _load(certificates: bytes, *, skip_malformed: bool) -> list[x509.Certificate]:
    anchors = []
    with warnings.catch_warnings():
        # Of serial numbers that are not positive, which some old roots have.
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        for number, block in enumerate(_BLOCK.findall(certificates), start=1):
            try:
                anchor = x509.load_pem_x509_certificate(block)
                _ = (anchor.subject, anchor.extensions)
            except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, x509.InvalidVersion) as error:
                if not skip_malformed:
                    raise ValueError(f"certificate {number} cannot be parsed: {error}") from error
            else:
                anchors.append(anchor)
    return anchors
