"""What the emulated network allows by its specification alone: payload rates after headers, second by second."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from harness.faults.plan import Action, outages, plan
from harness.spec.fault import Change, Kill, Pause, Ramp, Resume
from harness.spec.link import Link
from harness.spec.scenario import Scenario, WorkloadKind
from harness.spec.topology import Path, Topology

ETHERNET_HEADER = 14
IP_HEADER = {"ipv4": 20, "ipv6": 40}
TCP_HEADER = 20 + 12
"""With the timestamps option, which Linux sends by default. Options of Multipath TCP are part of a bound's factor."""

DirectionName = Literal["forward", "backward"]


def payload_share(path: Path) -> float:
    """Return the share of a path's rate that TCP payload has in full frames: 1448 / 1514 for IPv4 at 1500 bytes."""
    return (path.mtu - IP_HEADER[path.family] - TCP_HEADER) / (path.mtu + ETHERNET_HEADER)


def payload_direction(topology: Topology, path: Path, kind: WorkloadKind) -> DirectionName:
    """Return the direction in which the payload crosses a path."""
    distance = {topology.client.name: 0}
    frontier = [topology.client.name]
    while frontier:
        node = frontier.pop(0)
        for other in topology.path:
            for near, far in ((other.from_, other.to), (other.to, other.from_)):
                if near == node and far not in distance:
                    distance[far] = distance[node] + 1
                    frontier.append(far)
    outward = distance[path.from_] <= distance[path.to]
    return "forward" if outward == (kind == "upload") else "backward"


def payload_link(topology: Topology, path: Path, kind: WorkloadKind) -> Link:
    """Return the link of a path that the payload crosses."""
    return path.forward if payload_direction(topology, path, kind) == "forward" else path.backward


def payload_rate(topology: Topology, path: Path, kind: WorkloadKind) -> float:
    """Return the payload rate that a path allows as specified, in bit/s; infinite without a limit."""
    rate = payload_link(topology, path, kind).rate
    return math.inf if rate is None else rate * payload_share(path)


@dataclass(frozen=True)
class Segment:
    """A stretch of time in which nothing changes.

    Attributes:
        start_s, end_s: on the run's clock.
        total: payload rate between client and server over all paths together, in bit/s.
        best: payload rate of the fastest single way, in bit/s.
        paths: payload rate of each path in the payload's direction, 0 while it is out, in bit/s.

    """

    start_s: float
    end_s: float
    total: float
    best: float
    paths: Mapping[str, float]


def profile(scenario: Scenario, topology: Topology, *, seed: int | None = None) -> list[Segment]:
    """Return what the planned faults leave of the network from the start to the workload's limit."""
    limit = scenario.workload.limit
    actions = plan(scenario, seed=seed, limit=limit)
    out = outages(scenario, topology, limit, seed=seed)
    moments = {0.0, limit} | {action.planned_s for action in actions if action.planned_s < limit}
    moments |= {edge for intervals in out.values() for pair in intervals for edge in pair if edge < limit}
    edges = sorted(moments)
    segments = []
    rates = _Rates(topology)
    waiting = list(actions)
    for start, end in pairwise(edges):
        while waiting and waiting[0].planned_s <= start:
            rates.apply(waiting.pop(0))
        segments.append(_segment(start, end, scenario, topology, rates, out))
    return segments


def _segment(
    start: float,
    end: float,
    scenario: Scenario,
    topology: Topology,
    rates: "_Rates",
    out: Mapping[str, Iterable[tuple[float, float]]],
) -> Segment:
    kind = scenario.workload.kind
    graph: dict[tuple[str, str, str], float] = {}
    paths = {}
    for path in topology.path:
        stopped = rates.stopped or any(since <= start < until for since, until in out[path.name])
        share = 0.0 if stopped else payload_share(path)
        for direction, ends in (("forward", (path.from_, path.to)), ("backward", (path.to, path.from_))):
            rate = rates.now(path.name, direction)
            payload = 0.0 if share == 0 else rate * share
            graph[(*ends, path.name)] = payload
            if direction == payload_direction(topology, path, kind):
                paths[path.name] = payload
    ends = (topology.server.name, topology.client.name)
    source, sink = ends[::-1] if kind == "upload" else ends
    return Segment(start, end, _max_flow(graph, source, sink), _widest(graph, source, sink), paths)


