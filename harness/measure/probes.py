"""Latency probes on every path during the load, from a process of their own, into latency.csv.

As a program (``python -m harness.measure.probes``) it holds both ends of every probe: its sockets are opened in the
network namespaces of the endpoints, and both ends read the same clock.
"""

import gc
import json
import os
import random
import selectors
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from harness.measure.helper import HelperProcess, claim_precision, read_configuration
from harness.measure.periodic import next_deadline
from harness.measure.probe_book import COLUMNS, ProbeBook, Result
from harness.measure.probe_tcp import TcpProbe, TcpServer
from harness.measure.probe_udp import UdpEnd, UdpProbe
from harness.measure.rows import RowFile
from harness.network.paths import Family, PathInstance

TIMEOUT_NS = 1_000_000_000
_EXPIRY_NS = 50_000_000


@dataclass(frozen=True)
class ProbePlan:
    """Probes of one kind on one path.

    Attributes:
        path: its name.
        kind: ``udp`` or ``tcp``.
        interval_ns: time from one probe to the next.
        family: of the addresses.
        from_pid: node of the client's end.
        to_pid: node of the server's end.
        from_address: the client's address on this path.
        to_address: the server's address on this path.

    """

    path: str
    kind: Literal["udp", "tcp"]
    interval_ns: int
    family: Family
    from_pid: int
    to_pid: int
    from_address: str
    to_address: str


def plan(path: PathInstance, kind: Literal["udp", "tcp"], interval_s: float) -> ProbePlan:
    """Return the plan of probing a path each ``interval_s`` seconds."""
    return ProbePlan(
        path.name, kind, round(interval_s * 1e9), path.family, path.from_.pid, path.to.pid, path.from_address,
        path.to_address,
    )  # fmt: skip


class Probes(HelperProcess):
    """The probing process as the orchestrator sees it; writes latency.csv.

    A row is written when a probe has arrived or is lost (after ``timeout_ns``), so that rows are not in order of time.
    """

    def __init__(
        self, path: Path, zero_ns: int, plans: Sequence[ProbePlan], seed: int, timeout_ns: int = TIMEOUT_NS
    ) -> None:
        super().__init__(
            "latency probes",
            "harness.measure.probes",
            {
                "path": str(path),
                "zero_ns": zero_ns,
                "seed": seed,
                "timeout_ns": timeout_ns,
                "plans": [asdict(each) for each in plans],
            },
        )

    @property
    def tcp_ports(self) -> frozenset[int]:
        """Ports of the probes' own TCP servers, known after ``start``; their connections are not the endpoints'."""
        return frozenset(self.details.get("tcp_ports", ()))


class _Probe(Protocol):
    def probe(self, book: ProbeBook, now_ns: int) -> Iterator[Result]: ...
    def close(self) -> None: ...


@dataclass
class _Scheduled:
    probe: _Probe
    interval_ns: int
    next_ns: int


class _Process:
    """All probes of a run, on one selector."""

    def __init__(self, configuration: dict[str, Any], file: RowFile) -> None:
        self._zero_ns: int = configuration["zero_ns"]
        self._timeout_ns: int = configuration["timeout_ns"]
        self._file = file
        self._selector = selectors.DefaultSelector()
        self._book = ProbeBook(self._timeout_ns)
        self._seed = random.Random(f"probes {configuration['seed']}")
        self._servers: dict[tuple[int, Family], TcpServer] = {}
        self._scheduled: list[_Scheduled] = []
        self._udp: list[UdpProbe] = []
        self._tcp: list[TcpProbe] = []
        now = time.monotonic_ns()
        for each in configuration["plans"]:
            one = ProbePlan(**each)
            probe = self._udp_probe(one) if one.kind == "udp" else self._tcp_probe(one)
            # Each begins at a moment of its own, so that probes of several paths do not disturb each other.
            first = now + self._seed.randrange(one.interval_ns)
            self._scheduled.append(_Scheduled(probe, one.interval_ns, first))
        self._expiry_ns = now + _EXPIRY_NS

    @property
    def tcp_ports(self) -> list[int]:
        return [server.port for server in self._servers.values()]

    def _udp_probe(self, one: ProbePlan) -> UdpProbe:
        client = UdpEnd(one.from_pid, one.family, one.from_address)
        server = UdpEnd(one.to_pid, one.family, one.to_address)
        probe = UdpProbe(one.path, self._seed.randbytes(4), client, server, (one.from_address, one.to_address))
        self._udp.append(probe)
        return probe

    def _tcp_probe(self, one: ProbePlan) -> TcpProbe:
        key = (one.to_pid, one.family)
        if key not in self._servers:
            self._servers[key] = TcpServer(one.to_pid, one.family, self._selector)
        server = self._servers[key]
        addresses = (one.from_address, one.to_address)
        probe = TcpProbe(one.path, one.from_pid, one.family, addresses, lambda: server.port, self._selector)
        self._tcp.append(probe)
        return probe

    def watch(self, descriptor: int, closed: Callable[[int], Iterator[Result]]) -> None:
        """Call ``closed`` when something happens on ``descriptor``."""
        self._selector.register(descriptor, selectors.EVENT_READ, closed)

    def turn(self) -> None:
        """Send what is due, wait for what comes next, take what arrived, and write what has a result."""
        self._register_udp()
        next_ns = min([self._expiry_ns, *(each.next_ns for each in self._scheduled)])
        events = self._selector.select(max(0, next_ns - time.monotonic_ns()) / 1e9)
        results: list[Result] = []
        now = time.monotonic_ns()
        for key, _ in events:
            results += key.data(now)
        for each in self._scheduled:
            if now >= each.next_ns:
                results += each.probe.probe(self._book, time.monotonic_ns())
                each.next_ns = next_deadline(each.next_ns, time.monotonic_ns(), each.interval_ns)
        if now >= self._expiry_ns:
            results += self._book.expire(now)
            for tcp in self._tcp:
                tcp.expire(now, self._timeout_ns)
            self._expiry_ns = now + _EXPIRY_NS
        self._write(results)

    def _register_udp(self) -> None:
        known = self._selector.get_map()
        for probe in self._udp:
            for end in (probe.client, probe.server):
                if end.socket is not None and end.socket not in known:
                    self._selector.register(end.socket, selectors.EVENT_READ, self._receiver_of(probe))

    def _receiver_of(self, probe: UdpProbe) -> Callable[[int], Iterator[Result]]:
        return lambda now: probe.receive(self._book)

    def _write(self, results: list[Result]) -> None:
        self._file.write(result.row(self._zero_ns) for result in results)

    def close(self) -> None:
        self._write(list(self._book.abandon(time.monotonic_ns())))
        for each in self._scheduled:
            each.probe.close()
        for server in self._servers.values():
            server.close()
        self._selector.close()


def main() -> None:
    """Read the configuration from the first line of stdin, then probe until stdin closes."""
    configuration = read_configuration("latency probes")
    scheduler = claim_precision()
    gc.freeze()
    closed = False

    def stdin_closed(now: int) -> Iterator[Result]:
        nonlocal closed
        closed = not os.read(0, 4096)
        return iter(())

    with RowFile(Path(configuration["path"]), COLUMNS) as file:
        process = _Process(configuration, file)
        process.watch(0, stdin_closed)
        print(json.dumps({"scheduler": scheduler, "tcp_ports": process.tcp_ports}), flush=True)
        while not closed:
            process.turn()
        process.close()


if __name__ == "__main__":
    main()
