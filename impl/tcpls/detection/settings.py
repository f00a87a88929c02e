"""The numbers by which a path is judged."""

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionSettings:
    """The numbers of the judgement; all times in seconds.

    Attributes:
        ack_allowance: what is allowed for besides the round trip: 40 ms for an acknowledgement that Linux delays, the
            rest for the granularity of the kernel's clock (4 ms at 250 Hz) and for late processes.
        floor: silence that is always allowed. It covers a round trip that doubles from 40 to 90 ms, in a queue filled
            by others, with a delayed acknowledgement on top.
        ceiling: silence that is never allowed, even where a retransmission has spoilt srtt.
        tail_probe: round trips allowed besides when nothing is left to send; 2 is when the kernel's probe goes out.
        missed_floor: silence that is always allowed where the peer has said, on another connection, that it waits;
            above it, srtt + 2 rttvar and
        missed_allowance: as long. Both ends then see the same, so that less is needed.
        timeouts: so many retransmission timeouts in a row raise suspicion although the peer is heard.
        patience: how long the peer may leave records unacknowledged while its kernel acknowledges them.
        verdict_after: how long a suspicion lasts before the verdict, at least,
        verdict_limit: and at most.
        blind_floor: silence that is always allowed where nothing is known from the kernel; above it,
        blind_round_trips: so many times the time that TCPLS acknowledgements take.
        keepalive: on a connection on which nothing moves, a Ping is wanted each time this has passed.
        ping_floor: when data is awaited and has stopped, a Ping is wanted after this time at the earliest, or
        ping_round_trips: after so many round trips if that is longer; then at intervals that double up to keepalive.
        recent: only data that came so lately says that more of it is on its way on this connection.

    """

    ack_allowance: float = 0.06
    floor: float = 0.15
    ceiling: float = 3.0
    tail_probe: float = 2.0
    missed_floor: float = 0.08
    missed_allowance: float = 0.02
    timeouts: int = 2
    patience: float = 5.0
    verdict_after: float = 1.0
    verdict_limit: float = 3.0
    blind_floor: float = 0.5
    blind_round_trips: float = 4.0
    keepalive: float = 15.0
    ping_floor: float = 0.1
    ping_round_trips: float = 3.0
    recent: float = 1.0

    def __post_init__(self) -> None:
        for entry in fields(self):
            value = getattr(self, entry.name)
            lowest_allowed = entry.name in ("ack_allowance", "tail_probe", "verdict_after")
            if not (0 < value < float("inf") or (lowest_allowed and value == 0)):
                allowed = "0 or more" if lowest_allowed else "above 0"
                raise ValueError(f"detection: {entry.name} is {value}; it must be {allowed}, and finite")
        for low, high in (("floor", "ceiling"), ("verdict_after", "verdict_limit"), ("ping_floor", "keepalive")):
            if getattr(self, low) > getattr(self, high):
                raise ValueError(
                    f"detection: {low} {getattr(self, low)} is more than {high} {getattr(self, high)}; lower it"
                )
