"""Names of servers: those that users give, and whether a certificate is for them (RFC 9525; RFC 6125 before it)."""

import ipaddress
import re
from functools import lru_cache
from typing import Final

from cryptography import x509

from impl.tls13.certificates.parsing import extension

ServerName = x509.DNSName | x509.IPAddress

_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_MAX_LENGTH: Final = 253


@lru_cache(maxsize=256)
def parse_server_name(server_name: str) -> ServerName:
    """Read the name of a server: a host name, or an IP address of version 4 or 6.

    The result is what certificates and the extension server_name have: lower case, no dot at the end, and A-labels in
    the place of international ones, as Python's resolver makes them (IDNA 2003). An IPv6 address has no zone.

    Raises:
        ValueError: it is neither.

    """
    try:
        address = ipaddress.ip_address(server_name)
    except ValueError:
        return x509.DNSName(_host_name(server_name))
    return x509.IPAddress(ipaddress.ip_address(address.packed))


def _host_name(server_name: str) -> str:
    name = server_name.removesuffix(".").lower()
    if not name.isascii():
        try:
            name = name.encode("idna").decode("ascii")
        except UnicodeError as error:
            raise ValueError(f"{server_name!r} is not a host name: {error}") from error
    labels = name.split(".")
    # A last label of digits alone makes it an IP address that is mistyped (RFC 1123, section 2.1).
    if len(name) > _MAX_LENGTH or not all(map(_LABEL.fullmatch, labels)) or labels[-1].isdigit():
        raise ValueError(f"{server_name!r} is neither a host name nor an IP address")
    return name


def is_named(certificate: x509.Certificate, name: ServerName) -> bool:
    """Whether a certificate is for a server of this name, by its subjectAltName alone: common names do not count.

    A wildcard stands for the whole first label, and at least two labels follow it.
    """
    names = extension(certificate, x509.SubjectAlternativeName)
    if names is None:
        return False
    if isinstance(name, x509.IPAddress):
        return name.value in names.get_values_for_type(x509.IPAddress)
    host_name = name.value
    _, _, parent = host_name.partition(".")
    wildcard = f"*.{parent}" if "." in parent else None
    return any(known.lower() in (host_name, wildcard) for known in names.get_values_for_type(x509.DNSName))
