"""Runs that go wrong, in every way in which a run can: what is found, who is named as the cause, what is kept."""

import asyncio
import contextlib
import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness.elements import Elements
from harness.faults.actions import Faults
from harness.faults.outcome import Outcome
from harness.faults.plan import Action
from harness.judge import judge
from harness.judge.thresholds import Thresholds, default_thresholds
from harness.results.record import RunRecord
from harness.run import experiment as experiment_module
from harness.run.experiment import Experiment
from harness.run.order import Order, Progress
from harness.spec.keys import parse_assignment
from harness.spec.link import Link
from harness.spec.plan import plan_runs
from tests.support.specs import TOPOLOGY, changed

pytestmark = pytest.mark.sandbox

SCENARIO = """\
name = "mine"
topology = "./t.toml"
endpoints = ["./e.toml"]

[workload]
bytes = "1MiB"
limit = "10s"

[[expect]]
kind = "hash_equal"
"""
FAULT = """
[[fault]]
name = "slower"
kind = "change"
path = "upper"
at = "100ms"
set = { delay = "30ms" }
"""
NETWORK = changed(TOPOLOGY, '"5mbit", delay = "10ms"', '"25mbit", delay = "10ms"')
EXAMPLE = '["{python}", "{project}/docs/examples/minimal_endpoint.py"]'
# What a busy machine does to a run; all else is judged as ever.
OF_THE_MACHINE = ("idle_cpu", "cpu_pressure", "steal", "timer_late_p99", "timer_late_max", "element_cpu")
OF_THE_NETWORK = ("delay_error", "delay_spread", "rate_error", "fault_late")


def endpoint_file(client: str = EXAMPLE, server: str = EXAMPLE) -> str:
    return f'name = "mine"\nclient = {client}\nserver = {server}\ncapabilities = ["download"]\n'


def program(folder: Path, code: str) -> str:
    """Write a program that can tell events and then does this; return its command, as TOML."""
    tell = (
        "import json, os, sys, time\n"
        "def say(text): open(os.environ['HARNESS_EVENTS'], 'a').write(text + '\\n')\n"
        "def tell(event, **more): say(json.dumps({'time': time.monotonic_ns(), 'event': event, **more}))\n"
    )
    (folder / "program.py").write_text(tell + code)
    return '["{python}", "./program.py"]'


def forgiving(*names: str) -> Thresholds:
    """Return thresholds that a machine on which much else goes on keeps."""
    thresholds = default_thresholds()
    wide = {}
    for name in names:
        old = getattr(thresholds, name)
        wide[name] = old.model_copy(update={"floor": -1.0 if old.at_least else 1e9})
    return thresholds.model_copy(update=wide)


@dataclass
class Bench:
    """Makes orders of specifications in a folder, and carries them out."""

    folder: Path
    scenario: str = SCENARIO
    topology: str = NETWORK
    endpoint: str = endpoint_file()
    watch: Callable[[Experiment, Progress], None] = lambda _experiment, _progress: None

    @property
    def results(self) -> Path:
        return self.folder / "run"

    def order(self, *assign: str) -> Order:
        for name, text in (("s", self.scenario), ("t", self.topology), ("e", self.endpoint)):
            (self.folder / f"{name}.toml").write_text(text)
        assignments = [parse_assignment(each) for each in assign]
        run = plan_runs([str(self.folder / "s.toml")], assignments=assignments, element="nfqueue")[0]
        self.results.mkdir()
        return Order.of(run, self.results, attempt=1, pcap=False, shell_on_fail=False, environment={})

    def run(self, *assign: str) -> RunRecord:
        order = self.order(*assign)

        async def carry_out() -> RunRecord:
            async with Experiment(order, lambda progress: self.watch(experiment, progress)) as experiment:
                return await experiment.run()

        return asyncio.run(carry_out())

    def run_forgiven(self, *assign: str) -> RunRecord:
        """Run, and do not count against the run that the machine was busy."""
        record = self.run(*assign)
        thresholds = forgiving(*OF_THE_MACHINE, *OF_THE_NETWORK)
        return judge(self.results, record, thresholds=thresholds).applied_to(record)

    def rows(self, name: str) -> list[dict[str, str]]:
        with (self.results / name).open() as file:
            return list(csv.DictReader(file))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@contextlib.contextmanager
