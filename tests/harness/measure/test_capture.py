"""Packet captures."""

import asyncio
import os
import signal
import subprocess
from pathlib import Path

import pytest

from harness.measure.capture import Capture, dropped_by_kernel, setgroups_filter
from harness.measure.errors import MeasurementError
from harness.network.namespaces import run_in
from harness.network.paths import PathInstance
from tests.harness.measure.network import path


class TestTcpdumpsWords:
    @pytest.mark.parametrize(
        ("lines", "count"),
        [(["4 packets captured", "8 packets received by filter", "17 packets dropped by kernel"], 17), (["x"], None)],
    )
    def test_dropped(self, lines: list[str], count: int | None) -> None:
        assert dropped_by_kernel(lines) == count


class TestFilter:
    def test_length(self) -> None:
        assert len(setgroups_filter(0xC000003E, 116)) == 6 * 8


@pytest.mark.sandbox
class TestCapture:
    def test_both_ends(self, tmp_path: Path) -> None:
        async def run(instance: PathInstance) -> None:
            capture = Capture(tmp_path, [instance], snap_length=96)
            await capture.start()
            capture.check()
            run_in(instance.from_.pid, ["ping", "-q", "-c", "3", "-i", "0.02", "-s", "1472", instance.to_address])
            found = await capture.stop()
            assert [each.path.name for each in found] == ["client-p1.pcap", "server-p1.pcap"]
            for each in found:
                assert each.dropped == 0
                assert each.summary.frames >= 6
                assert each.summary.largest_frame == 1514
                assert each.summary.snap_length == 96
                assert not each.summary.truncated
                assert each.path.stat().st_size < 6 * 300 + 1000

        with path() as instance:
            asyncio.run(run(instance))

    def test_death_is_noticed(self, tmp_path: Path) -> None:
        async def run(instance: PathInstance) -> None:
            capture = Capture(tmp_path, [instance])
            await capture.start()
            found = subprocess.run(["pgrep", "-f", "server-p1.pcap"], capture_output=True, text=True, check=True)
            os.kill(int(found.stdout.split()[0]), signal.SIGKILL)
            with pytest.raises(MeasurementError, match=r"capture server-p1\.pcap: tcpdump ended with status -9"):
                await _check_for_ever(capture)
            with pytest.raises(MeasurementError, match=r"server-p1\.pcap"):
                await capture.stop()
            left = subprocess.run(["pgrep", "-c", "tcpdump"], capture_output=True, text=True, check=False)
            assert left.stdout.strip() == "0"

        with path() as instance:
            asyncio.run(run(instance))

    def test_interface_that_does_not_exist(self, tmp_path: Path) -> None:
        with path() as instance:
            run_in(instance.from_.pid, ["ip", "link", "del", instance.from_.interface])
            wanted = rf"capture client-p1\.pcap: tcpdump ended at once.*{instance.a_near.interface}"
            with pytest.raises(MeasurementError, match=wanted):
                asyncio.run(Capture(tmp_path, [instance]).start())


async def _check_for_ever(capture: Capture) -> None:
    while True:
        capture.check()
        await asyncio.sleep(0.01)
