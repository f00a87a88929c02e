"""Netlink: messages and attributes as pure functions, and a small socket for requests, dumps and notifications."""

import errno
import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

# Protocols (linux/netlink.h).
NETLINK_ROUTE = 0
NETLINK_SOCK_DIAG = 4
NETLINK_NETFILTER = 12

# Message types and flags.
NLMSG_NOOP = 1
NLMSG_ERROR = 2
NLMSG_DONE = 3
NLM_F_REQUEST = 0x1
NLM_F_MULTI = 0x2
NLM_F_ACK = 0x4
NLM_F_DUMP_INTR = 0x10
NLM_F_DUMP = 0x300
NLM_F_CAPPED = 0x100
NLM_F_ACK_TLVS = 0x200

NLA_F_NESTED = 0x8000
NLA_TYPE_MASK = 0x3FFF

_SOL_NETLINK = 270
_NETLINK_CAP_ACK = 10
_NETLINK_EXT_ACK = 11
_NLMSGERR_ATTR_MSG = 1

_MESSAGE_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE_HEADER = struct.Struct("=HH")
HEADER_SIZE = _MESSAGE_HEADER.size

_RECEIVE_SIZE = 1 << 16  # dumps come in pieces of at most 32 KiB


class NetlinkError(OSError):
    """The kernel refused a request, or a message is malformed; ``errno`` and a text say why."""

    def __init__(self, number: int, what: str) -> None:
        super().__init__(number, f"{what}: {os.strerror(number)}" if number else what)


@dataclass(frozen=True, slots=True)
class Message:
    """One netlink message: its header's fields and what follows the header."""

    type: int
    flags: int
    sequence: int
    port: int
    payload: memoryview


def align(length: int) -> int:
    """Round a length up to netlink's alignment of four bytes."""
    return (length + 3) & ~3


def encode_attribute(kind: int, payload: bytes | bytearray | memoryview = b"") -> bytes:
    """Return one attribute with its padding.

    Raises:
        ValueError: the payload does not fit into an attribute's 16-bit length.

    """
    length = _ATTRIBUTE_HEADER.size + len(payload)
    if length > 0xFFFF:
        raise ValueError(
            f"a netlink attribute holds at most {0xFFFF - _ATTRIBUTE_HEADER.size} bytes, not {len(payload)}"
        )
    return b"".join((_ATTRIBUTE_HEADER.pack(length, kind), payload, bytes(align(length) - length)))


def encode_nested(kind: int, *attributes: bytes) -> bytes:
    """Return an attribute that contains other attributes (each as ``encode_attribute`` returns it)."""
    return encode_attribute(kind | NLA_F_NESTED, b"".join(attributes))


def encode_message(kind: int, flags: int, payload: bytes = b"", *, sequence: int = 0, port: int = 0) -> bytes:
    """Return one whole message with its padding."""
    length = HEADER_SIZE + len(payload)
    return _MESSAGE_HEADER.pack(length, kind, flags, sequence, port) + payload + bytes(align(length) - length)


def iter_attributes(data: memoryview | bytes) -> Iterator[tuple[int, memoryview]]:
    """Yield type (without the nested and byte-order flags) and payload of each attribute, in order.

    Raises:
        NetlinkError: an attribute is longer than what is left.

    """
    view = memoryview(data)
    offset, end = 0, len(view)
    while end - offset >= 4:
        length, kind = _ATTRIBUTE_HEADER.unpack_from(view, offset)
        if length < 4 or offset + length > end:
            raise NetlinkError(errno.EBADMSG, f"netlink attribute of {length} bytes where {end - offset} are left")
        yield kind & NLA_TYPE_MASK, view[offset + 4 : offset + length]
        offset += align(length)


def parse_attributes(data: memoryview | bytes) -> dict[int, memoryview]:
    """Return payloads by attribute type; of several with the same type the last one.

    Raises:
        NetlinkError: an attribute is longer than what is left.

    """
    return dict(iter_attributes(data))


