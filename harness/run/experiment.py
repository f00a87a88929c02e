"""One run inside its sandbox: network, calibration, transfer under faults, calibration, judgement."""

import asyncio
import contextlib
import datetime
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from harness.elements import ElementError, Elements, ElementUnsupported
from harness.endpoints import mptcp
from harness.endpoints.events import BrokenEvents
from harness.endpoints.process import EndpointFailed, EndpointProcess
from harness.faults.outcome import FaultFailed
from harness.faults.plan import plan as plan_faults
from harness.faults.timeline import Timeline
from harness.judge.calibrations import doubts
from harness.judge.thresholds import default_thresholds
from harness.judge.verdict import judge
from harness.measure.calibrate import calibrate
from harness.measure.calibration import Calibration, Target, When
from harness.measure.errors import MeasurementError
from harness.measure.goodput import GoodputBins
from harness.network.emulation import Emulation
from harness.network.namespaces import CommandFailed
from harness.network.nodes import NodeDied
from harness.network.quiet import release, silence
from harness.network.settings import SettingRefused
from harness.results import formats
from harness.results.record import Outcome, Phase, ProcessEnd, RunRecord
from harness.results.writer import write_whole
from harness.run import describe
from harness.run.endpoints import Endpoints
from harness.run.instruments import Instruments
from harness.run.order import Order, Progress
from harness.run.transfer import End, Transfer

LAST_BYTES_LIMIT_S = 2.0
SMALLEST_LEAD_S = 0.4
LEAD_PER_SERVER_START = 3.0


class StartedLate(Exception):
    """Instruments and client were not ready at the run's time 0: this machine is too slow or too busy."""


_CANNOT_GO_ON = (
    MeasurementError, ElementError, CommandFailed, SettingRefused, FaultFailed, NodeDied, StartedLate,
)  # fmt: skip


