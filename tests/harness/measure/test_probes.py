"""Latency probes on a path that is broken and mended under them."""

import asyncio
import csv
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.measure.errors import MeasurementError
from harness.measure.probe_book import COLUMNS
from harness.measure.probes import Probes, plan
from harness.network.namespaces import run_in
from harness.network.paths import Family, PathInstance
from tests.harness.measure.network import Shape, path, shape

pytestmark = pytest.mark.sandbox

Rows = list[dict[str, str]]
_UDP = {("udp", "forward"), ("udp", "backward"), ("udp", "round_trip")}
_TCP = {("tcp_connect", "round_trip"), ("tcp_exchange", "round_trip")}


def _rows(file: Path) -> Rows:
    return list(csv.DictReader(file.read_text().splitlines()))


def _series(rows: Rows, lost: str) -> set[tuple[str, str]]:
    return {(row["probe"], row["direction"]) for row in rows if row["lost"] == lost}


async def _until(probes: Probes, file: Path, after: int, condition: Callable[[Rows], bool]) -> int:
    """Wait until the rows from number ``after`` on meet a condition; return the number of rows."""
    limit = time.monotonic() + 20
    while not condition(_rows(file)[after:]):
        probes.check()
        assert time.monotonic() < limit, _rows(file)[after:][-10:]
        await asyncio.sleep(0.02)
    return len(_rows(file))


def _probes(file: Path, instance: PathInstance) -> Probes:
    plans = [plan(instance, "udp", 0.02), plan(instance, "tcp", 0.05)]
    return Probes(file, time.monotonic_ns(), plans, 1, timeout_ns=300_000_000)


