"""Rate, queue, delay and impairments of all paths of a running network, behind one object."""

import contextlib
import socket
import time
import zlib
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from harness.elements import choose, netem, shaper
from harness.elements.errors import ElementError, ElementUnsupported
from harness.elements.line import Counters
from harness.elements.nfqueue import ElementProcess
from harness.elements.qdisc import ROOT, QdiscStats, read_qdiscs
from harness.network.namespaces import CommandFailed, enter, run_in
from harness.network.paths import Direction, DirectionName, PathInstance
from harness.spec.link import Link
from impl.nfqueue.netlink import NETLINK_ROUTE, NetlinkSocket

Key = tuple[str, DirectionName]
"""Path and direction, as in ``Direction.key``."""


class Elements:
    """Shapers and elements of a network; made by ``Elements.setup``.

    ``change`` and ``counters`` block for some milliseconds at most (``tc`` must be started for a rate, and for netem).
    """

    def __init__(self, paths: Sequence[PathInstance], links: Mapping[Key, Link], element: str, seed: int) -> None:
        self.element = element
        self.seed = seed
        self.commands: list[str] = []
        """Every command given, for the record."""
        self._directions: dict[Key, Direction] = {
            direction.key: direction for path in paths for direction in path.directions
        }
        self._links = dict(links)
        self._families = {path.name: path.family for path in paths}
        self._shapers: dict[Key, shaper.Shaper] = {}
        self._process: ElementProcess | None = None
        self._changes = 0
        self._seeded = True
        self._netlinks: dict[Key, tuple[NetlinkSocket, int]] = {}

    @classmethod
    def setup(
        cls, paths: Sequence[PathInstance], links: Mapping[Key, Link], *, element: str = "auto", seed: int
    ) -> Self:
        """Put shapers and elements on all directions.

        Args:
            paths: of the network.
            links: for each direction's key what it does.
            element: ``auto``, ``netem`` or ``nfqueue``.
            seed: the run's; decides all random choices (with netem where the kernel can).

        Raises:
            ElementUnsupported: this machine lacks the element, or the element refuses a link.
            ElementDied: the element process does not start.
            ElementError: a command failed.

        """
        made = cls(paths, links, choose.resolve(element), seed)
        try:
            made._start()
        except CommandFailed as error:
            made.close()
            raise ElementError(str(error)) from error
        except BaseException:
            made.close()
            raise
        return made

    @property
    def seeded(self) -> bool:
        """Whether the same seed makes the same random choices: always with nfqueue, with netem from Linux 6.6 on."""
        return self._seeded

    @property
    def process(self) -> ElementProcess | None:
        """The process of the element nfqueue (its ``pid``, ``counters_path``, ``priority``), or ``None``."""
        return self._process

    def change(self, path: str, direction: DirectionName, link: Link) -> int:
        """Make one direction do something else, without losing or reordering a packet that waits.

        Returns:
            When it took hold, CLOCK_MONOTONIC in ns; with a change of both rate and delay, of the later.

        Raises:
            ElementUnsupported: the element refuses it; nothing has changed then.
            ElementDied: the element process is gone.
            ElementError: a command failed.

        """
        key = (path, direction)
        old = self._links[key]
        reasons = choose.refuse_change(old, link, self.element)
        if reasons:
            raise ElementUnsupported(f"path {path}, {direction}: {'; '.join(reasons)}")
        self._links[key] = link
        place = self._directions[key]
        try:
            at = self._change_shaper(key, link)
            if _delay_part(link) == _delay_part(old):
                return at
            if self._process is not None:
                return self._process.change(key, link)
            self._changes += 1
            self._run(place.element.pid, netem.change_command(place.element.interface, link, self._netem_seed(key)))
        except CommandFailed as error:
            raise ElementError(f"path {path}, {direction}: {error}") from error
        return time.monotonic_ns()

    def restart(self) -> None:
        """Make the random choices (and counts of packet indexes) start anew, so that a calibration used none of them.

        Raises:
            ElementDied: the element process is gone.
            ElementError: a command failed.

        """
        if self._process is not None:
            self._process.restart()
            return
        for key, place in self._directions.items():
            command = netem.change_command(place.element.interface, self._links[key], self._netem_seed(key))
            try:
                self._run(place.element.pid, command)
            except CommandFailed as error:
                raise ElementError(f"path {key[0]}, {key[1]}: {error}") from error

    def link(self, path: str, direction: DirectionName) -> Link:
        """Return what a direction does now."""
        return self._links[path, direction]

    def counters(self) -> Mapping[Key, Counters]:
        """Return what each direction's element did so far (netem: what its qdisc counts).

        Raises:
            NetlinkError: netem's counters cannot be read.

        """
        if self._process is not None:
            return self._process.counters()
        return {key: _netem_counters(self._netem_stats(key), self._links[key]) for key in self._directions}

    def check(self) -> None:
        """Make sure that all elements work.

        Raises:
            ElementDied: the element process is gone; the message has the end of its log.

        """
        if self._process is not None:
            self._process.check()

    def describe(self) -> dict[str, Any]:
        """Return what was done, for the run's record."""
        process = self._process
        return {
            "element": self.element,
            "seeded": self.seeded,
            "realtime_priority": process.priority if process is not None else None,
            "commands": self.commands,
        }

    def close(self) -> None:
        """End the element process; rules and qdiscs go with the network."""
        if self._process is not None:
            self._process.close()
            self._process = None
        for netlink, _ in self._netlinks.values():
            netlink.close()
        self._netlinks.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start(self) -> None:
        for (path, name), link in self._links.items():
            reasons = choose.refuse(link, self.element)
            if reasons:
                raise ElementUnsupported(f"path {path}, {name}: {'; '.join(reasons)}")
        for key in self._directions:
            self._change_shaper(key, self._links[key])
        if self.element == "nfqueue":
            each = [(place, self._families[key[0]], self._links[key]) for key, place in self._directions.items()]
            self._process = ElementProcess(each, self.seed)
            return
        self._seeded = choose.available_elements().netem_seed
        for key, place in self._directions.items():
            seat = place.element
            self._run(seat.pid, netem.add_command(seat.interface, self._links[key], self._netem_seed(key)))
            self._netlinks[key] = _open_netlink(seat.pid, seat.interface)

    def _change_shaper(self, key: Key, link: Link) -> int:
        seat = self._directions[key].shaper
        round_trip = sum(self._links[key[0], name].delay for name in ("forward", "backward"))
        old = self._shapers.get(key)
        if old is None:
            new = shaper.shaper(link, round_trip)
            commands = [] if new is None else shaper.add_commands(seat.interface, new)
        else:
            new = shaper.changed(old, link, round_trip)
            commands = shaper.change_commands(seat.interface, old, new)
        for command in commands:
            self._run(seat.pid, command)
        if new is not None:
            self._shapers[key] = new
        return time.monotonic_ns()

    def _run(self, pid: int, command: list[str]) -> None:
        self.commands.append(" ".join(command))
        run_in(pid, command)

    def _netem_seed(self, key: Key) -> int | None:
        # The kernel starts the random numbers anew at each change, so each change needs another seed.
        text = f"{self.seed}/{'/'.join(key)}/{self._changes}"
        return zlib.crc32(text.encode()) if self._seeded else None

    def _netem_stats(self, key: Key) -> QdiscStats:
        netlink, index = self._netlinks[key]
        for qdisc in read_qdiscs(netlink):
            if qdisc.interface == index and qdisc.parent == ROOT:
                return qdisc
        raise ElementError(f"path {key[0]}, {key[1]}: the netem qdisc is gone")


def _open_netlink(pid: int, interface: str) -> tuple[NetlinkSocket, int]:
    with enter(pid), contextlib.ExitStack() as undo:
        netlink = undo.enter_context(NetlinkSocket(NETLINK_ROUTE))
        index = socket.if_nametoindex(interface)
        undo.pop_all()
    return netlink, index


def _netem_counters(stats: QdiscStats, link: Link) -> Counters:
    # netem counts its losses and what found no room together; without a loss model there are no losses.
    lost, overflow = (stats.drops, 0) if link.loss is not None else (0, stats.drops)
    return Counters(
        packets_in=stats.packets + stats.drops + stats.queue_packets,
        bytes_in=stats.bytes + stats.queue_bytes,
        packets_out=stats.packets,
        bytes_out=stats.bytes,
        lost=lost,
        overflow=overflow,
    )


def _delay_part(link: Link) -> Link:
    """Return the link without what is the shaper's business."""
    return link.model_copy(update={"rate": None, "queue": Link().queue})
