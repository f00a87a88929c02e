"""Certificates of every kind for tests: authorities, servers and clients, good ones and bad ones."""

import ipaddress
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID

NOW = 1_790_000_000.0
PSS_SHA256 = padding.PSS(padding.MGF1(hashes.SHA256()), 32)

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey

_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


@dataclass(frozen=True)
class Issued:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: Key

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@cache
def key(kind: str = "p256", number: int = 0) -> Key:
    """The number-th key of a kind, made once in a process."""
    match kind:
        case "p256":
            return ec.generate_private_key(ec.SECP256R1())
        case "p384":
            return ec.generate_private_key(ec.SECP384R1())
        case "p521":
            return ec.generate_private_key(ec.SECP521R1())
        case "secp256k1":
            return ec.generate_private_key(ec.SECP256K1())
        case "ed25519":
            return ed25519.Ed25519PrivateKey.generate()
        case "ed448":
            return ed448.Ed448PrivateKey.generate()
        case "rsa1024":
            return rsa.generate_private_key(65537, 1024)  # noqa: S505 - that it is refused is what is tested
        case "rsa":
            return rsa.generate_private_key(65537, 2048)
    raise ValueError(kind)


def distinguished_name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    return ipaddress.ip_network(text)


def key_usage(*bits: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{usage: usage in bits for usage in _USAGES})


def issue(
    subject: str = "leaf",
    issuer: Issued | None = None,
    *,
    own_key: Key | None = None,
    names: Sequence[str] = ("server.test",),
    ca: bool | None = None,
    path_length: int | None = None,
    days: tuple[float, float] = (-1, 30),
    usage: Collection[str] | None = None,
    purposes: Sequence[x509.ObjectIdentifier] | None = None,
    extra: Sequence[tuple[x509.ExtensionType, bool]] = (),
    hash_algorithm: hashes.SHA256 | hashes.SHA384 | hashes.SHA224 | None = None,
    rsa_padding: padding.PSS | None = None,
) -> Issued:
    """A certificate with just these extensions, signed by the issuer's key, or by its own."""
    own_key = own_key or key()
    signing_key = own_key if issuer is None else issuer.key
    now = datetime.fromtimestamp(NOW, UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(distinguished_name(subject))
        .issuer_name(distinguished_name(subject) if issuer is None else issuer.certificate.subject)
        .public_key(own_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=days[0]))
        .not_valid_after(now + timedelta(days=days[1]))
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([general_name(n) for n in names]), critical=False)
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca, path_length), critical=True)
    if usage is not None:
        builder = builder.add_extension(key_usage(*usage), critical=True)
    if purposes is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
    for extension, critical in extra:
        builder = builder.add_extension(extension, critical=critical)
    prehashed = not isinstance(signing_key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey)
    algorithm = (hash_algorithm or hashes.SHA256()) if prehashed else None
    return Issued(builder.sign(signing_key, algorithm, rsa_padding=rsa_padding), own_key)


def authority(
    subject: str = "root",
    issuer: Issued | None = None,
    *,
    own_key: Key | None = None,
    path_length: int | None = None,
    days: tuple[float, float] = (-365, 3650),
    usage: Collection[str] | None = ("key_cert_sign", "crl_sign"),
    purposes: Sequence[x509.ObjectIdentifier] | None = None,
    extra: Sequence[tuple[x509.ExtensionType, bool]] = (),
    rsa_padding: padding.PSS | None = None,
) -> Issued:
    """A certificate that may issue others; by its own key if there is no issuer."""
    return issue(
        subject,
        issuer,
        own_key=own_key or key("p256", 1 + sum(subject.encode())),
        names=(),
        ca=True,
        path_length=path_length,
        days=days,
        usage=usage,
        purposes=purposes,
        extra=extra,
        rsa_padding=rsa_padding,
    )


def with_pss_key(issued: Issued, signing_key: Key) -> Issued:
    """The same certificate with the OID id-RSASSA-PSS for its RSA key, which the library's builder cannot write.

    `issued` has been signed with RSASSA-PSS by SHA-256, and is signed again in the same way.
    """
    assert isinstance(signing_key, rsa.RSAPrivateKey)
    tbs = issued.certificate.tbs_certificate_bytes
    old = issued.certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    rsa_encryption = bytes.fromhex("300d06092a864886f70d0101010500")
    rsassa_pss = bytes.fromhex("300b06092a864886f70d01010a")
    new = sequence(_content(old).replace(rsa_encryption, rsassa_pss, 1))
    assert tbs.count(old) == 1
    tbs = sequence(_content(tbs).replace(old, new))
    signature = signing_key.sign(tbs, PSS_SHA256, hashes.SHA256())
    return Issued(_certificate(tbs, _signature_algorithm(issued), signature), issued.key)


def with_sha1_signature(issued: Issued, signing_key: Key) -> Issued:
    """The same certificate signed with ECDSA by SHA-1, which the library's builder refuses to do."""
    assert isinstance(signing_key, ec.EllipticCurvePrivateKey)
    old, new = _signature_algorithm(issued), bytes.fromhex("300906072a8648ce3d0401")
    assert issued.certificate.tbs_certificate_bytes.count(old) == 1
    tbs = sequence(_content(issued.certificate.tbs_certificate_bytes).replace(old, new))
    return Issued(_certificate(tbs, new, signing_key.sign(tbs, ec.ECDSA(hashes.SHA1()))), issued.key)  # noqa: S303


def as_version_1(issued: Issued, signing_key: Key) -> Issued:
    """The same certificate without its version, which makes it one of X.509 v1, signed again with Ed25519."""
    assert isinstance(signing_key, ed25519.Ed25519PrivateKey)
    content = _content(issued.certificate.tbs_certificate_bytes)
    version = bytes.fromhex("a003020102")
    assert content.startswith(version)
    tbs = sequence(content[len(version) :])
    return Issued(_certificate(tbs, _signature_algorithm(issued), signing_key.sign(tbs)), issued.key)


def with_wrong_signature(issued: Issued) -> bytes:
    """The certificate (DER) with the last bit of its signature turned round."""
    return issued.der[:-1] + bytes([issued.der[-1] ^ 1])


def sequence(content: bytes) -> bytes:
    """DER of a SEQUENCE."""
    return _tagged(0x30, content)


def _signature_algorithm(issued: Issued) -> bytes:
    rest = _content(issued.der)[len(issued.certificate.tbs_certificate_bytes) :]
    return rest[: len(rest) - len(_tagged(3, b"\0" + issued.certificate.signature))]


def _certificate(tbs: bytes, algorithm: bytes, signature: bytes) -> x509.Certificate:
    return x509.load_der_x509_certificate(sequence(tbs + algorithm + _tagged(3, b"\0" + signature)))


def _content(encoded: bytes) -> bytes:
    return encoded[2 + (encoded[1] & 0x7F if encoded[1] & 0x80 else 0) :]


def _tagged(tag: int, content: bytes) -> bytes:
    size = len(content)
    length = bytes([size]) if size < 0x80 else bytes([0x82]) + size.to_bytes(2, "big")
    if 0x80 <= size < 0x100:
        length = bytes([0x81, size])
    return bytes([tag]) + length + content
