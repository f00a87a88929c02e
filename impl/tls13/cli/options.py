"""Options that ``tls get`` and ``tls serve`` share: suites, groups, certificates, addresses, and the key log."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated

import typer

from impl.tls13.certificates import TrustStore
from impl.tls13.certificates.credentials import Credentials
from impl.tls13.cipher_suites import CIPHER_SUITES, CipherSuite, suite_by_name
from impl.tls13.cli.errors import explain, usage
from impl.tls13.key_exchange import supported_groups
from impl.tls13.key_log_file import KeyLogFile
from impl.tls13.registries import NamedGroup

KEY_LOG_VARIABLE = "SSLKEYLOGFILE"

Suites = Annotated[
    list[str] | None, typer.Option("--suite", metavar="NAME", help="allow this cipher suite; may be repeated")
]
Groups = Annotated[list[str] | None, typer.Option("--group", metavar="NAME", help="allow this group; may be repeated")]
Protocols = Annotated[
    list[str] | None, typer.Option("--alpn", metavar="NAME", help="application protocol to agree upon; may be repeated")
]
CertificateFile = Annotated[
    Path | None, typer.Option("--cert", metavar="FILE", help="certificate to show, and its chain (PEM)")
]
KeyFile = Annotated[Path | None, typer.Option("--key", metavar="FILE", help="its private key (PEM)")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="tell on standard error what happens")]


def suites(names: Sequence[str] | None) -> tuple[CipherSuite, ...]:
    """The suites that were named, or all; names may lack TLS_ and be in lower case."""
    if not names:
        return tuple(CIPHER_SUITES.values())
    try:
        return tuple(suite_by_name("TLS_" + name.upper().replace("-", "_").removeprefix("TLS_")) for name in names)
    except ValueError as error:
        raise usage(f"--suite: {error}") from None


def groups(names: Sequence[str] | None) -> tuple[NamedGroup, ...]:
    """The groups that were named, or all."""
    known = {group.name: group for group in supported_groups()}
    for name in names or ():
        if name.upper() not in known:
            raise usage(f"--group: no group {name!r}; allowed are {', '.join(known)}")
    return tuple(known[name.upper()] for name in names or known)


def protocols(names: Sequence[str] | None) -> tuple[bytes, ...]:
    """The application protocols that were named."""
    for name in names or ():
        if not (name.isascii() and 0 < len(name) < 256):
            raise usage(f"--alpn: {name!r} is not a protocol's name of 1 to 255 ASCII characters")
    return tuple(name.encode("ascii") for name in names or ())


def credentials(certificate: Path | None, key: Path | None) -> Credentials | None:
    """The certificate chain and its key, or None if neither was named."""
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise usage("--cert and --key belong together: give both, or neither")
    try:
        return Credentials.from_files(certificate, key)
    except OSError as error:
        raise usage(f"{error.filename}: {explain(error)}") from None
    except ValueError as error:
        raise usage(str(error)) from None


def trust_store(file: Path | None) -> TrustStore:
    """The authorities in a file, or the system's."""
    try:
        return TrustStore.system() if file is None else TrustStore.from_file(file)
    except FileNotFoundError as error:
        raise usage(
            f"{error}; name a file with --cafile" if file is None else f"--cafile: {file} is not there"
        ) from None
    except OSError as error:
        raise usage(f"--cafile: {file}: {explain(error)}") from None
    except ValueError as error:
        raise usage(f"--cafile: {error}") from None


def address(text: str, option: str) -> tuple[str, int]:
    """A host and a port out of HOST:PORT, with the host in brackets if it is an IPv6 address."""
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or not host or (":" in host and not bracketed) or not port.isascii() or not port.isdigit():
        raise usage(f"{option}: {text!r} is not HOST:PORT, as localhost:4433 or [::1]:4433")
    if int(port) > 0xFFFF:
        raise usage(f"{option}: there is no port {port}; ports end with 65535")
    return host.strip("[]"), int(port)


def show_address(host: str, port: int) -> str:
    """HOST:PORT, as ``address`` reads it."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@contextmanager
def key_log(path: Path | None = None) -> Iterator[Callable[[str], None] | None]:
    """Append secrets to a file, or to that which the environment variable SSLKEYLOGFILE names; or to none."""
    name = path or os.environ.get(KEY_LOG_VARIABLE)
    if not name:
        yield None
        return
    try:
        file = KeyLogFile(name)
    except OSError as error:
        place = KEY_LOG_VARIABLE if path is None else "--key-log"
        raise usage(f"{place}: {name}: {explain(error)}") from None
    with closing(file):
        yield file.append
