"""TCP_INFO of one socket: the kernel's struct tcp_info, of any age, as a TransportInfo."""

import socket
import struct
import sys
from typing import Final

from impl.tcpls.transport_info import TransportInfo

LEAST: Final = 104
"""Length of the structure in the oldest kernels, bytes: it ends with tcpi_total_retrans."""

UNKNOWN_WINDOW: Final = 1 << 30
"""What ``send_window`` is where the kernel does not tell (before 5.4): the largest window there can be (RFC 7323)."""

# linux/tcp.h, up to tcpi_snd_wnd. The structure only ever grew at its end, so that one of an older kernel is a prefix;
# what is not wanted is skipped (x).
_LAYOUT: Final = struct.Struct(
    "="
    "BxBxxBxB"  # state, ca_state, retransmits, probes, backoff, options, window scales, bit fields
    "8xI4x"  # rto, ato, snd_mss, rcv_mss
    "I16x"  # unacked, sacked, lost, retrans, fackets
    "8xII"  # last_data_sent, last_ack_sent, last_data_recv, last_ack_recv
    "8xII4xI20x"  # pmtu, rcv_ssthresh, rtt, rttvar, snd_ssthresh, snd_cwnd, advmss … total_retrans
    "40x"  # pacing rates, bytes acked and received, segments out and in
    "II8xQ"  # notsent_bytes, min_rtt, data segments in and out, delivery_rate
    "60xI"  # busy time … rcv_ooopack, snd_wnd
)
SIZE: Final = _LAYOUT.size
_ESTABLISHED: Final = 1
_SYN_RECEIVED: Final = 3
_SYN_DATA: Final = 0x20  # TCPI_OPT_SYN_DATA
_APP_LIMITED: Final = 0x01 if sys.byteorder == "little" else 0x80  # the first of the bit fields
_NEVER: Final = 0xFFFFFFFF


def parse_info(data: bytes, now: float) -> TransportInfo:
    """Decode a ``struct tcp_info``; fields that an older kernel lacks are 0, ``send_window`` is ``UNKNOWN_WINDOW``.

    Before the first measurement ``rttvar`` is the kernel's initial value, 0.25 s, which with an ``srtt`` of 0 makes
    the initial retransmission timeout of one second (RFC 6298, section 2).

    Args:
        data: what getsockopt gave; more than is known is ignored.
        now: the moment at which it did.

    Raises:
        ValueError: it is too short.

    """
    length = len(data)
    if length < LEAST:
        raise ValueError(f"struct tcp_info has at least {LEAST} bytes, not {length}")
    (
        state, retransmits, _, bits, mss, unacked, last_data, last_ack, rtt, rttvar, cwnd, unsent, min_rtt, rate, window
    ) = _LAYOUT.unpack_from(data if length >= SIZE else data.ljust(SIZE, b"\0"))  # fmt: skip
    if state == _SYN_RECEIVED:
        # A Fast Open server's socket has had no acknowledgement; what came last is the SYN.
        last_ack = last_data
    return TransportInfo(
        srtt=rtt * 1e-6,
        rttvar=rttvar * 1e-6,
        min_rtt=0.0 if min_rtt == _NEVER else min_rtt * 1e-6,
        cwnd=cwnd * mss,
        mss=mss,
        unacked=unacked * mss,
        unsent=unsent,
        delivery_rate=float(rate),
        app_limited=bool(bits & _APP_LIMITED),
        last_ack=now - last_ack * 1e-3,
        retransmits=retransmits,
        send_window=window if length >= SIZE else UNKNOWN_WINDOW,
        established=state == _ESTABLISHED,
    )


def read_info(sock: socket.socket, now: float) -> TransportInfo:
    """Read what the kernel knows about a TCP connection.

    ``last_ack`` has the grain of the kernel's ticks (1 to 10 ms), and a segment counts only if the kernel had to look
    at its acknowledgement: one with data and nothing newly acknowledged may not.

    Raises:
        OSError: it is no TCP socket, or closed.

    """
    return parse_info(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, SIZE), now)


def fast_open_acked(sock: socket.socket) -> bool:
    """Tell whether the data in the SYN was acknowledged with the SYN (RFC 7413): asked of either end.

    Raises:
        OSError: it is no TCP socket, or closed.

    """
    return bool(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, LEAST)[5] & _SYN_DATA)
