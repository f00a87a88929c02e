"""Element ``netem``: the tc commands that make the kernel's sch_netem do what a link says."""

from harness.elements.errors import ElementUnsupported
from harness.spec.link import GilbertElliott, IndexedLoss, Link, SynLoss, UniformLoss

_SMALLEST_FRAME = 64
_UNLIMITED_RATE = 10e9
_LEAST_LIMIT = 10_000
_JITTER_REACH = 4  # netem's distribution tables end at four standard deviations

# With a rate netem computes each packet's time from the last one's, so it never sends a packet before an earlier one:
# neither jitter nor a smaller delay reorders. At this rate that adds 1.2 µs a packet.
_FIFO_RATE = "10gbit"


def refusals(link: Link) -> list[str]:
    """Return what netem cannot do of a link; empty when it can do all."""
    reasons = []
    if isinstance(link.loss, IndexedLoss):
        reasons.append("netem cannot lose packets by index (loss.model = 'indexes'); the element nfqueue can")
    if isinstance(link.loss, SynLoss):
        reasons.append("netem cannot tell TCP SYNs from other packets (loss.model = 'syn'); the element nfqueue can")
    if link.reorder is not None and link.reorder.probability and not link.delay:
        reasons.append("netem cannot reorder without a delay; give the link a delay")
    return reasons


def change_refusals(old: Link, new: Link) -> list[str]:
    """Return what netem cannot do of a change during a run; empty when it can do all."""
    reasons = refusals(new)
    if (
        old.jitter is not None
        and old.jitter.distribution != "uniform"
        and new.jitter is not None
        and new.jitter.distribution == "uniform"
    ):
        # The kernel keeps the table of the old distribution, and no message takes it away.
        reasons.append(f"netem cannot go back from {old.jitter.distribution} to uniform jitter while it runs")
    return reasons


def packet_limit(link: Link) -> int:
    """Return how many packets netem may hold: twice what can be under way in smallest frames, and a whole queue.

    netem's own limit must never drop: queues are the shaper's business.
    """
    rate = link.rate or _UNLIMITED_RATE
    jitter = _JITTER_REACH * link.jitter.amount if link.jitter is not None else 0.0
    under_way = 2 * rate * (link.delay + jitter) / 8 / _SMALLEST_FRAME
    return max(_LEAST_LIMIT, round(under_way) + link.queue_bytes(2 * link.delay) // _SMALLEST_FRAME)


def arguments(link: Link, seed: int | None) -> list[str]:
    """Return netem's arguments; every parameter each time, since the kernel keeps old values of those not named.

    Raises:
        ElementUnsupported: netem cannot do what the link asks for.

    """
    reasons = refusals(link)
    if reasons:
        raise ElementUnsupported("; ".join(reasons))
    words = ["limit", str(packet_limit(link)), *_delay(link), *_loss(link)]
    words += ["corrupt", _percent(link.corrupt), "duplicate", _percent(link.duplicate)]
    if link.reorder is not None and link.reorder.probability:
        words += ["reorder", _percent(link.reorder.probability), _percent(link.reorder.correlation)]
    words += ["rate", _FIFO_RATE]
    if seed is not None:
        words += ["seed", str(seed)]
    return words


def _delay(link: Link) -> list[str]:
    words = ["delay", _micros(link.delay)]
    if link.jitter is None or not link.jitter.amount:
        return words
    words += [_micros(link.jitter.amount), _percent(link.jitter.correlation)]
    if link.jitter.distribution != "uniform":
        words += ["distribution", link.jitter.distribution]
    return words


def _loss(link: Link) -> list[str]:
    loss = link.loss
    if isinstance(loss, UniformLoss) and loss.correlation and loss.probability:
        # netem's correlated loss changes the share that is lost; the same Markov chain of two states as in the element
        # nfqueue does not.
        to_bad = loss.probability * (1 - loss.correlation)
        to_good = (1 - loss.probability) * (1 - loss.correlation)
        return ["loss", "gemodel", _percent(to_bad), _percent(to_good), "100%", "0%"]
    if isinstance(loss, UniformLoss):
        return ["loss", "random", _percent(loss.probability)]
    if isinstance(loss, GilbertElliott):
        shares = (loss.to_bad, loss.to_good, loss.loss_bad, loss.loss_good)
        return ["loss", "gemodel", *map(_percent, shares)]
    return []


def add_command(interface: str, link: Link, seed: int | None) -> list[str]:
    """Return the command that puts netem on an interface."""
    return ["tc", "qdisc", "add", "dev", interface, "root", "netem", *arguments(link, seed)]


def change_command(interface: str, link: Link, seed: int | None) -> list[str]:
    """Return the command that changes it; packets that wait in it stay and keep their times."""
    return ["tc", "qdisc", "change", "dev", interface, "root", "netem", *arguments(link, seed)]


def _percent(share: float) -> str:
    return f"{share * 100:.6f}".rstrip("0").rstrip(".") + "%"


def _micros(seconds: float) -> str:
    return f"{seconds * 1e6:.3f}".rstrip("0").rstrip(".") + "us"
