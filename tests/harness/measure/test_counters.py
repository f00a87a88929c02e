"""Counters of paths."""

import asyncio
import csv
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.elements.qdisc import ROOT, QdiscStats
from harness.measure.counters import COLUMNS, Key, PathCounters, ShaperTotals
from harness.measure.errors import MeasurementError
from harness.measure.shapers import InterfaceStatistics
from harness.network.namespaces import enter, run_in
from harness.network.paths import PathInstance
from tests.harness.measure.network import Shape, path, shape


def _qdisc(handle: int, packets: int, drops: int = 0) -> QdiscStats:
    return QdiscStats(2, "tbf", handle, ROOT, packets * 100, packets, drops, 0, 0, 0)


def _interface(packets: int) -> InterfaceStatistics:
    return InterfaceStatistics(0, packets, 0, packets * 100)


class TestTotals:
    @given(st.lists(st.tuples(st.sampled_from([None, 1, 2]), st.integers(0, 50), st.integers(0, 5))))
    def test_nothing_is_counted_twice_when_the_qdisc_changes(self, steps: list[tuple[int | None, int, int]]) -> None:
        totals = ShaperTotals()
        totals.update(None, _interface(0))
        sent = dropped = in_qdisc = qdisc_drops = 0
        current: int | None = None
        for handle, packets, drops in steps:
            if handle != current:
                current, in_qdisc, qdisc_drops = handle, 0, 0
            sent += packets
            in_qdisc += packets
            if handle is not None:
                qdisc_drops += drops
                dropped += drops
            totals.update(None if handle is None else _qdisc(handle, in_qdisc, qdisc_drops), _interface(sent))
            assert (totals.packets, totals.bytes, totals.drops) == (sent, sent * 100, dropped)

    def test_first_reading_is_the_state_since_the_network_began(self) -> None:
        totals = ShaperTotals()
        totals.update(_qdisc(1, 7, 3), _interface(9))
        assert (totals.packets, totals.drops) == (7, 3)

    def test_32_bit_drops_wrap(self) -> None:
        totals = ShaperTotals()
        totals.update(_qdisc(1, 7, 2**32 - 1), _interface(9))
        totals.update(_qdisc(1, 7, 4), _interface(9))
        assert totals.drops == 2**32 + 4


@dataclass
class _Count:
    lost: int
    overflow: int = 0


class _Element:
    def __init__(self, counts: Mapping[Key, _Count]) -> None:
        self.read: Callable[[], Mapping[Key, _Count]] = lambda: counts


def _send(instance: PathInstance, count: int, size: int) -> None:
    with enter(instance.from_.pid):
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with enter(instance.to.pid):
        sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with sender, sink:
        sink.bind((instance.to_address, 0))
        sink.settimeout(10)
        for _ in range(count):
            sender.sendto(bytes(size - 42), sink.getsockname())
        for _ in range(count):
            sink.recv(2000)


def _rows(file: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(file.read_text().splitlines()))


@pytest.mark.sandbox
class TestSampling:
    def test_equals_what_was_sent(self, tmp_path: Path) -> None:
        file = tmp_path / "paths.csv"

        async def run(instance: PathInstance) -> None:
            element = _Element({("p1", "forward"): _Count(5)})
            counters = PathCounters(file, time.monotonic_ns(), [instance], element)
            await counters.start()
            limit = time.monotonic() + 10
            while file.read_text().count("\n") < 3:
                assert time.monotonic() < limit
                await asyncio.sleep(0.01)
            await asyncio.to_thread(_send, instance, 50, 1514)
            await counters.stop()
            counters.check()

        with path(forward=Shape(25e6)) as instance:
            _send(instance, 1, 100)  # so that the addresses are known and no ARP packet comes in between
            asyncio.run(run(instance))
        rows = _rows(file)
        assert tuple(rows[0]) == COLUMNS
        forward = [row for row in rows if row["direction"] == "forward"]
        backward = [row for row in rows if row["direction"] == "backward"]
        assert len(forward) == len(backward) >= 2
        for column, expected in (("bytes", 50 * 1514), ("packets", 50), ("bytes_in", 50 * 1514), ("packets_in", 50)):
            assert int(forward[-1][column]) - int(forward[0][column]) == expected
            assert int(backward[-1][column]) == int(backward[0][column])
        assert (forward[-1]["drops"], forward[-1]["queue"], forward[-1]["lost"]) == ("0", "0", "5")
        assert backward[-1]["lost"] == ""

    def test_queue_and_drops(self, tmp_path: Path) -> None:
        file = tmp_path / "paths.csv"
        with path(forward=Shape(1e6, limit=10 * 1514)) as instance:
            _send(instance, 1, 100)
            counters = PathCounters(file, 0, [instance])

            async def run() -> None:
                with enter(instance.from_.pid):
                    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                with sender:
                    for _ in range(50):
                        sender.sendto(bytes(1472), (instance.to_address, 9))
                await counters.start()
                await counters.stop()

            asyncio.run(run())
        first = _rows(file)[0]
        assert int(first["queue"]) > 5 * 1514
        assert int(first["drops"]) >= 30
        assert int(first["packets_in"]) >= 50

    def test_shaper_that_comes_and_goes(self, tmp_path: Path) -> None:
        file = tmp_path / "paths.csv"
        with path() as instance:
            _send(instance, 3, 100)
            counters = PathCounters(file, 0, [instance])

            async def run() -> None:
                await counters.start()
                _send(instance, 10, 1000)
                shape(instance.forward.shaper, Shape(25e6))
                await _next_sample(file)
                _send(instance, 10, 1000)
                await _next_sample(file)
                run_in(instance.forward.shaper.pid, ["tc", "qdisc", "del", "dev", "a1", "root"])
                _send(instance, 10, 1000)
                await counters.stop()

            asyncio.run(run())
        forward = [row for row in _rows(file) if row["direction"] == "forward"]
        assert int(forward[-1]["packets"]) - int(forward[0]["packets"]) == 30
        assert int(forward[-1]["bytes"]) - int(forward[0]["bytes"]) == 30_000

    def test_node_that_does_not_exist(self, tmp_path: Path) -> None:
        with path() as instance:
            pass
        with pytest.raises(MeasurementError, match="path counters: cannot be started"):
            asyncio.run(PathCounters(tmp_path / "paths.csv", 0, [instance]).start())


async def _next_sample(file: Path) -> None:
    lines = file.read_text().count("\n")
    limit = time.monotonic() + 10
    while file.read_text().count("\n") <= lines:
        assert time.monotonic() < limit
        await asyncio.sleep(0.01)
