"""From a scenario's faults and the seed to a list of actions with their moments, and to the outages they mean."""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from harness.spec.fault import PROCESS_FAULTS, AddressAdd, Change, Down, Drop, Fault, Ramp, Up
from harness.spec.scenario import Scenario
from harness.spec.topology import Topology

Interval = tuple[float, float]
"""Start and end in seconds since the run's start."""

_OUTAGE_KINDS = frozenset({"drop", "rst", "down", "address_remove"})
_INITIALLY = "initially"


@dataclass(frozen=True)
class Action:
    """One thing that happens at one moment.

    Attributes:
        id: unique in the plan. ``outage`` is the fault's first occurrence, ``outage#2`` its second, ``outage/undo`` the
            end of the first; a ramp's steps are ``slow``, ``slow/2``, ``slow/3`` …
        fault: what the scenario calls the fault.
        kind: the fault's kind.
        path: path that it happens to; None when it happens to a process.
        text: what is done, in words.
        planned_ns: nanoseconds after the run's start.
        spec: the fault as specified.
        undoes: id of the action whose effect this one ends; None for a beginning.
        step: number of this step and number of steps, for a ramp.

    """

    id: str
    fault: str
    kind: str
    path: str | None
    text: str
    planned_ns: int
    spec: Fault
    undoes: str | None = None
    step: tuple[int, int] | None = None

    @property
    def planned_s(self) -> float:
        """Planned moment in seconds after the run's start."""
        return self.planned_ns / 1e9


def plan(scenario: Scenario, *, seed: int | None = None, limit: float | None = None) -> list[Action]:
    """Return every action of the scenario's faults before ``limit``, in the order of their moments.

    Args:
        scenario: whose faults.
        seed: of the run; the scenario's own when None. The same seed gives the same plan.
        limit: seconds after which nothing is planned any more; the workload's limit when None.

    """
    run_seed = scenario.seed if seed is None else seed
    limit_ns = _to_ns(scenario.workload.limit if limit is None else limit)
    keyed: list[tuple[tuple[int, bool, int], Action]] = []
    for index, fault in enumerate(scenario.fault):
        name = scenario.fault_name(index)
        for action in _actions_of(fault, name, run_seed, limit_ns):
            # What ends at a moment ends before what begins at it, so that a relay of outages is one without overlap.
            keyed.append(((action.planned_ns, action.undoes is None, index), action))
    return [action for _, action in sorted(keyed, key=lambda pair: pair[0])]


def outages(
    scenario: Scenario, topology: Topology, limit: float | None = None, *, seed: int | None = None
) -> dict[str, list[Interval]]:
    """Return for each path the planned intervals, disjoint and in order, in which it carries no TCP connection.

    A blackhole of one direction counts: without acknowledgements nothing arrives for long. What a process suffers does
    not. Arguments as for :func:`plan`.
    """
    end = scenario.workload.limit if limit is None else limit
    open_since: dict[str, dict[str, tuple[int, Fault | None]]] = {path.name: {} for path in topology.path}
    found: dict[str, list[Interval]] = {path.name: [] for path in topology.path}
    for path in topology.path:
        if path.initially == "down":
            open_since[path.name][_INITIALLY] = (0, None)
    for action in plan(scenario, seed=seed, limit=end):
        if action.path not in open_since:
            continue
        causes = open_since[action.path]
        for cause in _ended_by(action, causes):
            since, _ = causes.pop(cause)
            found[action.path].append((since / 1e9, action.planned_s))
        if action.kind in _OUTAGE_KINDS and action.undoes is None:
            causes[action.id] = (action.planned_ns, action.spec)
    for name, causes in open_since.items():
        found[name].extend((since / 1e9, end) for since, _ in causes.values())
    return {name: _merge(intervals) for name, intervals in found.items()}


