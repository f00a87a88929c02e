"""OpenSSL's test programs, s_server and s_client, as peers of our clients and servers."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from impl.tls13 import ClientConfig, Credentials, ServerConfig
from tests.support.peers import Endpoint, Listener, connect
from tests.support.programs import Program, run
from tests.support.tls import NAME, Authority, pem

OPENSSL = "openssl"


@dataclass(frozen=True)
class Identity:
    """Credentials, and the files that programs read them from."""

    credentials: Credentials
    certificate: Path
    key: Path

    @property
    def options(self) -> list[str | Path]:
        """The options of openssl's programs, and of curl."""
        return ["-cert", self.certificate, "-key", self.key]


class Certificates:
    """Certificates of an authority, for us and as files for programs, made when they are asked for."""

    def __init__(self, folder: Path, authority: Authority) -> None:
        self.folder = folder
        self.authority = authority
        self.root = folder / "root.pem"
        self.root.write_bytes(authority.certificate.public_bytes(Encoding.PEM))
        self._root_key = folder / "root.key"
        self._root_key.write_bytes(pem(authority.key))
        self._made: dict[tuple[str, bool], Identity] = {}

    def identity(self, kind: str = "p256", *, client: bool = False) -> Identity:
        """A server's identity for NAME, or a client's, with a key of a kind: p256, p384, ed25519, rsa or rsa-pss."""
        if (kind, client) not in self._made:
            made = self._made_by_openssl() if kind == "rsa-pss" else None
            self._made[kind, client] = made or self.write(self.authority.issue(kind, client=client))
        return self._made[kind, client]

    def write(self, credentials: Credentials) -> Identity:
        """Write credentials to files."""
        number = len(list(self.folder.glob("identity-*.pem")))
        certificate, key = self.folder / f"identity-{number}.pem", self.folder / f"identity-{number}.key"
        certificate.write_bytes(credentials.certificate.public_bytes(Encoding.PEM))
        private_key = credentials.private_key
        assert isinstance(private_key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey)
        key.write_bytes(pem(private_key))
        return Identity(credentials, certificate, key)

    def _made_by_openssl(self) -> Identity:
        """An identity whose key has the OID id-RSASSA-PSS, for servers and clients."""
        certificate, key = self.folder / "rsa-pss.pem", self.folder / "rsa-pss.key"
        run([OPENSSL, "genpkey", "-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048", "-out", key])
        self._certify(certificate, key, NAME, _EXTENSIONS, issuer=(self.root, self._root_key))
        return Identity(Credentials.from_files(certificate, key), certificate, key)

    def issued_by_an_intermediate(self) -> Identity:
        """A server's identity for NAME, issued by another authority, whose certificate is in the same file."""
        issuer, issuer_key = self.folder / "intermediate.pem", self.folder / "intermediate.key"
        certificate, key = self.folder / "chain.pem", self.folder / "chain.key"
        for path in (issuer_key, key):
            run([OPENSSL, "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", path])
        self._certify(issuer, issuer_key, "intermediate", _AUTHORITYS_EXTENSIONS, issuer=(self.root, self._root_key))
        self._certify(certificate, key, NAME, _EXTENSIONS, issuer=(issuer, issuer_key))
        certificate.write_bytes(certificate.read_bytes() + issuer.read_bytes())
        return Identity(Credentials.from_files(certificate, key), certificate, key)

    @staticmethod
    def _certify(
        certificate: Path, key: Path, subject: str, extensions: Sequence[str], *, issuer: tuple[Path, Path]
    ) -> None:
        options: list[str | Path] = ["-subj", f"/CN={subject}", "-CA", issuer[0], "-CAkey", issuer[1], "-days", "30"]
        for extension in extensions:
            options += ["-addext", extension]
        run([OPENSSL, "req", "-x509", "-key", key, "-out", certificate, *options])

    def client_config(self, **settings: Any) -> ClientConfig:
        """A client that trusts the authority, with these changes."""
        return ClientConfig(**{"server_name": NAME, "trust": self.authority.trust, **settings})

    def server_config(self, **settings: Any) -> ServerConfig:
        """A server that shows the P-256 certificate, with these changes."""
        return ServerConfig(**{"credentials": (self.identity().credentials,), **settings})


_EXTENSIONS = (
    f"subjectAltName=DNS:{NAME}",
    "basicConstraints=critical,CA:FALSE",
    "keyUsage=critical,digitalSignature",
)
_AUTHORITYS_EXTENSIONS = ("basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign")


class OpenSSLServer(Program):
    """An s_server, which serves one connection after the other. What is typed goes to the client, but for commands."""

    def __init__(self, options: Sequence[str | Path]) -> None:
        super().__init__([OPENSSL, "s_server", "-accept", "127.0.0.1:0", *options])
        try:
            self.port = int(self.expect(r"ACCEPT 127\.0\.0\.1:(\d+)")[1])
        except BaseException:
            self.kill()
            raise

    def connect(self, config: ClientConfig, early_data: bytes = b"") -> Endpoint:
        """A client whose ClientHello is on its way, with early data if there are any."""
        self.forget()
        endpoint = connect(self.port, config, self)
        endpoint.start(early_data)
        return endpoint


class OpenSSLServers:
    """All the s_servers of the tests: one for each set of options."""

    def __init__(self, certificates: Certificates) -> None:
        self._certificates = certificates
        self._running: dict[tuple[str | Path, ...], OpenSSLServer] = {}

    def get(self, *options: str | Path, identity: Identity | None = None) -> OpenSSLServer:
        """The server with these options, which shows a certificate: by default the P-256 one."""
        whole = (*(identity or self._certificates.identity()).options, *options)
        if whole not in self._running:
            self._running[whole] = OpenSSLServer(whole)
        return self._running[whole]

    def close(self) -> None:
        """End them all."""
        for server in self._running.values():
            server.kill()


def openssl_client(
    listener: Listener, certificates: Certificates, *options: str | Path, name: str | None = NAME
) -> Program:
    """An s_client that connects, trusts the authority, and wants the server to have the name."""
    names: list[str | Path] = ["-noservername"] if name is None else ["-servername", name, "-verify_hostname", name]
    trust: list[str | Path] = ["-CAfile", certificates.root, "-verify_return_error"]
    return Program([OPENSSL, "s_client", "-connect", f"127.0.0.1:{listener.port}", *names, *trust, *options])


@cache
def version() -> str:
    """The version of the openssl command, as "OpenSSL 3.0.2"."""
    return " ".join(run([OPENSSL, "version"]).split()[:2])


@cache
def tls_groups() -> frozenset[str]:
    """The groups that openssl lists; it lists none before OpenSSL 3.5."""
    found = subprocess.run([OPENSSL, "list", "-tls-groups"], capture_output=True, text=True, timeout=10)
    return frozenset(found.stdout.strip().split(":")) if found.returncode == 0 else frozenset()
