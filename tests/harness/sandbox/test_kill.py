"""Whatever process of a sandbox is killed, at whatever moment, nothing is left: as root and as an ordinary user."""

import os
import random
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.harness.sandbox.conftest import Start
from tests.support import leftovers

# Leaves everywhere what a network emulation might: namespaces, interfaces, locks, temporary files, and two generations
# of processes that have left their group and session and ignore what can be ignored.
PROGRAM = """
import os, signal, subprocess, sys, tempfile, time
subprocess.run(["ip", "netns", "add", "node"], check=True)
subprocess.run("ip link add here type veth peer name there netns node".split(), check=True)
tempfile.mkstemp()
open("/dev/shm/segment", "w").close()
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.setsid()
        subprocess.run(["ip", "netns", "exec", "node", "sleep", sys.argv[1]])
    time.sleep(float(sys.argv[1]))
    os._exit(0)
print("ready", flush=True)
time.sleep(float(sys.argv[1]))
"""
MOMENTS = 20


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _chain(outer: int) -> dict[str, int]:
    """Return the processes of a sandbox by their role; the tree is outer, between, first, program, grandchild."""
    found = {"outer": outer}
    for name, above in (("between", "outer"), ("first", "between"), ("program", "first"), ("grandchild", "program")):
        found[name] = min(_children(found[above]))
    return found


class TestKilling:
    @pytest.mark.parametrize("role", ["outer", "between", "first", "program"])
    def test_ends_everything(self, start: Start, before: leftovers.Snapshot, role: str) -> None:
        process = start(sys.executable, "-c", PROGRAM, "60")
        _await_ready(process)
        running = leftovers.processes(before.mark)
        created = leftovers.namespaces(running)
        assert {kind for kind, _ in created} == {"user", "net", "mnt", "pid", "ipc"}
        os.kill(_chain(process.pid)[role], signal.SIGKILL)
        assert process.wait(30) == (-signal.SIGKILL if role == "outer" else 137)
        leftovers.wait_until_gone(before, created)

    def test_of_a_grandchild_leaves_the_program_running(self, start: Start, before: leftovers.Snapshot) -> None:
        process = start(sys.executable, "-c", PROGRAM, "60")
        _await_ready(process)
        chain = _chain(process.pid)
        os.kill(chain["grandchild"], signal.SIGKILL)
        _await(lambda: Path(f"/proc/{chain['grandchild']}/stat").read_text().split()[2] == "Z")
        assert process.poll() is None
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        leftovers.wait_until_gone(before)

    @pytest.mark.parametrize("stopped", ["between", "first", "program"])
    def test_of_the_outer_one_ends_a_stopped_one_too(
        self, start: Start, before: leftovers.Snapshot, stopped: str
    ) -> None:
        process = start(sys.executable, "-c", PROGRAM, "60")
        _await_ready(process)
        os.kill(_chain(process.pid)[stopped], signal.SIGSTOP)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        leftovers.wait_until_gone(before)

    def test_at_random_moments(self, start: Start, before: leftovers.Snapshot) -> None:
        seed = secrets.randbits(32)
        print(f"seed {seed}")
        chance = random.Random(seed)
        for moment in range(MOMENTS):
            process = start(sys.executable, "-c", PROGRAM, "0.5")
            # From before the namespaces exist to after the program is ready.
            time.sleep(chance.uniform(0, 0.4))
            running = leftovers.processes(before.mark)
            victim = chance.choice(running) if running else None
            print(f"moment {moment}: kill {victim}")
            if victim is not None:
                try:
                    os.kill(victim.pid, signal.SIGKILL)
                except ProcessLookupError:
                    print("it had just ended")
            process.communicate(timeout=30)  # where the program outlives the killed one, it ends by itself
            leftovers.wait_until_gone(before, leftovers.namespaces(running))


class TestReaping:
    def test_orphans_are_taken_by_the_first_process(self, start: Start) -> None:
        script = "for i in 1 2 3 4 5; do (sleep 0.0$i &) ; done; sleep 1; ps -A -o stat= | grep -c Z; exit 0"
        process = start("sh", "-c", script)
        assert process.communicate(timeout=30)[0] == "0\n"


def _await_ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"


def _await(condition: Callable[[], bool], timeout: float = 10.0) -> None:

    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
