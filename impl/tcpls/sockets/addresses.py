"""Addresses of sockets: numeric text, as people write it, to what the kernel takes and back."""

import ipaddress
import socket
from typing import Any, NamedTuple

from impl.tcpls.sockets.errors import SocketError

SocketAddress = tuple[str, int] | tuple[str, int, int, int]
"""What bind and connect take: of IPv4 or of IPv6."""


class Endpoint(NamedTuple):
    """One end of a connection.

    Attributes:
        address: numeric; a link-local IPv6 address comes with its interface: ``fe80::1%eth0``.
        port: 1 to 65535; 0 where there is none yet.

    """

    address: str
    port: int

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


def numeric(address: str, port: int) -> tuple[socket.AddressFamily, SocketAddress]:
    """Return family and socket address of a numeric address; ``%interface`` may follow an IPv6 one.

    Raises:
        SocketError: it is none, or there is no such interface, or a link-local one comes without.

    """
    if not 0 <= port <= 0xFFFF:
        raise SocketError(f"port {port} does not exist: ports are 0 to 65535")
    try:
        family = socket.AF_INET if version_of(address) == 4 else socket.AF_INET6
    except ValueError:
        raise SocketError(f"{address!r} is no numeric address: give one as in 192.0.2.1 or 2001:db8::1") from None
    if family == socket.AF_INET:
        return family, (address, port)
    plain, _, zone = address.partition("%")
    if not zone:
        if ipaddress.ip_address(address).is_link_local:
            raise SocketError(f"{address!r} is a link-local address and needs its interface, as in {address}%eth0")
        return family, (plain, port, 0, 0)
    try:
        scope = int(zone) if zone.isascii() and zone.isdecimal() else socket.if_nametoindex(zone)
    except OSError:
        raise SocketError(f"{address!r} names interface {zone!r}, which this host does not have") from None
    if scope > 0xFFFFFFFF:
        raise SocketError(f"{address!r} names interface {zone!r}, which cannot exist")
    return family, (plain, port, 0, scope)


def version_of(address: str) -> int:
    """Return 4 or 6.

    Raises:
        ValueError: the address is not numeric.

    """
    return ipaddress.ip_address(address).version


def endpoint(raw: Any) -> Endpoint:
    """Return what getsockname, getpeername or accept gave, as people write it; a mapped IPv4 address as IPv4."""
    host = str(raw[0])
    plain, _, zone = host.partition("%")
    parsed = ipaddress.ip_address(plain)
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return Endpoint(str(parsed.ipv4_mapped), raw[1])
        scope = raw[3] if len(raw) > 3 else 0
        if parsed.is_link_local and scope:
            return Endpoint(f"{parsed}%{_interface(scope)}", raw[1])
        if zone:
            return Endpoint(f"{parsed}%{zone}", raw[1])
    return Endpoint(str(parsed), raw[1])


def _interface(index: int) -> str:
    try:
        return socket.if_indextoname(index)
    except OSError:
        return str(index)  # it is gone
