"""Tests of harness.elements.qdisc against a queue discipline of this kernel."""

import socket
import subprocess

import pytest

from harness.elements import read_qdiscs
from harness.elements.qdisc import ROOT, parse_qdisc
from impl.nfqueue.netlink import NETLINK_ROUTE, Message, NetlinkSocket


class TestParsing:
    def test_other_messages_are_none(self) -> None:
        assert parse_qdisc(Message(16, 0, 0, 0, memoryview(bytes(64)))) is None
        assert parse_qdisc(Message(36, 0, 0, 0, memoryview(bytes(20)))) is None


@pytest.mark.sandbox
class TestKernel:
    def test_counters_of_a_shaper(self) -> None:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        add = ["tc", "qdisc", "add", "dev", "lo"]
        subprocess.run(
            [*add, "root", "handle", "1:", "tbf", "rate", "8kbit", "burst", "2000", "limit", "3"], check=True
        )
        subprocess.run([*add, "parent", "1:1", "handle", "10:", "pfifo", "limit", "3"], check=True)
        udp = socket.SOCK_DGRAM
        with socket.socket(type=udp) as into, socket.socket(type=udp) as out, NetlinkSocket(NETLINK_ROUTE) as netlink:
            into.bind(("127.0.0.1", 0))
            for _ in range(8):
                out.sendto(
                    bytes(858), into.getsockname()
                )  # frames of 900 bytes: two pass, three wait, three are dropped
            shapers = {qdisc.kind: qdisc for qdisc in read_qdiscs(netlink) if qdisc.interface == 1}
        subprocess.run(["tc", "qdisc", "del", "dev", "lo", "root"], check=True)
        root = shapers["tbf"]
        assert (root.parent, root.handle) == (ROOT, 0x10000)
        assert (root.packets, root.bytes) == (2, 1800)
        assert (root.queue_packets, root.queue_bytes) == (3, 2700)
        assert root.drops == 3
        assert root.overlimits > 0
        assert shapers["pfifo"].queue_packets == 3
