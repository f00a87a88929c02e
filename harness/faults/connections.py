"""TCP connections through a path: found at its ends, and made to say something even when idle."""

import ipaddress
import socket
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.faults.route_netlink import RouteNetlink
from harness.network.namespaces import enter
from harness.network.paths import Attachment, PathInstance
from impl.nfqueue.netlink import NETLINK_SOCK_DIAG, NetlinkSocket

_SOCK_DIAG_BY_FAMILY = 20
_DIAG_ID = struct.Struct("!HH16s16sI8s")  # ports, addresses, interface and cookie (opaque here)
_DIAG_HEAD = struct.Struct("=BBBBI")
# States in which a connection can be reset by a segment from its peer (include/net/tcp_states.h).
_STATES = {"ESTABLISHED": 1, "FIN_WAIT1": 4, "FIN_WAIT2": 5, "CLOSE_WAIT": 8, "LAST_ACK": 9, "CLOSING": 11}
_STATE_MASK = sum(1 << number for number in _STATES.values())

_ETHERTYPE = {4: 0x0800, 6: 0x86DD}
_SOL_PACKET, _PACKET_QDISC_BYPASS = 263, 20
_TCP_SYN = 0x02
_TTL = 64

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True)
class Connection:
    """A TCP connection as the end at ``local`` sees it."""

    local: Address
    local_port: int
    remote: Address
    remote_port: int


def diag_request(family: int) -> bytes:
    """Return the request for all TCP sockets of a family that have a peer (struct inet_diag_req_v2)."""
    return _DIAG_HEAD.pack(family, socket.IPPROTO_TCP, 0, 0, _STATE_MASK) + bytes(_DIAG_ID.size)


def parse_diag(payload: bytes | memoryview) -> Connection:
    """Read one answer (struct inet_diag_msg); IPv4 addresses in IPv6 form become IPv4 ones."""
    family = payload[0]
    local_port, remote_port, local, remote, _, _ = _DIAG_ID.unpack_from(payload, 4)
    return Connection(_address(family, local), local_port, _address(family, remote), remote_port)


def _address(family: int, packed: bytes) -> Address:
    if family == socket.AF_INET:
        return ipaddress.IPv4Address(packed[:4])
    address = ipaddress.IPv6Address(packed)
    return address.ipv4_mapped or address


def challenge(connection: Connection) -> bytes:
    """Return an IP packet from the connection's remote end to its local one that any TCP answers by an ACK.

    It is a SYN: in a synchronized state the answer is a challenge ACK with the right numbers, whatever the SYN's own
    sequence number is (RFC 5961, section 4), and the connection goes on untouched.
    """
    tcp = struct.pack("!HHIIBBHHH", connection.remote_port, connection.local_port, 0, 0, 5 << 4, _TCP_SYN, 1024, 0, 0)
    source, destination = connection.remote.packed, connection.local.packed
    pseudo = source + destination + struct.pack("!II", len(tcp), socket.IPPROTO_TCP)
    tcp = tcp[:16] + struct.pack("!H", checksum(pseudo + tcp)) + tcp[18:]
    if connection.local.version == 6:
        return struct.pack("!IHBB", 6 << 28, len(tcp), socket.IPPROTO_TCP, _TTL) + source + destination + tcp
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0x4000, _TTL, socket.IPPROTO_TCP, 0)
    header += source + destination
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + tcp


def checksum(data: bytes) -> int:
    """Return the Internet checksum (RFC 1071)."""
    padded = data + bytes(len(data) % 2)
    total = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return int(total) ^ 0xFFFF


class ConnectionFinder:
    """Finds the TCP connections that go through one path, and provokes an answer from each of their ends.

    Its sockets are opened at once: at a fault's moment it sends and receives only.

    Args:
        path: through which the connections go.
        nodes: a process of each node that may have connections, by the node's name.

    Raises:
        OSError: a node is gone, or the kernel lacks sock_diag.

    """

    def __init__(self, path: PathInstance, nodes: Mapping[str, int]) -> None:
        self._version = 4 if path.family == "ipv4" else 6
        self._ends = (_End(path.from_, path.a_near, self._version), _End(path.to, path.b_near, self._version))
        self._diags: dict[str, NetlinkSocket] = {}
        for node, pid in {path.from_.node: path.from_.pid, path.to.node: path.to.pid, **nodes}.items():
            with enter(pid):
                self._diags[node] = NetlinkSocket(NETLINK_SOCK_DIAG)

    def close(self) -> None:
        """Close the sockets."""
        for end in self._ends:
            end.close()
        for diag in self._diags.values():
            diag.close()

    def find(self) -> frozenset[tuple[int, Connection]]:
        """Return the connections as their own ends see them, each with the end of the path (0, 1) that it lies behind.

        A connection of which both ends are nodes of the network is there twice, once from each side.
        """
        return frozenset(
            (number, connection)
            for node, diag in self._diags.items()
            for connection in self._connections(diag)
            for number, end in enumerate(self._ends)
            if end.sends_into_path(node, connection)
        )

    def provoke(self, connections: Iterable[tuple[int, Connection]]) -> None:
        """Make the ends of connections send an ACK into the path."""
        for number, connection in connections:
            self._ends[number].inject(challenge(connection))

    def _connections(self, diag: NetlinkSocket) -> list[Connection]:
        # IPv4 connections of a socket that takes both families are listed among the IPv6 ones.
        families = [socket.AF_INET, socket.AF_INET6] if self._version == 4 else [socket.AF_INET6]
        found = [
            parse_diag(message.payload)
            for family in families
            for message in diag.dump(_SOCK_DIAG_BY_FAMILY, diag_request(family))
        ]
        return [connection for connection in found if connection.local.version == self._version]


class _End:
    """One end of a path: its routes, and a way to send to it from the middle node beside it."""

    def __init__(self, end: Attachment, gate: Attachment, version: int) -> None:
        self._node = end.node
        self._routes = RouteNetlink(end.pid)
        self._index, hardware_address = self._routes.link(end.interface)
        with enter(gate.pid):
            self._packets = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, 0)
            # Neither the middle node's delay nor its packet filter is to see what is injected.
            self._packets.setsockopt(_SOL_PACKET, _PACKET_QDISC_BYPASS, 1)
        self._target = (gate.interface, _ETHERTYPE[version], 0, 0, hardware_address)

    def close(self) -> None:
        self._routes.close()
        self._packets.close()

    def sends_into_path(self, node: str, connection: Connection) -> bool:
        """Tell whether packets of a connection of ``node`` come into the path at this end."""
        local, remote = str(connection.local), str(connection.remote)
        if node == self._node:
            return self._routes.output_interface(remote, source=local) == self._index
        # A connection of a node beyond: this end forwards its packets into the path, and their answers elsewhere.
        return self._routes.output_interface(remote) == self._index and self._routes.output_interface(local) not in (
            self._index,
            None,
        )

    def inject(self, packet: bytes) -> None:
        self._packets.sendto(packet, self._target)
