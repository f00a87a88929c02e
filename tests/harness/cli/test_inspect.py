"""Tests of harness.cli.inspect, through the program as a user types it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness.spec.loader import PROJECT, names
from harness.spec.schemas import KINDS
from tests.support.specs import SCENARIO, TOPOLOGY, changed, scenario_file

PROGRAM = "import sys; from harness.cli import main; sys.argv[0] = 'harness'; main()"


def harness(*arguments: str, cwd: Path = PROJECT) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PROGRAM, *arguments]
    environment = {"PYTHONPATH": str(PROJECT), "PATH": "/usr/bin:/bin", "COLUMNS": "200", "LANG": "C.UTF-8"}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=60, check=False)


def refused(*arguments: str, cwd: Path) -> list[str]:
    """Return the lines of a refusal: exit code 2, each line the program's, no traceback, nothing on standard output."""
    done = harness(*arguments, cwd=cwd)
    assert (done.returncode, done.stdout) == (2, "")
    lines = done.stderr.splitlines()
    assert all(line.startswith("harness: ") for line in lines)
    return [line.removeprefix("harness: ") for line in lines]


class TestValidate:
    def test_all_bundled_files(self) -> None:
        done = harness("validate")
        count = sum(len(names(kind)) for kind in KINDS)
        assert (done.returncode, done.stdout, done.stderr) == (0, f"{count} specifications are right\n", "")

    def test_by_name_and_by_file(self, tmp_path: Path) -> None:
        scenario_file(tmp_path)
        scenario_file(tmp_path, TOPOLOGY, "t.toml")
        done = harness("validate", "s.toml", "./t.toml", "failover", "two_paths", "tcp", cwd=tmp_path)
        assert (done.returncode, done.stdout) == (0, "5 specifications are right\n")

    @pytest.mark.parametrize(
        ("text", "old", "new", "expected"),
        [
            (SCENARIO, '"10s"', '"10 sec"', "x.toml:7: workload.limit: 'sec' is not a unit of a duration; allowed: ns"),
            (SCENARIO, '"10s"', "10", "x.toml:7: workload.limit: 10 has no unit; write a duration as text, such as '2"),
            (SCENARIO, "[workload]", "x = 1\n[workload]", "x.toml:5: x: is not a key that is known here; allowed: des"),
            (SCENARIO, '"two_paths"', '"nets/x.toml"', "x.toml:2: topology: nets/x.toml: no such file; give a topolog"),
            (SCENARIO, '"upper"', '"middle"', "x.toml:12: fault[0].path: path 'middle' does not exist in topology 'tw"),
            (TOPOLOGY, '"server"\nkind', '"client"\nkind', "x.toml:8: node[1].name: node 'client' is named twice; eve"),
            (TOPOLOGY, '"server"\nboth', '"x"\nboth', "x.toml:14: path[0].to: path 'upper' ends at node 'x', which do"),
            (TOPOLOGY, '"5mbit"', "5mbit", "x.toml:15: not TOML: "),
        ],
    )  # fmt: skip
    def test_one_line_for_each_fault(self, tmp_path: Path, text: str, old: str, new: str, expected: str) -> None:
        scenario_file(tmp_path, changed(text, old, new), "x.toml")
        (line,) = refused("validate", "x.toml", cwd=tmp_path)
        assert line.startswith(expected)

    def test_faults_of_several_files_are_told_at_once(self, tmp_path: Path) -> None:
        scenario_file(tmp_path, changed(SCENARIO, '"10s"', "10"))
        scenario_file(tmp_path, changed(TOPOLOGY, '"5mbit"', "5"), "t.toml")
        lines = refused("validate", "s.toml", "t.toml", "none.toml", "two_path", cwd=tmp_path)
        assert [line.split(": ")[0] for line in lines] == ["s.toml:7", "t.toml:15", "none.toml", "two_path"]
        assert "is 'two_paths' meant?" in lines[-1]

    @pytest.mark.parametrize("content", [b"", b"\xff\x00\xfe", b"a = " + b"[" * 9999])
    def test_files_that_are_none(self, tmp_path: Path, content: bytes) -> None:
        scenario_file(tmp_path, content, "x.toml")
        (line,) = refused("validate", "x.toml", cwd=tmp_path)
        assert line.startswith("x.toml: ")

    def test_an_endpoint_file(self, tmp_path: Path) -> None:
        scenario_file(tmp_path, 'name = "e"\nclient = ["c"]\nserver = ["s"]\ncapabilities = ["downlod"]\n', "e.toml")
        (line,) = refused("validate", "e.toml", cwd=tmp_path)
        assert line.startswith("e.toml:4: capabilities[0]: 'downlod' is not known; allowed: 'download',")


class TestRun:
    def test_wrong_assignments_are_told_before_anything_is_built(self, tmp_path: Path) -> None:
        (line,) = refused("run", "failover", "--set", "fault.knid=drop", cwd=tmp_path)
        assert line.startswith("--set: fault.knid: is not a key that is known here (is 'kind' meant?);")
        (line,) = refused("run", "failover", "--set", "fault.kind", cwd=tmp_path)
        assert line == "--set fault.kind: not an assignment; write KEY=VALUE, such as fault.kind=drop"

    def test_an_unknown_scenario(self, tmp_path: Path) -> None:
        (line,) = refused("run", "failovr", cwd=tmp_path)
        assert line.startswith("failovr: is no scenario (is 'failover' meant?);")


class TestList:
    def test_all_or_one_kind(self) -> None:
        done = harness("list")
        assert done.returncode == 0
        assert all(name in done.stdout for kind in KINDS for name in names(kind))
        one = harness("list", "topology").stdout
        assert "dual_stack" in one
        assert "failover" not in one


class TestSchema:
    def test_writes_one_for_each_kind(self, tmp_path: Path) -> None:
        assert harness("schema", str(tmp_path / "new" / "folder")).returncode == 0
        written = sorted((tmp_path / "new" / "folder").iterdir())
        assert [path.name for path in written] == [
            "endpoint.schema.json",
            "scenario.schema.json",
            "topology.schema.json",
        ]
        assert all(json.loads(path.read_text())["type"] == "object" for path in written)

    def test_a_place_that_cannot_be_written(self, tmp_path: Path) -> None:
        scenario_file(tmp_path)
        (line,) = refused("schema", "s.toml", cwd=tmp_path)
        assert line.startswith("s.toml: File exists")
