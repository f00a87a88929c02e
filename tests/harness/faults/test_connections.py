"""Tests of the segments that make an idle connection answer, and of reading the kernel's list of connections."""

import ipaddress
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.faults.connections import Connection, challenge, checksum, parse_diag

ports = st.integers(1, 65535)
connections = st.one_of(
    st.builds(Connection, st.ip_addresses(v=4), ports, st.ip_addresses(v=4), ports),
    st.builds(Connection, st.ip_addresses(v=6), ports, st.ip_addresses(v=6), ports),
)


class TestChecksum:
    def test_the_example_of_the_rfc(self) -> None:
        assert checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xFFFF - 0xDDF2

    @given(st.binary(max_size=99))
    def test_data_with_its_checksum_sums_to_nothing(self, data: bytes) -> None:
        even = data + bytes(len(data) % 2)
        assert checksum(even + struct.pack("!H", checksum(even))) in (0, 0xFFFF)


class TestChallenge:
    @given(connections)
    def test_it_is_a_syn_from_the_remote_end_with_right_checksums(self, connection: Connection) -> None:
        packet = challenge(connection)
        header = 20 if connection.local.version == 4 else 40
        size = connection.local.max_prefixlen // 8
        source, destination = packet[header - 2 * size : header - size], packet[header - size : header]
        assert (source, destination) == (connection.remote.packed, connection.local.packed)
        tcp = packet[header:]
        assert struct.unpack("!HH", tcp[:4]) == (connection.remote_port, connection.local_port)
        assert tcp[13] == 0x02
        assert checksum(source + destination + struct.pack("!II", len(tcp), 6) + tcp) in (0, 0xFFFF)
        if header == 20:
            assert checksum(packet[:20]) in (0, 0xFFFF)


class TestDiag:
    @pytest.mark.parametrize(
        ("family", "packed", "expected"),
        [
            (socket.AF_INET, bytes([10, 0, 0, 1]) + bytes(12), "10.0.0.1"),
            (socket.AF_INET6, ipaddress.ip_address("fd00::1").packed, "fd00::1"),
            (socket.AF_INET6, ipaddress.ip_address("::ffff:10.0.0.1").packed, "10.0.0.1"),
        ],
    )
    def test_addresses_of_both_families(self, family: int, packed: bytes, expected: str) -> None:
        answer = bytes([family, 1, 0, 0]) + struct.pack("!HH", 443, 50000) + packed + packed + bytes(12 + 20)
        address = ipaddress.ip_address(expected)
        assert parse_diag(answer) == Connection(address, 443, address, 50000)
