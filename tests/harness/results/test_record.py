"""run.json: what it says, and one clear error for each way in which it can be broken."""

import json
from pathlib import Path

import pytest

from harness.results import BrokenRun, find_runs, read_record
from harness.results.record import ProcessEnd, RunRecord
from harness.results.writer import write_record
from tests.support.synthetic import Synthetic

CONTRACT = {
    "schema", "scenario", "topology", "endpoint", "seed", "element", "verdict", "reasons", "metrics", "validity",
    "environment", "started", "duration_s", "specification", "run_id", "attempt", "values", "faults", "phases",
    "figures",
}  # fmt: skip


def stored(tmp_path: Path) -> tuple[Path, RunRecord]:
    folder, record = Synthetic(probes=False).write(tmp_path)
    write_record(folder, record)
    return folder, record


class TestContract:
    def test_keys(self, tmp_path: Path) -> None:
        folder, _ = stored(tmp_path)
        assert set(json.loads((folder / "run.json").read_text())) >= CONTRACT

    def test_reading_gives_what_was_written(self, tmp_path: Path) -> None:
        folder, record = stored(tmp_path)
        assert read_record(folder) == record

    def test_unknown_keys_are_kept(self, tmp_path: Path) -> None:
        folder, record = stored(tmp_path)
        write_record(folder, RunRecord.model_validate({**json.loads(record.to_json()), "note": "mine"}))
        assert json.loads(read_record(folder).to_json())["note"] == "mine"

    def test_specification_is_enough_to_run_again(self, tmp_path: Path) -> None:
        folder, _ = stored(tmp_path)
        record = read_record(folder)
        assert record.read_scenario().workload.bytes == 20_000_000
        assert [path.name for path in record.read_topology().path] == ["upper", "lower"]
        assert "multipath" in record.capabilities

    def test_process_end_from_a_supervisor(self) -> None:
        from harness.endpoints.process import Outcome, Status

        outcome = Outcome(
            role="client", status=Status.FAILED, exit_code=2, signal=None, seconds=1.5, message="client: exit 2",
            log_end=("boom",),
        )  # fmt: skip
        end = ProcessEnd.model_validate(outcome, from_attributes=True)
        assert (end.status, end.exit_code, end.log_end) == ("failed", 2, ["boom"])


class TestBroken:
    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("{", "not JSON"),
            ("[]", "not a JSON object"),
            ('{"schema": 99}', "reads schema 1"),
            ('{"schema": 1}', "run_id: Field required"),
        ],
    )
    def test_broken_file(self, tmp_path: Path, text: str, message: str) -> None:
        (tmp_path / "run.json").write_text(text)
        with pytest.raises(BrokenRun, match="run") as caught:
            read_record(tmp_path)
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_no_file(self, tmp_path: Path) -> None:
        with pytest.raises(BrokenRun, match=r"no run\.json"):
            read_record(tmp_path)
        with pytest.raises(BrokenRun, match="no such run directory"):
            read_record(tmp_path / "nowhere")

    def test_specification_of_another_version(self, tmp_path: Path) -> None:
        _, record = stored(tmp_path)
        with pytest.raises(BrokenRun, match=r"no specification\.topology"):
            record.model_copy(update={"specification": {}}).read_topology()
        broken = record.model_copy(update={"specification": {"scenario": {"name": 5}}})
        with pytest.raises(BrokenRun, match=r"specification\.scenario in run\.json: name"):
            broken.read_scenario()


class TestFinding:
    def test_all_below_a_folder_in_natural_order(self, tmp_path: Path) -> None:
        for run in ("abc", "abc-2", "abc-10", "abc-9"):
            (tmp_path / "failover" / run).mkdir(parents=True)
            (tmp_path / "failover" / run / "run.json").write_text("{}")
        assert [path.name for path in find_runs(tmp_path)] == ["abc", "abc-2", "abc-9", "abc-10"]

    def test_unfinished_runs_are_found_and_others_not(self, tmp_path: Path) -> None:
        (tmp_path / "s" / "unfinished").mkdir(parents=True)
        (tmp_path / "s" / "unfinished" / "goodput.csv").touch()
        (tmp_path / "s" / "else").mkdir()
        (tmp_path / "s" / "else" / "notes.txt").touch()
        assert [path.name for path in find_runs(tmp_path)] == ["unfinished"]

    def test_a_run_directory_itself(self, tmp_path: Path) -> None:
        folder, _ = stored(tmp_path)
        assert list(find_runs(folder)) == [folder]

    def test_no_such_folder(self, tmp_path: Path) -> None:
        with pytest.raises(BrokenRun, match="no such folder"):
            list(find_runs(tmp_path / "nowhere"))
