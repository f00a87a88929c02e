"""Nodes: they are there, they are joined, and one that dies is an error and never a wait."""

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from harness.network import nodes as nodes_module
from harness.network.emulation import Emulation
from harness.network.namespaces import run_in
from harness.network.nodes import NodeDied, Nodes
from harness.spec.loader import load_topology

pytestmark = pytest.mark.sandbox


@pytest.fixture
def nodes() -> Iterator[Nodes]:
    made = Nodes()
    yield made
    made.close()


def kill(pid: int) -> None:
    """Kill a process of ours and wait until it is dead, without reaping it."""
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


def shell_of(nodes: Nodes, name: str) -> int:
    pid: int = nodes.net.get(name).shell.pid
    return pid


class TestNetwork:
    def test_nodes_have_namespaces_of_their_own(self, nodes: Nodes) -> None:
        pids = [nodes.add("left"), nodes.add("right")]
        assert len({os.stat(f"/proc/{pid}/ns/net").st_ino for pid in [*pids, os.getpid()]}) == 3
        nodes.check()

    def test_links_join_them(self, nodes: Nodes) -> None:
        left, right = nodes.add("left"), nodes.add("right")
        names = nodes.link("left", "right", ("02:00:00:00:01:01", "02:00:00:00:01:02"))
        for pid, name, number in ((left, names[0], 1), (right, names[1], 2)):
            assert f"02:00:00:00:01:0{number}" in run_in(pid, ["ip", "link", "show", name])
            run_in(pid, ["ip", "address", "add", f"10.9.9.{number}/24", "dev", name])
            run_in(pid, ["ip", "link", "set", name, "up"])
        run_in(left, ["ping", "-c", "1", "-W", "5", "10.9.9.2"])


class TestDeath:
    def test_it_is_noticed_and_named(self, nodes: Nodes) -> None:
        nodes.add("left")
        nodes.add("right")
        kill(shell_of(nodes, "right"))
        with pytest.raises(NodeDied, match="node right has ended"):
            nodes.check()

    @pytest.mark.timeout(20)
    def test_closing_does_not_wait_for_the_dead(self) -> None:
        made = Nodes()
        made.add("left")
        made.add("right")
        kill(shell_of(made, "left"))
        began = time.monotonic()
        made.close()
        made.close()
        assert time.monotonic() - began < 5

    def test_closing_ends_every_process(self) -> None:
        made = Nodes()
        pids = [made.add("left"), made.add("right")]
        made.close()
        assert not [pid for pid in pids if os.path.exists(f"/proc/{pid}")]

    def test_an_emulation_says_so_too(self) -> None:
        with Emulation(load_topology("two_paths")) as emulation:
            emulation.check()
            kill(emulation.nodes["uppera"])
            with pytest.raises(NodeDied, match="uppera"):
                emulation.check()


class TestStart:
    def test_one_that_does_not_answer_is_an_error(self, nodes: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(nodes_module, "START_LIMIT_S", 0.2)
        monkeypatch.setattr(nodes.net, "addHost", lambda *_, **__: time.sleep(60))
        began = time.monotonic()
        with pytest.raises(NodeDied, match=r"node left did not start within 0\.2 s"):
            nodes.add("left")
        assert time.monotonic() - began < 10

    def test_the_alarm_of_others_is_left_as_it_was(self, nodes: Nodes) -> None:
        before = signal.getsignal(signal.SIGALRM)
        waiting = signal.setitimer(signal.ITIMER_REAL, 100)
        try:
            nodes.add("left")
            assert 50 < signal.getitimer(signal.ITIMER_REAL)[0] <= 100
        finally:
            signal.setitimer(signal.ITIMER_REAL, *waiting)
        assert signal.getsignal(signal.SIGALRM) is before

    def test_other_threads_have_no_alarm(self) -> None:
        failures: list[BaseException] = []

        def work() -> None:
            try:
                with nodes_module._time_limit("nothing"):
                    pass
            except BaseException as error:
                failures.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert failures == []
