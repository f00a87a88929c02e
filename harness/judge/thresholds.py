"""The validity thresholds as typed data, read from thresholds.toml."""

import tomllib
from functools import cache
from importlib.resources import files
from typing import Literal

from harness.spec.units import Model

Scale = Literal["delay", "rate", "round_trip"]


class Threshold(Model):
    """One threshold: ``floor + share × scale`` is the limit, an upper one unless ``at_least``."""

    unit: str
    floor: float
    share: float = 0.0
    of: Scale | None = None
    at_least: bool = False
    seconds: float | None = None
    reason: str

    def limit(self, scale: float = 0.0) -> float:
        """Return the limit for an emulated quantity of ``scale``, in the threshold's unit."""
        return self.floor + self.share * scale

    def breaks(self, value: float, scale: float = 0.0) -> bool:
        """Tell whether a value is on the wrong side of the limit."""
        limit = self.limit(scale)
        return value < limit if self.at_least else value > limit

    def allowed_seconds(self, seconds: int) -> int:
        """Return how many of a run's seconds may break the limit."""
        return 0 if self.seconds is None else max(2, int(self.seconds * seconds))


class Thresholds(Model):
    """All of them."""

    idle_cpu: Threshold
    cpu_pressure: Threshold
    steal: Threshold
    timer_late_p99: Threshold
    timer_late_max: Threshold
    element_cpu: Threshold
    delay_error: Threshold
    delay_spread: Threshold
    rate_error: Threshold
    loss_excess: Threshold
    loss_interval: Threshold
    probe_early: Threshold
    overflow: Threshold
    fault_late: Threshold


@cache
def default_thresholds() -> Thresholds:
    """Return those of thresholds.toml."""
    text = files("harness.judge").joinpath("thresholds.toml").read_text(encoding="utf-8")
    return Thresholds.model_validate(tomllib.loads(text))
