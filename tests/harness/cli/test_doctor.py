"""``doctor``: findings, remedies and the exit code."""

import json

import pytest
from typer.testing import CliRunner, Result

from harness.cli import app, doctor
from harness.sandbox import Finding
from tests.harness.cli.test_inspect import harness

GOOD = Finding("private namespaces", True, True, "made in 5 ms")


def invoke(monkeypatch: pytest.MonkeyPatch, outside: list[Finding], inside: list[Finding], *words: str) -> Result:
    monkeypatch.setattr(doctor, "check", lambda: outside)
    monkeypatch.setattr(doctor, "_inside", lambda: inside)
    return CliRunner().invoke(app, ["doctor", *words], env={"COLUMNS": "200"})


class TestForReal:
    def test_json(self) -> None:
        done = harness("doctor", "--json")
        assert done.returncode in (0, 4), done.stderr
        found = json.loads(done.stdout)
        names = {each["name"] for each in found}
        assert {"private namespaces", "programs", "Mininet", "element nfqueue", "clock and timer"} <= names
        assert all(set(each) == {"name", "ok", "required", "detail", "remedy"} for each in found)
        lacking = any(each["required"] and not each["ok"] for each in found)
        assert done.returncode == (4 if lacking else 0)


class TestFindings:
    def test_what_is_lacking_and_needed_is_exit_code_4(self, monkeypatch: pytest.MonkeyPatch) -> None:
        lack = Finding("Mininet", False, True, "no module", "run script/bootstrap")
        done = invoke(monkeypatch, [GOOD], [lack])
        assert done.exit_code == 4
        (line,) = (line for line in done.stdout.splitlines() if "Mininet" in line)
        assert "no module" in line
        assert "run script/bootstrap" in line

    def test_what_is_only_better_to_have_is_not(self, monkeypatch: pytest.MonkeyPatch) -> None:
        lack = Finding("element netem", False, False, "no sch_netem", "take another kernel")
        done = invoke(monkeypatch, [GOOD], [lack])
        assert done.exit_code == 0
        assert "take another kernel" in done.stdout

    def test_without_a_sandbox_nothing_is_tried_in_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        refused = Finding("private namespaces", False, True, "forbidden", "allow it")
        never = Finding("never", True, True, "tried")
        done = invoke(monkeypatch, [refused], [never], "--json")
        assert done.exit_code == 4
        assert [each["name"] for each in json.loads(done.stdout)] == ["private namespaces"]
