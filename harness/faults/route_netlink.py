"""Addresses, routes, permanent neighbours and link states of one node through rtnetlink, read and put back verbatim."""

import errno
import ipaddress
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from harness.network.namespaces import enter
from impl.nfqueue.netlink import (
    NETLINK_ROUTE,
    Message,
    NetlinkError,
    NetlinkSocket,
    encode_attribute,
    iter_attributes,
    parse_attributes,
)

_RTM_NEWLINK, _RTM_GETLINK = 16, 18
_RTM_NEWADDR, _RTM_DELADDR, _RTM_GETADDR = 20, 21, 22
_RTM_NEWROUTE, _RTM_GETROUTE = 24, 26
_RTM_NEWNEIGH, _RTM_GETNEIGH = 28, 30
_NLM_F_REPLACE, _NLM_F_EXCL, _NLM_F_CREATE = 0x100, 0x200, 0x400

_LINK = struct.Struct("=BxHiII")  # family, type, index, flags, change
_ADDRESS = struct.Struct("=BBBBI")  # family, prefix length, flags, scope, index
_ROUTE = struct.Struct("=8BI")  # family, dst_len, src_len, tos, table, protocol, scope, type, flags
_NEIGHBOUR = struct.Struct("=BxxxiHBB")  # family, index, state, flags, type

_IFLA_ADDRESS, _IFLA_IFNAME = 1, 3
_IFA_ADDRESS, _IFA_LOCAL, _IFA_CACHEINFO, _IFA_FLAGS = 1, 2, 6, 8
_RTA_DST, _RTA_SRC, _RTA_OIF, _RTA_GATEWAY, _RTA_PREFSRC, _RTA_CACHEINFO = 1, 2, 4, 5, 7, 12
_NDA_CACHEINFO, _NDA_PROBES = 3, 4

_IFF_UP = 1
_IFA_F_TRANSIENT = 0x08 | 0x40  # DAD failed, tentative
_RTPROT_KERNEL = 2
_RTNH_F_ONLINK, _RTM_F_CLONED = 0x4, 0x200
_NUD_PERMANENT = 0x80

_DUMP_ATTEMPTS = 5

EntryKind = Literal["address", "neighbour", "route"]


@dataclass(frozen=True)
class Entry:
    """An address, permanent neighbour or route, as the kernel told it and takes it again.

    What changes by itself (ages, the state of the link) is taken out, so that equal entries are equal.
    """

    kind: EntryKind
    payload: bytes

    @property
    def rank(self) -> int:
        """In which order entries can be put back: routes through a gateway come last."""
        if self.kind == "address":
            return 0
        if self.kind == "neighbour":
            return 1
        return 3 if _RTA_GATEWAY in parse_attributes(self.payload[_ROUTE.size :]) else 2

    @property
    def loses_its_source(self) -> bool:
        """Whether this is a route that, when its source address goes, stays without it: an IPv6 one that names one."""
        is_ipv6_route = self.kind == "route" and self.payload[0] == socket.AF_INET6
        return is_ipv6_route and _RTA_PREFSRC in parse_attributes(self.payload[_ROUTE.size :])

    def has_address(self, address: str) -> bool:
        """Tell whether this is the address entry of ``address``."""
        if self.kind != "address":
            return False
        attributes = parse_attributes(self.payload[_ADDRESS.size :])
        own = attributes.get(_IFA_LOCAL, attributes.get(_IFA_ADDRESS))
        return own is not None and bytes(own) == ipaddress.ip_address(address).packed


