"""Certificates and in-memory connections for tests of impl/tls13."""

import datetime
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from impl.tls13 import (
    Client,
    ClientConfig,
    Credentials,
    Event,
    Failed,
    Server,
    ServerConfig,
    TrustStore,
)

NOW = 1_790_000_000.0
NAME = "server.test"

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


def moment(now: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(now, datetime.UTC)


@cache
def private_key(kind: str) -> PrivateKey:
    """A key of a kind: p256, p384, ed25519, rsa. Made once, since RSA keys take long."""
    match kind:
        case "p256":
            return ec.generate_private_key(ec.SECP256R1())
        case "p384":
            return ec.generate_private_key(ec.SECP384R1())
        case "ed25519":
            return ed25519.Ed25519PrivateKey.generate()
        case "rsa":
            return rsa.generate_private_key(65537, 2048)
    raise ValueError(kind)


@dataclass(frozen=True)
class Authority:
    """A root of trust that issues certificates for tests."""

    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    name: str = "test authority"
    now: float = NOW

    @property
    def certificate(self) -> x509.Certificate:
        return _authority_certificate(self)

    @property
    def trust(self) -> TrustStore:
        return TrustStore.from_pem(self.certificate.public_bytes(serialization.Encoding.PEM))

    def issue(
        self,
        kind: str = "p256",
        *,
        names: Sequence[str] = (NAME,),
        client: bool = False,
        usage: x509.ObjectIdentifier | None = None,
        days: tuple[int, int] = (-1, 30),
        digital_signature: bool = True,
    ) -> Credentials:
        """A certificate for these names, good from days[0] to days[1] days after now, and its key."""
        key = private_key(kind)
        wanted = usage or (ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH)
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0] if names else "nobody")]))
            .issuer_name(self.certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(moment(self.now + days[0] * 86400))
            .not_valid_after(moment(self.now + days[1] * 86400))
            .add_extension(x509.SubjectAlternativeName([general_name(name) for name in names]), critical=False)
            .add_extension(x509.ExtendedKeyUsage([wanted]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(key_usage(digital_signature=digital_signature), critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
        )
        return Credentials.from_pem(
            builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM), pem(key)
        )


@cache
def _authority_certificate(authority: Authority) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, authority.name)])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(authority.key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment(authority.now - 365 * 86400))
        .not_valid_after(moment(authority.now + 3650 * 86400))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(key_usage(digital_signature=False, authority=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(authority.key.public_key()), critical=False)
        .sign(authority.key, hashes.SHA256())
    )


def key_usage(*, digital_signature: bool, authority: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=not digital_signature and not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def pem(key: PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


@cache
def authority() -> Authority:
    """The authority of this process's tests."""
    return Authority()


@cache
def credentials(kind: str = "p256", *, client: bool = False) -> Credentials:
    """Credentials that ``authority()`` has issued."""
    return authority().issue(kind, client=client)


def client_config(**settings: object) -> ClientConfig:
    """Settings of a client that trusts ``authority()``, with these changes."""
    return ClientConfig(**{"server_name": NAME, "trust": authority().trust} | settings)  # type: ignore[arg-type]


def server_config(**settings: object) -> ServerConfig:
    """Settings of a server that ``authority()`` knows, with these changes."""
    return ServerConfig(**{"credentials": (credentials(),)} | settings)  # type: ignore[arg-type]


@dataclass
class Pair:
    """A client and a server whose bytes go straight to each other."""

    client: Client
    server: Server
    client_events: list[Event] = field(default_factory=list)
    server_events: list[Event] = field(default_factory=list)

    def start(self, now: float = NOW) -> None:
        """Let the client begin, and hand over all bytes."""
        self.client_events += self.client.start(now)
        self.exchange(now)

    def exchange(self, now: float = NOW) -> None:
        """Hand over all bytes until both sides are silent."""
        while True:
            to_server, to_client = self.client.data_to_send(), self.server.data_to_send()
            if not to_server and not to_client:
                return
            if to_server:
                self.server_events += self.server.receive(to_server, now)
            if to_client:
                self.client_events += self.client.receive(to_client, now)

    def failures(self) -> list[Failed]:
        """The client's failure and the server's, if there are any."""
        return [end.failed for end in (self.client, self.server) if end.failed is not None]


def pair(client: ClientConfig | None = None, server: ServerConfig | None = None) -> Pair:
    """A client and a server that have not begun yet."""
    return Pair(Client(client or client_config()), Server(server or server_config()))


def connected(client: ClientConfig | None = None, server: ServerConfig | None = None, now: float = NOW) -> Pair:
    """A client and a server after their handshake; an AssertionError with the reason if it failed."""
    both = pair(client, server)
    both.start(now)
    assert not both.failures(), both.failures()
    assert both.client.established
    assert both.server.established
    return both
