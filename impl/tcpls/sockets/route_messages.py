"""Codec of the part of rtnetlink (linux/rtnetlink.h) that tells of links, addresses and routes; no I/O."""

import ipaddress
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from impl.nfqueue.netlink import (
    NLM_F_DUMP,
    NLM_F_DUMP_INTR,
    NLM_F_REQUEST,
    NLMSG_DONE,
    NLMSG_ERROR,
    Message,
    NetlinkError,
    encode_message,
    error_of,
    iter_messages,
    parse_attributes,
)

RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK = 16, 17, 18
RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR = 20, 21, 22
RTM_NEWROUTE, RTM_DELROUTE = 24, 25

GROUPS_ADDRESSES: Final = 0x1 | 0x10 | 0x100
"""Multicast groups of links, IPv4 addresses and IPv6 addresses (RTMGRP_)."""

GROUPS_ROUTES: Final = 0x40 | 0x400
"""Multicast groups of IPv4 routes and IPv6 routes."""

LINK: Final = struct.Struct("=BxHiII")  # ifinfomsg: family, type, index, flags, change
ADDRESS: Final = struct.Struct("=BBBBI")  # ifaddrmsg: family, prefix length, flags, scope, index
ROUTE: Final = struct.Struct("=8BI")  # rtmsg: family, dst_len, src_len, tos, table, protocol, scope, type, flags
IFLA_IFNAME: Final = 3
IFA_ADDRESS, IFA_LOCAL, IFA_FLAGS = 1, 2, 8

IFF_UP, IFF_LOWER_UP = 0x1, 0x10000
IFA_F_OPTIMISTIC, IFA_F_DADFAILED, IFA_F_TENTATIVE = 0x04, 0x08, 0x40
_AF_UNSPEC, _AF_BRIDGE = 0, 7
_AF_INET, _AF_INET6 = 2, 10
_RT_TABLE_LOCAL: Final = 255
_RTN_UNICAST: Final = 1
_RTM_F_CLONED: Final = 0x200


@dataclass(frozen=True, slots=True)
class LinkRecord:
    """The state of an interface.

    Attributes:
        index: its number.
        name: its name; empty if the message has none.
        up: whether it is administratively up and has a carrier.
        gone: whether it does not exist any more.

    """

    index: int
    name: str
    up: bool
    gone: bool


@dataclass(frozen=True, slots=True)
class AddressRecord:
    """The state of an address of this host.

    Attributes:
        index: number of the interface.
        address: as text, without a zone.
        valid: whether it may be used: duplicate address detection (RFC 4862) has not found it taken, and is over or
            does not hold it up (RFC 4429).
        gone: whether it was removed.

    """

    index: int
    address: str
    valid: bool
    gone: bool


@dataclass(frozen=True, slots=True)
class RouteRecord:
    """A unicast route, in any table but that of the host's own addresses, came or went.

    Attributes:
        version: 4 or 6.
        length: length of the destination's prefix; 0 is a default route.
        gone: whether it was removed.

    """

    version: int
    length: int
    gone: bool


@dataclass(frozen=True, slots=True)
class DumpEnd:
    """The answer to a request is complete.

    Attributes:
        sequence: the request's number.
        interrupted: whether something changed meanwhile, so that it may be inconsistent.
        error: what the kernel refused it for, or None.

    """

    sequence: int
    interrupted: bool
    error: NetlinkError | None


Record = LinkRecord | AddressRecord | RouteRecord | DumpEnd


def encode_dump(kind: int, sequence: int) -> bytes:
    """Return the request for all links (``RTM_GETLINK``) or all addresses (``RTM_GETADDR``)."""
    payload = LINK.pack(_AF_UNSPEC, 0, 0, 0, 0) if kind == RTM_GETLINK else ADDRESS.pack(_AF_UNSPEC, 0, 0, 0, 0)
    return encode_message(kind, NLM_F_REQUEST | NLM_F_DUMP, payload, sequence=sequence)


def iter_records(datagram: bytes | memoryview) -> Iterator[Record]:
    """Yield what the messages of one datagram tell, in order; of what is not known nothing.

    Raises:
        NetlinkError: a message is cut short or malformed.

    """
    interrupted = False
    for message in iter_messages(datagram):
        interrupted |= bool(message.flags & NLM_F_DUMP_INTR)
        try:
            record = _record(message, interrupted)
        except struct.error as error:
            raise NetlinkError(0, f"rtnetlink message of type {message.type} is cut short: {error}") from None
        if record is not None:
            yield record


def _record(message: Message, interrupted: bool) -> Record | None:
    kind = message.type
    if kind in (RTM_NEWLINK, RTM_DELLINK):
        return _link(message.payload, kind == RTM_DELLINK)
    if kind in (RTM_NEWADDR, RTM_DELADDR):
        return _address(message.payload, kind == RTM_DELADDR)
    if kind in (RTM_NEWROUTE, RTM_DELROUTE):
        return _route(message.payload, kind == RTM_DELROUTE)
    if kind == NLMSG_ERROR:
        return DumpEnd(message.sequence, interrupted, error_of(message))
    if kind == NLMSG_DONE:
        code = struct.unpack_from("=i", message.payload)[0] if len(message.payload) >= 4 else 0
        error = NetlinkError(-code, "rtnetlink dump ended early") if code < 0 else None
        return DumpEnd(message.sequence, interrupted, error)
    return None


def _link(payload: memoryview, gone: bool) -> LinkRecord | None:
    family, _, index, flags, _ = LINK.unpack_from(payload)
    if family == _AF_BRIDGE:
        return None  # a port that leaves its bridge is deleted for the bridge alone
    name = parse_attributes(payload[LINK.size :]).get(IFLA_IFNAME, b"")
    up = flags & (IFF_UP | IFF_LOWER_UP) == IFF_UP | IFF_LOWER_UP
    return LinkRecord(index, bytes(name).partition(b"\0")[0].decode(errors="replace"), up, gone)


def _address(payload: memoryview, gone: bool) -> AddressRecord | None:
    family, _, flags, _, index = ADDRESS.unpack_from(payload)
    attributes = parse_attributes(payload[ADDRESS.size :])
    # On a point-to-point link IFA_ADDRESS is the other end's.
    raw = attributes.get(IFA_LOCAL, attributes.get(IFA_ADDRESS))
    if raw is None or (family, len(raw)) not in ((_AF_INET, 4), (_AF_INET6, 16)):
        return None
    if IFA_FLAGS in attributes:
        (flags,) = struct.unpack_from("=I", attributes[IFA_FLAGS])
    waits = flags & IFA_F_TENTATIVE and not flags & IFA_F_OPTIMISTIC
    return AddressRecord(index, str(ipaddress.ip_address(bytes(raw))), not (waits or flags & IFA_F_DADFAILED), gone)


def _route(payload: memoryview, gone: bool) -> RouteRecord | None:
    family, length, _, _, table, _, _, kind, flags = ROUTE.unpack_from(payload)
    if family not in (_AF_INET, _AF_INET6) or kind != _RTN_UNICAST or table == _RT_TABLE_LOCAL:
        return None
    if flags & _RTM_F_CLONED:
        return None  # a cache entry
    return RouteRecord(4 if family == _AF_INET else 6, length, gone)
