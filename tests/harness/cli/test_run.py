"""``run``, ``sweep`` and ``reproduce``: what is refused, what is carried out, and the exit codes."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest
from typer.testing import CliRunner, Result

from harness.cli import app
from harness.cli import run as run_module
from harness.results.record import Outcome, RunRecord
from harness.run.order import Progress
from harness.run.session import Finished
from harness.spec.errors import SpecificationError
from harness.spec.plan import PlannedRun
from tests.harness.cli.test_inspect import refused
from tests.support import quick_runs
from tests.support.specs import SCENARIO, scenario_file
from tests.support.synthetic import Synthetic


@dataclass
class FakeSession:
    """Stands for the session: each planned run ends with the verdicts that are prepared for it, one per attempt."""

    results: Path
    attempts: int
    pcap: bool
    shell_on_fail: bool
    progress: Callable[[Progress], None]
    interrupted: bool = False
    planned: list[PlannedRun] = field(default_factory=list)

    verdicts: ClassVar[list[list[str]]] = [["pass"]]
    lacking: ClassVar[str | None] = None
    interrupt_after: ClassVar[int] = 99
    made: ClassVar[list[Any]] = []

    def __post_init__(self) -> None:
        FakeSession.made.append(self)

    def run(self, planned: PlannedRun) -> Iterator[Finished]:
        self.planned.append(planned)
        number = len(self.planned)
        for attempt, verdict in enumerate(self.verdicts[(number - 1) % len(self.verdicts)], start=1):
            record = RunRecord.model_validate({
                "run_id": planned.run_id, "scenario": planned.scenario.name, "topology": planned.topology.name,
                "endpoint": planned.endpoint.name, "seed": planned.seed, "attempt": attempt, "verdict": verdict,
                "reasons": [] if verdict == "pass" else ["for a reason"], "specification": planned.specification,
                "outcome": Outcome(lacking=self.lacking), "values": planned.values,
            })  # fmt: skip
            self.interrupted = number >= self.interrupt_after
            yield Finished(self.results / planned.scenario.name / f"{planned.run_id}-{attempt}", record)

    def interrupt(self) -> None:
        self.interrupted = True


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> type[FakeSession]:
    for name, value in (("made", []), ("verdicts", [["pass"]]), ("lacking", None), ("interrupt_after", 99)):
        monkeypatch.setattr(FakeSession, name, value)
    monkeypatch.setattr(run_module, "Session", FakeSession)
    monkeypatch.setattr(run_module, "resolve", lambda name: "nfqueue" if name == "auto" else name)
    return FakeSession


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments])


def run(folder: Path, *arguments: str) -> Result:
    return invoke("run", scenario_file(folder), "--no-figures", "--out", str(folder / "out"), *arguments)


class TestExitCode:
    @pytest.mark.parametrize(
        ("verdicts", "code"),
        [
            ([["pass"]], 0),
            ([["fail"]], 1),
            ([["invalid", "invalid", "invalid"]], 3),
            ([["unsupported"]], 0),
            ([["pass"], ["fail"], ["invalid"]], 1),
            ([["pass"], ["invalid"]], 3),
            # The last attempt is the one that counts.
            ([["invalid", "pass"]], 0),
            ([["invalid", "invalid", "fail"]], 1),
            ([["pass"], ["invalid", "pass"]], 0),
        ],
    )
    def test_of_verdicts(
        self, session: type[FakeSession], tmp_path: Path, verdicts: list[list[str]], code: int
    ) -> None:
        session.verdicts = verdicts
        done = run(tmp_path, "--repeat", str(len(verdicts)))
        assert done.exit_code == code, done.output
        assert len(session.made[0].planned) == len(verdicts)

    def test_of_a_machine_that_lacks_something(self, session: type[FakeSession], tmp_path: Path) -> None:
        session.verdicts, session.lacking = [["unsupported"]], "no Multipath TCP"
        assert run(tmp_path).exit_code == 4

    def test_of_an_interrupt(self, session: type[FakeSession], tmp_path: Path) -> None:
        session.verdicts, session.interrupt_after = [["invalid"]], 2
        done = run(tmp_path, "--repeat", "5")
        assert done.exit_code == 130
        assert len(session.made[0].planned) == 2


class TestOptions:
    def test_reach_the_session(self, session: type[FakeSession], tmp_path: Path) -> None:
        run(tmp_path, "--attempts", "7", "--pcap", "--on-fail", "shell", "--repeat", "2", "--seed", "40")
        (made,) = session.made
        assert (made.attempts, made.pcap, made.shell_on_fail) == (7, True, True)
        assert made.results == tmp_path / "out"
        assert [each.seed for each in made.planned] == [40, 41]

    def test_assignments_and_endpoints(self, session: type[FakeSession], tmp_path: Path) -> None:
        run(tmp_path, "--set", "workload.bytes=3MiB", "--endpoint", "tcp,tls")
        planned = session.made[0].planned
        assert [each.endpoint.name for each in planned] == ["tcp", "tls"]
        assert {each.scenario.workload.bytes for each in planned} == {3 << 20}

    def test_json(self, session: type[FakeSession], tmp_path: Path) -> None:
        session.verdicts = [["invalid", "fail"]]
        done = run(tmp_path, "--json")
        records = json.loads(done.stdout)
        assert [each["attempt"] for each in records] == [1, 2]
        assert [each["verdict"] for each in records] == ["invalid", "fail"]
        for record in records:
            assert record["directory"].startswith(f"{tmp_path}/out/mine/{record['run_id']}")
            assert {"schema", "metrics", "validity", "reasons", "specification", "outcome"} <= set(record)
            directory = record.pop("directory")
            assert RunRecord.model_validate(record).run_id in directory

    def test_table(self, session: type[FakeSession], tmp_path: Path) -> None:
        session.verdicts = [["fail"]]
        done = run(tmp_path)
        assert "verdict" in done.stdout.splitlines()[0]
        assert "for a reason" in done.stdout

    @pytest.mark.parametrize(
        "arguments",
        [("--attempts", "0"), ("--attempts", "11"), ("--repeat", "0"), ("--seed", "-1"), ("--element", "x")],
    )
    def test_out_of_range(self, session: type[FakeSession], tmp_path: Path, arguments: tuple[str, str]) -> None:
        done = run(tmp_path, *arguments)
        assert done.exit_code == 2
        assert arguments[0] in done.output
        assert not session.made


class TestSweep:
    def test_axes_multiply(self, session: type[FakeSession], tmp_path: Path) -> None:
        done = invoke(
            "sweep", scenario_file(tmp_path), "--out", str(tmp_path), "--json",
            "--vary", "fault.at=1s,2s", "--vary", "topology.path.lower.both.delay=10ms,40ms,80ms",
        )  # fmt: skip
        assert done.exit_code == 0, done.output
        planned = session.made[0].planned
        assert len(planned) == len({each.run_id for each in planned}) == 6
        assert {each.values["fault.at"] for each in planned} == {"1s", "2s"}
        assert {each.topology.path[1].forward.delay for each in planned} == {0.01, 0.04, 0.08}

    @pytest.mark.parametrize("text", ["fault.at", "fault.at=", "fault.at=1s,,2s", "fault.at=1s,"])
    def test_an_axis_that_is_none(self, tmp_path: Path, text: str) -> None:
        done = invoke("sweep", scenario_file(tmp_path), "--vary", text)
        assert isinstance(done.exception, SpecificationError)
        assert str(done.exception) == f"--vary {text}: write KEY=VALUE,VALUE, such as fault.at=1s,2s"

    def test_a_wrong_value_names_the_axis(self, tmp_path: Path) -> None:
        scenario_file(tmp_path)
        lines = refused("sweep", "s.toml", "--vary", "fault.at=1s,soon", cwd=tmp_path)
        assert any(line.startswith("--vary") and "soon" in line for line in lines)


class TestReproduce:
    def test_the_same_specification_again(self, session: type[FakeSession], tmp_path: Path) -> None:
        run(tmp_path, "--seed", "5")
        planned = session.made[0].planned[0]
        record = next(FakeSession(tmp_path, 1, False, False, lambda _: None).run(planned)).record
        folder = tmp_path / "stored"
        folder.mkdir()
        (folder / "run.json").write_text(record.to_json())
        session.made.clear()
        done = invoke("reproduce", str(folder), "--out", str(tmp_path / "again"), "--json")
        assert done.exit_code == 0, done.output
        (again,) = session.made[0].planned
        assert again.run_id == planned.run_id
        assert again.specification == planned.specification

    def test_something_that_is_no_run(self, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        (line,) = refused("reproduce", "empty", cwd=tmp_path)
        assert line == "empty: no run.json: the run did not come to its end, or this is no run directory"
        (line,) = refused("reproduce", "absent", cwd=tmp_path)
        assert line == "absent: there is no such run directory"

    @pytest.mark.parametrize("text", ["", "{", "[1]", '{"schema": 1}', '{"schema": 999}'])
    def test_a_broken_record(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "run.json").write_text(text)
        (line,) = refused("reproduce", ".", cwd=tmp_path)
        assert "run.json" in line

    @pytest.mark.parametrize("part", ["scenario", "topology", "endpoint"])
    def test_a_record_whose_specification_is_broken(self, tmp_path: Path, part: str) -> None:
        folder, record = Synthetic().write(tmp_path)
        endpoint = {"name": "mine", "client": ["c"], "server": ["s"], "capabilities": ["download"]}
        specification: dict[str, Any] = {**record.specification, "endpoint": endpoint, part: {"name": 1}}
        (folder / "run.json").write_text(record.model_copy(update={"specification": specification}).to_json())
        for line in refused("reproduce", str(folder), cwd=tmp_path):
            assert part in line


class TestRefusals:
    @pytest.mark.parametrize(
        ("assignment", "words"),
        [
            ("workload.byte=1MiB", "is 'bytes' meant?"),
            ("workload.bytes=much", "much"),
            ("topology.path.middle.both.delay=1ms", "middle"),
            ("=1", "not an assignment"),
        ],
    )
    def test_wrong_assignments(self, tmp_path: Path, assignment: str, words: str) -> None:
        lines = refused("run", "failover_quick", "--set", assignment, cwd=tmp_path)
        assert any(words in line for line in lines)
        assert all(line.startswith("--set") for line in lines)

    def test_an_endpoint_that_is_not_there(self, tmp_path: Path) -> None:
        (line,) = refused("run", "failover_quick", "--endpoint", "mptpc", cwd=tmp_path)
        assert "is 'mptcp' meant?" in line

    def test_results_in_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        done = quick_runs.run("run", scenario_file(tmp_path, SCENARIO), "--out", str(tmp_path / "file"))
        assert done.returncode == 2
        assert done.stderr == f"harness: {tmp_path}/file/mine: Not a directory\n"
