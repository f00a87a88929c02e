"""Counters of queue disciplines, read through rtnetlink: what ``tc -s qdisc`` shows, without starting a program."""

import struct
from dataclasses import dataclass

from impl.nfqueue.netlink import Message, NetlinkSocket, parse_attributes

_RTM_NEWQDISC = 36
_RTM_GETQDISC = 38
_TCMSG = struct.Struct("=B3xiIII")
_KIND, _STATS2 = 1, 7
_BASIC, _QUEUE, _PACKETS64 = 1, 3, 8
ROOT = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class QdiscStats:
    """One queue discipline.

    Attributes:
        interface: interface index.
        kind: such as ``tbf``.
        handle, parent: major number in the upper 16 bits; the root's parent is ``ROOT``.
        bytes, packets: sent.
        drops: dropped. For netem these are the losses of its loss model, and packets beyond its limit, which nothing
            tells apart but a queue length near that limit.
        overlimits: times that a packet had to wait (tbf).
        queue_packets, queue_bytes: waiting now.

    """

    interface: int
    kind: str
    handle: int
    parent: int
    bytes: int
    packets: int
    drops: int
    overlimits: int
    queue_packets: int
    queue_bytes: int


def parse_qdisc(message: Message) -> QdiscStats | None:
    """Read one RTM_NEWQDISC message; ``None`` if it is another or has no counters."""
    if message.type != _RTM_NEWQDISC:
        return None
    _, interface, handle, parent, _ = _TCMSG.unpack_from(message.payload)
    attributes = parse_attributes(message.payload[_TCMSG.size :])
    if _STATS2 not in attributes:
        return None
    stats = parse_attributes(attributes[_STATS2])
    size, packets = struct.unpack_from("=QI", stats[_BASIC])
    if _PACKETS64 in stats:
        (packets,) = struct.unpack("=Q", stats[_PACKETS64])
    queue, backlog, drops, _, overlimits = struct.unpack_from("=5I", stats[_QUEUE])
    kind = bytes(attributes[_KIND]).rstrip(b"\0").decode()
    return QdiscStats(interface, kind, handle, parent, size, packets, drops, overlimits, queue, backlog)


def read_qdiscs(netlink: NetlinkSocket) -> list[QdiscStats]:
    """Return all queue disciplines of the namespace in which the NETLINK_ROUTE socket was made.

    Raises:
        NetlinkError: the kernel refuses, or something changed meanwhile.

    """
    request = _TCMSG.pack(0, 0, 0, 0, 0)
    found = (parse_qdisc(message) for message in netlink.dump(_RTM_GETQDISC, request))
    return [qdisc for qdisc in found if qdisc is not None]