class _Rates:
    """The rates of all links as actions change them; an action that is undone leaves the rate of the one before it."""

    def __init__(self, topology: Topology) -> None:
        self._stack: dict[tuple[str, str], dict[str, float]] = {
            (path.name, name): {"": math.inf if link.rate is None else link.rate}
            for path in topology.path
            for name, link in (("forward", path.forward), ("backward", path.backward))
        }
        self._ramps: dict[tuple[str, str], float] = {}
        self._holding: set[str] = set()

    @property
    def stopped(self) -> bool:
        """Whether a process is paused or gone, so that nothing moves."""
        return bool(self._holding)

    def now(self, path: str, direction: str) -> float:
        """Return the present rate in bit/s."""
        return list(self._stack[path, direction].values())[-1]

    def apply(self, action: Action) -> None:
        """Take one action into account."""
        spec = action.spec
        if isinstance(spec, Kill):
            self._holding.add("killed")
        elif isinstance(spec, Pause | Resume):
            if isinstance(spec, Pause) and action.undoes is None:
                self._holding.add(spec.process)
            else:
                self._holding.discard(spec.process)
        elif isinstance(spec, Change | Ramp):
            for direction in ("forward", "backward"):
                if spec.direction in ("both", direction) and action.path is not None:
                    self._change(action, spec, (action.path, direction))

    def _change(self, action: Action, spec: Change | Ramp, link: tuple[str, str]) -> None:
        stack = self._stack[link]
        if action.undoes is not None:
            stack.pop(action.undoes, None)
        elif isinstance(spec, Change):
            rate = Link.model_validate(spec.set).rate
            if rate is not None:
                stack.pop(action.id, None)
                stack[action.id] = rate
        elif spec.key == "rate" and action.step is not None:
            step, steps = action.step
            if step == 1:
                self._ramps[link] = self.now(*link)
            begin = self._ramps[link]
            stack.pop(action.fault, None)
            stack[action.fault] = begin + (spec.target - begin) * step / steps


def time_needed(size: int, segments: Sequence[Segment], capacity: Literal["sum", "one"]) -> float:
    """Return when the last of ``size`` bytes can have crossed the network, in seconds; infinite when not by the end."""
    left = float(size * 8)
    for segment in segments:
        rate = segment.total if capacity == "sum" else segment.best
        if left <= 0:
            return segment.start_s
        if rate <= 0:
            continue
        needed = left / rate
        if segment.start_s + needed <= segment.end_s:
            return segment.start_s + needed
        left -= rate * (segment.end_s - segment.start_s)
    return math.inf


def _max_flow(graph: Mapping[tuple[str, str, str], float], source: str, sink: str) -> float:
    """Edmonds and Karp: augment along shortest ways until none is left."""
    residual = dict(graph)
    flow = 0.0
    while True:
        way = _shortest(residual, source, sink)
        if way is None:
            return flow
        width = min(residual[edge] for edge in way)
        if math.isinf(width):
            return math.inf
        for near, far, name in way:
            residual[near, far, name] -= width
            residual[far, near, name] = residual.get((far, near, name), 0.0) + width
        flow += width


def _shortest(
    residual: Mapping[tuple[str, str, str], float], source: str, sink: str
) -> list[tuple[str, str, str]] | None:
    came: dict[str, tuple[str, str, str]] = {}
    frontier = [source]
    while frontier:
        node = frontier.pop(0)
        for edge, width in residual.items():
            # Less than a bit a second is what rounding leaves.
            if edge[0] == node and width > 1 and edge[1] not in came and edge[1] != source:
                came[edge[1]] = edge
                frontier.append(edge[1])
    if sink not in came:
        return None
    way = []
    node = sink
    while node != source:
        way.append(came[node])
        node = came[node][0]
    return way


def _widest(graph: Mapping[tuple[str, str, str], float], source: str, sink: str) -> float:
    """Return the rate of the single way whose narrowest path is widest."""
    width = {source: math.inf}
    for _ in range(len(graph)):
        for (near, far, _name), rate in graph.items():
            through = min(width.get(near, 0.0), rate)
            if through > width.get(far, 0.0):
                width[far] = through
    return width.get(sink, 0.0)
