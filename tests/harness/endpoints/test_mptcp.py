"""The kernel's path manager: commands, parsing, missing features; and for real in a sandbox."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.endpoints.mptcp import (
    MissingFeature,
    MptcpEndpoint,
    PathManager,
    difference,
    parse_counters,
    parse_endpoints,
    read_counters,
    set_up_node,
)
from harness.network.namespaces import CommandFailed

SHOWN = """10.0.1.1 id 1 subflow dev client-eth0
10.0.2.1 id 2 subflow backup dev client-eth1
fd00::1 id 3 signal
"""


class Recorder:
    """Stands for a node: records commands, answers some of them."""

    def __init__(self, *, enabled: str = "1\n", failing: str = "") -> None:
        self.commands: list[str] = []
        self._enabled = enabled
        self._failing = failing

    def __call__(self, argv: Sequence[str]) -> str:
        command = " ".join(argv)
        self.commands.append(command)
        if self._failing and self._failing in command:
            raise CommandFailed(f"{command}: refused")
        if argv[0] == "cat":
            return self._enabled
        return SHOWN if command.endswith("endpoint show") else ""


class TestCommands:
    @pytest.mark.parametrize(("mode", "backup"), [("active", ""), ("backup", " backup")])
    def test_set_up(self, mode: str, backup: str) -> None:
        run = Recorder()
        set_up_node(PathManager(run, "client"), [("10.0.1.1", "eth0"), ("10.0.2.1", "eth1")], mode=mode)
        assert run.commands[2:] == [
            "ip mptcp limits set subflows 8 add_addr_accepted 8",
            "ip mptcp endpoint add 10.0.1.1 dev eth0 subflow",
            f"ip mptcp endpoint add 10.0.2.1 dev eth1 subflow{backup}",
        ]

    def test_remove_by_id(self) -> None:
        run = Recorder()
        PathManager(run, "client").remove("10.0.2.1")
        assert run.commands[-1] == "ip mptcp endpoint delete id 2"
        with pytest.raises(KeyError, match=r"node client: .* no endpoint 10.0.3.1"):
            PathManager(run, "client").remove("10.0.3.1")

    def test_impossible_arguments(self) -> None:
        manager = PathManager(Recorder(), "client")
        with pytest.raises(ValueError, match="between 0 and 8"):
            manager.set_limits(subflows=9)
        with pytest.raises(ValueError, match="not both"):
            manager.add("10.0.1.1", "eth0", signal=True, fullmesh=True)


class TestMissing:
    @pytest.mark.parametrize(
        ("run", "said"),
        [
            (Recorder(failing="cat"), "node client: the kernel has no Multipath TCP"),
            (Recorder(enabled="0\n"), "node client: Multipath TCP is switched off"),
            (Recorder(failing="limits show"), "node client: 'ip mptcp' does not work; install iproute2"),
        ],
    )
    def test_is_named(self, run: Recorder, said: str) -> None:
        with pytest.raises(MissingFeature, match=said):
            PathManager(run, "client").check()


class TestParsing:
    def test_endpoints(self) -> None:
        first, second, third = parse_endpoints(SHOWN)
        assert first == MptcpEndpoint(address="10.0.1.1", id=1, flags=frozenset({"subflow"}), interface="client-eth0")
        assert second.flags == {"subflow", "backup"}
        assert (third.address, third.flags, third.interface) == ("fd00::1", frozenset({"signal"}), None)

    def test_strange_line(self) -> None:
        with pytest.raises(ValueError, match="cannot read the line"):
            parse_endpoints("what is this")

    def test_counters(self) -> None:
        text = "TcpExt: A B\nTcpExt: 1 2\nMPTcpExt: MPJoinSynTx MPJoinSynRx\nMPTcpExt: 3 4\n"
        assert parse_counters(text) == {"MPJoinSynTx": 3, "MPJoinSynRx": 4}
        assert parse_counters(text, "TcpExt") == {"A": 1, "B": 2}
        assert parse_counters("TcpExt: A\nTcpExt: 1\n") == {}
        assert difference({"A": 1, "B": 2}, {"A": 1, "B": 5, "C": 1}) == {"B": 3, "C": 1}


@pytest.mark.sandbox
class TestForReal:
    def test_endpoints_come_and_go(self) -> None:
        subprocess.run(["ip", "link", "add", "left", "type", "veth", "peer", "name", "right"], check=True)
        for number, interface in ((1, "left"), (2, "right")):
            subprocess.run(["ip", "address", "add", f"10.9.{number}.1/24", "dev", interface], check=True)
        manager = PathManager.for_process(os.getpid(), "client")
        set_up_node(manager, [("10.9.1.1", "left"), ("10.9.2.1", "right")], mode="backup")
        assert [(e.address, e.interface, e.flags) for e in manager.endpoints()] == [
            ("10.9.1.1", "left", frozenset({"subflow"})),
            ("10.9.2.1", "right", frozenset({"subflow", "backup"})),
        ]
        with pytest.raises(CommandFailed):
            manager.add("10.9.1.1", "left")
        manager.set_backup("10.9.2.1", backup=False)
        assert manager.endpoints()[1].flags == {"subflow"}
        manager.remove("10.9.1.1")
        assert [e.address for e in manager.endpoints()] == ["10.9.2.1"]
        manager.flush()
        assert manager.endpoints() == []

    def test_counters(self) -> None:
        assert read_counters(os.getpid())["MPJoinSynTx"] == 0
        assert parse_counters(Path("/proc/net/netstat").read_text(), "TcpExt")
