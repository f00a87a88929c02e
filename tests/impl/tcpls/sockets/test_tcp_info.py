"""struct tcp_info of every age, and that of real sockets."""

import socket
import struct
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impl.tcpls.sockets.tcp_info import LEAST, SIZE, UNKNOWN_WINDOW, fast_open_acked, parse_info, read_info
from tests.impl.tcpls.sockets.links import pair

FIELDS = {  # name: offset and format, by the kernel's header
    "state": (0, "B"), "retransmits": (2, "B"), "options": (5, "B"), "bits": (7, "B"), "mss": (16, "I"),
    "unacked": (24, "I"), "last_data_recv": (52, "I"), "last_ack_recv": (56, "I"), "rtt": (68, "I"),
    "rttvar": (72, "I"), "cwnd": (80, "I"), "total_retrans": (100, "I"), "notsent": (144, "I"), "min_rtt": (148, "I"),
    "rate": (160, "Q"), "window": (228, "I"),
}  # fmt: skip
LIMITED = 1 if sys.byteorder == "little" else 0x80


def structure(length: int = SIZE, **values: int) -> bytes:
    """A tcp_info of some length."""
    data = bytearray(max(length, SIZE))
    for name, value in values.items():
        offset, form = FIELDS[name]
        struct.pack_into("=" + form, data, offset, value)
    return bytes(data[:length])


class TestParsing:
    @given(
        values=st.fixed_dictionaries(
            {name: st.integers(0, 2 ** (8 * struct.calcsize("=" + form)) - 1) for name, (_, form) in FIELDS.items()}
        ),
        longer=st.integers(0, 40),
    )
    def test_every_field_is_read_from_its_place(self, values: dict[str, int], longer: int) -> None:
        values["state"] = 1
        info = parse_info(structure(SIZE + longer, **values), 100.0)
        assert info.established
        assert info.srtt == values["rtt"] * 1e-6
        assert info.rttvar == values["rttvar"] * 1e-6
        assert info.min_rtt == (0 if values["min_rtt"] == 2**32 - 1 else values["min_rtt"] * 1e-6)
        assert info.mss == values["mss"]
        assert info.cwnd == values["cwnd"] * values["mss"]
        assert info.unacked == values["unacked"] * values["mss"]
        assert info.unsent == values["notsent"]
        assert info.delivery_rate == float(values["rate"])
        assert info.app_limited == bool(values["bits"] & LIMITED)
        assert info.last_ack == 100.0 - values["last_ack_recv"] * 1e-3
        assert info.retransmits == values["retransmits"]
        assert info.send_window == values["window"]

    @given(st.integers(LEAST, SIZE - 1))
    def test_what_an_older_kernel_lacks_is_nothing(self, length: int) -> None:
        data = structure(length, state=1, rtt=20_000, mss=1000, cwnd=10, window=7)
        info = parse_info(data, 0.0)
        assert (info.srtt, info.cwnd) == (0.02, 10_000)
        assert info.send_window == UNKNOWN_WINDOW
        assert info.delivery_rate == info.min_rtt == info.unsent == 0

    @given(st.binary(max_size=300))
    def test_garbage_is_read_or_refused(self, data: bytes) -> None:
        if len(data) < LEAST:
            with pytest.raises(ValueError, match="at least 104 bytes"):
                parse_info(data, 0.0)
        else:
            assert parse_info(data, 0.0).last_ack <= 0

    def test_no_round_trip_measured(self) -> None:
        assert parse_info(structure(min_rtt=2**32 - 1), 0.0).min_rtt == 0

    def test_before_the_first_acknowledgement_the_last_is_the_syn(self) -> None:
        info = parse_info(structure(state=3, last_ack_recv=4_000_000_000, last_data_recv=30), 10.0)
        assert info.last_ack == pytest.approx(9.97)
        assert not info.established


class TestSockets:
    def test_a_connection(self) -> None:
        with pair() as (near, far):
            near.sendall(b"x" * 1000)
            assert far.recv(1000)
            info = read_info(near, 5.0)
            assert info.established
            assert info.mss > 100
            assert info.cwnd >= info.mss
            assert 4 < info.last_ack <= 5
            assert 0 < info.min_rtt <= info.srtt * 2
            assert info.send_window < UNKNOWN_WINDOW
            assert not fast_open_acked(near)

    def test_a_socket_that_is_not_connected(self) -> None:
        with socket.socket() as sock:
            info = read_info(sock, 5.0)
        assert not info.established
        assert info.srtt == info.min_rtt == 0
