"""Credentials: a certificate chain and the means to sign with the key of its first one (RFC 8446, section 4.4.2)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from impl.tls13.certificates.server_names import is_named, parse_server_name
from impl.tls13.registries import SignatureScheme
from impl.tls13.signatures import schemes_for, sign

Signer = Callable[[SignatureScheme, bytes], bytes]
SigningKey = ec.EllipticCurvePrivateKey | Ed25519PrivateKey | RSAPrivateKey

_CLOCK_SKEW: Final = timedelta(hours=1)
_MAX_COMMON_NAME: Final = 64
_DIGITAL_SIGNATURE: Final = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who an endpoint is, and how it proves it.

    Attributes:
        chain: certificates (DER): the endpoint's own, then the intermediate ones; the root may be left out.
        certificate: the endpoint's own.
        schemes: signature schemes of CertificateVerify that its key is good for, in order of preference.
        sign: signs content with the key of the certificate.
        private_key: that key; None if it is somewhere else, e.g. in a hardware module behind `sign`.

    """

    chain: tuple[bytes, ...]
    certificate: x509.Certificate
    schemes: tuple[SignatureScheme, ...]
    sign: Signer = field(repr=False)
    private_key: PrivateKeyTypes | None = field(default=None, repr=False)

    @classmethod
    def of(cls, chain: Sequence[x509.Certificate], private_key: PrivateKeyTypes) -> "Credentials":
        """Make credentials of certificates and the key of the first.

        ValueError if there is no certificate, the key is not that of the first, or it cannot sign in TLS 1.3.
        """
        credentials = cls.with_signer(chain, partial(sign, private_key), private_key)
        owners = [number for number, one in enumerate(chain, start=1) if _belongs(private_key, one)]
        if 1 not in owners:
            hint = f"; it is that of number {owners[0]}, which must come first" if owners else ""
            raise ValueError(f"the private key is not that of the first certificate{hint}")
        return credentials

    @classmethod
    def with_signer(
        cls, chain: Sequence[x509.Certificate], signer: Signer, private_key: PrivateKeyTypes | None = None
    ) -> "Credentials":
        """Make credentials whose key is not at hand: `signer` signs with it. ValueError as for ``of``."""
        if not chain:
            raise ValueError("there is no certificate")
        schemes = schemes_for(chain[0])
        if not schemes:
            raise ValueError("the key of the certificate can sign with no scheme of TLS 1.3")
        encoded = tuple(certificate.public_bytes(Encoding.DER) for certificate in chain)
        return cls(encoded, chain[0], schemes, signer, private_key)

    @classmethod
    def from_pem(cls, certificates: bytes, key: bytes, password: bytes | None = None) -> "Credentials":
        """Read credentials from PEM texts, which may be the same one.

        ValueError if either cannot be read, the password does not fit, or as for ``of``.
        """
        try:
            private_key = load_pem_private_key(key, password)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            # TypeError tells of a password that is missing, or not needed.
            raise ValueError(f"the private key cannot be read: {error}") from error
        try:
            chain = x509.load_pem_x509_certificates(certificates)
        except ValueError as error:
            raise ValueError(f"the certificates cannot be read: {error}") from error
        return cls.of(chain, private_key)

    @classmethod
    def from_files(
        cls, certificate_path: str | PathLike[str], key_path: str | PathLike[str], password: bytes | None = None
    ) -> "Credentials":
        """Read credentials from PEM files; ValueError, which names the files, as for ``from_pem``; OSError."""
        certificates, key = Path(certificate_path).read_bytes(), Path(key_path).read_bytes()
        try:
            return cls.from_pem(certificates, key, password)
        except ValueError as error:
            raise ValueError(f"{certificate_path} with {key_path}: {error}") from error

    def is_for(self, server_name: str) -> bool:
        """Whether the certificate is for a server of this name, which a client may have made up."""
        try:
            return is_named(self.certificate, parse_server_name(server_name))
        except ValueError:
            return False


def self_signed(names: Sequence[str], *, now: float, key: SigningKey | None = None, days: float = 30) -> Credentials:
    """Make a key and a certificate for servers and clients, signed with that key itself. For tests and closed groups.

    Args:
        names: host names, which may begin with a wildcard, and IP addresses.
        now: POSIX seconds. The certificate is valid from an hour before, for peers whose clock is late.
        key: the key; None for a new one on P-256.
        days: for how long it is valid.

    Raises:
        ValueError: there is no name, one is neither a host name nor an IP address, or the key cannot sign in TLS 1.3.

    """
    if not names:
        raise ValueError("a certificate needs at least one name")
    private_key = ec.generate_private_key(ec.SECP256R1()) if key is None else key
    alternatives = x509.SubjectAlternativeName([_alternative(name) for name in names])
    common_name = [x509.NameAttribute(NameOID.COMMON_NAME, names[0])] if len(names[0]) <= _MAX_COMMON_NAME else []
    subject = x509.Name(common_name)
    moment = datetime.fromtimestamp(int(now), UTC)
    purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(private_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment - _CLOCK_SKEW)
        .not_valid_after(moment + timedelta(days=days))
        .add_extension(alternatives, critical=not common_name)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_DIGITAL_SIGNATURE, critical=True)
        .add_extension(purposes, critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(private_key.public_key()), critical=False)
        .sign(private_key, None if isinstance(private_key, Ed25519PrivateKey) else hashes.SHA256())
    )
    return Credentials.of([certificate], private_key)


def _alternative(name: str) -> x509.GeneralName:
    if name.startswith("*."):
        parent = parse_server_name(name[2:])
        if isinstance(parent, x509.DNSName):
            return x509.DNSName(f"*.{parent.value}")
        raise ValueError(f"{name!r} is neither a host name nor an IP address")
    return parse_server_name(name)


def _belongs(private_key: PrivateKeyTypes, certificate: x509.Certificate) -> bool:
    encoding = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    try:
        return private_key.public_key().public_bytes(*encoding) == certificate.public_key().public_bytes(*encoding)
    except (ValueError, UnsupportedAlgorithm):
        return False
