"""Faults as data: what happens to a network or a process during a run, and when."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from harness.spec.errors import Misfit
from harness.spec.link import Link
from harness.spec.units import Count, Duration, Flag, Model

DirectionChoice = Literal["both", "forward", "backward"]


def _read_link(keys: dict[str, Any], place: str, *, shown: bool = True) -> None:
    """Check that ``keys`` are those of a link; errors name ``place`` and, if ``shown``, the key within it."""
    try:
        Link.model_validate(keys)
    except ValidationError as error:
        first = error.errors()[0]
        message = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden" and len(first["loc"]) == 1:
            message = f"is not a key of a link; allowed: {', '.join(Link.model_fields)}"
        raise Misfit(message, place, *(first["loc"] if shown else ())) from None


class _Fault(Model):
    """What every fault has: a moment on the run's clock, which starts with the client process."""

    # The timeline adds "#2" and "/undo" to names, dotted keys join them by ".", and a number is an index there.
    name: str | None = Field(
        None,
        pattern=r"^[A-Za-z][A-Za-z0-9_-]*$",
        description="what the timeline and the figures call it; made from kind and path when absent",
    )
    at: Duration = Field(description="moment on the run's clock, which starts with the client process")
    spread: Duration = Field(0.0, description="added to `at`: a moment drawn from the seed, between 0 and this")
    every: Duration | None = Field(None, gt=0, description="repeat with this period until the run ends")
    times: Count | None = Field(None, description="repeat so many times in all; needs `every`")

    @model_validator(mode="after")
    def _times_needs_every(self) -> Self:
        if self.times is not None and self.every is None:
            raise Misfit("'times' needs 'every': the period of the repetition", "times")
        return self


class _Reversible(_Fault):
    duration: Duration | None = Field(None, gt=0, description="undone after this long; it lasts when absent")

    @model_validator(mode="after")
    def _ends_before_it_repeats(self) -> Self:
        if self.every is not None and (self.duration is None or self.duration >= self.every):
            raise Misfit("a repeated fault has a 'duration' shorter than 'every'", "every")
        return self


class Drop(_Reversible):
    """Silent blackhole: every packet of the path is dropped and nobody is told."""

    kind: Literal["drop"]
    path: str
    direction: DirectionChoice = "both"


class Rst(_Reversible):
    """Every TCP connection through the path is answered by RST, idle ones too."""

    kind: Literal["rst"]
    path: str


class Down(_Reversible):
    """An interface goes down: at the host of either end, or between the path's middle nodes."""

    kind: Literal["down"]
    path: str
    where: Literal["from", "to", "middle"] = "from"


class Up(_Fault):
    """A path that was initially down comes up; the kernel's path manager is told if it manages the endpoint's paths."""

    kind: Literal["up"]
    path: str
    announce: Flag = Field(True, description="tell the kernel's Multipath TCP path manager about the address")


class AddressRemove(_Reversible):
    """An end of the path loses its address (and gets it back after ``duration``)."""

    kind: Literal["address_remove"]
    path: str
    end: Literal["from", "to"] = "from"


class AddressAdd(_Fault):
    """An end of the path gets back the address that was removed."""

    kind: Literal["address_add"]
    path: str
    end: Literal["from", "to"] = "from"


class Rebind(_Fault):
    """The path's NAT forgets its mappings and gives new ports from then on."""

    kind: Literal["rebind"]
    path: str


class Change(_Reversible):
    """Parameters of a link change at once; those not named stay."""

    kind: Literal["change"]
    path: str
    direction: DirectionChoice = "both"
    set: dict[str, Any] = Field(min_length=1, description="keys of a link and their new values")

    @model_validator(mode="after")
    def _is_a_link(self) -> Self:
        _read_link(self.set, "set")
        return self


class Ramp(_Fault):
    """A rate, delay or uniform loss moves in steps from its present value to another."""

    kind: Literal["ramp"]
    path: str
    direction: DirectionChoice = "both"
    key: Literal["rate", "delay", "loss"]
    to: str | float = Field(description='as in a link: "5mbit", "80ms", "2%"')
    duration: Duration = Field(gt=0)
    steps: Count = Field(20, le=10_000)

    @model_validator(mode="after")
    def _target_fits(self) -> Self:
        _read_link({self.key: self.to}, "to", shown=False)
        if self.every is not None and self.duration >= self.every:
            raise Misfit("a repeated ramp has a 'duration' shorter than 'every'", "every")
        return self

    @property
    def target(self) -> float:
        """Value at the end, in bit/s, seconds or as a fraction."""
        link = Link.model_validate({self.key: self.to})
        if self.key == "loss":
            return float(getattr(link.loss, "probability", 0.0))
        return float(getattr(link, self.key))


class Pause(_Reversible):
    """A process stops (SIGSTOP), and goes on after ``duration``."""

    kind: Literal["pause"]
    process: Literal["client", "server"]


class Resume(_Fault):
    """A paused process goes on (SIGCONT)."""

    kind: Literal["resume"]
    process: Literal["client", "server"]


class Kill(_Fault):
    """A process is killed (SIGKILL)."""

    kind: Literal["kill"]
    process: Literal["client", "server"]


Fault = Annotated[
    Drop | Rst | Down | Up | AddressRemove | AddressAdd | Rebind | Change | Ramp | Pause | Resume | Kill,
    Field(discriminator="kind"),
]

PROCESS_FAULTS = (Pause, Resume, Kill)

FAULT: TypeAdapter[Any] = TypeAdapter(Fault)
"""Reads one fault of any kind."""
