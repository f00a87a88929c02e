"""Counters of each path and direction, sampled ten times a second into paths.csv."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from harness.elements.qdisc import QdiscStats
from harness.measure.errors import MeasurementError
from harness.measure.periodic import Periodic
from harness.measure.rows import Cell, RowFile, seconds
from harness.measure.shapers import InterfaceStatistics, NodeStatistics
from harness.network.paths import Attachment, Direction, DirectionName, PathInstance

COLUMNS = (
    "time_s", "path", "direction", "bytes", "packets", "drops", "queue", "lost", "bytes_in", "packets_in", "overflow",
)  # fmt: skip
INTERVAL_NS = 100_000_000
Key = tuple[str, DirectionName]


class ElementCount(Protocol):
    """What an element says about one direction."""

    @property
    def lost(self) -> int:
        """Packets that the loss model dropped since the network was started."""

    @property
    def overflow(self) -> int:
        """Packets that it dropped for want of room: no specification asks for that."""


class ElementCounters(Protocol):
    """Where the counters of the delay and loss elements are read; cheap enough for ten calls a second."""

    @property
    def read(self) -> Callable[[], Mapping[Key, ElementCount]]:
        """A function that returns the cumulative counters of every direction; it is called from a thread."""


class ShaperTotals:
    """Adds up what left a shaper, though the qdisc under it may be replaced during the run.

    A new qdisc counts from zero, and an interface without qdisc has only its own counters. Bytes and packets then go on
    from the interface's, which count the same frames at the same place.
    """

    def __init__(self) -> None:
        self.bytes = 0
        self.packets = 0
        self.drops = 0
        self._qdisc: QdiscStats | None = None
        self._interface: InterfaceStatistics | None = None

    def update(self, qdisc: QdiscStats | None, interface: InterfaceStatistics) -> None:
        """Take a reading of the interface and of the qdisc at its root, if it has one."""
        old, before = self._qdisc, self._interface
        self._qdisc, self._interface = qdisc, interface
        if before is None:
            self.bytes = qdisc.bytes if qdisc else interface.sent_bytes
            self.packets = qdisc.packets if qdisc else interface.sent_packets
            self.drops = qdisc.drops if qdisc else 0
            return
        if qdisc and old and _same(old, qdisc):
            self.bytes += qdisc.bytes - old.bytes
            self.packets += qdisc.packets - old.packets
            self.drops += (qdisc.drops - old.drops) & 0xFFFFFFFF
            return
        self.bytes += interface.sent_bytes - before.sent_bytes
        self.packets += interface.sent_packets - before.sent_packets
        self.drops += qdisc.drops if qdisc else 0


def _same(old: QdiscStats, new: QdiscStats) -> bool:
    return (old.kind, old.handle) == (new.kind, new.handle) and new.packets >= old.packets and new.bytes >= old.bytes


class _DirectionReader:
    """Where one direction's counters are, and its totals."""

    def __init__(self, direction: Direction, ingress: Attachment, nodes: dict[int, NodeStatistics]) -> None:
        self.direction = direction
        self.totals = ShaperTotals()
        self.shaper_pid, self.ingress_pid = direction.shaper.pid, ingress.pid
        self.shaper_index = nodes[direction.shaper.pid].index(direction.shaper.interface)
        self.ingress_index = nodes[ingress.pid].index(ingress.interface)


class PathCounters:
    """Samples all directions of all paths into paths.csv until stopped.

    Columns: bytes and packets out of the shaper, packets dropped by its queue, bytes in its queue now, packets lost by
    the loss model (empty if no element counts them), bytes and packets that came into the path's first middle node.
    """

    def __init__(
        self, path: Path, zero_ns: int, paths: Sequence[PathInstance], element: ElementCounters | None = None
    ) -> None:
        self._path = path
        self._zero_ns = zero_ns
        self._paths = list(paths)
        self._element = element
        self._nodes: dict[int, NodeStatistics] = {}
        self._readers: list[_DirectionReader] = []
        self._file: RowFile | None = None
        self._periodic = Periodic("path counters", INTERVAL_NS, self._sample)

    async def start(self) -> None:
        """Open a socket in every middle node, create the file and take the first sample.

        Raises:
            MeasurementError: a node or an interface is missing, or the file cannot be created.

        """
        try:
            for instance in self._paths:
                for direction, ingress in ((instance.forward, instance.a_near), (instance.backward, instance.b_near)):
                    for pid in (direction.shaper.pid, ingress.pid):
                        if pid not in self._nodes:
                            self._nodes[pid] = NodeStatistics(pid)
                    self._readers.append(_DirectionReader(direction, ingress, self._nodes))
            self._file = RowFile(self._path, COLUMNS)
        except OSError as error:
            self._close()
            raise MeasurementError("path counters", f"cannot be started: {error}") from error
        try:
            self._periodic.start()
        except MeasurementError:
            self._close()
            raise

    def check(self) -> None:
        """Raise if sampling has ended by itself.

        Raises:
            MeasurementError: it has.

        """
        self._periodic.check()

    async def stop(self) -> None:
        """Take a last sample, end, and close the file.

        Raises:
            MeasurementError: sampling had failed.

        """
        try:
            await self._periodic.stop()
            if self._file is not None:
                self._periodic.sample_once()
        finally:
            self._close()

    def _close(self) -> None:
        for node in self._nodes.values():
            node.close()
        if self._file is not None:
            self._file.close()

    def _sample(self, _now_ns: int) -> None:
        assert self._file is not None
        counts: Mapping[Key, ElementCount] = self._element.read() if self._element else {}
        roots = {}
        for pid in {reader.shaper_pid for reader in self._readers}:
            # A dump waits for the machine's routing lock, sometimes for long: the moment that counts is after it.
            found = self._nodes[pid].roots()
            roots[pid] = seconds(time.monotonic_ns(), self._zero_ns), found
        self._file.write([self._row(reader, *roots[reader.shaper_pid], counts) for reader in self._readers])

    def _row(
        self,
        reader: _DirectionReader,
        time_s: str,
        roots: Mapping[int, QdiscStats],
        counts: Mapping[Key, ElementCount],
    ) -> list[Cell]:
        qdisc = roots.get(reader.shaper_index)
        reader.totals.update(qdisc, self._nodes[reader.shaper_pid].interface(reader.shaper_index))
        came_in = self._nodes[reader.ingress_pid].interface(reader.ingress_index)
        count = counts.get(reader.direction.key)
        return [
            time_s,
            reader.direction.path,
            reader.direction.name,
            reader.totals.bytes,
            reader.totals.packets,
            reader.totals.drops,
            qdisc.queue_bytes if qdisc else 0,
            None if count is None else count.lost,
            came_in.received_bytes,
            came_in.received_packets,
            None if count is None else count.overflow,
        ]
