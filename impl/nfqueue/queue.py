"""One NFQUEUE queue: binding it, receiving many packets at a call, and giving verdicts."""

import contextlib
import ctypes
import errno
import os
import socket
import struct
from types import TracebackType
from typing import Self

from impl.nfqueue import messages
from impl.nfqueue.messages import Arrival, Layout, Packet
from impl.nfqueue.netlink import (
    NETLINK_NETFILTER,
    NLM_F_ACK,
    NLM_F_REQUEST,
    NLMSG_ERROR,
    NetlinkError,
    NetlinkSocket,
    encode_message,
    error_of,
    iter_messages,
)

_SOL_NETLINK = 270
_NETLINK_NO_ENOBUFS = 5
_SO_RCVBUFFORCE = 33

_SLOTS = 256
_BUFFER_LIMIT = 1 << 21
_FLUSH_AT = 32768  # bytes of verdicts; well below the send buffer of the smallest default
_HEAD = struct.Struct("=IH")


class _Iovec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Msghdr(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("iov", ctypes.POINTER(_Iovec)),
        ("iov_length", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Mmsghdr(ctypes.Structure):
    _fields_ = (("header", _Msghdr), ("length", ctypes.c_uint32))


_recvmmsg = ctypes.CDLL(None, use_errno=True).recvmmsg
_recvmmsg.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, ctypes.c_void_p)
_recvmmsg.restype = ctypes.c_int


class Queue:
    """A bound queue of the network namespace that the calling thread is in when it is made.

    Verdicts are collected, and sent together by ``flush``: one system call for many. Receiving never blocks; wait with
    select on ``fileno()``.

    Args:
        number: queue number, 0 to 65535.
        copy: bytes of each packet that come with it; 0: metadata only; up to 65531: all of it.
        max_length: packets that may wait; the kernel drops later ones.
        fail_open: let packets pass, instead of dropping them, when the queue is full.
        gso: take packets that still await segmentation whole, instead of their segments; also leaves checksums that the
            interface would fill in unfinished in the copy.
        receive_buffer: bytes wished for the socket's buffer; what is granted depends on net.core.rmem_max.

    Raises:
        NetlinkError: the queue is taken, or there is no right to bind (CAP_NET_ADMIN in the namespace).
        OSError: the kernel lacks nfnetlink_queue.

    """

    def __init__(
        self,
        number: int,
        *,
        copy: int = 0,
        max_length: int = 1024,
        fail_open: bool = False,
        gso: bool = False,
        receive_buffer: int = 8 << 20,
    ) -> None:
        self.number = number
        self.copy = copy
        self.refused = 0
        """Verdicts that the kernel refused; mostly because an interface went down and took its packets with it."""
        self._accept = messages.verdict_prefix(number, messages.NF_ACCEPT, batch=False)
        self._drop = messages.verdict_prefix(number, messages.NF_DROP, batch=False)
        self._accept_batch = messages.verdict_prefix(number, messages.NF_ACCEPT, batch=True)
        self._drop_batch = messages.verdict_prefix(number, messages.NF_DROP, batch=True)
        self._out = bytearray()
        self._early: list[memoryview] = []
        self._layout: Layout | None = None
        self._make_buffer(copy)
        self._netlink = NetlinkSocket(NETLINK_NETFILTER)
        self._socket = self._netlink.socket
        try:
            self._set_buffers(receive_buffer)
            self._bind(copy, max_length, fail_open, gso)
        except OSError:
            self.close()
            raise

    def fileno(self) -> int:
        """Return the descriptor, for select."""
        return self._socket.fileno()

    @property
    def receive_buffer(self) -> int:
        """Bytes that the socket's receive buffer was granted (as the kernel counts: with its overhead)."""
        return self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)

    def set_copy(self, copy: int) -> None:
        """Change how many bytes of each later packet come with it; payloads received before are void then."""
        if copy > self.copy:
            self._make_buffer(copy)  # never smaller: longer messages may be on their way
        self.copy = copy
        self._socket.send(encode_message(messages.CONFIG, NLM_F_REQUEST, messages.encode_copy(self.number, copy)))

    def receive(self, limit: int = 0) -> list[Packet]:
        """Return the packets that have come, with all metadata; an empty list if none has.

        Args:
            limit: stop when that many are there. Each packet's payload lies in one buffer that the next call
                overwrites, so at most one buffer full comes at a time in any case.

        """
        if self._early:
            early, self._early = self._early, []
            return [messages.parse_packet(message) for message in early]
        count = self._fill(min(limit, self._slots) if limit else self._slots)
        return [packet for packet in map(self._parse_slot, range(count)) if packet is not None]

    def receive_arrivals(self) -> list[Arrival]:
        """Return the packets that have come in brief: id, arrival (CLOCK_REALTIME ns, 0 unknown), length.

        The fast way: about 0.5 µs a packet where ``receive`` takes 8 µs, if timestamps are on and ``copy`` is
        smaller than any packet but not 0 (20 is good: the kernel then tells each packet's length).
        """
        arrivals = [messages.brief(packet) for packet in self.receive()] if self._early else []
        while True:
            count = self._fill(self._slots)
            if not count:
                return arrivals
            arrivals += self._read_slots(count)
            if count < self._slots:
                return arrivals

    def accept(self, packet_id: int, *, mark: int | None = None, payload: bytes | bytearray | None = None) -> None:
        """Let a packet pass, with another mark and other bytes if given."""
        if mark is None and payload is None:
            self._out += self._accept + packet_id.to_bytes(4, "big")
        else:
            self._out += messages.encode_verdict(self.number, packet_id, messages.NF_ACCEPT, mark=mark, payload=payload)
        if len(self._out) > _FLUSH_AT:
            self.flush()

    def drop(self, packet_id: int) -> None:
        """Drop a packet."""
        self._out += self._drop + packet_id.to_bytes(4, "big")
        if len(self._out) > _FLUSH_AT:
            self.flush()

    def repeat(self, packet_id: int, *, mark: int) -> None:
        """Send a packet through the hook's rules once more, marked so that they can know it."""
        self._out += messages.encode_verdict(self.number, packet_id, messages.NF_REPEAT, mark=mark)

    def accept_up_to(self, packet_id: int) -> None:
        """Let all waiting packets pass that are not younger than this one, in their order."""
        self._out += self._accept_batch + packet_id.to_bytes(4, "big")

    def drop_up_to(self, packet_id: int) -> None:
        """Drop all waiting packets that are not younger than this one."""
        self._out += self._drop_batch + packet_id.to_bytes(4, "big")

    def flush(self) -> None:
        """Send the verdicts given since the last flush, in their order."""
        if self._out:
            self._socket.send(self._out)
            self._out.clear()

    def close(self) -> None:
        """Unbind; packets that wait are dropped by the kernel."""
        with contextlib.suppress(OSError):
            self.flush()
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _set_buffers(self, size: int) -> None:
        # Without this, one overflow would be reported as an error of every later receive; the kernel counts
        # overflows in /proc/net/netfilter/nfnetlink_queue all the same.
        self._socket.setsockopt(_SOL_NETLINK, _NETLINK_NO_ENOBUFS, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
        # Only the owner of the machine may go beyond rmem_max.
        with contextlib.suppress(PermissionError):
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, size)

    def _bind(self, copy: int, max_length: int, fail_open: bool, gso: bool) -> None:
        body = messages.encode_bind(self.number, copy=copy, max_length=max_length, fail_open=fail_open, gso=gso)
        self._socket.send(encode_message(messages.CONFIG, NLM_F_REQUEST | NLM_F_ACK, body, sequence=1))
        while True:
            datagram = memoryview(self._socket.recv(METADATA_AND_ANY_PAYLOAD))
            for message in iter_messages(datagram):
                if message.type == messages.PACKET:
                    self._early.append(datagram)  # a rule was there before us, and a packet before the answer
                elif message.type == NLMSG_ERROR:
                    error = error_of(message)
                    if error is None:
                        return
                    raise NetlinkError(error.errno or errno.EPERM, f"cannot bind NFQUEUE queue {self.number}")

    def _make_buffer(self, copy: int) -> None:
        """Prepare equally spaced slots, one for each message of a system call (recvmmsg)."""
        stride = messages.METADATA_SIZE + (copy + 63) // 64 * 64
        self._stride = stride
        self._slots = slots = max(8, min(_SLOTS, _BUFFER_LIMIT // stride))
        self._buffer = bytearray(stride * slots)
        self._view = memoryview(self._buffer)
        self._layout = None
        base = ctypes.addressof(ctypes.c_char.from_buffer(self._buffer))
        self._iovecs = (_Iovec * slots)()
        self._headers = (_Mmsghdr * slots)()
        for index in range(slots):
            self._iovecs[index].base = base + index * stride
            self._iovecs[index].length = stride
            self._headers[index].header.iov = ctypes.pointer(self._iovecs[index])
            self._headers[index].header.iov_length = 1
        self._headers_at = ctypes.addressof(self._headers)

    def _fill(self, limit: int) -> int:
        count: int = _recvmmsg(self._socket.fileno(), self._headers_at, limit, socket.MSG_DONTWAIT, None)
        if count >= 0:
            return count
        error = ctypes.get_errno()
        if error in (errno.EAGAIN, errno.EINTR, errno.ENOBUFS):
            return 0
        raise OSError(error, os.strerror(error))

    def _read_slots(self, count: int) -> list[Arrival]:
        if self._layout is not None:
            arrivals = self._layout.read(self._view[: count * self._stride])
            if len(arrivals) == count:
                return arrivals
        packets = [packet for packet in map(self._parse_slot, range(count)) if packet is not None]
        self._learn(count)
        return [messages.brief(packet) for packet in packets]

    def _learn(self, count: int) -> None:
        """Take the form of the last packet message for the next time: what came last is likely to come again."""
        start = (count - 1) * self._stride
        length, kind = _HEAD.unpack_from(self._buffer, start)
        if kind == messages.PACKET:
            self._layout = Layout.learn(self._view[start : start + length], self._stride)

    def _parse_slot(self, index: int) -> Packet | None:
        start = index * self._stride
        length, kind = _HEAD.unpack_from(self._buffer, start)
        if kind == messages.PACKET:
            return messages.parse_packet(self._view[start : start + length])
        if kind == NLMSG_ERROR:
            self.refused += 1
        return None


METADATA_AND_ANY_PAYLOAD = messages.METADATA_SIZE + 65536
