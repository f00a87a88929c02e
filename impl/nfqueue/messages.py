"""NFQUEUE's messages: configuration, packets and verdicts as pure functions (linux/netfilter/nfnetlink_queue.h)."""

import errno
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from impl.nfqueue.netlink import (
    HEADER_SIZE,
    NLM_F_REQUEST,
    NetlinkError,
    align,
    encode_attribute,
    encode_message,
    iter_attributes,
)

_SUBSYSTEM = 3
PACKET = _SUBSYSTEM << 8 | 0
VERDICT = _SUBSYSTEM << 8 | 1
CONFIG = _SUBSYSTEM << 8 | 2
VERDICT_BATCH = _SUBSYSTEM << 8 | 3

NF_DROP = 0
NF_ACCEPT = 1
NF_REPEAT = 4

_COMMAND_BIND = 1
_COMMAND_UNBIND = 2
_CONFIG_COMMAND, _CONFIG_PARAMETERS, _CONFIG_MAX_LENGTH, _CONFIG_MASK, _CONFIG_FLAGS = 1, 2, 3, 4, 5
_COPY_META, _COPY_PACKET = 1, 2
_FLAG_FAIL_OPEN, _FLAG_GSO = 1, 4

_PACKET_HEADER, _VERDICT_HEADER, _MARK, _TIMESTAMP, _INDEV, _OUTDEV = 1, 2, 3, 4, 5, 6
_PAYLOAD, _CAP_LEN = 10, 13

_BODY = HEADER_SIZE + 4  # nlmsghdr and nfgenmsg; the attributes begin here
METADATA_SIZE = 256  # no message without payload is longer than this (about 120 bytes today)

_PARAMETERS = struct.Struct(">IB")
_U32 = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class Packet:
    """A packet that waits in a queue for its verdict.

    Attributes:
        id: number by which the verdict names it; counts from 1, wraps at 2**32.
        protocol: EtherType, such as 0x0800.
        hook: netfilter hook (0 prerouting, 1 input, 2 forward, 3 output, 4 postrouting).
        indev, outdev: interface indexes, 0 where there is none.
        mark: the packet's mark.
        time_ns: when it arrived at its interface, CLOCK_REALTIME with µs resolution; 0 when the kernel did not say
            (it does while some socket of the machine has ``SO_TIMESTAMPNS`` set).
        length: of the whole packet from its network header on; 0 when nothing was copied.
        payload: what was copied of it. It lies in the queue's buffer: valid until the next ``receive``.

    """

    id: int
    protocol: int
    hook: int
    indev: int
    outdev: int
    mark: int
    time_ns: int
    length: int
    payload: memoryview


Arrival = tuple[int, int, int]
"""A packet in brief: id, arrival in CLOCK_REALTIME ns (0: unknown) and length (0: nothing copied)."""


def _general(queue: int) -> bytes:
    return struct.pack(">BBH", 0, 0, queue)  # AF_UNSPEC, version 0, queue number


def encode_bind(queue: int, *, copy: int, max_length: int, fail_open: bool, gso: bool) -> bytes:
    """Return the attributes that bind a queue and set it up in one message."""
    flags = (_FLAG_FAIL_OPEN if fail_open else 0) | (_FLAG_GSO if gso else 0)
    return b"".join((
        _general(queue),
        encode_attribute(_CONFIG_COMMAND, struct.pack(">BxH", _COMMAND_BIND, 0)),
        _copy_attribute(copy),
        encode_attribute(_CONFIG_MAX_LENGTH, _U32.pack(max_length)),
        encode_attribute(_CONFIG_MASK, _U32.pack(_FLAG_FAIL_OPEN | _FLAG_GSO)),
        encode_attribute(_CONFIG_FLAGS, _U32.pack(flags)),
    ))  # fmt: skip


def encode_copy(queue: int, copy: int) -> bytes:
    """Return the attributes that change how many bytes of each packet are copied."""
    return _general(queue) + _copy_attribute(copy)


def _copy_attribute(copy: int) -> bytes:
    mode = _COPY_PACKET if copy else _COPY_META
    return encode_attribute(_CONFIG_PARAMETERS, _PARAMETERS.pack(copy, mode))


def encode_unbind(queue: int) -> bytes:
    """Return the attributes that unbind a queue; the kernel then drops what waits in it."""
    return _general(queue) + encode_attribute(_CONFIG_COMMAND, struct.pack(">BxH", _COMMAND_UNBIND, 0))