def availability(
    path: str, scenario: Scenario, topology: Topology, limit: float | None = None, *, seed: int | None = None
) -> list[Interval]:
    """Return the planned intervals in which a path is usable: what :func:`outages` leaves of the run.

    Raises:
        KeyError: the topology has no such path.

    """
    end = scenario.workload.limit if limit is None else limit
    usable: list[Interval] = []
    position = 0.0
    for start, stop in outages(scenario, topology, end, seed=seed)[path]:
        if start > position:
            usable.append((position, start))
        position = stop
    if end > position:
        usable.append((position, end))
    return usable


def ends_down(spec: Fault | None) -> bool:
    """Tell whether an ``up`` ends this cause: the path's initial state, or a ``down`` of its first end without end."""
    return spec is None or (isinstance(spec, Down) and spec.where == "from" and spec.duration is None)


def _ended_by(action: Action, causes: dict[str, tuple[int, Fault | None]]) -> list[str]:
    if action.undoes is not None:
        return [action.undoes] if action.undoes in causes else []
    if isinstance(action.spec, Up):
        return [cause for cause, (_, spec) in causes.items() if ends_down(spec)]
    if isinstance(action.spec, AddressAdd):
        return [
            cause
            for cause, (_, spec) in causes.items()
            if spec is not None and spec.kind == "address_remove" and spec.end == action.spec.end
        ]
    return []


def _merge(intervals: Iterable[Interval]) -> list[Interval]:
    merged: list[Interval] = []
    for start, end in sorted(intervals):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        elif end > start:
            merged.append((start, end))
    return merged


def _actions_of(fault: Fault, name: str, seed: int, limit_ns: int) -> Iterator[Action]:
    path = None if isinstance(fault, PROCESS_FAULTS) else fault.path
    for number, start_ns in enumerate(_starts(fault, name, seed, limit_ns), start=1):
        identity = name if number == 1 else f"{name}#{number}"
        if isinstance(fault, Ramp):
            for step in range(1, fault.steps + 1):
                moment = start_ns + _to_ns(fault.duration * step / fault.steps)
                if moment < limit_ns:
                    step_id = identity if step == 1 else f"{identity}/{step}"
                    text = f"{describe(fault)}, step {step} of {fault.steps}"
                    yield Action(step_id, name, fault.kind, path, text, moment, fault, step=(step, fault.steps))
            continue
        yield Action(identity, name, fault.kind, path, describe(fault), start_ns, fault)
        duration = getattr(fault, "duration", None)
        if duration is not None and start_ns + _to_ns(duration) < limit_ns:
            yield Action(
                f"{identity}/undo",
                name,
                fault.kind,
                path,
                f"end: {describe(fault)}",
                start_ns + _to_ns(duration),
                fault,
                undoes=identity,
            )


def _starts(fault: Fault, name: str, seed: int, limit_ns: int) -> Iterator[int]:
    # A stream of its own for every fault: adding one to a scenario leaves the moments of the others as they were.
    drawn = random.Random(f"{seed}/fault/{name}").uniform(0.0, fault.spread) if fault.spread else 0.0
    first_ns = _to_ns(fault.at + drawn)
    number = 0
    while number < (fault.times or (1 if fault.every is None else limit_ns)):
        moment = first_ns + (_to_ns(fault.every * number) if fault.every is not None else 0)
        if moment >= limit_ns:
            return
        yield moment
        number += 1


def describe(fault: Fault) -> str:
    """Return what a fault does, in words for the timeline and the figures."""
    if isinstance(fault, PROCESS_FAULTS):
        return f"{fault.kind} {fault.process}"
    match fault:
        case Drop():
            return "drop both directions" if fault.direction == "both" else f"drop {fault.direction}"
        case Down():
            return "down in the middle" if fault.where == "middle" else f"down at {fault.where}"
        case Change():
            settings = ", ".join(f"{key} = {value}" for key, value in fault.set.items())
            return f"set {settings} ({fault.direction})"
        case Ramp():
            return f"ramp {fault.key} to {fault.to} ({fault.direction})"
        case _:
            end = getattr(fault, "end", None)
            return fault.kind.replace("_", " ") + (f" at {end}" if end else "")


def _to_ns(seconds: float) -> int:
    return round(seconds * 1e9)
