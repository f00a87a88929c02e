"""Numeric addresses to socket addresses and back."""

import ipaddress
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impl.tcpls.sockets.addresses import Endpoint, endpoint, numeric, version_of
from impl.tcpls.sockets.errors import SocketError

ports = st.integers(0, 65535)


class TestNumeric:
    @given(st.ip_addresses(), ports)
    def test_what_goes_in_comes_out(self, address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int) -> None:
        if address.version == 6 and (address.is_link_local or address.ipv4_mapped):
            return
        family, raw = numeric(str(address), port)
        assert family == (socket.AF_INET if address.version == 4 else socket.AF_INET6)
        assert endpoint(raw) == Endpoint(str(address), port)

    def test_a_link_local_one_keeps_its_interface(self) -> None:
        family, raw = numeric("fe80::1%lo", 5)
        assert (family, raw) == (socket.AF_INET6, ("fe80::1", 5, 0, socket.if_nametoindex("lo")))
        assert endpoint(raw) == Endpoint("fe80::1%lo", 5)
        assert numeric(f"fe80::1%{socket.if_nametoindex('lo')}", 5)[1] == raw

    def test_an_interface_that_is_gone_is_named_by_its_number(self) -> None:
        assert endpoint(("fe80::1", 5, 0, 4_000_000)).address == "fe80::1%4000000"

    def test_a_mapped_address_is_an_ipv4_one(self) -> None:
        assert endpoint(("::ffff:10.0.0.1", 5, 0, 0)) == Endpoint("10.0.0.1", 5)

    @pytest.mark.parametrize(
        ("address", "port", "message"),
        [
            ("localhost", 1, "'localhost' is no numeric address"),
            ("", 1, "is no numeric address"),
            ("10.0.0.1%lo", 1, "is no numeric address"),
            ("fe80::1", 1, "needs its interface, as in fe80::1%eth0"),
            ("fe80::1%nosuch", 1, "interface 'nosuch', which this host does not have"),
            ("fe80::1%99999999999", 1, "interface '99999999999'"),
            ("10.0.0.1", 65536, "port 65536 does not exist"),
            ("10.0.0.1", -1, "port -1 does not exist"),
        ],
    )
    def test_what_is_wrong_is_said(self, address: str, port: int, message: str) -> None:
        with pytest.raises(SocketError, match=message):
            numeric(address, port)

    def test_versions(self) -> None:
        assert [version_of(address) for address in ("10.0.0.1", "::1", "fe80::1%lo")] == [4, 6, 6]


class TestText:
    def test_as_in_urls(self) -> None:
        assert str(Endpoint("10.0.0.1", 80)) == "10.0.0.1:80"
        assert str(Endpoint("fd00::1", 80)) == "[fd00::1]:80"
