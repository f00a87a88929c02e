"""Whole runs as a user starts them: files, verdicts, repetition, interruption, and nothing left whatever is killed."""

import json
import os
import random
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.results.record import RunRecord, read_record
from tests.support import leftovers, ordinary, quick_runs

KILLS = 20
FILES = {
    "run.json", "goodput.csv", "paths.csv", "tcp_info.csv", "latency.csv", "machine.csv", "timeline.jsonl",
    "calibration.json", "client.log", "server.log", "client.events.jsonl", "server.events.jsonl", "figure.png",
    "figure.svg",
}  # fmt: skip


@pytest.fixture(params=ordinary.prefixes())
def prefix(request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    found = ordinary.prefixes()[request.param]
    if found:
        ordinary.open_to(tmp_path)
    return found


class TestRun:
    def test_files_and_record(self, prefix: list[str], tmp_path: Path) -> None:
        out = tmp_path / "results"
        record = quick_runs.records(*quick_runs.FAILOVER, "--endpoint", "mptcp", "--out", str(out), prefix=prefix)[-1]
        directory = Path(record["directory"])
        assert directory.parent == out / "failover_quick"
        assert directory.name.split("-")[0] == record["run_id"]
        assert {path.name for path in directory.iterdir()} == FILES
        assert record["verdict"] == "pass", record["reasons"]
        assert record["metrics"]["sha256_ok"] is True
        assert record["metrics"]["bytes_received"] == 4 << 20
        assert record["environment"]["instruments"]["congestion_seen"] == {"client": ["cubic"], "server": ["cubic"]}
        assert record["outcome"]["client"]["exit_code"] == 0
        outage = next(line for line in _timeline(directory) if line["id"] == "outage")
        assert outage["ok"]
        assert abs(outage["actual_s"] - 0.7) < 0.02

    def test_same_specification_same_id_kept_beside(self, tmp_path: Path) -> None:
        arguments = (*quick_runs.PLAIN, "--endpoint", "tcp", "--seed", "7", "--attempts", "1", "--out", str(tmp_path))
        first, second = (quick_runs.records(*arguments)[-1] for _ in range(2))
        assert first["run_id"] == second["run_id"]
        assert first["directory"] != second["directory"]
        assert Path(first["directory"], "run.json").is_file()
        hashes = [_done(Path(record["directory"]))["sha256"] for record in (first, second)]
        assert hashes[0] == hashes[1]
        assert read_record(Path(first["directory"])).started == first["started"]

    def test_reproduce_has_the_same_id(self, tmp_path: Path) -> None:
        arguments = (*quick_runs.PLAIN, "--endpoint", "tcp", "--attempts", "1", "--out", str(tmp_path / "first"))
        first = quick_runs.records(*arguments)[-1]
        done = quick_runs.run(
            "reproduce", first["directory"], "--attempts", "1", "--out", str(tmp_path / "second"), "--json"
        )
        again = json.loads(done.stdout)[-1]
        assert again["run_id"] == first["run_id"]
        assert again["specification"] == first["specification"]

    def test_two_at_once_do_not_disturb_each_other(self, tmp_path: Path) -> None:
        arguments = ("run", *quick_runs.PLAIN, "--endpoint", "tcp", "--attempts", "1", "--out", str(tmp_path), "--json")
        both = [quick_runs.start(*arguments) for _ in range(2)]
        records = [json.loads(process.communicate(timeout=60)[0])[-1] for process in both]
        assert len({record["directory"] for record in records}) == 2
        for record in records:
            assert record["metrics"]["sha256_ok"] is True
            assert record["outcome"]["ended_by"] == "client"


class TestInterruption:
    def test_ctrl_c_keeps_what_was_measured(self, tmp_path: Path) -> None:
        process = quick_runs.start(
            "run", *quick_runs.PLAIN, "--set", "workload.bytes=30MiB", "--endpoint", "tcp", "--out", str(tmp_path)
        )
        directory = _wait_for_data(tmp_path, process)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
        assert process.returncode == 130, err
        assert time.monotonic() - began < 5
        record = read_record(directory)
        assert record.outcome.ended_by == "interrupt"
        assert record.verdict == "invalid"
        assert record.metrics["bytes_received"] > 0
        assert (directory / "goodput.csv").read_text().count("\n") > 5
        assert (directory / "figure.png").is_file()


class TestKilling:
    @pytest.mark.slow
    @pytest.mark.timeout(400)
    def test_nothing_is_left_at_random_moments(self, prefix: list[str], tmp_path: Path) -> None:
        seed = secrets.randbits(32)
        print(f"seed {seed}")
        choice = random.Random(seed)
        before = leftovers.snapshot(tmp_path)
        if prefix:
            ordinary.open_to(tmp_path)
        out = tmp_path / "results"
        for number in range(KILLS // len(ordinary.prefixes())):
            process = quick_runs.start(
                "run", *quick_runs.FAILOVER, "--endpoint", "mptcp", "--attempts", "1", "--out", str(out),
                prefix=prefix, env=before.environment,
            )  # fmt: skip
            victim = _kill_one(process.pid, choice, choice.uniform(0.2, 4.0))
            try:
                process.communicate(timeout=60)
            except subprocess.TimeoutExpired:
                pytest.fail(f"round {number}: the harness hangs after {victim} was killed")
            leftovers.wait_until_gone(before)

    @pytest.mark.parametrize("module", ["harness.run.inside", "nfqueue_process", "harness.measure.machine"])
    def test_death_of_a_part_is_reported(self, module: str, tmp_path: Path) -> None:
        process = quick_runs.start(
            "run", *quick_runs.PLAIN, "--set", "workload.bytes=30MiB", "--endpoint", "tcp", "--out", str(tmp_path),
            "--attempts", "1", "--element", "nfqueue", "--json",
        )  # fmt: skip
        _wait_for_data(tmp_path, process)
        os.kill(next(_matching(process.pid, module)), signal.SIGKILL)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 3, err
        record = RunRecord.model_validate(json.loads(out)[-1])
        assert record.verdict == "invalid"
        assert record.outcome.failure
        assert "Traceback" not in err


def _timeline(directory: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (directory / "timeline.jsonl").read_text().splitlines()]


def _done(directory: Path) -> dict[str, Any]:
    lines = [json.loads(line) for line in (directory / "client.events.jsonl").read_text().splitlines()]
    return next(line for line in lines if line["event"] == "done")


def _wait_for_data(out: Path, process: "subprocess.Popen[str]") -> Path:
    """Wait until payload arrives and return the run directory."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        for events in out.glob("*/*/client.events.jsonl"):
            if events.read_text().count('"received"') > 20:
                return events.parent
        time.sleep(0.02)
    pytest.fail(f"no payload arrived: {process.communicate()}")


def _descendants(pid: int) -> Iterator[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return
    for child in children:
        yield int(child)
        yield from _descendants(int(child))


def _matching(pid: int, text: str) -> Iterator[int]:
    for each in _descendants(pid):
        words = Path(f"/proc/{each}/cmdline").read_bytes().split(b"\0")
        # The processes that wait for the sandbox have the command in their own words, behind an order.
        if any(text.encode() in word for word in words[:5]) and b"harness.sandbox" not in b" ".join(words[:5]):
            yield each


def _kill_one(pid: int, choice: random.Random, moment: float) -> str:
    """After ``moment`` seconds kill a random process of the tree below ``pid``, or itself; return its command."""
    deadline = time.monotonic() + moment
    while time.monotonic() < deadline:
        time.sleep(0.01)
    victims = [pid, *_descendants(pid)]
    victim = choice.choice(victims)
    try:
        command = Path(f"/proc/{victim}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        os.kill(victim, signal.SIGKILL)
    except (ProcessLookupError, FileNotFoundError):
        return "a process that had just ended"
    return command
