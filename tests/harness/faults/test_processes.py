"""Tests of processes that are paused, go on and are killed."""

import pytest

from harness.faults.outcome import FaultFailed
from harness.faults.plan import plan
from harness.faults.processes import ProcessFaults
from tests.harness.faults.network import FakeProcess, scenario


class TestProcesses:
    def test_pause_ends_and_kill(self) -> None:
        client = FakeProcess()
        faults = ProcessFaults({"client": client})
        pause, end, kill = plan(
            scenario(
                {"kind": "pause", "process": "client", "at": 0, "duration": "1s"},
                {"kind": "kill", "process": "client", "at": "2s"},
            )
        )
        faults.begin(pause)
        assert faults.end(end.undoes or "").result == "client goes on"
        faults.begin(kill)
        assert client.done == ["pause", "resume", "kill"]

    def test_resume_ends_a_pause(self) -> None:
        client = FakeProcess()
        faults = ProcessFaults({"client": client})
        pause, resume = plan(
            scenario(
                {"kind": "pause", "process": "client", "at": 0},
                {"kind": "resume", "process": "client", "at": "2s"},
            )
        )
        faults.begin(pause)
        outcome, ended = faults.begin(resume)
        assert (outcome.result, ended) == ("client goes on", [pause.id])
        assert faults.end(pause.id).result == "ended before"
        assert client.done == ["pause", "resume"]

    def test_a_process_that_is_not_there(self) -> None:
        [kill] = plan(scenario({"kind": "kill", "process": "server", "at": 0}))
        with pytest.raises(FaultFailed, match="the server is not running"):
            ProcessFaults({}).begin(kill)
