"""All instruments of a run together: what they write, when they say that they no longer work, and their end."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.elements import Elements
from harness.measure.errors import MeasurementError
from harness.network.emulation import Emulation
from harness.run.instruments import Instruments
from harness.spec.loader import load_topology
from harness.spec.scenario import Scenario

pytestmark = pytest.mark.sandbox

LEAD_NS = 300_000_000


def scenario(**keys: object) -> Scenario:
    return Scenario.model_validate(
        {
            "name": "mine",
            "topology": "converter",
            "endpoints": ["tcp"],
            "workload": {"bytes": "1MiB", "limit": "10s"},
            "expect": {"kind": "hash_equal"},
            **keys,
        }
    )


@contextmanager
def instruments(
    folder: Path, *, topology: str = "two_paths", pcap: bool = False, **keys: object
) -> Iterator[Instruments]:
    network = load_topology(topology)
    with (
        Emulation(network) as emulation,
        Elements.setup(list(emulation.paths.values()), network.links(), element="nfqueue", seed=1) as elements,
    ):
        yield Instruments(folder, time.monotonic_ns() + LEAD_NS, emulation, elements, scenario(**keys), pcap=pcap)


async def work(made: Instruments, seconds: float = 1.5) -> None:
    await made.start()
    await asyncio.sleep(seconds)
    for check in made.checks:
        check()
    await made.stop()


def column(file: Path, name: str) -> set[str]:
    heading, *lines = file.read_text().splitlines()
    place = heading.split(",").index(name)
    return {line.split(",")[place] for line in lines}


class TestFiles:
    def test_each_writes_its_own(self, tmp_path: Path) -> None:
        with instruments(tmp_path, pcap=True, probe={"kind": "udp", "interval": "100ms"}) as made:
            asyncio.run(work(made))
        names = {path.name for path in tmp_path.iterdir()}
        assert {"paths.csv", "tcp_info.csv", "machine.csv", "latency.csv"} <= names
        assert len([name for name in names if name.endswith(".pcap")]) == 4
        assert column(tmp_path / "paths.csv", "path") == {"upper", "lower"}
        assert column(tmp_path / "latency.csv", "path") == {"upper", "lower"}
        assert set(made.description()["captures"]) == {name for name in names if name.endswith(".pcap")}
        assert made.description()["machine"]

    def test_probes_take_the_clients_paths_unless_told_otherwise(self, tmp_path: Path) -> None:
        with instruments(tmp_path, topology="converter", probe={"kind": "udp", "interval": "100ms"}) as made:
            asyncio.run(work(made, 0.8))
        assert column(tmp_path / "latency.csv", "path") == {"upper", "lower"}
        assert column(tmp_path / "paths.csv", "path") == {"upper", "lower", "core"}

    def test_without_probes_and_captures(self, tmp_path: Path) -> None:
        with instruments(tmp_path) as made:
            asyncio.run(work(made, 0.2))
        names = {path.name for path in tmp_path.iterdir()}
        assert "latency.csv" not in names
        assert not [name for name in names if name.endswith(".pcap")]


class TestEnd:
    def test_a_second_stop_does_nothing(self, tmp_path: Path) -> None:
        async def twice(made: Instruments) -> None:
            await work(made, 0.1)
            sizes = {path: path.stat().st_size for path in tmp_path.iterdir()}
            await made.stop()
            assert {path: path.stat().st_size for path in tmp_path.iterdir()} == sizes

        with instruments(tmp_path) as made:
            asyncio.run(twice(made))

    def test_one_that_dies_is_noticed_and_the_others_are_stopped(self, tmp_path: Path) -> None:
        async def scene(made: Instruments) -> str:
            await made.start()
            (victim,) = (
                int(folder.name)
                for folder in Path("/proc").glob("[0-9]*")
                if b"harness.measure.machine" in (folder / "cmdline").read_bytes()
            )
            os.kill(victim, signal.SIGKILL)
            deadline = time.monotonic() + 10
            failures: list[str] = []
            while not failures and time.monotonic() < deadline:
                for check in made.checks:
                    try:
                        check()
                    except MeasurementError as error:
                        failures.append(str(error))
                await asyncio.sleep(0.01)
            with pytest.raises(MeasurementError):
                await made.stop()
            return failures[0]

        with instruments(tmp_path) as made:
            assert "machine" in asyncio.run(scene(made))
        assert (tmp_path / "paths.csv").read_text().count("\n") > 1
