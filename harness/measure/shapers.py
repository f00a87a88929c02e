"""Statistics of queueing disciplines and interfaces over rtnetlink, read without starting a process."""

import socket
import struct
from dataclasses import dataclass

from harness.elements.qdisc import ROOT, QdiscStats, read_qdiscs
from harness.network.namespaces import enter
from harness.network.paths import Attachment
from impl.nfqueue.netlink import NETLINK_ROUTE, NetlinkError, NetlinkSocket, parse_attributes

_RTM_GETSTATS = 94
_STATS_MESSAGE = struct.Struct("=BxxxII")
_IFLA_STATS_LINK_64 = 1
_ATTEMPTS = 3


@dataclass(frozen=True)
class InterfaceStatistics:
    """What an interface received and sent since it exists, in whole Ethernet frames."""

    received_packets: int
    sent_packets: int
    received_bytes: int
    sent_bytes: int


def decode_interface_statistics(payload: memoryview | bytes) -> InterfaceStatistics:
    """Decode the payload of an RTM_NEWSTATS message with IFLA_STATS_LINK_64.

    Raises:
        ValueError: it has no such statistics.

    """
    try:
        attributes = parse_attributes(memoryview(payload)[_STATS_MESSAGE.size :])
        return InterfaceStatistics(*struct.unpack_from("=4Q", attributes[_IFLA_STATS_LINK_64]))
    except (struct.error, KeyError, NetlinkError) as error:
        raise ValueError(f"not the statistics of an interface: {error}") from error


class NodeStatistics:
    """Reads the statistics of one node over a socket that is opened once in its network namespace."""

    def __init__(self, pid: int) -> None:
        """Open the socket.

        Raises:
            OSError: the node is gone, or may not be entered.

        """
        self._pid = pid
        with enter(pid):
            self._socket = NetlinkSocket(NETLINK_ROUTE)

    def index(self, interface: str) -> int:
        """Return the index of an interface of this node.

        Raises:
            OSError: there is none of that name.

        """
        try:
            with enter(self._pid):
                return socket.if_nametoindex(interface)
        except OSError as error:
            raise OSError(
                error.errno, f"interface {interface!r} of the node of process {self._pid}: {error}"
            ) from error

    def roots(self) -> dict[int, QdiscStats]:
        """Return the qdisc at the root of each interface that has one, by the interface's index.

        An interface without queue has the kernel's ``noqueue``, which counts nothing: it is left out.

        Raises:
            NetlinkError: the kernel refuses, or the list changed under every attempt to read it.

        """
        for attempt in range(_ATTEMPTS):
            try:
                found = read_qdiscs(self._socket)
                return {q.interface: q for q in found if q.parent == ROOT and q.kind != "noqueue"}
            except NetlinkError:
                if attempt == _ATTEMPTS - 1:
                    raise
        raise AssertionError("unreachable")

    def interface(self, index: int) -> InterfaceStatistics:
        """Return the statistics of one interface.

        Raises:
            NetlinkError: it does not exist.

        """
        request = _STATS_MESSAGE.pack(socket.AF_UNSPEC, index, 1 << (_IFLA_STATS_LINK_64 - 1))
        return decode_interface_statistics(self._socket.request(_RTM_GETSTATS, request)[0].payload)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


class RootQdisc:
    """Reads the qdisc at the root of one interface."""

    def __init__(self, at: Attachment) -> None:
        """Open a socket in the node.

        Raises:
            OSError: the node or the interface is gone.

        """
        self._node = NodeStatistics(at.pid)
        try:
            self._index = self._node.index(at.interface)
        except OSError:
            self._node.close()
            raise

    def read(self) -> QdiscStats | None:
        """Return it with its statistics of now; None if there is none."""
        return self._node.roots().get(self._index)

    def close(self) -> None:
        """Close the socket."""
        self._node.close()