class Experiment:
    """Carries out one order; as an asynchronous context manager it ends everything that it started."""

    def __init__(self, order: Order, report: Callable[[Progress], None]) -> None:
        """``report`` is told of the progress."""
        self.emulation: Emulation | None = None
        self._order = order
        self._scenario = order.scenario
        self._topology = order.topology
        self._directory = Path(order.directory)
        self._report = report
        self._phases: list[tuple[str, int, int]] = []
        self._interrupted = asyncio.Event()
        self._stack = contextlib.AsyncExitStack()
        self._environment: dict[str, Any] = dict(order.environment)
        self._calibrations: list[Calibration] = []
        self._outcome = Outcome(ended_by="error", failure="the run did not come to its transfer")
        self._zero_ns = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def interrupt(self) -> None:
        """End the run at once and keep what was measured."""
        self._interrupted.set()

    async def run(self) -> RunRecord:
        """Do everything, and return the judged record."""
        started = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        began_ns = time.monotonic_ns()
        sha256: str | None = None
        try:
            sha256 = await self._carry_out()
        except EndpointFailed as error:
            self._outcome = Outcome(ended_by=error.role, failure=str(error))
        except (ElementUnsupported, mptcp.MissingFeature) as error:
            self._outcome = Outcome(ended_by="error", lacking=str(error))
        except _CANNOT_GO_ON as error:
            self._outcome = self._outcome.model_copy(update={"ended_by": "error", "failure": str(error)})
        self._write_calibrations()
        record = RunRecord(
            run_id=self._order.run_id,
            scenario=self._scenario.name,
            topology=self._topology.name,
            endpoint=self._order.endpoint.name,
            seed=self._scenario.seed,
            attempt=self._order.attempt,
            element=self._order.specification["element"],
            values=self._order.values,
            outcome=self._outcome,
            environment=self._environment,
            started=started,
            duration_s=round((time.monotonic_ns() - began_ns) / 1e9, 3),
            clock_zero_ns=self._zero_ns,
            phases=[
                Phase(name=name, start_s=self._seconds(start), end_s=self._seconds(end))
                for name, start, end in self._phases
            ],
            specification=self._order.specification,
        )
        with self._phase("judge"):
            return judge(self._directory, record, sha256=sha256).applied_to(record)

    async def _carry_out(self) -> str:
        """Go through the phases; what is found is kept as it comes, so that an end in between loses none of it."""
        with self._phase("network"):
            emulation = self.emulation = Emulation(
                self._topology, congestion=self._scenario.workload.congestion, sysctl=self._scenario.sysctl
            )
            self._stack.callback(emulation.close)
            elements = Elements.setup(
                list(emulation.paths.values()),
                self._topology.links(),
                element=self._order.specification["element"],
                seed=self._scenario.seed,
            )
            self._stack.callback(elements.close)
            endpoints = Endpoints(self._order, emulation)
            timeline = self._stack.enter_context(self._timeline(emulation, elements, endpoints))
            self._environment |= describe.machine()
            self._environment |= {
                "offloads": emulation.offloads,
                "sysctl": emulation.sysctls(),
                "qdiscs": describe.qdiscs(emulation.paths),
                "client_addresses": emulation.client_addresses(),
                "element": elements.describe(),
            }
        await self._calibrate("before", emulation, timeline)
        elements.restart()
        timeline.take_initial_state()
        endpoints.manage_paths()
        counters = endpoints.counters()
        await self._transfer(emulation, elements, endpoints, timeline)
        after = endpoints.counters()
        self._environment["mptcp_counters"] = {role: mptcp.difference(counters[role], after[role]) for role in counters}
        if not self._interrupted.is_set():
            hosts = [emulation.nodes[node.name] for node in self._topology.node]
            for pid in hosts:
                silence(pid)
            timeline.restore_all()
            await self._calibrate("after", emulation, timeline)
            for pid in hosts:
                release(pid)
        return endpoints.sha256

    async def _transfer(
        self, emulation: Emulation, elements: Elements, endpoints: Endpoints, timeline: Timeline
    ) -> None:
        with self._phase("start"):
            began = time.monotonic()
            server = await self._stack.enter_async_context(endpoints.start("server"))
            await endpoints.wait_ready(server)
            lead = max(SMALLEST_LEAD_S, LEAD_PER_SERVER_START * (time.monotonic() - began))
            self._zero_ns = time.monotonic_ns() + round(lead * 1e9)
            instruments = Instruments(
                self._directory, self._zero_ns, emulation, elements, self._scenario, pcap=self._order.pcap
            )
            await instruments.start()
            self._stack.push_async_callback(instruments.stop)  # for a client that cannot even be started
            if time.monotonic_ns() > self._zero_ns:
                late = (time.monotonic_ns() - self._zero_ns) / 1e9
                raise StartedLate(
                    f"the instruments were ready {late:.2f} s after the planned start: the machine is too busy"
                )
            await asyncio.sleep((self._zero_ns - time.monotonic_ns()) / 1e9)
        transfer = Transfer(
            self._scenario.workload,
            endpoints.setting,
            self._zero_ns,
            {address: path for path, address in emulation.client_addresses().items()},
            [emulation.check, elements.check, *instruments.checks],
            self._report,
            self._interrupted,
        )
        with self._phase("transfer"):
            client = await self._stack.enter_async_context(endpoints.start("client"))
            timeline.start(self._zero_ns, {"client": client, "server": server})
            end = End("error", 0.0, "the transfer was not watched to its end")
            try:
                end = await transfer.watch(client, server)
                end = await self._finish(transfer, client, server, end)
            finally:
                timeline.stop()
                _write_goodput(self._directory / formats.GOODPUT, transfer.goodput)
                self._outcome = Outcome(
                    client=_process_end(client),
                    server=_process_end(server),
                    ended_by=end.by,
                    ended_s=end.at_s,
                    failure=end.failure,
                )
                await instruments.stop()
                self._environment["instruments"] = instruments.description()

    async def _finish(self, transfer: Transfer, client: EndpointProcess, server: EndpointProcess, end: End) -> End:
        """End what still runs, give the receiver a moment for what is under way, and read the last event lines."""
        deadline = time.monotonic() + LAST_BYTES_LIMIT_S
        try:
            if end.by == "client" and end.failure is None and client.outcome().status == "done":
                while not transfer.received_all() and server.running and time.monotonic() < deadline:
                    transfer.poll()
                    await asyncio.sleep(0.01)
            limit = self._scenario.workload.limit
            await client.stop(hung=f"still running after {limit:g} s" if end.by == "limit" else None)
            await server.stop()
            transfer.poll()
        except BrokenEvents as error:
            return End(end.by, end.at_s, str(error))
        return end

    async def _calibrate(self, when: When, emulation: Emulation, timeline: Timeline) -> None:
        with self._phase(f"calibrate {when}"):
            targets = [
                Target(
                    emulation.paths[path.name],
                    timeline.current_link(path.name, "forward"),
                    timeline.current_link(path.name, "backward"),
                    path.mtu,
                )
                for path in self._topology.path
            ]
            found = await calibrate(targets, when, self._scenario.seed)
            thresholds = default_thresholds()
            doubtful = [
                reason
                for entry in found
                for reason in doubts(entry.to_json(), timeline.current_link(entry.path, entry.direction), thresholds)
            ]
            if doubtful:
                # A machine that was away for a moment looks like a wrong network, once. What is wrong stays so.
                self._environment.setdefault("calibrated_again", {})[when] = doubtful
                found = await calibrate(targets, when, self._scenario.seed)
            self._calibrations += found

    def _timeline(self, emulation: Emulation, elements: Elements, endpoints: Endpoints) -> Timeline:
        return Timeline(
            plan_faults(self._scenario),
            self._topology,
            emulation.paths,
            {node.name: emulation.nodes[node.name] for node in self._topology.node},
            elements,
            self._directory / formats.TIMELINE,
            announce=endpoints.announce,
        )

    def _write_calibrations(self) -> None:
        if self._calibrations:
            text = json.dumps([entry.to_json() for entry in self._calibrations], indent=2) + "\n"
            write_whole(self._directory / formats.CALIBRATION, text.encode())

    @contextlib.contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        self._report(Progress(name))
        start = time.monotonic_ns()
        try:
            yield
        finally:
            self._phases.append((name, start, time.monotonic_ns()))

    def _seconds(self, moment_ns: int) -> float:
        return round((moment_ns - self._zero_ns) / 1e9, 6)


def _process_end(process: EndpointProcess) -> ProcessEnd | None:
    if process.running:
        return None
    return ProcessEnd.model_validate(process.outcome(), from_attributes=True)


def _write_goodput(path: Path, goodput: GoodputBins) -> None:
    rows = [formats.GoodputRow(float(time_s), size, stream, name) for time_s, size, stream, name in goodput.rows()]
    formats.write_rows(path, formats.GoodputRow, rows)
