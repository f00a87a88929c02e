"""Parameters of links that change at once or in steps, and what each link is now."""

import time
from collections.abc import Mapping
from typing import Any, Protocol

from harness.faults.outcome import FaultFailed, Outcome
from harness.faults.plan import Action
from harness.network.paths import DirectionName
from harness.spec.fault import Change, Ramp
from harness.spec.link import Link, UniformLoss
from harness.spec.topology import Topology

LinkKey = tuple[str, DirectionName]


class Elements(Protocol):
    """What shapes and delays the packets of all paths."""

    def change(self, path: str, direction: DirectionName, link: Link) -> int:
        """Apply new parameters to one direction; return CLOCK_MONOTONIC in ns right after they were."""
        ...


class LinkFaults:
    """The kinds ``change`` and ``ramp``.

    Args:
        topology: what the links are at first.
        elements: what the parameters are applied to.

    """

    def __init__(self, topology: Topology, elements: Elements) -> None:
        self._elements = elements
        self._links: dict[LinkKey, Link] = {}
        for path in topology.path:
            self._links[path.name, "forward"] = path.forward
            self._links[path.name, "backward"] = path.backward
        self._saved: dict[str, dict[LinkKey, dict[str, Any]]] = {}
        self._ramps: dict[str, dict[LinkKey, float]] = {}

    def current(self, path: str, direction: DirectionName) -> Link:
        """Return what a direction of a path is now.

        Raises:
            KeyError: there is no such path.

        """
        return self._links[path, direction]

    @property
    def links(self) -> Mapping[LinkKey, Link]:
        """All links as they are now."""
        return dict(self._links)

    def begin(self, action: Action) -> Outcome:
        """Change parameters, or make one step of a ramp.

        Raises:
            FaultFailed: the ramp starts where there is no number to start from, or the parameters do not fit together.

        """
        spec = action.spec
        assert isinstance(spec, Change | Ramp)
        keys: list[LinkKey] = [(action.path or "", direction) for direction in _both_or_one(spec.direction)]
        if isinstance(spec, Ramp):
            return self._step(action, spec, keys)
        wanted = Link.model_validate(spec.set)
        named = {name: getattr(wanted, name) for name in spec.set}
        if spec.duration is not None:
            self._saved[action.id] = {key: {name: getattr(self._links[key], name) for name in named} for key in keys}
        return self._apply(dict.fromkeys(keys, named), ", ".join(f"{name} = {spec.set[name]}" for name in named))

    def end(self, cause: str) -> Outcome:
        """Give back what the parameters changed by ``cause`` were before it; those it did not name stay."""
        saved = self._saved.pop(cause, None)
        if saved is None:
            return Outcome.now("ended before")
        names = sorted({name for values in saved.values() for name in values})
        return self._apply(saved, f"{', '.join(names)} as before")

    def _step(self, action: Action, spec: Ramp, keys: list[LinkKey]) -> Outcome:
        assert action.step is not None
        step, steps = action.step
        ramp = action.id if step == 1 else action.id.removesuffix(f"/{step}")
        if step == 1:
            self._ramps[ramp] = {key: self._number(key, spec.key) for key in keys}
        if ramp not in self._ramps:
            raise FaultFailed("the ramp's first step failed, so there is nothing to go on from")
        target = spec.target
        wanted: dict[LinkKey, dict[str, Any]] = {}
        for key, start in self._ramps[ramp].items():
            value = target if step == steps else start + (target - start) * step / steps
            wanted[key] = {spec.key: self._loss(key, value) if spec.key == "loss" else value}
        if step == steps:
            del self._ramps[ramp]
        values = "; ".join(
            f"{key[1]} {_in_words(spec.key, next(iter(value.values())))}" for key, value in wanted.items()
        )
        return self._apply(wanted, values)

    def _number(self, key: LinkKey, name: str) -> float:
        value = getattr(self._links[key], name)
        if name == "loss":
            if value is None:
                return 0.0
            if not isinstance(value, UniformLoss):
                raise FaultFailed(f"the loss of {key[0]} {key[1]} is not uniform, so it cannot be ramped")
            return value.probability
        if value is None:
            raise FaultFailed(f"{key[0]} {key[1]} has no {name} to start from")
        return float(value)

    def _loss(self, key: LinkKey, probability: float) -> UniformLoss:
        now = self._links[key].loss
        return UniformLoss(
            probability=probability, correlation=now.correlation if isinstance(now, UniformLoss) else 0.0
        )

    def _apply(self, wanted: Mapping[LinkKey, Mapping[str, Any]], result: str) -> Outcome:
        applied_ns = 0
        for key, values in wanted.items():
            link = self._links[key].model_copy(update=dict(values))
            applied_ns = max(applied_ns, self._elements.change(*key, link))
            self._links[key] = link
        return Outcome(applied_ns or time.monotonic_ns(), result)


def _both_or_one(choice: str) -> list[DirectionName]:
    directions: list[DirectionName] = ["forward", "backward"]
    return [direction for direction in directions if choice in ("both", direction)]


def _in_words(name: str, value: Any) -> str:
    if name == "rate":
        return f"{value / 1e6:.6g} Mbps"
    if name == "delay":
        return f"{value * 1e3:.6g} ms"
    return f"loss {value.probability:.4g}"
