"""The program inside the sandbox: what it leaves behind when it succeeds, is ended, or breaks."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.results.record import RunRecord, read_record
from harness.run import inside
from harness.run.experiment import Experiment
from harness.run.order import Order, Progress
from harness.spec.plan import plan_runs
from tests.support.specs import SCENARIO, scenario_file

pytestmark = pytest.mark.sandbox

PLAIN = SCENARIO.split("[[fault]]")[0] + '[[expect]]\nkind = "hash_equal"\n'


def order(folder: Path, *, size: str = "64KiB", shell_on_fail: bool = False) -> Order:
    scenario = scenario_file(folder, PLAIN)
    run = plan_runs([scenario], assignments=[("workload.bytes", size)], element="nfqueue")[0]
    results = folder / "run"
    results.mkdir()
    return Order.of(run, results, attempt=1, pcap=False, shell_on_fail=shell_on_fail, environment={})


def main(order: Order, monkeypatch: pytest.MonkeyPatch) -> tuple[int, list[Progress]]:
    """Run the program in this process; return its exit code and what it told."""
    read, write = os.pipe()
    monkeypatch.setattr(sys, "argv", ["inside", str(order.to_descriptor()), str(write)])
    # As a signal handler of the loop would outlive the test otherwise.
    monkeypatch.setattr(asyncio.unix_events._UnixSelectorEventLoop, "add_signal_handler", lambda *_: None)
    code = inside.main()
    with open(read) as lines:
        told = [Progress.from_line(line) for line in lines]
    return code, [each for each in told if each is not None]


def start(order: Order) -> tuple["subprocess.Popen[bytes]", int]:
    """Run the program in a process of its own; return the end from which its progress is read, too."""
    read, write = os.pipe()
    descriptor = order.to_descriptor()
    command = [sys.executable, "-m", "harness.run.inside", str(descriptor), str(write)]
    process = subprocess.Popen(command, pass_fds=[descriptor, write])
    os.close(write)
    os.close(descriptor)
    return process, read


class TestProgram:
    def test_writes_the_record_and_tells_its_progress(self, tmp_path: Path) -> None:
        wanted = order(tmp_path)
        process, read = start(wanted)
        with open(read) as lines:
            told = [json.loads(line) for line in lines]
        assert process.wait(30) == 0
        record = read_record(Path(wanted.directory))
        assert record.run_id == wanted.run_id
        assert record.outcome.ended_by == "client", record.reasons
        phases = list(dict.fromkeys(each["phase"] for each in told))
        assert phases == ["network", "calibrate before", "start", "transfer", "calibrate after", "judge"]

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_a_signal_ends_the_run_and_keeps_what_there_is(self, tmp_path: Path, number: signal.Signals) -> None:
        wanted = order(tmp_path, size="60MiB")
        process, read = start(wanted)
        with open(read) as lines:
            for line in lines:
                if json.loads(line)["received"] > 0:
                    process.send_signal(number)
                    break
            for _ in lines:
                pass
        assert process.wait(30) == 0
        record = read_record(Path(wanted.directory))
        assert record.outcome.ended_by == "interrupt"
        assert record.metrics["bytes_received"] > 0


class TestOurOwnFaults:
    def test_the_log_has_the_traceback(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        async def broken(_self: Experiment) -> RunRecord:
            raise ZeroDivisionError("of our own making")

        monkeypatch.setattr(Experiment, "run", broken)
        wanted = order(tmp_path)
        code, _ = main(wanted, monkeypatch)
        assert code == 70
        log = (Path(wanted.directory) / "harness.log").read_text()
        assert log.startswith("Traceback")
        assert log.splitlines()[-1] == "ZeroDivisionError: of our own making"
        assert not (Path(wanted.directory) / "run.json").exists()


class TestPrompt:
    @pytest.mark.parametrize(
        ("asked", "verdict", "opened"), [(True, "fail", 1), (True, "pass", 0), (False, "fail", 0), (True, "invalid", 0)]
    )
    def test_opens_when_asked_for_and_an_expectation_failed(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: bool, verdict: str, opened: int
    ) -> None:
        said: list[Any] = []
        wanted = order(tmp_path, shell_on_fail=asked)

        async def judged(self: Experiment) -> RunRecord:
            self.emulation = object()  # type: ignore[assignment]
            return RunRecord.model_validate({
                "run_id": wanted.run_id, "scenario": "mine", "topology": "two_paths", "endpoint": "tcp", "seed": 1,
                "verdict": verdict, "reasons": ["too slow"], "specification": wanted.specification,
            })  # fmt: skip

        monkeypatch.setattr(Experiment, "run", judged)
        monkeypatch.setattr(inside, "open_prompt", lambda _emulation, reasons: said.append(reasons))
        code, told = main(wanted, monkeypatch)
        assert code == 0
        assert said == [["too slow"]] * opened
        assert [each.phase for each in told] == ["prompt"] * opened
        # Written before the prompt opens: whatever its user does, the run is kept.
        assert read_record(Path(wanted.directory)).verdict == verdict
