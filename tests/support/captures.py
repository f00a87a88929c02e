"""Packet captures made by hand: TCP connections over Ethernet and IP in a pcap file, also lossy and disordered ones."""

import ipaddress
import struct
from dataclasses import dataclass, field
from pathlib import Path

SYN, PSH, ACK = 0x02, 0x08, 0x10
SEGMENT = 1448


@dataclass
class Capture:
    """Frames in the order in which they were captured, 1 ms apart."""

    frames: list[bytes] = field(default_factory=list)

    def write(self, path: Path, snap_length: int = 65535) -> Path:
        """Write a pcap file of Ethernet frames, of which `snap_length` bytes at most are kept."""
        out = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, snap_length, 1)]
        for number, frame in enumerate(self.frames):
            kept = frame[:snap_length]
            out.append(
                struct.pack("<IIII", 1_700_000_000 + number // 1000, number % 1000 * 1000, len(kept), len(frame))
            )
            out.append(kept)
        path.write_bytes(b"".join(out))
        return path


class Flow:
    """One TCP connection in a capture; its three-way handshake is there from the start.

    Args:
        capture: where its frames go.
        client: address and port; both ends have the same IP version.
        server: likewise.

    """

    def __init__(self, capture: Capture, client: tuple[str, int], server: tuple[str, int]) -> None:
        self.capture = capture
        self.ends = (client, server)
        self.next = [1000, 2000]
        self._add(0, SYN, b"")
        self.next[0] += 1
        self._add(1, SYN | ACK, b"")
        self.next[1] += 1
        self._add(0, ACK, b"")

    def client(self, data: bytes, segment: int = SEGMENT) -> None:
        """The client sends bytes, in segments of at most `segment`."""
        self.send(0, data, segment)

    def server(self, data: bytes, segment: int = SEGMENT) -> None:
        """The server sends bytes."""
        self.send(1, data, segment)

    def send(self, end: int, data: bytes, segment: int = SEGMENT) -> None:
        """End 0, the client, or 1, the server, sends bytes."""
        for start in range(0, len(data), segment):
            part = data[start : start + segment]
            self._add(end, PSH | ACK, part)
            self.next[end] += len(part)

    def again(self, end: int, data: bytes, back: int) -> None:
        """A segment with bytes that began `back` bytes before the next one: sent again, or late."""
        at = self.next[end]
        self.next[end] -= back
        self._add(end, PSH | ACK, data)
        self.next[end] = at

    def skip(self, end: int, size: int) -> None:
        """Bytes are sent, and are not in the capture, or not yet."""
        self.next[end] += size

    def _add(self, end: int, flags: int, data: bytes) -> None:
        (source, source_port), (target, target_port) = self.ends[end], self.ends[1 - end]
        acknowledged = self.next[1 - end] if flags & ACK else 0
        tcp = struct.pack(
            "!HHIIBBHHH", source_port, target_port, self.next[end], acknowledged, 5 << 4, flags, 65535, 0, 0
        )
        payload = tcp + data
        a, b = ipaddress.ip_address(source), ipaddress.ip_address(target)
        if a.version == 4:
            kind = 0x0800
            header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0x4000, 64, 6, 0)
        else:
            kind = 0x86DD
            header = struct.pack("!IHBB", 6 << 28, len(payload), 6, 64)
        ethernet = bytes.fromhex("020000000002 020000000001") + kind.to_bytes(2, "big")
        self.capture.frames.append(ethernet + header + a.packed + b.packed + payload)
