"""Makes run directories as a run would leave them, without a network: every file, in its format, from a few numbers."""

import json
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.endpoints.payload import expected_sha256
from harness.judge import judge
from harness.results import RunDirectory
from harness.results.formats import (
    CALIBRATION,
    CLIENT_EVENTS,
    GOODPUT,
    LATENCY,
    MACHINE,
    PATHS,
    TCP_INFO,
    TIMELINE,
    GoodputRow,
    LatencyRow,
    MachineRow,
    PathRow,
    TcpInfoRow,
    write_rows,
)
from harness.results.record import FaultMoment, Outcome, Phase, ProcessEnd, RunRecord
from harness.results.writer import write_record
from harness.spec.scenario import Scenario
from harness.spec.topology import Topology

ZERO_NS = 1_000_000_000_000
BIN_S = 0.01


def topology(**paths: dict[str, Any]) -> dict[str, Any]:
    """Return two paths of 25 Mbps and 20 ms each way, IPv4 ``upper`` and IPv6 ``lower``, as a file would have them."""
    both = {"rate": "25mbit", "delay": "20ms", "queue": {"packets": 100}}
    default = {
        "upper": {"family": "ipv4", "both": both},
        "lower": {"family": "ipv6", "both": both},
    }
    chosen = {name: {**default.get(name, {}), **own} for name, own in (paths or default).items()}
    return {
        "name": "two_paths",
        "node": [{"name": "client", "kind": "client"}, {"name": "server", "kind": "server"}],
        "path": [{"name": name, "from": "client", "to": "server", **own} for name, own in chosen.items()],
    }


def scenario(**keys: Any) -> dict[str, Any]:
    """Return a failover scenario of 20 MB as a file would have it, with keys replaced."""
    return {
        "name": "failover",
        "topology": "two_paths",
        "endpoints": ["mptcp"],
        "workload": {"kind": "download", "bytes": "20MB", "limit": "40s"},
        "fault": [{"name": "outage", "kind": "drop", "path": "upper", "at": "3s"}],
        "expect": [
            {"kind": "completes", "capacity": "one", "factor": 1.1, "term": "2s"},
            {"kind": "longest_gap", "at_most": "1s"},
            {"kind": "recovery", "at_most": "1s"},
            {"kind": "hash_equal"},
        ],
        **keys,
    }