def iter_messages(data: memoryview | bytes) -> Iterator[Message]:
    """Yield the messages of one datagram.

    Raises:
        NetlinkError: a message is longer than what is left.

    """
    view = memoryview(data)
    offset, end = 0, len(view)
    while end - offset >= HEADER_SIZE:
        length, kind, flags, sequence, port = _MESSAGE_HEADER.unpack_from(view, offset)
        if length < HEADER_SIZE or offset + length > end:
            raise NetlinkError(errno.EBADMSG, f"netlink message of {length} bytes where {end - offset} are left")
        yield Message(kind, flags, sequence, port, view[offset + HEADER_SIZE : offset + length])
        offset += align(length)


def error_of(message: Message) -> NetlinkError | None:
    """Return what an ``NLMSG_ERROR`` message says, with the kernel's own words if it has any; ``None``: an ack."""
    (code,) = struct.unpack_from("=i", message.payload)
    if code == 0:
        return None
    text = "netlink request refused"
    if message.flags & NLM_F_ACK_TLVS:
        offset = 4 + HEADER_SIZE
        if not message.flags & NLM_F_CAPPED:
            (length,) = struct.unpack_from("=I", message.payload, 4)
            offset = 4 + align(length)
        said = parse_attributes(message.payload[offset:]).get(_NLMSGERR_ATTR_MSG)
        if said is not None:
            text = bytes(said).rstrip(b"\0").decode(errors="replace")
    return NetlinkError(-code, text)


class NetlinkSocket:
    """A netlink socket in the network namespace that the calling thread is in when it is made.

    Args:
        protocol: one of the ``NETLINK_`` protocols.
        groups: multicast groups to join, as the bit mask of ``sockaddr_nl``.

    Raises:
        OSError: the kernel lacks the protocol.

    """

    def __init__(self, protocol: int, *, groups: int = 0) -> None:
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
        try:
            self.socket.bind((0, groups))
            self.socket.setsockopt(_SOL_NETLINK, _NETLINK_EXT_ACK, 1)
            self.socket.setsockopt(_SOL_NETLINK, _NETLINK_CAP_ACK, 1)
        except OSError:
            self.socket.close()
            raise
        self._sequence = 0

    def fileno(self) -> int:
        """Return the descriptor, for select."""
        return self.socket.fileno()

    def request(self, kind: int, payload: bytes = b"", *, flags: int = 0) -> list[Message]:
        """Send a request, wait for its acknowledgement, and return the messages that came before that.

        Raises:
            NetlinkError: the kernel refused it.

        """
        sequence = self._send(kind, flags | NLM_F_REQUEST | NLM_F_ACK, payload)
        answers: list[Message] = []
        while True:
            for message in iter_messages(self._receive()):
                if message.sequence != sequence:
                    continue
                if message.type == NLMSG_ERROR:
                    error = error_of(message)
                    if error is not None:
                        raise error
                    return answers
                answers.append(message)

    def dump(self, kind: int, payload: bytes = b"", *, flags: int = 0) -> Iterator[Message]:
        """Send a dump request and yield its messages.

        Raises:
            NetlinkError: the kernel refused it, or what was listed changed meanwhile (``EINTR``: ask again).

        """
        sequence = self._send(kind, flags | NLM_F_REQUEST | NLM_F_DUMP, payload)
        interrupted = False
        while True:
            for message in iter_messages(self._receive()):
                if message.sequence != sequence:
                    continue
                interrupted |= bool(message.flags & NLM_F_DUMP_INTR)
                if message.type == NLMSG_ERROR:
                    error = error_of(message)
                    if error is not None:
                        raise error
                    return
                if message.type == NLMSG_DONE:
                    self._check_done(message, interrupted)
                    return
                yield message

    @staticmethod
    def _check_done(message: Message, interrupted: bool) -> None:
        code = struct.unpack_from("=i", message.payload)[0] if len(message.payload) >= 4 else 0
        if code < 0:
            raise NetlinkError(-code, "netlink dump ended early")
        if interrupted:
            raise NetlinkError(errno.EINTR, "netlink dump interrupted by a change")

    def receive(self) -> list[Message]:
        """Wait for the next datagram and return its messages (for multicast groups)."""
        return list(iter_messages(self._receive()))

    def close(self) -> None:
        """Close the socket; once is enough, more does no harm."""
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _send(self, kind: int, flags: int, payload: bytes) -> int:
        self._sequence += 1
        self.socket.send(encode_message(kind, flags, payload, sequence=self._sequence))
        return self._sequence

    def _receive(self) -> memoryview:
        return memoryview(self.socket.recv(_RECEIVE_SIZE))