class RouteNetlink:
    """rtnetlink of one node. Its socket is made once, so that an action at its moment is one message.

    Args:
        pid: a process whose network namespace is the node's.

    Raises:
        OSError: no such process, or no right to enter its namespace.

    """

    def __init__(self, pid: int) -> None:
        with enter(pid):
            self._socket = NetlinkSocket(NETLINK_ROUTE)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def link(self, interface: str) -> tuple[int, bytes]:
        """Return index and hardware address of an interface.

        Raises:
            NetlinkError: the node has no such interface.

        """
        name = encode_attribute(_IFLA_IFNAME, interface.encode() + b"\0")
        answer = self._socket.request(_RTM_GETLINK, _LINK.pack(0, 0, 0, 0, 0) + name)[0]
        attributes = parse_attributes(answer.payload[_LINK.size :])
        return _LINK.unpack_from(answer.payload)[2], bytes(attributes[_IFLA_ADDRESS])

    def own_address(self, index: int) -> str:
        """Return the first IPv4 address of an interface.

        Raises:
            LookupError: it has none.

        """
        for message in self._dump(_RTM_GETADDR, _ADDRESS.pack(socket.AF_INET, 0, 0, 0, 0)):
            attributes = parse_attributes(message.payload[_ADDRESS.size :])
            if _ADDRESS.unpack_from(message.payload)[4] == index and _IFA_LOCAL in attributes:
                return str(ipaddress.ip_address(bytes(attributes[_IFA_LOCAL])))
        raise LookupError(f"interface {index} has no IPv4 address")

    def is_up(self, index: int) -> bool:
        """Tell whether an interface is administratively up."""
        answer = self._socket.request(_RTM_GETLINK, _LINK.pack(0, 0, index, 0, 0))[0]
        return bool(_LINK.unpack_from(answer.payload)[3] & _IFF_UP)

    def set_up(self, index: int, *, up: bool) -> None:
        """Set an interface up or down.

        Raises:
            NetlinkError: the kernel refused.

        """
        self._socket.request(_RTM_NEWLINK, _LINK.pack(0, 0, index, _IFF_UP if up else 0, _IFF_UP))

    def entries(self) -> frozenset[Entry]:
        """Return all addresses, permanent neighbours, and routes of all tables that the kernel did not make itself."""
        found: set[Entry] = set()
        for message in self._dump(_RTM_GETADDR, _ADDRESS.pack(0, 0, 0, 0, 0)):
            found.add(_address_entry(message))
        for message in self._dump(_RTM_GETNEIGH, _NEIGHBOUR.pack(0, 0, 0, 0, 0)):
            if _NEIGHBOUR.unpack_from(message.payload)[2] & _NUD_PERMANENT:
                found.add(_neighbour_entry(message))
        for family in (socket.AF_INET, socket.AF_INET6):
            for message in self._dump(_RTM_GETROUTE, _ROUTE.pack(family, 0, 0, 0, 0, 0, 0, 0, 0)):
                fields = _ROUTE.unpack_from(message.payload)
                if fields[5] != _RTPROT_KERNEL and not fields[8] & _RTM_F_CLONED:
                    found.add(_route_entry(message))
        return frozenset(found)

    def add(self, entry: Entry) -> None:
        """Put an entry back; that it is there already is no error.

        Raises:
            NetlinkError: the kernel refused.

        """
        kind = {"address": _RTM_NEWADDR, "neighbour": _RTM_NEWNEIGH, "route": _RTM_NEWROUTE}[entry.kind]
        try:
            self._socket.request(kind, entry.payload, flags=_NLM_F_CREATE | _NLM_F_EXCL)
        except NetlinkError as error:
            if error.errno != errno.EEXIST:
                raise
            if entry.loses_its_source:
                self._socket.request(kind, entry.payload, flags=_NLM_F_CREATE | _NLM_F_REPLACE)

    def remove_address(self, entry: Entry) -> None:
        """Remove an address.

        Raises:
            NetlinkError: the kernel refused.

        """
        self._socket.request(_RTM_DELADDR, entry.payload)

    def output_interface(self, destination: str, *, source: str | None = None) -> int | None:
        """Return the index of the interface by which packets leave; None when there is no route.

        ``source`` is an address of the node itself, for routes that depend on it.
        """
        target = ipaddress.ip_address(destination)
        family = socket.AF_INET if target.version == 4 else socket.AF_INET6
        attributes = encode_attribute(_RTA_DST, target.packed)
        if source is not None:
            attributes += encode_attribute(_RTA_SRC, ipaddress.ip_address(source).packed)
        length = target.max_prefixlen
        fields = _ROUTE.pack(family, length, length if source is not None else 0, 0, 0, 0, 0, 0, 0)
        try:
            answer = self._socket.request(_RTM_GETROUTE, fields + attributes)[0]
        except NetlinkError:
            return None
        interface = parse_attributes(answer.payload[_ROUTE.size :]).get(_RTA_OIF)
        return None if interface is None else int(struct.unpack("=I", interface)[0])

    def _dump(self, kind: int, payload: bytes) -> Iterator[Message]:
        for attempt in range(_DUMP_ATTEMPTS):
            try:
                # A message's payload is a view of the received datagram, which nothing overwrites.
                yield from list(self._socket.dump(kind, payload))
                return
            except NetlinkError as error:
                if error.errno != errno.EINTR or attempt == _DUMP_ATTEMPTS - 1:
                    raise


def _without(data: memoryview, *dropped: int) -> bytes:
    return b"".join(encode_attribute(kind, value) for kind, value in iter_attributes(data) if kind not in dropped)


def _address_entry(message: Message) -> Entry:
    family, prefix, _, scope, index = _ADDRESS.unpack_from(message.payload)
    attributes = message.payload[_ADDRESS.size :]
    told = parse_attributes(attributes).get(_IFA_FLAGS)
    flags = int(struct.unpack("=I", told)[0]) if told is not None else 0
    flags &= ~_IFA_F_TRANSIENT
    payload = _ADDRESS.pack(family, prefix, flags & 0xFF, scope, index)
    payload += _without(attributes, _IFA_CACHEINFO, _IFA_FLAGS) + encode_attribute(_IFA_FLAGS, struct.pack("=I", flags))
    return Entry("address", payload)


def _neighbour_entry(message: Message) -> Entry:
    payload = bytes(message.payload[: _NEIGHBOUR.size])
    return Entry("neighbour", payload + _without(message.payload[_NEIGHBOUR.size :], _NDA_CACHEINFO, _NDA_PROBES))


def _route_entry(message: Message) -> Entry:
    fields = list(_ROUTE.unpack_from(message.payload))
    fields[8] &= _RTNH_F_ONLINK
    return Entry("route", _ROUTE.pack(*fields) + _without(message.payload[_ROUTE.size :], _RTA_CACHEINFO))
