"""Statistics over rtnetlink, decoded and read from real interfaces."""

import os
import struct
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.measure.shapers import InterfaceStatistics, NodeStatistics, RootQdisc, decode_interface_statistics
from harness.network.paths import Attachment
from impl.nfqueue.netlink import NetlinkError, encode_attribute

_U64 = st.integers(0, 2**64 - 1)


class TestDecoding:
    @given(_U64, _U64, _U64, _U64, st.binary(max_size=150))
    def test_interface(self, rx: int, tx: int, rx_bytes: int, tx_bytes: int, more: bytes) -> None:
        data = bytes(12) + encode_attribute(1, struct.pack("=4Q", rx, tx, rx_bytes, tx_bytes) + more)
        assert decode_interface_statistics(data) == InterfaceStatistics(rx, tx, rx_bytes, tx_bytes)

    @given(st.binary(max_size=43))
    def test_too_short(self, data: bytes) -> None:
        with pytest.raises(ValueError, match="not the statistics"):
            decode_interface_statistics(data)


@pytest.mark.sandbox
class TestReading:
    @pytest.fixture(autouse=True)
    def _interfaces(self) -> None:
        if subprocess.run(["ip", "link", "show", "x0"], capture_output=True, check=False).returncode:
            subprocess.run(["ip", "link", "add", "x0", "type", "veth", "peer", "name", "x1"], check=True)

    def test_root_qdisc(self) -> None:
        here = Attachment("here", os.getpid(), "x0")
        root = RootQdisc(here)
        assert root.read() is None
        subprocess.run(["ip", "link", "set", "x0", "up"], check=True)
        assert root.read() is None  # the kernel's noqueue counts nothing
        tbf = ["tbf", "rate", "25mbit", "burst", "6250", "limit", "100000"]
        subprocess.run(["tc", "qdisc", "add", "dev", "x0", "root", *tbf], check=True)
        found = root.read()
        assert found is not None
        assert (found.kind, found.packets, found.drops) == ("tbf", 0, 0)
        root.close()

    def test_interface(self) -> None:
        node = NodeStatistics(os.getpid())
        assert node.interface(node.index("x0")).received_packets >= 0
        with pytest.raises(NetlinkError):
            node.interface(9999)
        with pytest.raises(OSError, match="x9"):
            node.index("x9")
        node.close()

    def test_interface_that_does_not_exist(self) -> None:
        with pytest.raises(OSError, match="nothing"):
            RootQdisc(Attachment("here", os.getpid(), "nothing"))
