"""Whether a scenario fits its topology: what it names is there, and what it asks for can happen."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from harness.spec.expectation import METRICS, Expectation, Goodput, Metric, PathBusy, Recovery
from harness.spec.fault import (
    PROCESS_FAULTS,
    AddressAdd,
    AddressRemove,
    Change,
    Down,
    Fault,
    Pause,
    Ramp,
    Rebind,
    Resume,
    Up,
)
from harness.spec.keys import exists
from harness.spec.link import Link, UniformLoss
from harness.spec.scenario import Scenario
from harness.spec.topology import Path, Topology

Misfits = Iterator[tuple[tuple[str | int, ...], str]]
"""Keys of the scenario, and what is wrong with each and allowed."""

_LATENCY_PROBES = {"udp": ("udp",), "tcp": ("tcp_connect", "tcp_exchange")}


def misfits(scenario: Scenario, topology: Topology, *, varied: Collection[str] = ()) -> Misfits:
    """Yield what does not fit.

    Args:
        scenario: to be run.
        topology: that it is to be run on.
        varied: keys that a matrix or an assignment gave a value, which ``when`` may name as they were written.

    """
    if scenario.multipath.migrate_at and len(topology.access_paths) < 2:
        message = f"the client has one path only in topology {topology.name!r}, so there is none to move to"
        yield ("multipath", "migrate_at"), message
    for index, fault in enumerate(scenario.fault):
        yield from _fault(index, fault, scenario, topology)
    yield from _probes(scenario, topology)
    for index, expectation in enumerate(scenario.expect):
        for key, message in _expectation(expectation, scenario, topology, varied):
            yield ("expect", index, *key), message


def _unknown_path(name: str, topology: Topology) -> str | None:
    names = [path.name for path in topology.path]
    if name in names:
        return None
    return f"path {name!r} does not exist in topology {topology.name!r}; paths: {', '.join(names)}"


def _fault(index: int, fault: Fault, scenario: Scenario, topology: Topology) -> Misfits:
    limit = scenario.workload.limit
    if fault.at + fault.spread >= limit:
        latest = f"{fault.at + fault.spread:g} s"
        yield ("fault", index, "at"), f"may never happen: {latest} is not before workload.limit, {limit:g} s"
    if isinstance(fault, PROCESS_FAULTS):
        if isinstance(fault, Resume) and not _lasts(scenario.fault, fault, Pause, "process"):
            message = f"the {fault.process} is not paused then; add an earlier fault 'pause' without 'duration'"
            yield ("fault", index, "process"), message
        return
    unknown = _unknown_path(fault.path, topology)
    if unknown:
        yield ("fault", index, "path"), unknown
        return
    wrong = _path_fault(fault, topology.find_path(fault.path), scenario)
    if wrong:
        yield ("fault", index, "path"), wrong


def _path_fault(fault: Any, path: Path, scenario: Scenario) -> str | None:
    match fault:
        case Rebind() if not path.nat:
            return f"path {path.name!r} has no NAT to rebind; set nat = true on it in the topology"
        case Up() if path.initially != "down" and not _lasts(scenario.fault, fault, Down, "path"):
            return (
                f'path {path.name!r} is up then; set initially = "down" on it in the topology, or add an earlier fault '
                f"'down' at its 'from' end without 'duration'"
            )
        case AddressAdd() if not _lasts(scenario.fault, fault, AddressRemove, "path", "end"):
            return (
                f"the address is not removed then; add an earlier fault 'address_remove' of the {fault.end!r} end of "
                f"path {path.name!r} without 'duration'"
            )
        case Ramp():
            return _ramp(fault, path)
        case Change() if {"rate", "queue"} & set(fault.set):
            return _needs_rate(fault, path, "changed")
    return None


def _links(fault: Change | Ramp, path: Path) -> list[tuple[str, Link]]:
    links = [("forward", path.forward), ("backward", path.backward)]
    return [(name, link) for name, link in links if fault.direction in ("both", name)]


def _needs_rate(fault: Change | Ramp, path: Path, what: str) -> str | None:
    for direction, link in _links(fault, path):
        if link.rate is None:
            return f"path {path.name!r} has no rate {direction} that could be {what}; give it one in the topology"
    return None


def _ramp(fault: Ramp, path: Path) -> str | None:
    if fault.key == "rate":
        return _needs_rate(fault, path, "ramped")
    if fault.key == "loss":
        for direction, link in _links(fault, path):
            if link.loss is not None and not isinstance(link.loss, UniformLoss):
                return f"path {path.name!r} has {link.loss.model!r} loss {direction}; only a uniform one is ramped"
    return None


def _lasts(faults: Sequence[Fault], later: Any, kind: type, *same: str) -> bool:
    """Tell whether a fault of that kind, which lasts, comes before ``later`` and is its like in the keys ``same``."""
    return any(
        isinstance(fault, kind)
        and getattr(fault, "duration", None) is None
        and getattr(fault, "where", "from") == "from"
        and fault.at <= later.at + later.spread
        and all(getattr(fault, key) == getattr(later, key) for key in same)
        for fault in faults
    )


def _probes(scenario: Scenario, topology: Topology) -> Misfits:
    probed: set[tuple[str, str]] = set()
    for index, probe in enumerate(scenario.probe):
        names = probe.paths if probe.paths is not None else [path.name for path in topology.access_paths]
        for position, name in enumerate(names):
            key = ("probe", index, "paths", position) if probe.paths is not None else ("probe", index)
            unknown = _unknown_path(name, topology)
            if unknown:
                yield key, unknown
            elif (probe.kind, name) in probed:
                yield key, f"path {name!r} has a probe of kind {probe.kind!r} already; one is allowed"
            probed.add((probe.kind, name))


def _expectation(item: Expectation, scenario: Scenario, topology: Topology, varied: Collection[str]) -> Misfits:
    names = [scenario.fault_name(index) for index in range(len(scenario.fault))]
    if isinstance(item, Recovery | PathBusy) and item.fault is not None:
        if item.fault not in names:
            yield ("fault",), f"fault {item.fault!r} does not exist; faults: {', '.join(names) or 'none'}"
        elif isinstance(item, PathBusy) and isinstance(scenario.fault[names.index(item.fault)], PROCESS_FAULTS):
            yield ("fault",), f"fault {item.fault!r} happens to a process; name one that happens to a path"
    if isinstance(item, Recovery) and not names:
        yield ("kind",), "there is no fault to recover from; the scenario has none"
    if isinstance(item, Goodput):
        for position, name in enumerate(item.paths or []):
            unknown = _unknown_path(name, topology)
            if unknown:
                yield ("paths", position), unknown
        if item.after == "all_paths_busy" and len(topology.access_paths) < 2:
            yield ("after",), "the client has one path only; give a time"
    if isinstance(item, Metric):
        yield from _metric(item, names, scenario, topology)
    for key in item.when:
        if key in varied:
            continue
        within, rest = (topology, key.removeprefix("topology.")) if key.startswith("topology.") else (scenario, key)
        if not exists(within.model_dump(mode="json", by_alias=True), rest):
            yield ("when", key), _unknown_key(key, varied)


def _unknown_key(key: str, varied: Collection[str]) -> str:
    known = f"; keys that vary: {', '.join(sorted(varied))}" if varied else ""
    hint = "; 'both' is known only where the matrix or 'set' names it" if ".both" in key else ""
    return f"{key!r} is not a key of the scenario or (topology.…) of the topology{hint}{known}"


def _metric(item: Metric, faults: list[str], scenario: Scenario, topology: Topology) -> Misfits:
    name, *rest = item.metric.split(".")
    if name in ("migrations", "migration_gap_s") and not scenario.multipath.migrate_at:
        yield ("metric",), "nothing migrates; give multipath.migrate_at"
    if name == "object_ms" and scenario.workload.kind != "objects":
        yield ("metric",), f"there are no objects; the workload's kind is {scenario.workload.kind!r}, not 'objects'"
    if METRICS[name] == "fault" and rest[0].partition("#")[0] not in faults:
        yield ("metric",), f"fault {rest[0]!r} does not exist; faults: {', '.join(faults) or 'none'}"
    if METRICS[name] == "path":
        access = [path.name for path in topology.access_paths]
        if rest[0] not in access:
            yield ("metric",), f"{rest[0]!r} is not a path of the client; its paths: {', '.join(access)}"
    if METRICS[name] == "probe":
        probed = {
            (latency, path)
            for probe in scenario.probe
            for latency in _LATENCY_PROBES[probe.kind]
            for path in probe.paths or [path.name for path in topology.access_paths]
        }
        if (rest[0], rest[1]) not in probed:
            known = ", ".join(sorted(f"{latency}.{path}" for latency, path in probed)) or "none"
            yield ("metric",), f"{rest[0]}.{rest[1]} is not probed; probed: {known}"
