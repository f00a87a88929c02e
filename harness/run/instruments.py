"""Everything that measures during a transfer, started and stopped together."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from harness.elements import Elements
from harness.measure.capture import Capture, Captured
from harness.measure.counters import PathCounters
from harness.measure.machine import Machine
from harness.measure.probes import ProbePlan, Probes
from harness.measure.probes import plan as plan_probes
from harness.measure.tcp_info import TcpInfoSampler
from harness.network.emulation import Emulation
from harness.results import formats
from harness.spec.scenario import Scenario


class _Part(Protocol):
    async def start(self) -> None: ...
    def check(self) -> None: ...
    async def stop(self) -> Any: ...


class Instruments:
    """Counters, TCP_INFO, machine, latency probes and captures of one run."""

    def __init__(
        self, directory: Path, zero_ns: int, emulation: Emulation, elements: Elements, scenario: Scenario, *, pcap: bool
    ) -> None:
        """Prepare them; ``zero_ns`` is CLOCK_MONOTONIC at the run's time 0, which may lie ahead."""
        self._emulation = emulation
        self._directory = directory
        self._zero_ns = zero_ns
        plans = _probe_plans(scenario, emulation)
        self._machine = Machine(
            directory / formats.MACHINE, zero_ns, elements.process.pid if elements.process else None
        )
        self._probes = Probes(directory / formats.LATENCY, zero_ns, plans, scenario.seed) if plans else None
        self._capture = Capture(directory, list(emulation.paths.values())) if pcap else None
        self._counters = PathCounters(
            directory / formats.PATHS, zero_ns, list(emulation.paths.values()), _ElementReader(elements)
        )
        self._tcp_info: TcpInfoSampler | None = None
        self._captured: list[Captured] = []
        self._stopped = False

    @property
    def checks(self) -> list[Callable[[], None]]:
        """What raises when one of them no longer measures."""
        return [part.check for part in self._parts()]

    async def start(self) -> None:
        """Start them all.

        Raises:
            MeasurementError: one of them cannot measure.

        """
        # The processes take a moment to load, so they start together; the samplers afterwards, in no time.
        slow: list[_Part] = [part for part in (self._machine, self._probes, self._capture) if part is not None]
        await asyncio.gather(*(part.start() for part in slow))
        topology = self._emulation.topology
        self._tcp_info = TcpInfoSampler(
            self._directory / formats.TCP_INFO,
            self._zero_ns,
            {node.name: self._emulation.nodes[node.name] for node in topology.node},
            {address: path for path, address in self._emulation.client_addresses().items()},
            skip_ports=self._probes.tcp_ports if self._probes is not None else (),
        )
        await asyncio.gather(self._tcp_info.start(), self._counters.start())

    async def stop(self) -> None:
        """Stop them all at once; each writes what it still has. A second call does nothing.

        Raises:
            MeasurementError: one of them had failed.

        """
        if self._stopped:
            return
        self._stopped = True
        captured = self._capture
        results = await asyncio.gather(*(part.stop() for part in self._parts()), return_exceptions=True)
        for part, result in zip(self._parts(), results, strict=True):
            if isinstance(result, BaseException):
                raise result
            if part is captured:
                self._captured = result

    def description(self) -> dict[str, Any]:
        """Return what run.json says of them."""
        congestion = self._tcp_info.congestion if self._tcp_info is not None else {}
        captures = {each.path.name: {"dropped": each.dropped, **asdict(each.summary)} for each in self._captured}
        return {"machine": self._machine.details, "congestion_seen": congestion, "captures": captures}

    def _parts(self) -> Sequence[_Part]:
        parts = (self._tcp_info, self._counters, self._probes, self._capture, self._machine)
        return [part for part in parts if part is not None]


class _ElementReader:
    """The elements' counters under the name by which the path counters ask for them."""

    def __init__(self, elements: Elements) -> None:
        self.read = elements.counters


def _probe_plans(scenario: Scenario, emulation: Emulation) -> list[ProbePlan]:
    plans = []
    for probe in scenario.probe:
        names = probe.paths or [path.name for path in emulation.topology.access_paths]
        plans += [plan_probes(emulation.paths[name], probe.kind, probe.interval) for name in names]
    return plans