class TestValues:
    @pytest.mark.parametrize("family", ["ipv4", "ipv6"])
    def test_all_series(self, tmp_path: Path, family: Family) -> None:
        file = tmp_path / "latency.csv"

        async def run(instance: PathInstance) -> None:
            probes = _probes(file, instance)
            await probes.start()
            assert len(probes.tcp_ports) == 1
            await _until(probes, file, 0, lambda rows: _series(rows, "0") == _UDP | _TCP and len(rows) > 60)
            await probes.stop()

        with path(family=family) as instance:
            asyncio.run(run(instance))
        rows = _rows(file)
        assert tuple(rows[0]) == COLUMNS
        assert {row["path"] for row in rows} == {"p1"}
        # The first probes may meet a node that does not know its neighbour yet; the machine may stall once.
        usual = [float(row["value_ms"]) for row in rows if row["lost"] == "0"]
        assert sorted(usual)[len(usual) // 2] < 5
        assert all(0 <= value < 300 for value in usual)

    def test_a_full_queue_delays_one_direction_only(self, tmp_path: Path) -> None:
        file = tmp_path / "latency.csv"

        async def run(instance: PathInstance) -> None:
            probes = Probes(file, 0, [plan(instance, "udp", 0.02)], 1)
            await probes.start()
            seen = await _until(probes, file, 0, lambda rows: len(rows) > 10)
            shape(instance.forward.shaper, Shape(1e6))
            flood = "import socket\ns = socket.socket(2, 2)\nfor _ in range(40): s.sendto(bytes(1472), ('%s', 9))"
            run_in(instance.from_.pid, ["python3", "-c", flood % instance.to_address])
            await _until(
                probes,
                file,
                seen,
                lambda rows: any(
                    row["direction"] == "forward" and row["value_ms"] and float(row["value_ms"]) > 200 for row in rows
                ),
            )
            await probes.stop()

        with path() as instance:
            asyncio.run(run(instance))
        slow = [row for row in _rows(file) if row["value_ms"] and float(row["value_ms"]) > 100]
        assert {row["direction"] for row in slow} == {"forward", "round_trip"}


class TestFaults:
    def _survives(
        self,
        file: Path,
        instance: PathInstance,
        fault: list[list[str]],
        mend: list[list[str]],
        lost: set[tuple[str, str]] = _UDP | {("tcp_connect", "round_trip")},
    ) -> Rows:
        """Break the path and mend it; return the rows of the time in between."""

        async def run() -> Rows:
            probes = _probes(file, instance)
            await probes.start()
            await _until(probes, file, 0, lambda rows: _series(rows, "0") == _UDP | _TCP)
            for command in fault:
                run_in(instance.from_.pid, command)
            broken = len(_rows(file))
            until = await _until(probes, file, broken, lambda rows: _series(rows, "1") >= lost)
            between = _rows(file)[broken:until]
            for command in mend:
                run_in(instance.from_.pid, command)
            mended = len(_rows(file))
            await _until(probes, file, mended, lambda rows: _series(rows, "0") == _UDP | _TCP)
            await probes.stop()
            return between

        return asyncio.run(run())

    def test_link_down(self, tmp_path: Path) -> None:
        with path() as instance:
            link = ["ip", "link", "set", instance.from_.interface]
            route = ["ip", "route", "add", "default", "via", "10.1.1.2"]
            rows = self._survives(tmp_path / "l.csv", instance, [[*link, "down"]], [[*link, "up"], route])
        assert all(row["value_ms"] == "" for row in rows if row["lost"] == "1")

    def test_blackhole(self, tmp_path: Path) -> None:
        with path() as instance:
            rules = [["iptables", "-A", chain, "-j", "DROP"] for chain in ("INPUT", "OUTPUT")]
            self._survives(tmp_path / "l.csv", instance, rules, [["iptables", "-F"]])

    @pytest.mark.parametrize("family", ["ipv4", "ipv6"])
    def test_address_removed_and_added(self, tmp_path: Path, family: Family) -> None:
        with path(family=family) as instance:
            version, length, via = ("-4", 24, "10.1.1.2") if family == "ipv4" else ("-6", 64, "fd00:1::2")
            address = [f"{instance.from_address}/{length}", "dev", instance.from_.interface]
            mend = [
                ["ip", version, "address", "add", *address],
                ["ip", version, "route", "replace", "default", "via", via],
            ]
            # From a socket bound to it, IPv6 goes on sending with an address that is gone; nothing comes back.
            lost = _UDP - {("udp", "forward")} | {("tcp_connect", "round_trip")}
            self._survives(tmp_path / "l.csv", instance, [["ip", version, "address", "del", *address]], mend, lost)

    def test_one_direction_dead(self, tmp_path: Path) -> None:
        file = tmp_path / "latency.csv"

        async def run(instance: PathInstance) -> None:
            probes = Probes(file, 0, [plan(instance, "udp", 0.02)], 1, timeout_ns=200_000_000)
            await probes.start()
            seen = await _until(probes, file, 0, lambda rows: _series(rows, "0") == _UDP)
            run_in(instance.a_near.pid, ["ip", "route", "add", "blackhole", f"{instance.to_address}/32"])
            seen = await _until(probes, file, seen, lambda rows: ("udp", "forward") in _series(rows, "1"))
            await _until(probes, file, seen, lambda rows: len(rows) > 20)
            await probes.stop()
            after = _rows(file)[seen:]
            assert _series(after, "1") == {("udp", "forward"), ("udp", "round_trip")}
            assert _series(after, "0") == {("udp", "backward")}

        with path() as instance:
            asyncio.run(run(instance))

    def test_path_that_is_down_from_the_start(self, tmp_path: Path) -> None:
        file = tmp_path / "latency.csv"

        async def run(instance: PathInstance) -> None:
            probes = _probes(file, instance)
            await probes.start()
            await _until(probes, file, 0, lambda rows: _series(rows, "1") == _UDP | {("tcp_connect", "round_trip")})
            run_in(instance.from_.pid, ["ip", "address", "add", "10.1.1.1/24", "dev", "c0"])
            run_in(instance.from_.pid, ["ip", "route", "replace", "default", "via", "10.1.1.2"])
            await _until(probes, file, 0, lambda rows: _series(rows, "0") == _UDP | _TCP)
            await probes.stop()

        with path() as instance:
            run_in(instance.from_.pid, ["ip", "address", "flush", "dev", "c0"])
            asyncio.run(run(instance))


class TestProcess:
    def test_death_is_noticed_and_rows_are_kept(self, tmp_path: Path) -> None:
        file = tmp_path / "latency.csv"

        async def run(instance: PathInstance) -> None:
            probes = _probes(file, instance)
            await probes.start()
            seen = await _until(probes, file, 0, lambda rows: len(rows) > 5)
            os.kill(probes.pid, signal.SIGKILL)
            with pytest.raises(MeasurementError, match="latency probes: its process ended by SIGKILL"):
                await _until(probes, file, 10**9, lambda rows: False)
            assert len(_rows(file)) >= seen

        with path() as instance:
            asyncio.run(run(instance))
