"""Codec of sock_diag for TCP: the request, a socket's answer, and struct tcp_info of any length; no I/O."""

import ipaddress
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

from impl.nfqueue.netlink import NetlinkError, parse_attributes

SOCK_DIAG_BY_FAMILY = 20
IPPROTO_TCP = 6
STATES: Mapping[int, str] = {
    1: "established",
    2: "syn_sent",
    3: "syn_received",
    4: "fin_wait_1",
    5: "fin_wait_2",
    6: "time_wait",
    7: "close",
    8: "close_wait",
    9: "last_ack",
    10: "listen",
    11: "closing",
    12: "new_syn_received",
}
# Listeners move no data, and the minisockets of TIME_WAIT and NEW_SYN_RECV have no TCP_INFO.
LIVE_STATES = sum(1 << number for number, name in STATES.items() if name not in (
    "time_wait", "close", "listen", "new_syn_received"
))  # fmt: skip
_INET_DIAG_INFO, _INET_DIAG_CONG = 2, 4
_REQUEST = struct.Struct("=BBBxI48x")
_MESSAGE = struct.Struct("=BBBB2s2s16s16sI8s5I")
_AF_INET = 2
_UNLIMITED = 0xFFFFFFFFFFFFFFFF

# Field: offset and format, as in linux/tcp.h. The structure only ever grew at its end.
_FIELDS: Mapping[str, tuple[int, str]] = {
    "retransmits": (2, "=B"),
    "rto_us": (8, "=I"),
    "snd_mss": (16, "=I"),
    "unacked": (24, "=I"),
    "lost": (32, "=I"),
    "retrans": (36, "=I"),
    "pmtu": (60, "=I"),
    "rtt_us": (68, "=I"),
    "rttvar_us": (72, "=I"),
    "snd_ssthresh": (76, "=I"),
    "snd_cwnd": (80, "=I"),
    "total_retrans": (100, "=I"),
    "pacing_rate": (104, "=Q"),
    "bytes_acked": (120, "=Q"),
    "bytes_received": (128, "=Q"),
    "min_rtt_us": (148, "=I"),
    "delivery_rate": (160, "=Q"),
    "delivered": (192, "=I"),
}


@dataclass(frozen=True)
class TcpInfo:
    """The fields of struct tcp_info that are recorded; None where the kernel's structure ends before one."""

    retransmits: int | None = None
    rto_us: int | None = None
    snd_mss: int | None = None
    unacked: int | None = None
    lost: int | None = None
    retrans: int | None = None
    pmtu: int | None = None
    rtt_us: int | None = None
    rttvar_us: int | None = None
    snd_ssthresh: int | None = None
    snd_cwnd: int | None = None
    total_retrans: int | None = None
    pacing_rate: int | None = None
    bytes_acked: int | None = None
    bytes_received: int | None = None
    min_rtt_us: int | None = None
    delivery_rate: int | None = None
    delivered: int | None = None

    @property
    def pacing_mbps(self) -> float | None:
        """Pacing rate in Mbit/s; None if there is no limit."""
        if self.pacing_rate is None or self.pacing_rate == _UNLIMITED:
            return None
        return self.pacing_rate * 8 / 1e6


@dataclass(frozen=True)
class TcpSocket:
    """A TCP socket of a node, at one moment.

    Attributes:
        state: as in STATES.
        local: its address; an IPv4 address of a dual-stack socket is given as IPv4.
        local_port: its port.
        remote: the other end's address.
        remote_port: the other end's port.
        inode: of the socket in its process; 0 if no process holds it any more.
        congestion: the congestion control in use; empty if the kernel does not say.
        info: its TCP_INFO.

    """

    state: str
    local: str
    local_port: int
    remote: str
    remote_port: int
    inode: int
    congestion: str = ""
    info: TcpInfo = field(default_factory=TcpInfo)


def encode_request(family: int) -> bytes:
    """Return a ``struct inet_diag_req_v2`` that asks for all live TCP sockets of an address family."""
    extensions = 1 << (_INET_DIAG_INFO - 1) | 1 << (_INET_DIAG_CONG - 1)
    return _REQUEST.pack(family, IPPROTO_TCP, extensions, LIVE_STATES)


def decode_tcp_info(data: memoryview | bytes) -> TcpInfo:
    """Decode a struct tcp_info of whatever length the kernel has."""
    return TcpInfo(
        **{
            name: struct.unpack_from(form, data, offset)[0]
            for name, (offset, form) in _FIELDS.items()
            if offset + struct.calcsize(form) <= len(data)
        }
    )


def decode_socket(payload: memoryview | bytes) -> TcpSocket:
    """Decode a ``struct inet_diag_msg`` and the attributes behind it.

    Raises:
        ValueError: it is too short or malformed.

    """
    view = memoryview(payload)
    try:
        family, state, _, _, sport, dport, source, destination, _, _, _, _, _, _, inode = _MESSAGE.unpack_from(view)
        attributes = parse_attributes(view[_MESSAGE.size :])
        congestion = bytes(attributes.get(_INET_DIAG_CONG, b"")).rstrip(b"\0").decode("ascii", "replace")
    except (struct.error, NetlinkError) as error:
        raise ValueError(f"not a description of a socket: {error}") from error
    return TcpSocket(
        state=STATES.get(state, str(state)),
        local=_address(family, source),
        local_port=int.from_bytes(sport, "big"),
        remote=_address(family, destination),
        remote_port=int.from_bytes(dport, "big"),
        inode=inode,
        congestion=congestion,
        info=decode_tcp_info(attributes.get(_INET_DIAG_INFO, b"")),
    )


def _address(family: int, raw: bytes) -> str:
    if family == _AF_INET:
        return str(ipaddress.IPv4Address(raw[:4]))
    address = ipaddress.IPv6Address(raw)
    return str(address.ipv4_mapped or address)
