"""What calibration says of a path's direction: plain data in the form of calibration.json."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from harness.network.paths import DirectionName, PathInstance
from harness.spec.link import GilbertElliott, Link, UniformLoss

When = Literal["before", "after"]


@dataclass(frozen=True)
class Target:
    """A path to calibrate, with the links and the MTU that it has at this moment."""

    path: PathInstance
    forward: Link
    backward: Link
    mtu: int = 1500


@dataclass(frozen=True)
class Configured:
    """What the direction's specification says.

    Attributes:
        rate_mbps: None without a limit.
        delay_ms: one way.
        loss: expected share of packets that are lost; None if it depends on the packets (indexes, SYN only).

    """

    rate_mbps: float | None
    delay_ms: float
    loss: float | None


@dataclass(frozen=True)
class Measured:
    """What was measured.

    Attributes:
        rate_mbps: in whole Ethernet frames; None without a limit, or if too few packets of the train arrived.
        delay_ms: median one-way delay of small packets on the idle path.
        delay_min_ms: the smallest of them.
        delay_p99_ms: their 99th percentile (with 24 probes: the largest).
        loss: share of packets lost behind the shaper; None if too few were sent to tell, or the receiver dropped some.
        in_order: no packet arrived after one that was sent later.
        sent: packets on which loss and order rest.
        received: those of them that arrived.
        receiver_drops: packets that arrived but found the receiver's buffer full; not counted as loss of the path.
        sender_limited: the train did not fill the path: the rate is at least ``rate_mbps``, and says nothing more.

    """

    rate_mbps: float | None
    delay_ms: float
    delay_min_ms: float
    delay_p99_ms: float
    loss: float | None
    in_order: bool
    sent: int
    received: int
    receiver_drops: int
    sender_limited: bool


@dataclass(frozen=True)
class Calibration:
    """One direction of one path, before or after a run.

    Attributes:
        path: its name.
        direction: forward or backward.
        when: before or after the run.
        configured: the specification.
        measured: None if nothing could be measured.
        reason: why not, or what was odd; None if all went well.
        rtt_ms: sum of the median delays of both directions, which have one clock; None unless both were measured.

    """

    path: str
    direction: DirectionName
    when: When
    configured: Configured
    measured: Measured | None
    reason: str | None
    rtt_ms: float | None

    def to_json(self) -> dict[str, Any]:
        """Return the object of calibration.json."""
        return asdict(self)


def expected_loss(link: Link) -> float | None:
    """Return the share of packets that the link's loss model loses in the long run; None if it has no such share."""
    if link.loss is None:
        return 0.0
    if isinstance(link.loss, UniformLoss):
        return link.loss.probability
    if isinstance(link.loss, GilbertElliott):
        model = link.loss
        changes = model.to_bad + model.to_good
        bad = model.to_bad / changes if changes else 0.0
        return bad * model.loss_bad + (1 - bad) * model.loss_good
    return None


def configured(link: Link) -> Configured:
    """Return what calibration compares with."""
    return Configured(None if link.rate is None else link.rate / 1e6, link.delay * 1e3, expected_loss(link))


def with_round_trips(results: Sequence[Calibration]) -> list[Calibration]:
    """Fill in the round trip of each path from the delays of its two directions."""
    delays: dict[str, list[float]] = {}
    for result in results:
        if result.measured is not None:
            delays.setdefault(result.path, []).append(result.measured.delay_ms)
    return [
        Calibration(**{**vars(result), "rtt_ms": sum(both) if len(both := delays.get(result.path, [])) == 2 else None})
        for result in results
    ]