def busy(count: int) -> Iterator[Callable[[], None]]:
    """Give a function that starts so many busy loops, and one that ends them is called at the end in any case."""
    loops: list[subprocess.Popen[bytes]] = []

    def start() -> None:
        if not loops:
            loops.extend(subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"]) for _ in range(count))

    try:
        yield start
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


class TestWrongNetwork:
    def test_another_rate_than_the_specified_one_is_found(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        real = Elements.setup

        def setup(paths: Any, links: dict[Any, Link], **options: Any) -> Elements:
            return real(paths, {key: link.model_copy(update={"rate": 20e6}) for key, link in links.items()}, **options)

        monkeypatch.setattr(Elements, "setup", setup)
        record = bench.run("workload.bytes=256KiB")
        assert record.verdict == "invalid"
        found = [breach for breach in record.breaches if breach.threshold == "rate_error"]
        assert {" ".join(breach.reason.split()[:3]) for breach in found} == {
            "path upper forward", "path upper backward",
        }  # fmt: skip
        for breach in found:
            assert breach.cause == "network"
            assert "configured 25.00 Mbps" in breach.reason
        rate = record.validity["paths"]["upper"]["backward"]["before"]["rate_mbps"]
        assert 18 < rate < 21
        assert any(f"rate {rate:.2f} Mbps" in breach.reason for breach in found)

    def test_what_looked_wrong_once_is_measured_again(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        asked = []

        def once_doubtful(entry: dict[str, Any], *_: Any) -> list[str]:
            asked.append(entry)
            return ["this looks wrong"] if len(asked) == 1 else []

        monkeypatch.setattr(experiment_module, "doubts", once_doubtful)
        record = bench.run("workload.bytes=256KiB")
        assert record.environment["calibrated_again"] == {"before": ["this looks wrong"]}
        calibrations = json.loads((bench.results / "calibration.json").read_text())
        assert [(each["direction"], each["when"]) for each in calibrations] == [
            ("forward", "before"), ("backward", "before"), ("forward", "after"), ("backward", "after"),
        ]  # fmt: skip


class TestBusyMachine:
    def test_a_cpu_hog_makes_the_run_invalid(self, bench: Bench) -> None:
        cores = len(os.sched_getaffinity(0))
        with busy(3 * cores) as start:

            def watch(_experiment: Experiment, progress: Progress) -> None:
                if progress.phase == "transfer":
                    start()

            bench.watch = watch
            # 4 s at the least: a bad second or two are forgiven.
            record = bench.run("workload.bytes=2500kB", "topology.path.upper.both.rate=5mbit")
        assert record.verdict == "invalid"
        of_machine = {breach.threshold for breach in record.breaches if breach.cause == "machine"}
        assert of_machine & {"idle_cpu", "cpu_pressure", "timer_late_p99", "timer_late_max"}
        assert record.validity["idle_cpu_min"] < 0.1
        assert any("the machine was busy" in reason and "[machine]" in reason for reason in record.reasons)

    def test_a_late_fault_makes_the_run_invalid(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        real = Faults.perform

        def late(self: Faults, action: Action) -> Outcome:
            time.sleep(0.04)
            return real(self, action)

        monkeypatch.setattr(Faults, "perform", late)
        bench.scenario += FAULT
        record = bench.run()
        assert record.verdict == "invalid"
        (breach,) = (breach for breach in record.breaches if breach.threshold == "fault_late")
        assert breach.cause == "machine"
        assert breach.measured is not None
        assert breach.measured >= 40
        assert breach.reason.startswith("fault slower happened ")

    def test_instruments_that_are_not_ready_in_time(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(experiment_module, "SMALLEST_LEAD_S", 0.0)
        monkeypatch.setattr(experiment_module, "LEAD_PER_SERVER_START", 0.0)
        record = bench.run()
        assert record.verdict == "invalid"
        assert record.outcome.ended_by == "error"
        assert "the instruments were ready" in record.reasons[0]
        assert "the machine is too busy" in record.reasons[0]


class TestEndpoints:
    def test_a_right_one_passes(self, bench: Bench) -> None:
        record = bench.run_forgiven()
        assert record.verdict == "pass", record.reasons
        assert record.metrics["bytes_received"] == 1 << 20
        assert [phase.name for phase in record.phases] == [
            "network", "calibrate before", "start", "transfer", "calibrate after",
        ]  # fmt: skip

    @pytest.mark.parametrize(
        ("code", "reason"),
        [
            (
                "print('a word before')\nsys.exit('the well is dry')",
                "client: failed with exit status 1: the well is dry",
            ),
            (
                "tell('received', bytes=10); tell('done', bytes=1048576, sha256='0' * 64)",
                "client.events.jsonl:2: ",
            ),
            (
                "tell('received', bytes=1048576); tell('done', bytes=1048576, sha256='0' * 64)",
                "the receiver's SHA-256 is not the payload's",
            ),
            ("tell('received', bytes=10); tell('done', bytes=10, sha256='0' * 64)", "10 of 1048576 bytes arrived"),
            ("say('no json'); time.sleep(20)", "client.events.jsonl:1: "),
        ],
        ids=["crash", "false_sum", "false_hash", "too_few", "broken_line"],
    )
    def test_a_wrong_one_fails(self, bench: Bench, code: str, reason: str) -> None:
        bench.endpoint = endpoint_file(client=program(bench.folder, code))
        record = bench.run_forgiven()
        assert record.verdict == "fail", record.reasons
        assert any(each.startswith(reason) for each in record.reasons), record.reasons

    def test_one_that_hangs_is_ended_at_the_limit(self, bench: Bench) -> None:
        bench.endpoint = endpoint_file(
            client=program(bench.folder, "print('waiting for rain', flush=True); time.sleep(60)")
        )
        record = bench.run_forgiven("workload.limit=1s")
        assert record.verdict == "fail"
        assert record.outcome.ended_by == "limit"
        assert 1 <= record.outcome.ended_s < 5
        assert record.outcome.client is not None
        assert record.outcome.client.status == "hung"
        assert "0 of 1048576 bytes arrived; the run was ended at the time limit" in record.reasons
        assert any(each.startswith("client: hung") and "waiting for rain" in each for each in record.reasons)

    def test_one_that_cannot_do_the_test_case(self, bench: Bench) -> None:
        bench.endpoint = endpoint_file(client=program(bench.folder, "sys.exit(127)"))
        record = bench.run()
        assert record.verdict == "unsupported"
        assert record.reasons == ["the client of mine says that it cannot do this test case (exit 127)"]

    @pytest.mark.parametrize(
        ("wrong", "reason"),
        [
            ({"client": '["./nothing"]'}, "client: cannot start "),
            ({"server": '["./nothing"]'}, "server: cannot start "),
        ],
        ids=["no_client", "no_server"],
    )
    def test_one_that_does_not_start(self, bench: Bench, wrong: dict[str, str], reason: str) -> None:
        bench.endpoint = endpoint_file(**wrong)
        record = bench.run_forgiven()
        assert record.verdict == "fail", record.reasons
        assert record.reasons[0].startswith(reason)
        assert "Traceback" not in "".join(record.reasons)

    def test_the_end_of_a_servers_log_is_told(self, bench: Bench) -> None:
        bench.endpoint = endpoint_file(server=program(bench.folder, "sys.exit('the port is taken')"))
        record = bench.run_forgiven()
        assert record.verdict == "fail"
        assert record.reasons[0].startswith("server: failed with exit status 1")
        assert "the port is taken" in record.reasons[0]


class TestExpectedStall:
    """A run in which nothing works must not look like one that stalled as it should."""

    @pytest.mark.parametrize("role", ["client", "server"])
    def test_endpoints_that_do_not_work_at_all(self, bench: Bench, role: str) -> None:
        bench.scenario = changed(SCENARIO, "hash_equal", "stalls") + FAULT
        bench.endpoint = endpoint_file(**{role: program(bench.folder, "sys.exit('the well is dry')")})
        record = bench.run_forgiven()
        assert record.verdict == "fail"
        assert any("the well is dry" in reason for reason in record.reasons)
        assert any("the transfer did not even begin" in reason for reason in record.reasons)

    def test_a_crash_before_the_first_fault(self, bench: Bench) -> None:
        bench.scenario = changed(SCENARIO, "hash_equal", "stalls") + changed(FAULT, "100ms", "5s")
        bench.endpoint = endpoint_file(client=program(bench.folder, "tell('received', bytes=10); sys.exit('no more')"))
        record = bench.run_forgiven()
        assert record.verdict == "fail"
        assert "client: failed with exit status 1: no more" in record.reasons


class TestInterrupt:
    def test_keeps_what_was_measured(self, bench: Bench) -> None:
        def watch(experiment: Experiment, progress: Progress) -> None:
            if progress.received > 200_000:
                experiment.interrupt()

        bench.watch = watch
        record = bench.run("workload.bytes=30MiB")
        assert record.verdict == "invalid"
        assert record.outcome.ended_by == "interrupt"
        assert record.reasons[0].startswith("interrupted after ")
        assert 200_000 < record.metrics["bytes_received"] < 30 << 20
        assert sum(int(row["bytes"]) for row in bench.rows("goodput.csv")) == record.metrics["bytes_received"]
        assert bench.rows("paths.csv")
        assert [phase.name for phase in record.phases][-1] == "transfer"


class TestLosses:
    def test_packets_are_counted_from_the_transfer_on(self, bench: Bench) -> None:
        bench.topology += '[path.backward]\nloss = { model = "indexes", packets = [4, 9, 20] }\n'
        bench.topology = changed(
            bench.topology,
            'both = { rate = "25mbit", delay = "10ms" }',
            'forward = { rate = "25mbit", delay = "10ms" }',
        ).replace("[path.backward]\n", '[path.backward]\nrate = "25mbit"\ndelay = "10ms"\n')
        record = bench.run_forgiven()
        assert record.metrics["sha256_ok"] is True, record.reasons
        lost = [int(row["lost"]) for row in bench.rows("paths.csv") if row["direction"] == "backward"]
        # The calibration has lost those of its own; without a new count the transfer would lose none.
        assert lost[0] > 0
        assert lost[-1] == lost[0] + 3

    def test_choices_start_anew_after_the_calibration(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        done: list[str] = []
        real = Elements.restart

        def restart(self: Elements) -> None:
            done.append("restart")
            real(self)

        monkeypatch.setattr(Elements, "restart", restart)

        def watch(_experiment: Experiment, progress: Progress) -> None:
            if progress.elapsed_s is None:
                done.append(progress.phase)

        bench.watch = watch
        bench.run("workload.bytes=64KiB")
        assert done == ["network", "calibrate before", "restart", "start", "transfer", "calibrate after", "judge"]


class TestRefusals:
    @pytest.mark.parametrize(
        ("assignment", "words"),
        [
            ("workload.congestion=nonesuch", ("congestion control nonesuch", "it has: ")),
            ("sysctl.net.ipv4.tcp_nonesuch=1", ("net.ipv4.tcp_nonesuch = 1", "node client")),
            ("sysctl.net.ipv4.tcp_sack=many", ("net.ipv4.tcp_sack = many", "node client")),
        ],
    )
    def test_a_setting_that_the_kernel_does_not_take(
        self, bench: Bench, assignment: str, words: tuple[str, ...]
    ) -> None:
        key, _, value = assignment.partition("=")
        if key.startswith("sysctl."):
            bench.scenario += f"[sysctl]\n{json.dumps(key.removeprefix('sysctl.'))} = {json.dumps(value)}\n"
            record = bench.run()
        else:
            record = bench.run(assignment)
        assert record.verdict == "invalid"
        assert record.clock_zero_ns == 0  # so that nobody tries again
        (reason,) = record.reasons
        assert reason.startswith("the harness could not go on: ")
        for word in words:
            assert word in reason
        assert "Traceback" not in reason
