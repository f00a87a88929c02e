"""What run.json says of the machine and of the source."""

import shutil
import subprocess
from pathlib import Path

import pytest

from harness.elements import Elements
from harness.network.emulation import Emulation
from harness.run import describe
from harness.spec.loader import load_topology


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=n", "-c", "user.email=e@example.org")
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    git(tmp_path, "init", "-q")
    (tmp_path / "file").write_text("one")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "-q", "-m", "first")
    monkeypatch.setattr(describe, "PROJECT", tmp_path)
    return tmp_path


class TestSourceState:
    def test_commit_without_changes(self, checkout: Path) -> None:
        (checkout / "not_of_the_project").write_text("")
        state = describe.source_state()
        assert len(state["git_commit"]) == 40
        assert state["git_changed"] is False

    def test_changes_are_told(self, checkout: Path) -> None:
        (checkout / "file").write_text("two")
        assert describe.source_state()["git_changed"] is True

    def test_nothing_outside_a_checkout(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(describe, "PROJECT", tmp_path)
        assert describe.source_state() == {}

    def test_nothing_before_the_first_commit(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        git(tmp_path, "init", "-q")
        monkeypatch.setattr(describe, "PROJECT", tmp_path)
        assert describe.source_state() == {}

    def test_nothing_without_git(self, checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(shutil, "which", lambda _name: None)
        assert describe.source_state() == {}


class TestMachine:
    def test_everything_is_known_here(self) -> None:
        found = describe.machine()
        assert found["cpus"] >= 1
        assert found["memory_mib"] > 100
        assert found["kernel"]
        assert found["cpu"]
        assert found["user"] in ("root", "ordinary user")
        assert set(found["versions"]) == {
            "python", "harness", "mininet", "iproute2", "iperf3", "ethtool", "iptables",
        }  # fmt: skip
        assert all(version != "absent" for version in found["versions"].values())

    def test_a_program_that_is_not_there(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        versions = describe.machine()["versions"]
        assert versions["iperf3"] == versions["iproute2"] == "absent"


@pytest.mark.sandbox
def test_qdiscs_of_the_middle_nodes() -> None:
    topology = load_topology("two_paths")
    with (
        Emulation(topology) as emulation,
        Elements.setup(list(emulation.paths.values()), topology.links(), element="nfqueue", seed=1),
    ):
        found = describe.qdiscs(emulation.paths)
    assert set(found) == {"uppera", "upperb", "lowera", "lowerb"}
    for lines in found.values():
        assert any("tbf" in line and "25Mbit" in line for line in lines)