def encode_verdict(
    queue: int,
    packet_id: int,
    verdict: int,
    *,
    mark: int | None = None,
    payload: bytes | bytearray | memoryview | None = None,
) -> bytes:
    """Return the message with the verdict on one packet, which may set its mark and replace its bytes."""
    attributes = [_general(queue), encode_attribute(_VERDICT_HEADER, struct.pack(">II", verdict, packet_id))]
    if mark is not None:
        attributes.append(encode_attribute(_MARK, _U32.pack(mark)))
    if payload is not None:
        attributes.append(encode_attribute(_PAYLOAD, payload))
    return encode_message(VERDICT, NLM_F_REQUEST, b"".join(attributes))


def verdict_prefix(queue: int, verdict: int, *, batch: bool) -> bytes:
    """Return a plain verdict's message up to the packet id, which is its last four bytes, big endian.

    With ``batch`` the verdict is on all packets that wait and whose id is not greater.
    """
    attribute = encode_attribute(_VERDICT_HEADER, struct.pack(">II", verdict, 0))
    return encode_message(VERDICT_BATCH if batch else VERDICT, NLM_F_REQUEST, _general(queue) + attribute)[:-4]


def parse_packet(message: memoryview) -> Packet:
    """Read one packet message, header included.

    Raises:
        NetlinkError: it is malformed or has no packet header.

    """
    packet_id = length = -1
    protocol = hook = indev = outdev = mark = time_ns = 0
    payload = message[:0]
    for kind, value in iter_attributes(message[_BODY:]):
        if kind == _PACKET_HEADER:
            packet_id, protocol, hook = struct.unpack_from(">IHB", value)
        elif kind == _TIMESTAMP:
            seconds, micros = struct.unpack(">QQ", value)
            time_ns = seconds * 1_000_000_000 + micros * 1000
        elif kind == _PAYLOAD:
            payload = value
        elif kind == _CAP_LEN:
            (length,) = _U32.unpack(value)
        elif kind == _INDEV:
            (indev,) = _U32.unpack(value)
        elif kind == _OUTDEV:
            (outdev,) = _U32.unpack(value)
        elif kind == _MARK:
            (mark,) = _U32.unpack(value)
    if packet_id < 0:
        raise NetlinkError(errno.EBADMSG, "an NFQUEUE message without a packet header")
    if length < 0:
        length = len(payload)  # the kernel tells the length only when it did not copy all
    return Packet(packet_id, protocol, hook, indev, outdev, mark, time_ns, length, payload)


def brief(packet: Packet) -> Arrival:
    """Return a packet's ``Arrival``."""
    return packet.id, packet.time_ns, packet.length


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the fields of packet messages of one kind lie, learnt from one of them.

    All packets that pass one queue with a small copy range have messages of the same form (a mark or a priority changes
    it). Reading them attribute by attribute in Python costs 6 µs each; reading a whole buffer of equally spaced ones
    with one compiled ``struct`` costs 0.4 µs, including the comparison of length and attribute headers that
    makes sure that a message really has this form.
    """

    unpack: Callable[[memoryview], object]
    expected: tuple[int, int, int]

    @classmethod
    def learn(cls, message: memoryview, stride: int) -> Self | None:
        """Return the layout of ``message`` in a buffer with one message every ``stride`` bytes.

        ``None``: it has no timestamp or no length, so that there is nothing to gain.
        """
        offsets: dict[int, int] = {}
        offset = _BODY
        for kind, value in iter_attributes(message[_BODY:]):
            offsets.setdefault(kind, offset)
            offset += align(4 + len(value))
        stamp, cap = offsets.get(_TIMESTAMP), offsets.get(_CAP_LEN)
        if offsets.get(_PACKET_HEADER) != _BODY or stamp is None or cap is None or cap < stamp or cap + 8 > stride:
            return None
        # Length; id (behind the attribute's header); timestamp's header, seconds, µs; length's header and value.
        form = f">I{_BODY}xI{stamp - _BODY - 8}xIQQ{cap - stamp - 20}xII{stride - cap - 8}x"
        head, stamp_head, cap_head = (_U32.unpack_from(message, at)[0] for at in (0, stamp, cap))
        return cls(struct.Struct(form).iter_unpack, (head, stamp_head, cap_head))

    def read(self, slots: memoryview) -> list[Arrival]:
        """Read a buffer of whole slots; messages of another form are left out."""
        head, stamp, cap = self.expected
        return [
            (packet_id, seconds * 1_000_000_000 + micros * 1000, length)
            for h, packet_id, s, seconds, micros, c, length in self.unpack(slots)  # type: ignore[attr-defined]
            if h == head and s == stamp and c == cap
        ]
