"""What the machine can do, found by trying."""

import json
import os
import shutil
import socket
import subprocess
import sys
from typing import Any

import pytest

from harness.elements import available_elements
from harness.network.namespaces import CommandFailed
from harness.run import capabilities
from harness.sandbox import Finding

pytestmark = pytest.mark.sandbox


def found(name: str) -> Finding:
    return next(each for each in capabilities.probe() if each.name == name)


class TestProbe:
    def test_everything_is_tried_once_and_what_lacks_has_a_remedy(self) -> None:
        findings = capabilities.probe()
        names = [each.name for each in findings]
        assert len(set(names)) == len(names)
        assert {"programs", "Mininet", "element netem", "element nfqueue", "Multipath TCP", "clock and timer"} <= set(
            names
        )
        for each in findings:
            assert each.detail
            assert bool(each.remedy) is not each.ok

    def test_it_agrees_with_what_runs_take(self) -> None:
        usable = {each.name: each.ok for each in capabilities.probe()}
        assert usable["element nfqueue"] is (available_elements().nfqueue is None)
        assert usable["element netem"] is (available_elements().netem is None)

    def test_it_leaves_nothing(self) -> None:
        before = set(os.listdir("/sys/class/net"))
        capabilities.probe()
        assert set(os.listdir("/sys/class/net")) == before

    def test_as_a_program(self) -> None:
        command = [sys.executable, "-m", "harness.run.capabilities"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        printed = [Finding(**each) for each in json.loads(done.stdout)]
        assert [each.name for each in printed] == [each.name for each in capabilities.probe()]


class TestLacks:
    def test_programs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(shutil, "which", lambda name, path: None if name == "iperf3" else name)
        each = found("programs")
        assert each == Finding("programs", False, True, "missing: iperf3", "run script/bootstrap")

    def test_rate_shaping(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(pid: int, argv: list[str], **_: Any) -> str:
            raise CommandFailed(f"{argv[0]}: Operation not supported")

        monkeypatch.setattr(capabilities, "run_in", refuse)
        each = found("rate shaping (veth, tbf)")
        assert (each.ok, each.required) == (False, True)
        assert "Operation not supported" in each.detail
        assert "CONFIG_NET_SCH_TBF" in each.remedy
        assert found("Multipath TCP").required is False

    def test_both_elements(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Neither:
            netem = nfqueue = "the kernel has none"

            def names(self) -> list[str]:
                return []

        monkeypatch.setattr(capabilities, "available_elements", Neither)
        each = found("delay and loss")
        assert (each.ok, each.required) == (False, True)

    def test_a_protocol_that_the_kernel_does_not_have(self, monkeypatch: pytest.MonkeyPatch) -> None:
        real = socket.socket

        def without_mptcp(family: int = -1, kind: int = -1, proto: int = -1, **options: Any) -> socket.socket:
            if proto == capabilities.IPPROTO_MPTCP:
                raise OSError(93, "Protocol not supported")
            return real(family, kind, proto, **options)

        monkeypatch.setattr(socket, "socket", without_mptcp)
        for name in ("Multipath TCP", "Multipath TCP with Fast Open"):
            each = found(name)
            assert (each.ok, each.required) == (False, False)
            assert "Protocol not supported" in each.detail
            assert each.remedy

    def test_a_late_timer(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(capabilities, "percentile", lambda _values, _share: 25e6)
        each = found("clock and timer")
        assert not each.ok
        assert "25.00 ms" in each.detail
