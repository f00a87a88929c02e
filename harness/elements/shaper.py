"""Rate and queue of a direction: the tc commands for tbf with a fifo of the wanted size as its child.

tbf lets a packet pass when there are tokens for it; ``burst`` is how many bytes of them gather while the link is idle.
A small burst makes the rate exact for short flows but loses throughput when the kernel's timer is late by more than
the burst lasts. Two milliseconds cover the lateness of virtual machines, and stay below a tenth of usual queues. Less
than two frames would make the rate hang on rounding. Mininet's fixed 15 kB would be 120 ms at 1 Mbps.

A link without a rate has no qdisc at all (``noqueue``): its queue can then never fill, so its size has no meaning.
"""

from dataclasses import dataclass
from typing import Literal

from harness.spec.link import Link

FRAME = 1514
_BURST_S = 0.002
_NO_LIMIT = 100e9


@dataclass(frozen=True)
class Shaper:
    """What tbf and its child are set to.

    Attributes:
        rate: bits per second, over frames without checksum.
        burst: bytes.
        child: ``pfifo`` counts ``limit`` in packets, ``bfifo`` in bytes.

    """

    rate: int
    burst: int
    child: Literal["pfifo", "bfifo"]
    limit: int


def burst_bytes(rate: float) -> int:
    """Return the bytes that may pass at once after idleness, for a rate in bits per second."""
    return max(2 * FRAME, round(rate / 8 * _BURST_S))


def shaper(link: Link, round_trip: float) -> Shaper | None:
    """Return the settings for a link, or ``None`` without a rate; ``round_trip`` in seconds, for queues in BDPs."""
    if link.rate is None:
        return None
    rate, burst = round(link.rate), burst_bytes(link.rate)
    if link.queue.packets is not None:
        return Shaper(rate, burst, "pfifo", link.queue.packets)
    return Shaper(rate, burst, "bfifo", max(FRAME, link.queue_bytes(round_trip)))


def add_commands(interface: str, new: Shaper) -> list[list[str]]:
    """Return the commands that put a shaper on an interface that has none."""
    device = ["tc", "qdisc", "add", "dev", interface]
    return [
        [*device, "root", "handle", "1:", *_tbf(new)],
        [*device, "parent", "1:1", "handle", "10:", new.child, "limit", str(new.limit)],
    ]


def changed(old: Shaper, link: Link, round_trip: float) -> Shaper:
    """Return the settings after a change during a run, such that no queued packet is lost by it.

    The child stays of its kind, because another one could only replace it and its packets: a limit in the other
    measure is converted with whole frames. A rate taken away becomes one that nothing reaches.
    """
    new = shaper(link, round_trip)
    if new is None:
        return Shaper(round(_NO_LIMIT), burst_bytes(_NO_LIMIT), old.child, old.limit)
    if new.child == old.child:
        return new
    limit = max(1, new.limit // FRAME) if old.child == "pfifo" else new.limit * FRAME
    return Shaper(new.rate, new.burst, old.child, limit)


def change_commands(interface: str, old: Shaper, new: Shaper) -> list[list[str]]:
    """Return the commands that change a shaper in place. Packets beyond a smaller limit stay; new ones are refused.

    tbf hands its own limit on to a fifo child whenever it changes, in bytes or packets as the child counts. So the
    number is the child's, and one command does both.
    """
    if old == new:
        return []
    return [["tc", "qdisc", "change", "dev", interface, "root", "handle", "1:", *_tbf(new)]]


def _tbf(setting: Shaper) -> list[str]:
    return ["tbf", "rate", f"{setting.rate}bit", "burst", str(setting.burst), "limit", str(setting.limit)]
