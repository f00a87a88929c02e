"""Expectations as data: the oracles by which a run is judged."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from harness.spec.endpoint import Capability
from harness.spec.errors import Misfit
from harness.spec.keys import flat
from harness.spec.units import Duration, Fraction, Model, Number, Plain, Rate

METRICS: Mapping[str, str] = {
    "bytes_expected": "",
    "bytes_received": "",
    "completion_s": "",
    "connect_ms": "",
    "first_byte_ms": "",
    "longest_gap_s": "",
    "longest_gap_at_s": "",
    "goodput_mbps": "",
    "goodput_stdev_mbps": "",
    "goodput_all_paths_mbps": "",
    "goodput_steady_mbps": "",
    "goodput_steady_stdev_mbps": "",
    "all_paths_busy_s": "",
    "retransmissions": "",
    "recovery_s": "fault",
    "path_busy_s": "path",
    "path_bytes": "path",
    "path_share": "path",
    "path_drops": "path",
    "path_lost": "path",
    "migrations": "",
    "migration_gap_s": "",
    "object_ms": "statistic",
    "latency": "probe",
}
"""The numbers of run.json's ``metrics`` that an expectation can speak of, and what names one of several: nothing, the
fault, the path, the statistic (``object_ms.p95``), or probe, path, direction and statistic
(``latency.udp.upper.round_trip.p99_ms``)."""

OBJECT_STATISTICS = ("median", "p95", "p99", "max", "count")

LATENCY_DIRECTIONS = ("forward", "backward", "round_trip")
LATENCY_STATISTICS = ("median_ms", "p99_ms", "count", "lost")


def _flatten(value: Any) -> Any:
    """Let an unquoted ``multipath.mode`` be the dotted key that it looks like."""
    return dict(flat(value)) if isinstance(value, dict) else value


class _Expectation(Model):
    """What every expectation has: for which runs it holds."""

    name: str | None = Field(None, description="by which dotted keys speak of it, as in expect.gap.at_most")
    endpoints: list[str] | None = Field(None, description="only for these endpoints")
    needs: list[Capability] = Field([], description="only for endpoints with all these capabilities")
    lacks: list[Capability] = Field([], description="only for endpoints with none of these capabilities")
    when: Annotated[dict[str, Plain | list[Plain]], BeforeValidator(_flatten)] = Field(
        {}, description="only when these keys have this value, or one of a list of values"
    )

    @model_validator(mode="after")
    def _can_apply(self) -> Self:
        for capability in self.needs:
            if capability in self.lacks:
                raise Misfit(f"{str(capability)!r} stands in 'needs' too, so this never applies", "lacks")
        for key, wanted in self.when.items():
            if wanted == []:
                raise Misfit("a list of no values never applies; give one value or more", "when", key)
        return self


class Completes(_Expectation):
    """The transfer completes within ``factor`` × the time that the emulated network itself needs, plus ``term``.

    That time follows from the specification alone: the rates after headers of the paths that are up, second by second
    as the faults come and go: of all of them together (``sum``), or of the fastest one (``one``).
    """

    kind: Literal["completes"]
    capacity: Literal["sum", "one"] = "sum"
    factor: Number = Field(1.0, ge=1)
    term: Duration = 0.0


class Stalls(_Expectation):
    """The transfer does not complete: the transport cannot survive what the scenario does to it."""

    kind: Literal["stalls"]


class LongestGap(_Expectation):
    """No longer time passes between two arrivals of payload, from the first byte to the last."""

    kind: Literal["longest_gap"]
    at_most: Duration


class Recovery(_Expectation):
    """After the fault (after each when none is named) payload arrives again within this time."""

    kind: Literal["recovery"]
    at_most: Duration
    fault: str | None = None


class HashEqual(_Expectation):
    """The receiver's SHA-256 is that of the payload."""

    kind: Literal["hash_equal"]


class Goodput(_Expectation):
    """Mean goodput within a window, absolutely or as a share of what the paths' rates leave after headers."""

    kind: Literal["goodput"]
    at_least: Rate | None = None
    at_least_share: Fraction | None = Field(None, description="of the sum of the rates of `paths` after headers")
    paths: list[str] | None = Field(None, description="whose rates the share is of; the client's paths when absent")
    after: Duration | Literal["all_paths_busy"] = Field(
        0.0, description="a time, or the moment from which all paths carry data"
    )
    until: Duration | None = Field(None, description="the end of the transfer when absent")

    @model_validator(mode="after")
    def _one_bound(self) -> Self:
        if (self.at_least is None) == (self.at_least_share is None):
            raise ValueError("give exactly one of at_least and at_least_share")
        if self.paths is not None and self.at_least_share is None:
            raise Misfit("belongs to at_least_share, and at_least is given", "paths")
        if self.until is not None and not isinstance(self.after, str) and self.until <= self.after:
            raise Misfit("'until' is later than 'after'", "until")
        return self


class PathBusy(_Expectation):
    """After the fault (an ``up``) its path carries payload within this time."""

    kind: Literal["path_busy"]
    fault: str
    at_most: Duration


class Metric(_Expectation):
    """A number of run.json's ``metrics`` lies within bounds."""

    kind: Literal["metric"]
    metric: str = Field(description="such as `completion_s`, `path_share.upper` or `recovery_s.outage`")
    at_least: Number | None = None
    at_most: Number | None = None

    @model_validator(mode="after")
    def _some_bound(self) -> Self:
        if self.at_least is None and self.at_most is None:
            raise ValueError("give at_least, at_most or both")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise Misfit(f"{self.at_least:g} is more than at_most, so no value passes", "at_least")
        self._known()
        return self

    def _known(self) -> None:
        name, *rest = self.metric.split(".")
        if name not in METRICS:
            raise Misfit(f"{self.metric!r} is not a metric; allowed: {', '.join(METRICS)}", "metric")
        if METRICS[name] == "probe":
            if len(rest) != 4 or rest[2] not in LATENCY_DIRECTIONS or rest[3] not in LATENCY_STATISTICS:
                raise Misfit(
                    f"{self.metric!r} is no number; write {name}.PROBE.PATH.DIRECTION.STATISTIC with a direction of "
                    f"{', '.join(LATENCY_DIRECTIONS)} and a statistic of {', '.join(LATENCY_STATISTICS)}",
                    "metric",
                )
        elif METRICS[name] == "statistic":
            if len(rest) != 1 or rest[0] not in OBJECT_STATISTICS:
                allowed = ", ".join(OBJECT_STATISTICS)
                raise Misfit(f"{self.metric!r} is no number; write {name}.STATISTIC, one of {allowed}", "metric")
        elif len(rest) != (1 if METRICS[name] else 0):
            form = f"{name}.{METRICS[name].upper()}" if METRICS[name] else name
            raise Misfit(f"{self.metric!r} is no number; write {form}", "metric")


Expectation = Annotated[
    Completes | Stalls | LongestGap | Recovery | HashEqual | Goodput | PathBusy | Metric,
    Field(discriminator="kind"),
]