@dataclass
class Synthetic:
    """A run to be made. ``shares`` says at which moment which path carries how many Mbps of payload.

    ``moves`` has the moments at which the client migrates, and the paths that it migrates to; ``objects`` has those at
    which small objects are complete, and how many ms each took.
    """

    scenario: dict[str, Any] = field(default_factory=scenario)
    topology: dict[str, Any] = field(default_factory=topology)
    endpoint: str = "mptcp"
    capabilities: tuple[str, ...] = ("download", "multipath", "failover")
    seed: int = 7
    values: dict[str, Any] = field(default_factory=dict)
    shares: list[tuple[float, dict[str, float]]] = field(
        default_factory=lambda: [(0.15, {"upper": 23.0}), (3.02, {}), (3.45, {"lower": 22.6})]
    )
    noise: float = 0.06
    late_ms: float = 0.3
    idle: float = 0.8
    steal: float = 0.0
    fault_late_ms: float = 0.4
    rate_factor: float = 1.0
    corrupt: bool = False
    congestion: str = "cubic"
    probes: bool = True
    attempt: int = 1
    moves: list[tuple[float, str]] = field(default_factory=list)
    objects: list[tuple[float, float]] = field(default_factory=list)

    def write(self, results: Path) -> tuple[Path, RunRecord]:
        """Make the directory below ``results``; return it with the record, not judged and not written yet."""
        model = Scenario.model_validate(self.scenario)
        network = Topology.model_validate(self.topology)
        specification = {
            "scenario": self.scenario,
            "topology": self.topology,
            "endpoint": {"name": self.endpoint, "capabilities": list(self.capabilities)},
            "seed": self.seed,
            "element": "nfqueue",
        }
        digest = random.Random(json.dumps(specification, sort_keys=True)).randbytes(6).hex()
        directory = RunDirectory.create(results, model.name, digest)
        bins = self._bins(model)
        size = sum(amount for _, paths in bins for amount in paths.values())
        last = bins[-1][0] + BIN_S if bins else 0.0
        complete = size >= model.workload.bytes
        ended = last + 0.05 if complete else model.workload.limit
        folder = directory.path
        self._events(folder, bins, model, complete)
        write_rows(
            folder / GOODPUT, GoodputRow, [GoodputRow(round(t, 2), sum(p.values())) for t, p in bins if sum(p.values())]
        )
        self._paths(folder, bins, network, ended)
        self._machine(folder, ended)
        self._calibration(folder, network)
        moments = self._timeline(folder, model, ended)
        if self.probes:
            self._latency(folder, model, network, ended)
        (folder / "client.log").write_text("")
        return folder, RunRecord(
            run_id=digest,
            scenario=model.name,
            topology=network.name,
            endpoint=self.endpoint,
            seed=self.seed,
            attempt=self.attempt,
            element="nfqueue",
            values=self.values,
            environment={
                "kernel": "6.18.0",
                "client_addresses": {path.name: _address(path.name) for path in network.access_paths},
                "offloads": {"client": {"client-eth0": {"tcp-segmentation-offload": "off"}}},
            },
            started="2026-01-01T12:00:00Z",
            duration_s=ended + 4,
            clock_zero_ns=ZERO_NS,
            outcome=Outcome(
                client=ProcessEnd(
                    status="done" if complete else "hung", exit_code=0 if complete else None, message="client"
                ),
                server=ProcessEnd(status="done", exit_code=0),
                ended_by="client" if complete else "limit",
                ended_s=ended,
            ),
            faults=moments,
            phases=[Phase(name="transfer", start_s=0, end_s=ended)],
            specification=specification,
        )

    def _bins(self, model: Scenario) -> list[tuple[float, dict[str, int]]]:
        """Return bytes by path for each bin until the payload is complete or the limit is reached."""
        choice = random.Random(self.seed)
        bins = []
        left = model.workload.bytes
        for index in range(int(model.workload.limit / BIN_S)):
            time = index * BIN_S
            rates = next((rates for start, rates in reversed(self.shares) if time >= start - 1e-9), {})
            amounts = {}
            for name, rate in rates.items():
                amount = round(rate * 1e6 / 8 * BIN_S * max(0.0, choice.gauss(1, self.noise)))
                amounts[name] = min(amount, left)
                left -= amounts[name]
            bins.append((time, amounts))
            if left == 0:
                break
        return bins

    def _events(self, folder: Path, bins: list[tuple[float, dict[str, int]]], model: Scenario, complete: bool) -> None:
        filled = [(time, sum(paths.values())) for time, paths in bins if sum(paths.values())]
        lines: list[dict[str, Any]] = []
        if filled:
            first = filled[0][0]
            lines.append({"time": _ns(first - 0.041), "event": "connected", "connect_ms": 41.2})
            lines.append({"time": _ns(first + 0.002), "event": "first_byte"})
            lines += [{"time": _ns(time + 0.009), "event": "received", "bytes": size} for time, size in filled]
        for time, name in self.moves:
            lines.append({"time": _ns(time), "event": "migrated", "path": _address(name)})
        for time, ms in self.objects:
            lines.append({"time": _ns(time), "event": "object", "ms": ms, "bytes": 16384})
        if complete:
            digest = "0" * 64 if self.corrupt else expected_sha256(self.seed, model.workload.bytes)
            total = sum(size for _, size in filled)
            lines.append({"time": _ns(filled[-1][0] + 0.02), "event": "done", "bytes": total, "sha256": digest})
        (folder / CLIENT_EVENTS).write_text("".join(json.dumps(line) + "\n" for line in lines))

    def _paths(self, folder: Path, bins: list[tuple[float, dict[str, int]]], network: Topology, ended: float) -> None:
        rows, sockets = [], []
        for path in network.path:
            carried = 50_000.0
            place = 0
            for tick in range(-5, int(ended * 10) + 1):
                time = tick / 10
                while place < len(bins) and bins[place][0] + BIN_S <= time + 1e-9:
                    carried += bins[place][1].get(path.name, 0) * 1514 / 1448
                    place += 1
                size = round(carried) + 1200 * (tick + 5)  # probes
                rows.append(PathRow(time, path.name, "backward", size, size // 1400, 3, 9000, 0, size, size // 1400))
                rows.append(
                    PathRow(time, path.name, "forward", size // 40, size // 2000, 0, 0, 0, size // 40, size // 2000)
                )
                if time >= 0.2:
                    sockets.append(
                        TcpInfoRow(
                            time, "server", path.name, f"{path.name}:443", "client:50000", "established",
                            congestion=self.congestion,
                            rtt_ms=70.0, cwnd=120, bytes_acked=max(0, round(carried) - 50_000), total_retrans=4,
                        )
                    )  # fmt: skip
        rows.sort(key=lambda row: row.time_s)
        write_rows(folder / PATHS, PathRow, rows)
        write_rows(folder / TCP_INFO, TcpInfoRow, sockets)

    def _machine(self, folder: Path, ended: float) -> None:
        late = self.late_ms
        rows = [
            MachineRow(float(second), self.idle, self.steal, 1 - self.idle, late / 4, late, late * 3, 0.12)
            for second in range(1, int(ended) + 2)
        ]
        write_rows(folder / MACHINE, MachineRow, rows)

    def _calibration(self, folder: Path, network: Topology) -> None:
        entries = []
        for when in ("before", "after"):
            for path in network.path:
                for name, link in (("forward", path.forward), ("backward", path.backward)):
                    rate = None if link.rate is None else link.rate / 1e6
                    delay = link.delay * 1e3
                    measured = {
                        "rate_mbps": None if rate is None else rate * self.rate_factor * 0.998,
                        "delay_ms": delay + 0.1, "delay_p99_ms": delay + 0.6,
                        "loss": 0.0, "in_order": True, "sent": 400,
                    }  # fmt: skip
                    configured = {"rate_mbps": rate, "delay_ms": delay, "loss": 0.0}
                    entries.append({
                        "path": path.name, "direction": name, "when": when,
                        "configured": configured, "measured": measured, "rtt_ms": path.round_trip * 1e3 + 0.2,
                    })  # fmt: skip
        (folder / CALIBRATION).write_text(json.dumps(entries))

    def _timeline(self, folder: Path, model: Scenario, ended: float) -> list[FaultMoment]:
        from harness.faults.plan import plan

        lines, moments = [], []
        for action in plan(model, seed=self.seed):
            if action.planned_s > ended:
                continue
            actual = action.planned_s + self.fault_late_ms / 1e3
            lines.append({
                "id": action.id, "kind": action.kind, "path": action.path, "action": action.text,
                "planned_s": action.planned_s, "actual_s": actual, "late_ms": self.fault_late_ms,
                "ok": True, "result": "done",
            })  # fmt: skip
            moments.append(
                FaultMoment(
                    id=action.id, kind=action.kind, path=action.path, planned_s=action.planned_s, actual_s=actual
                )
            )
        (folder / TIMELINE).write_text("".join(json.dumps(line) + "\n" for line in lines))
        return moments

    def _latency(self, folder: Path, model: Scenario, network: Topology, ended: float) -> None:
        choice = random.Random(self.seed + 1)
        dropped = any(fault.kind == "drop" and fault.path == "upper" for fault in model.fault)
        rows = []
        for tick in range(int(ended * 10)):
            time = tick / 10
            rates = next((rates for start, rates in reversed(self.shares) if time >= start), {})
            for path in network.access_paths:
                # A full queue of 100 packets at 25 Mbps is 48 ms.
                queued = 30 + 18 * choice.random() if path.name in rates else choice.random() * 0.4
                forward, backward = path.forward.delay * 1e3 + 0.1, path.backward.delay * 1e3 + 0.1 + queued
                gone = path.name == "upper" and time > 3 and dropped
                for name, value in (("forward", forward), ("backward", backward), ("round_trip", forward + backward)):
                    rows.append(LatencyRow(time, "udp", path.name, name, None if gone else round(value, 3), int(gone)))
        write_rows(folder / LATENCY, LatencyRow, rows)


def store(results: Path, **keys: Any) -> Path:
    """Make a run directory (see `Synthetic`), judge it, write run.json, and return it."""
    folder, record = Synthetic(**keys).write(results)
    write_record(folder, judge(folder, record).applied_to(record))
    return folder


def _address(path: str) -> str:
    return f"address of {path}"


def _ns(time: float) -> int:
    return ZERO_NS + round(time * 1e9)
