"""The part of a run in which data flow: both endpoints are watched until the transfer ends, stalls, or is ended."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.endpoints.environment import Setting
from harness.endpoints.events import BrokenEvents, Event, EventFile
from harness.endpoints.process import EndpointProcess
from harness.measure.goodput import GoodputBins, Received
from harness.run.order import Progress
from harness.spec.endpoint import Role
from harness.spec.scenario import Workload

WATCH_INTERVAL_S = 0.05
GOODPUT_WINDOW_NS = 500_000_000

EndedBy = Literal["client", "server", "limit", "stall", "interrupt", "error"]


@dataclass(frozen=True)
class End:
    """How a transfer ended: by whom, when on the run's clock, and what an endpoint did that it must not."""

    by: EndedBy
    at_s: float
    failure: str | None = None


class Transfer:
    """Watches one transfer. Event lines are read as they are written, so that a false one ends the run at once."""

    def __init__(
        self,
        workload: Workload,
        setting: Setting,
        zero_ns: int,
        paths: dict[str, str],
        checks: Sequence[Callable[[], None]],
        report: Callable[[Progress], None],
        interrupted: asyncio.Event,
    ) -> None:
        """Prepare to watch.

        Args:
            workload: what is transferred, and when it is ended.
            setting: what the endpoints were told.
            zero_ns: CLOCK_MONOTONIC at the run's time 0.
            paths: name of the path by the client's address.
            checks: raise when a part of the harness no longer works.
            report: is told of the progress.
            interrupted: is set when the user wants an end.

        """
        self.goodput = GoodputBins(zero_ns)
        self.events: dict[Role, EventFile] = {
            role: EventFile(setting.events(role), not_before=0) for role in ("client", "server")
        }
        self._interrupted = interrupted
        self._workload = workload
        self._receiver: Role = "client" if setting.sends("server") else "server"
        self._zero_ns = zero_ns
        self._paths = paths
        self._checks = checks
        self._report = report
        self._last_arrival_ns = zero_ns

    async def watch(self, client: EndpointProcess, server: EndpointProcess) -> End:
        """Wait for the end of the transfer.

        Raises:
            MeasurementError, ElementDied: a part of the harness stopped working.

        """
        limit_ns = self._zero_ns + round(self._workload.limit * 1e9)
        while True:
            try:
                self.poll()
            except BrokenEvents as error:
                return self._end("client" if error.file.startswith("client") else "server", str(error))
            for check in self._checks:
                check()
            now = time.monotonic_ns()
            self._tell(now)
            if self._interrupted.is_set():
                return self._end("interrupt")
            if not client.running:
                return self._end("client")
            if not server.running:
                return self._end("server", f"{server.outcome()} (before the client had ended)")
            if now >= limit_ns:
                return self._end("limit")
            if self._stalled(now):
                return self._end("stall")
            await asyncio.sleep(WATCH_INTERVAL_S)

    def poll(self) -> None:
        """Read the event lines written since the last call.

        Raises:
            BrokenEvents: one of them cannot be believed.

        """
        for role, file in self.events.items():
            for event in file.poll(time.monotonic_ns):
                if role == self._receiver and event.event == "received":
                    self._count(event)

    def received_all(self) -> bool:
        """Tell whether the receiver has said that it is done."""
        return self.events[self._receiver].parser.done is not None

    def _count(self, event: Event) -> None:
        path = self._paths.get(event.path, event.path) if event.path else ""
        self.goodput.add(Received(event.time, event.bytes, str(event.stream), path))
        self._last_arrival_ns = max(self._last_arrival_ns, event.time)

    def _stalled(self, now: int) -> bool:
        """Whether nothing arrived for so long that nothing will: counted from the first byte on."""
        limit = self._workload.stall_limit
        if limit is None or self.goodput.total_bytes == 0:
            return False
        return now - self._last_arrival_ns >= limit * 1e9

    def _tell(self, now: int) -> None:
        self._report(
            Progress(
                "transfer",
                (now - self._zero_ns) / 1e9,
                self._workload.limit,
                self.goodput.total_bytes,
                self._workload.bytes,
                self.goodput.current_mbps(now, GOODPUT_WINDOW_NS),
            )
        )

    def _end(self, by: EndedBy, failure: str | None = None) -> End:
        return End(by, (time.monotonic_ns() - self._zero_ns) / 1e9, failure)
