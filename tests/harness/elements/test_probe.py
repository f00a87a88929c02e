"""Trying the elements: commands, and what is said of the one that is missing."""

import json
import subprocess
import sys

import pytest

from harness.elements import available_elements, probe


class TestMissing:
    def test_programs(self, monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        reason, seeded = probe.probe_netem()
        assert reason is not None
        assert "the program tc is missing" in reason
        assert not seeded

    def test_netem(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(probe, "_attempt", lambda *_argv, **_environment: "Specified qdisc kind is unknown.")
        reason, seeded = probe.probe_netem()
        assert reason is not None
        assert "Specified qdisc kind is unknown." in reason
        assert "CONFIG_NET_SCH_NETEM" in reason
        assert not seeded

    def test_queues(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(_number: int) -> None:
            raise OSError(93, "Protocol not supported")

        monkeypatch.setattr(probe, "Queue", refuse)
        reason = probe.probe_nfqueue()
        assert reason is not None
        assert "Protocol not supported" in reason
        assert "CONFIG_NETFILTER_NETLINK_QUEUE" in reason

    @pytest.mark.parametrize("lacking", ["iptables", "ip6tables"])
    @pytest.mark.sandbox
    def test_rules(self, lacking: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(probe, "_attempt", lambda *argv, **_: "no such target" if argv[0] == lacking else None)
        reason = probe.probe_nfqueue()
        assert reason is not None
        assert reason.startswith(f"{lacking} cannot queue packets (no such target)")


@pytest.mark.sandbox
class TestForReal:
    def test_the_program_says_what_runs_go_by(self) -> None:
        command = ["unshare", "--net", sys.executable, "-m", "harness.elements.probe"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found, known = json.loads(done.stdout), available_elements()
        assert (found["netem"] is None) is (known.netem is None)
        assert (found["nfqueue"] is None) is (known.nfqueue is None)
        assert found["netem_seed"] is known.netem_seed

    def test_what_a_command_says(self) -> None:
        assert probe._attempt("true") is None
        assert probe._attempt("false") == "false: exit status 1"
        assert probe._attempt("sh", "-c", "echo no >&2; exit 2") == "no"
        assert probe._attempt("no-such-program") == "the program no-such-program is missing"
