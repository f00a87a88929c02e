"""What the kernel knows about one TCP connection, in SI units: filled in at the edge, read by the cores."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportInfo:
    """One reading of a TCP connection's state.

    Moments are on the clock that the cores are given as ``now`` (the monotonic clock, float seconds).

    Attributes:
        srtt: smoothed round-trip time, s; 0 while none was measured.
        rttvar: mean deviation of the round-trip time, s.
        min_rtt: lowest round-trip time, s; 0 while none was measured.
        cwnd: congestion window, bytes.
        mss: size of a full segment's payload, bytes.
        unacked: bytes in flight: sent, and not acknowledged by the peer's kernel; an estimate, in whole segments.
        unsent: bytes in the send buffer that were not sent yet.
        delivery_rate: bytes/s that reached the peer lately; 0 if unknown.
        app_limited: whether the delivery rate was limited by what the sender had to send.
        last_ack: moment at which the last segment with an acknowledgement came.
        retransmits: retransmission timeouts in a row that nothing has answered yet.
        send_window: how much the peer takes, bytes; 0 means nothing now.
        established: whether the connection's state is ESTABLISHED.

    """

    srtt: float
    rttvar: float
    min_rtt: float
    cwnd: int
    mss: int
    unacked: int
    unsent: int
    delivery_rate: float
    app_limited: bool
    last_ack: float
    retransmits: int
    send_window: int
    established: bool
