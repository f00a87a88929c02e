"""Seeing server sockets in /proc."""

import ipaddress
import os
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.endpoints.listening import covers, listening, parse_table

HEADER = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


class TestTable:
    def test_ipv4(self) -> None:
        text = HEADER + "   0: 0200007F:1151 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0  0 1\n"
        assert list(parse_table(text, "0A")) == [(ipaddress.ip_address("127.0.0.2"), 4433)]
        assert list(parse_table(text, "01")) == []

    def test_mapped(self) -> None:
        row = "   0: 0000000000000000FFFF00000100007F:0050 00000000000000000000000000000000:0000 0A 0 0\n"
        assert list(parse_table(HEADER + row, "0A")) == [(ipaddress.ip_address("127.0.0.1"), 80)]


class TestCovers:
    @pytest.mark.parametrize(
        ("bound", "wanted", "covered"),
        [
            (["10.0.0.1"], ["10.0.0.1"], True),
            (["10.0.0.1"], ["10.0.0.1", "10.0.0.2"], False),
            (["0.0.0.0"], ["10.0.0.1", "10.0.0.2"], True),
            (["0.0.0.0"], ["fd00::1"], False),
            (["::"], ["10.0.0.1", "fd00::1"], True),
            ([], ["10.0.0.1"], False),
        ],
    )
    def test_addresses(self, bound: list[str], wanted: list[str], covered: bool) -> None:
        sockets = [(ipaddress.ip_address(address), 4433) for address in bound]
        assert covers(sockets, wanted, 4433) is covered
        assert not covers(sockets, wanted, 4434)

    @given(st.lists(st.ip_addresses(), min_size=1))
    def test_exact_addresses(self, addresses: list[ipaddress.IPv4Address | ipaddress.IPv6Address]) -> None:
        assert covers([(address, 1) for address in addresses], map(str, addresses), 1)


class TestListening:
    @pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, "127.0.0.3"), (socket.AF_INET6, "::1")])
    def test_tcp(self, family: socket.AddressFamily, address: str) -> None:
        with socket.socket(family) as server:
            server.bind((address, 0))
            port = server.getsockname()[1]
            assert not listening(os.getpid(), [address], port)
            server.listen()
            assert listening(os.getpid(), [address], port)
        assert not listening(os.getpid(), [address], port)

    def test_udp(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
            server.bind(("127.0.0.3", 0))
            port = server.getsockname()[1]
            assert listening(os.getpid(), ["127.0.0.3"], port, protocol="udp")
            assert not listening(os.getpid(), ["127.0.0.3"], port)

    def test_ended_process(self) -> None:
        assert not listening(2**22 + 1, ["127.0.0.1"], 80)
