"""What one direction of a path does to packets: rate, queue, delay, jitter, loss, reordering and the like."""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from harness.spec.errors import Misfit
from harness.spec.units import Count, Duration, Fraction, Model, Number, Rate, Size

LONGEST_DELAY_S = 60.0
LARGEST_QUEUE_BYTES = 2**32 - 1
"""The kernel's token bucket counts its limit in 32 bits."""


class Queue(Model):
    """How much the queue in front of the rate holds; exactly one of the four measures is given."""

    packets: Count | None = Field(None, description="full-sized packets")
    bytes: Size | None = Field(None, gt=0)
    time: Duration | None = Field(None, gt=0, description="as long as the rate needs to send it")
    bdp: Number | None = Field(None, gt=0, description="multiples of rate × round-trip delay of the path")

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = [name for name in ("packets", "bytes", "time", "bdp") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"a queue is given by exactly one of packets, bytes, time, bdp; found {', '.join(given) or 'none'}"
            )
        return self


class Jitter(Model):
    """Random variation of the delay. It never changes the order of packets: ``reorder`` does that."""

    amount: Duration = Field(le=LONGEST_DELAY_S, description="half width (uniform) or standard deviation (the others)")
    distribution: Literal["uniform", "normal", "pareto", "paretonormal"] = "normal"
    correlation: Fraction = 0.0


class UniformLoss(Model):
    """Each packet is lost with the same probability."""

    model: Literal["uniform"] = "uniform"
    probability: Fraction
    correlation: Fraction = Field(0.0, description="with the fate of the packet before")


class GilbertElliott(Model):
    """A good and a bad state with a loss probability each, and transitions before each packet."""

    model: Literal["gilbert_elliott"]
    to_bad: Fraction = Field(description="probability to go from good to bad (p)")
    to_good: Fraction = Field(description="probability to go from bad to good (r)")
    loss_bad: Fraction = Field(1.0, description="loss probability in the bad state (1 - h)")
    loss_good: Fraction = Field(0.0, description="loss probability in the good state (1 - k)")


class IndexedLoss(Model):
    """Exactly these packets are lost, counted from 1 in order of arrival at the element."""

    model: Literal["indexes"]
    packets: list[Count] = Field(min_length=1)

    @field_validator("packets")
    @classmethod
    def _each_once(cls, packets: list[int]) -> list[int]:
        seen: set[int] = set()
        for index, packet in enumerate(packets):
            if packet in seen:
                raise Misfit(f"packet {packet} is listed twice", index)
            seen.add(packet)
        return packets


class SynLoss(Model):
    """Only TCP segments with SYN set are lost."""

    model: Literal["syn"]
    probability: Fraction = 1.0
    first: Count | None = Field(None, description="only the first so many of them; all when absent")


Loss = Annotated[UniformLoss | GilbertElliott | IndexedLoss | SynLoss, Field(discriminator="model")]


def _loss_shorthand(value: Any) -> Any:
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return {"model": "uniform", "probability": value}
    if isinstance(value, dict) and "model" not in value:
        return {"model": "uniform", **value}
    return value


class Reorder(Model):
    """A share of packets overtakes those that wait: it passes without the delay."""

    probability: Fraction
    correlation: Fraction = 0.0


class Link(Model):
    """One direction of a path."""

    rate: Rate | None = Field(None, description="no limit when absent")
    queue: Queue = Field(Queue(packets=100), description="what waits for the rate; packets beyond it are dropped")
    delay: Duration = Field(0.0, le=LONGEST_DELAY_S, description="of every packet, after the rate and its queue")
    jitter: Jitter | None = Field(None, description="no variation of the delay when absent")
    loss: Annotated[Loss | None, BeforeValidator(_loss_shorthand)] = Field(
        None, description="a probability, or a table with a `model`; no loss when absent"
    )
    reorder: Reorder | None = Field(None, description="no reordering when absent")
    duplicate: Fraction = Field(0.0, description="share of packets that arrive twice")
    corrupt: Fraction = Field(0.0, description="share of packets in which one random bit is flipped")

    def queue_bytes(self, round_trip: float, frame: int = 1514) -> int:
        """Bytes that the queue holds; ``round_trip`` in seconds is the path's, for a queue given in BDPs."""
        rate = self.rate or 0.0
        if self.queue.packets is not None:
            return self.queue.packets * frame
        if self.queue.bytes is not None:
            return self.queue.bytes
        if self.queue.time is not None:
            return max(frame, round(rate * self.queue.time / 8))
        assert self.queue.bdp is not None
        return max(frame, round(rate * round_trip * self.queue.bdp / 8))
