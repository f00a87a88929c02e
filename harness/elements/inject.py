"""What the element needs beside its queue: whether a packet is a TCP SYN, and raw sockets that send duplicates."""

import contextlib
import socket

_IPPROTO_TCP = 6
_TCP_SYN, _TCP_ACK = 0x02, 0x10
_IPV6_HDRINCL = 36
_IPV6_EXTENSIONS = frozenset({0, 43, 60})  # hop-by-hop, routing, destination options: next header, length in 8 bytes


def tcp_flags(packet: bytes | memoryview) -> int | None:
    """Return the flags byte of an IP packet's TCP header; ``None``: no TCP, a later fragment, or cut off before it."""
    try:
        if packet[0] >> 4 == 4:
            if packet[9] != _IPPROTO_TCP or packet[6] & 0x1F or packet[7]:
                return None
            return packet[(packet[0] & 15) * 4 + 13]
        kind, offset = packet[6], 40
        while kind in _IPV6_EXTENSIONS:
            kind, offset = packet[offset], offset + 8 + 8 * packet[offset + 1]
        return packet[offset + 13] if kind == _IPPROTO_TCP else None
    except IndexError:
        return None


def is_syn(packet: bytes | memoryview) -> bool:
    """Tell whether an IP packet is a TCP segment with SYN set (SYN+ACK too)."""
    flags = tcp_flags(packet)
    return flags is not None and bool(flags & _TCP_SYN)


class Injector:
    """Sends whole IP packets out of one interface of the network namespace that the calling thread is in.

    Locally sent packets do not pass netfilter's FORWARD hook, where the queue sits: a copy is not delayed again.
    """

    def __init__(self, interface: str) -> None:
        self._sockets: dict[int, socket.socket] = {}
        with contextlib.ExitStack() as undo:
            for family, level, option in (
                (socket.AF_INET, socket.IPPROTO_IP, socket.IP_HDRINCL),
                (socket.AF_INET6, socket.IPPROTO_IPV6, _IPV6_HDRINCL),
            ):
                raw = undo.enter_context(socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW))
                raw.setsockopt(level, option, 1)
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
                raw.setblocking(False)
                self._sockets[family] = raw
            undo.pop_all()

    def send(self, packet: bytes) -> bool:
        """Send one packet to the destination in its header; false when the kernel has no room or no route for it."""
        try:
            if packet[0] >> 4 == 4:
                self._sockets[socket.AF_INET].sendto(packet, (socket.inet_ntoa(packet[16:20]), 0))
            else:
                address = socket.inet_ntop(socket.AF_INET6, packet[24:40])
                self._sockets[socket.AF_INET6].sendto(packet, (address, 0, 0, 0))
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Close the sockets."""
        for raw in self._sockets.values():
            raw.close()
