"""Helper processes as their orchestrator sees them."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from harness.measure.errors import MeasurementError
from harness.measure.helper import HelperProcess


def _module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> str:
    (tmp_path / "helper_under_test.py").write_text(text)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    return "helper_under_test"


_READY = """
import os
from harness.measure.helper import read_configuration
print('{"answer": %d}' % read_configuration("helper")["question"], flush=True)
"""


async def _check_for_ever(helper: HelperProcess) -> None:
    while True:
        helper.check()
        await asyncio.sleep(0.01)


class TestHelperProcess:
    def test_ready_and_ends_by_its_pipe(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        module = _module(tmp_path, monkeypatch, _READY + "os.read(0, 1)\n")

        async def run() -> None:
            helper = HelperProcess("helper", module, {"question": 42})
            await helper.start()
            assert helper.details == {"answer": 42}
            helper.check()
            await helper.stop()

        asyncio.run(run())

    def test_death_is_noticed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        module = _module(tmp_path, monkeypatch, _READY + "os.read(0, 1)\n")

        async def run() -> None:
            helper = HelperProcess("timer", module, {"question": 1})
            await helper.start()
            os.kill(helper.pid, signal.SIGKILL)
            with pytest.raises(MeasurementError, match="timer: its process ended by SIGKILL"):
                await _check_for_ever(helper)
            with pytest.raises(MeasurementError, match="SIGKILL"):
                await helper.stop()

        asyncio.run(run())

    def test_failure_at_start_tells_what_it_printed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        module = _module(tmp_path, monkeypatch, "import sys\nsys.exit('no such node')\n")

        async def run() -> None:
            with pytest.raises(MeasurementError, match=r"probes: .*no such node"):
                await HelperProcess("probes", module, {}).start()

        asyncio.run(run())

    def test_not_started(self) -> None:
        helper = HelperProcess("probes", "x", {})
        helper.check()
        asyncio.run(helper.stop())
        with pytest.raises(MeasurementError, match="not been started"):
            _ = helper.pid
