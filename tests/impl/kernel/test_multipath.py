"""Multipath TCP, congestion control and broken connections between two nodes in a sandbox."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.endpoints.mptcp import PathManager, difference, read_counters, set_up_node
from harness.endpoints.process import Status
from harness.network.namespaces import run_in
from tests.impl.contract.transfers import setting, transfer

pytestmark = pytest.mark.sandbox

SERVER = "10.1.0.2"


@pytest.fixture
def server_pid() -> Iterator[int]:
    """A second node, joined to this one by two IPv4 links and one IPv6 link."""
    with contextlib.ExitStack() as stack:
        ours = os.readlink("/proc/self/ns/net")
        node = stack.enter_context(
            subprocess.Popen(["unshare", "--net", "--", "sh", "-c", "echo up; exec sleep 1000"], stdout=subprocess.PIPE)
        )
        stack.callback(node.kill)
        assert node.stdout is not None
        assert node.stdout.readline() == b"up\n"
        assert os.readlink(f"/proc/{node.pid}/ns/net") != ours
        me = os.getpid()
        run_in(node.pid, ["ip", "link", "set", "lo", "up"])
        run_in(node.pid, ["ip", "address", "add", f"{SERVER}/32", "dev", "lo"])
        for number in (1, 2, 3):
            run_in(
                me,
                [
                    "ip",
                    "link",
                    "add",
                    f"c{number}",
                    "type",
                    "veth",
                    "peer",
                    "name",
                    f"s{number}",
                    "netns",
                    str(node.pid),
                ],
            )
            stack.callback(run_in, me, ["ip", "link", "delete", f"c{number}"])
            for pid, name, host in ((me, "c", 1), (node.pid, "s", 2)):
                address = f"10.1.{number}.{host}/24" if number < 3 else f"fd00:3::{host}/64"
                run_in(
                    pid,
                    ["ip", "address", "add", address, "dev", f"{name}{number}", *(["nodad"] if number == 3 else [])],
                )
                run_in(pid, ["ip", "link", "set", f"{name}{number}", "up"])
            if number < 3:
                run_in(me, ["ip", "route", "add", SERVER, "via", f"10.1.{number}.2", "metric", str(number)])
        yield node.pid


def received_by(interface: str) -> int:
    return int(Path(f"/sys/class/net/{interface}/statistics/rx_bytes").read_text())


class TestSubflows:
    @pytest.mark.parametrize(("mode", "second_used"), [("active", True), ("backup", False)])
    @pytest.mark.parametrize("endpoint", ["mptcp", "mptcp-tls"])
    def test_two_paths(self, endpoint: str, mode: str, second_used: bool, server_pid: int, tmp_path: Path) -> None:
        client = PathManager.for_process(os.getpid(), "client")
        client.flush()
        set_up_node(client, [("10.1.1.1", "c1"), ("10.1.2.1", "c2")], mode=mode)
        PathManager.for_process(server_pid, "server").set_limits()
        chosen = setting(
            tmp_path,
            port=4433,
            listen=(SERVER,),
            connect=(SERVER, SERVER),
            local=("10.1.1.1", "10.1.2.1"),
            size=64 << 20,
            congestion="cubic",
        )
        before = read_counters(server_pid)
        result = transfer(endpoint, chosen, nodes=(None, server_pid))
        assert result.client.status == Status.DONE, str(result.client)
        (done,) = result.of("client", "done")
        assert done.fields["sha256"] == result.sha256
        assert result.of("client", "connected")[0].fields["congestion"] == "cubic"
        assert result.of("server", "connected")[0].fields["congestion"] == "cubic"
        assert result.of("client", "fallback") == []
        assert difference(before, read_counters(server_pid))["MPJoinAckRx"] == 1
        assert (received_by("c2") > 1 << 20) == second_used

    def test_ipv6_path_joins_an_ipv4_connection(self, server_pid: int, tmp_path: Path) -> None:
        client = PathManager.for_process(os.getpid(), "client")
        client.flush()
        set_up_node(client, [("10.1.1.1", "c1"), ("fd00:3::1", "c3")], mode="active")
        server = PathManager.for_process(server_pid, "server")
        server.set_limits()
        server.add("fd00:3::2", "s3", signal=True)
        chosen = setting(
            tmp_path, port=4433, listen=(SERVER, "fd00:3::2"), local=("10.1.1.1", "fd00:3::1"), size=64 << 20
        )
        result = transfer("mptcp", chosen, nodes=(None, server_pid))
        assert result.client.status == Status.DONE, str(result.client)
        assert result.of("client", "connected")[0].path == "10.1.1.1"
        assert read_counters(server_pid)["MPJoinAckRx"] >= 1
        assert received_by("c3") > 1 << 20


class TestSinglePath:
    @pytest.mark.parametrize("endpoint", ["tcp", "iperf3"])
    def test_first_path_is_bound(self, endpoint: str, server_pid: int, tmp_path: Path) -> None:
        chosen = setting(tmp_path, port=4433, listen=(SERVER,), local=("10.1.1.1",), size=8 << 20, congestion="cubic")
        result = transfer(endpoint, chosen, nodes=(None, server_pid))
        assert result.client.status == Status.DONE, str(result.client)
        (connected,) = result.of("client", "connected")
        assert (connected.path, connected.fields["congestion"]) == ("10.1.1.1", "cubic")
        assert received_by("c1") > 8 << 20

    def test_unreachable_first_address(self, server_pid: int, tmp_path: Path) -> None:
        chosen = setting(
            tmp_path, port=4433, listen=(SERVER,), connect=("10.1.1.9", SERVER), local=("10.1.1.1", "10.1.2.1")
        )
        result = transfer("tcp", chosen, nodes=(None, server_pid))
        assert result.client.status == Status.DONE, str(result.client)
        (failed,) = result.of("client", "path_failed")
        assert failed.path == "10.1.1.1"
        assert result.of("client", "connected")[0].path == "10.1.2.1"


class TestMigration:
    @pytest.mark.parametrize("endpoint", ["mptcp", "mptcp-tls"])
    def test_there_and_back(self, endpoint: str, server_pid: int, tmp_path: Path) -> None:
        """Two thirds of the bytes come by the first path, and the middle third by the second one."""
        client = PathManager.for_process(os.getpid(), "client")
        client.flush()
        set_up_node(client, [("10.1.1.1", "c1"), ("10.1.2.1", "c2")], mode="backup")
        PathManager.for_process(server_pid, "server").set_limits()
        # At the speed of memory, megabytes would be under way when the server is told, and no second subflow ready.
        for interface in ("s1", "s2"):
            shaper = ["root", "tbf", "rate", "400mbit", "burst", "64k", "latency", "20ms"]
            run_in(server_pid, ["tc", "qdisc", "add", "dev", interface, *shaper])
        before = received_by("c2")
        chosen = setting(
            tmp_path,
            port=4433,
            listen=(SERVER,),
            connect=(SERVER, SERVER),
            local=("10.1.1.1", "10.1.2.1"),
            size=96 << 20,
            congestion="cubic",
            migrate=(32 << 20, 64 << 20),
        )
        result = transfer(endpoint, chosen, nodes=(None, server_pid))
        assert result.client.status == Status.DONE, str(result.client)
        moves = result.of("client", "migrated")
        assert [(event.path, event.fields["from"]) for event in moves] == [
            ("10.1.2.1", "10.1.1.1"),
            ("10.1.1.1", "10.1.2.1"),
        ]
        (done,) = result.of("client", "done")
        assert done.fields["sha256"] == result.sha256
        # What is under way when the server is told comes by the path it was sent on.
        assert (16 << 20) < received_by("c2") - before < (48 << 20)
