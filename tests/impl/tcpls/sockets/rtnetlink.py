"""rtnetlink messages as the kernel writes them."""

import ipaddress
import struct

from impl.nfqueue.netlink import NLM_F_DUMP_INTR, NLMSG_DONE, NLMSG_ERROR, encode_attribute, encode_message

UP = 0x1 | 0x10000


def link(index: int, name: str, flags: int = UP, *, gone: bool = False, family: int = 0, sequence: int = 0) -> bytes:
    payload = struct.pack("=BxHiII", family, 1, index, flags, 0)
    payload += encode_attribute(3, name.encode() + b"\0") + encode_attribute(4, struct.pack("=I", 1500))
    return encode_message(17 if gone else 16, 0, payload, sequence=sequence)


def address(
    index: int, text: str, flags: int = 0x80, *, gone: bool = False, peer: str | None = None, sequence: int = 0
) -> bytes:
    """An address; ``peer`` is the other end of a point-to-point link. IPv6 has IFA_LOCAL only then."""
    own = ipaddress.ip_address(text)
    family = 2 if own.version == 4 else 10
    payload = struct.pack("=BBBBI", family, own.max_prefixlen, flags & 0xFF, 0, index)
    payload += encode_attribute(1, ipaddress.ip_address(peer or text).packed)
    if family == 2 or peer is not None:
        payload += encode_attribute(2, own.packed)
    payload += encode_attribute(8, struct.pack("=I", flags)) + encode_attribute(6, bytes(16))
    return encode_message(21 if gone else 20, 0, payload, sequence=sequence)


def route(
    version: int, length: int = 0, *, gone: bool = False, table: int = 254, kind: int = 1, flags: int = 0
) -> bytes:
    fields = (2 if version == 4 else 10, length, 0, 0, table, 3, 0, kind, flags)
    return encode_message(25 if gone else 24, 0, struct.pack("=8BI", *fields) + encode_attribute(15, bytes(4)))


def done(sequence: int, *, interrupted: bool = False, code: int = 0) -> bytes:
    flags = 2 | (NLM_F_DUMP_INTR if interrupted else 0)
    return encode_message(NLMSG_DONE, flags, struct.pack("=i", code), sequence=sequence)


def refused(sequence: int, number: int) -> bytes:
    return encode_message(NLMSG_ERROR, 0, struct.pack("=i", -number) + bytes(16), sequence=sequence)
