"""Tests of harness.elements.inject: which packets are TCP SYNs."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.elements.inject import is_syn, tcp_flags


def ipv4(protocol: int, payload: bytes, *, options: int = 0, fragment: int = 0) -> bytes:
    size = 5 + options
    return struct.pack(">BBHHHBBH8x", 0x40 | size, 0, 0, 0, fragment, 64, protocol, 0) + bytes(4 * options) + payload


def ipv6(protocol: int, payload: bytes) -> bytes:
    return struct.pack(">IHBB32x", 0x60000000, len(payload), protocol, 64) + payload


def tcp(flags: int) -> bytes:
    return bytes(12) + bytes([0x50, flags]) + bytes(6)


class TestSyn:
    @pytest.mark.parametrize(("flags", "syn"), [(0x02, True), (0x12, True), (0x10, False), (0x18, False)])
    def test_flags_decide(self, flags: int, syn: bool) -> None:
        assert is_syn(ipv4(6, tcp(flags))) is syn
        assert is_syn(ipv4(6, tcp(flags), options=3)) is syn
        assert is_syn(ipv6(6, tcp(flags))) is syn

    def test_behind_extension_headers(self) -> None:
        assert is_syn(ipv6(60, bytes([43, 1]) + bytes(14) + bytes([6, 0]) + bytes(6) + tcp(2)))

    def test_other_packets_are_none(self) -> None:
        assert not is_syn(ipv4(17, b"\xff" * 20))
        assert not is_syn(ipv6(17, b"\xff" * 20))
        assert not is_syn(ipv4(6, b"\xff" * 20, fragment=100))

    @given(st.binary(max_size=80))
    def test_garbage_is_no_error(self, packet: bytes) -> None:
        flags = tcp_flags(packet)
        assert flags is None or 0 <= flags <= 255
