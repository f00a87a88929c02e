"""The codec of sock_diag, on bytes recorded from Linux 6.18."""

import socket
import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.measure.inet_diag import LIVE_STATES, TcpInfo, decode_socket, decode_tcp_info, encode_request
from impl.nfqueue.netlink import parse_attributes

# A client on loopback that sent 1,000 bytes and received 77.
_RECORDED = bytes.fromhex(
    "020100008c8e13897f0000010000000000000000000000007f00000100000000000000000000000000000000090000000000"
    "00000000000000000000000000000000000033920100050008000000000008000f00000000000c0015000100000000000000"
    "06001600520000001c010200010000000007aa01e01c0300409c0000008a0000180200000000000000000000000000000000"
    "00000000000000000000000000000000000000000000ffff0000d7ff00001a0000000e000000ffffff7f0b000000cbff0000"
    "0300000000000000d7ff000000000000c4f3268307000000ffffffffffffffffe9030000000000004d000000000000000400"
    "0000030000000000000009000000010000000100000055d5f7e9000000000000000000000000000000000000000000000000"
    "000000000200000000000000e803000000000000000000000000000000000000000000000000000000140100000001000000"
    "0000000000000000000000000000000000000000000000000000000000000000000000000000000000000800040062627200"
)
_INFO = bytes(parse_attributes(_RECORDED[72:])[2])


class TestRequest:
    def test_layout(self) -> None:
        request = encode_request(socket.AF_INET6)
        assert len(request) == 56
        assert request[:2] == bytes((socket.AF_INET6, 6))
        assert struct.unpack_from("=I", request, 4) == (LIVE_STATES,)

    def test_states_without_listeners_and_time_wait(self) -> None:
        assert [number for number in range(32) if LIVE_STATES >> number & 1] == [1, 2, 3, 4, 5, 8, 9, 11]


class TestSocket:
    def test_recorded(self) -> None:
        found = decode_socket(_RECORDED)
        assert found.state == "established"
        assert (found.local, found.local_port) == ("127.0.0.1", 35982)
        assert (found.remote, found.remote_port) == ("127.0.0.1", 5001)
        assert found.congestion == "bbr"
        assert (found.info.bytes_acked, found.info.bytes_received) == (1001, 77)
        assert found.info.snd_ssthresh == 0x7FFFFFFF

    def test_ipv4_address_of_a_dual_stack_socket(self) -> None:
        mapped = bytearray(_RECORDED)
        mapped[0] = socket.AF_INET6
        mapped[8:24] = bytes(10) + b"\xff\xff" + socket.inet_aton("10.1.2.3")
        mapped[24:40] = socket.inet_pton(socket.AF_INET6, "fd00::1")
        found = decode_socket(bytes(mapped))
        assert (found.local, found.remote) == ("10.1.2.3", "fd00::1")

    @given(st.binary(max_size=200))
    def test_garbage_is_refused_or_read(self, data: bytes) -> None:
        with suppress(ValueError):
            decode_socket(data)

    @given(st.integers(0, 71))
    def test_too_short(self, length: int) -> None:
        with pytest.raises(ValueError, match="socket"):
            decode_socket(_RECORDED[:length])


class TestTcpInfo:
    @given(st.integers(0, len(_INFO)))
    def test_older_kernels_have_less_of_it(self, length: int) -> None:
        whole, short = decode_tcp_info(_INFO), decode_tcp_info(_INFO[:length])
        for name, value in vars(short).items():
            assert value is None or value == getattr(whole, name)

    @given(st.binary(max_size=100))
    def test_newer_kernels_have_more(self, more: bytes) -> None:
        assert decode_tcp_info(_INFO + more) == decode_tcp_info(_INFO)

    def test_empty(self) -> None:
        assert decode_tcp_info(b"") == TcpInfo()

    def test_pacing(self) -> None:
        assert TcpInfo(pacing_rate=0xFFFFFFFFFFFFFFFF).pacing_mbps is None
        assert TcpInfo(pacing_rate=3_125_000).pacing_mbps == 25
        assert TcpInfo().pacing_mbps is None
