"""The sandbox from its command line, as root and as an ordinary user: what is inside, exit codes, signals, refusals."""

import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.harness.sandbox.conftest import ROOT, Start
from tests.support import leftovers

Run = Callable[..., subprocess.CompletedProcess[str]]

# Counts its SIGINTs for half a second from the first one on, and writes the count into the file given.
COUNTER = """
import signal, sys, time
count = 0
def note(*_):
    global count
    count += 1
signal.signal(signal.SIGINT, note)
print("ready", flush=True)
end = time.monotonic() + 20
while time.monotonic() < end:
    if count and end > time.monotonic() + 1:
        end = time.monotonic() + 0.5
    time.sleep(0.01)
open(sys.argv[1], "w").write(str(count))
sys.exit(3)
"""
DEAF = 'import signal, time; signal.signal(2, signal.SIG_IGN); print("ready", flush=True); time.sleep(60)'


class TestInside:
    def test_is_root_of_an_empty_network_that_works(self, run: Run) -> None:
        script = "id -u; ip -br link | cut -d' ' -f1; ping -c1 -W5 127.0.0.1 >/dev/null && echo answered"
        assert run("sh", "-c", script).stdout.split() == ["0", "lo", "answered"]

    def test_sees_only_its_own_processes(self, run: Run) -> None:
        found = run("sh", "-c", "echo /proc/[0-9]*").stdout.split()
        assert found == ["/proc/1", "/proc/2"]

    def test_has_a_run_and_temporary_folder_of_its_own(self, run: Run) -> None:
        done = run("sh", "-c", "touch /run/xtables.lock /dev/shm/x && mktemp && ls -A /run && ls -A /dev/shm")
        temporary, *names = done.stdout.split()
        assert temporary.startswith("/run/tmp/")
        assert names == ["lock", "netns", "tmp", "xtables.lock", "x"]

    def test_makes_nodes_as_mininet_does(self, run: Run) -> None:
        script = (
            "ip netns add node && ip link add here type veth peer name there netns node && ls /sys/class/net &&"
            " mnexec -n ls /sys/class/net"
        )
        done = run("sh", "-c", script)
        assert (done.stdout.split(), done.stderr) == (["here", "lo", "lo"], "")

    def test_writes_output_outside_as_the_user(self, run: Run, tmp_path: Path) -> None:
        run("sh", "-c", f"echo measured > {tmp_path}/result")
        assert (tmp_path / "result").read_text() == "measured\n"
        assert (tmp_path / "result").stat().st_uid == tmp_path.stat().st_uid

    def test_mounts_and_interfaces_stay_inside(self, run: Run, before: leftovers.Snapshot) -> None:
        assert run("sh", "-c", "mount -t tmpfs x /mnt && ip link add here type veth peer name there").returncode == 0
        assert leftovers.remaining(before) == []

    def test_keeps_a_folder_below_a_covered_one(self, run: Run, tmp_path: Path) -> None:
        shared = Path("/dev/shm") / f"harness-test-{os.getpid()}"
        shared.mkdir()
        os.chown(shared, tmp_path.stat().st_uid, -1)
        try:
            run("sh", "-c", f"echo kept > {shared}/file", options=("--keep", str(shared)))
            assert (shared / "file").read_text() == "kept\n"
        finally:
            (shared / "file").unlink(missing_ok=True)
            shared.rmdir()

    def test_two_at_once_do_not_see_each_other(self, start: Start) -> None:
        script = (
            "ip link add here type veth peer name there && touch /run/mine && echo made && read go < /dev/zero;"
            " sleep 60"
        )
        one, other = start("sh", "-c", script), start("sh", "-c", script)
        for process in (one, other):
            assert process.stdout is not None
            assert process.stdout.readline() == "made\n"
        look = start("sh", "-c", "ip -br link | cut -d' ' -f1; ls /run; echo /proc/[0-9]*")
        assert look.communicate(timeout=30)[0].split() == ["lo", "lock", "netns", "tmp", "/proc/1", "/proc/2"]
        assert one.poll() is None
        assert other.poll() is None


class TestExitCode:
    @pytest.mark.parametrize(
        ("script", "code"),
        [("exit 0", 0), ("exit 1", 1), ("exit 77", 77), ("kill -TERM $$", 143), ("kill -KILL $$", 137)],
    )
    def test_is_that_of_the_command(self, run: Run, script: str, code: int) -> None:
        assert run("sh", "-c", script).returncode == code

    def test_a_missing_program(self, run: Run) -> None:
        done = run("no-such-program")
        assert (done.returncode, done.stderr) == (
            127,
            "sandbox: cannot run no-such-program: No such file or directory\n",
        )

    def test_a_program_that_may_not_be_run(self, run: Run, tmp_path: Path) -> None:
        program = tmp_path / "program"
        program.touch(mode=0o644)
        done = run(str(program))
        assert (done.returncode, done.stderr) == (126, f"sandbox: cannot run {program}: Permission denied\n")

    def test_no_command(self, run: Run) -> None:
        done = run()
        assert done.returncode == 2
        assert "no command given" in done.stderr

    def test_what_is_left_running_does_not_hold_it_up(self, run: Run) -> None:
        started = time.monotonic()
        assert run("sh", "-c", "setsid sleep 60 >/dev/null 2>&1 & exit 9").returncode == 9
        assert time.monotonic() - started < 30


class TestSignals:
    def test_one_interrupt_arrives_once_and_lets_it_finish(self, start: Start, tmp_path: Path) -> None:
        process = start(sys.executable, "-c", COUNTER, str(tmp_path / "count"))
        _await_ready(process)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
        assert process.returncode == 3
        assert (tmp_path / "count").read_text() == "1"

    def test_the_second_interrupt_kills(self, start: Start) -> None:
        process = start(sys.executable, "-c", DEAF)
        _await_ready(process)
        process.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 137

    def test_terminate_is_passed_on(self, start: Start) -> None:
        script = 'import signal, time, sys; signal.signal(15, lambda *_: sys.exit(5)); print("ready", flush=True)'
        process = start(sys.executable, "-c", f"{script}; time.sleep(60)")
        _await_ready(process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 5

    def test_the_terminals_interrupt_key_arrives_once(
        self, prefix: list[str], before: leftovers.Snapshot, tmp_path: Path
    ) -> None:
        command = [sys.executable, "-c", COUNTER, str(tmp_path / "count")]
        outer = [*prefix, sys.executable, "-P", "-m", "harness.sandbox", "--", *command]
        child, terminal = pty.fork()
        if child == 0:
            os.chdir(ROOT)
            os.execvpe(outer[0], outer, before.environment)  # noqa: S606
        try:
            assert b"ready" in _read_until(terminal, b"ready")
            os.write(terminal, b"\x03")
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
        finally:
            os.close(terminal)
        assert (tmp_path / "count").read_text() == "1"
        leftovers.wait_until_gone(before)


class TestRefusal:
    # Inside a sandbox these settings are its own, so an ordinary machine can be made to refuse.
    ORDINARY = "setpriv --bounding-set=-all --inh-caps=-all --"

    def _refused(self, run: Run, setting: str, as_user: str) -> subprocess.CompletedProcess[str]:
        inner = f"{as_user} {sys.executable} -P -m harness.sandbox -- true"
        return run("sh", "-c", f"echo 0 > /proc/sys/user/{setting} && exec {inner}")

    def test_names_the_setting_that_forbids_user_namespaces(self, run: Run) -> None:
        done = self._refused(run, "max_user_namespaces", self.ORDINARY)
        assert (done.returncode, done.stderr) == (
            4,
            "sandbox: no user namespaces are allowed (user.max_user_namespaces is 0);"
            " allow them as root with: sysctl -w user.max_user_namespaces=10000\n",
        )

    def test_root_does_without_user_namespaces(self, run: Run) -> None:
        done = self._refused(run, "max_user_namespaces", "")
        assert (done.returncode, done.stderr) == (0, "")

    def test_names_the_setting_that_forbids_network_namespaces(self, run: Run) -> None:
        done = self._refused(run, "max_net_namespaces", "")
        assert done.returncode == 4
        assert "user.max_net_namespaces is 0" in done.stderr

    def test_a_working_folder_that_is_covered(self, run: Run) -> None:
        inner = f"cd /run && exec {sys.executable} -P -m harness.sandbox -- true"
        done = run("sh", "-c", inner)
        assert (done.returncode, done.stderr) == (
            2,
            "sandbox: /run cannot be used in the sandbox, which has a /run of its own; use a folder elsewhere\n",
        )

    def test_a_folder_to_keep_that_is_missing(self, run: Run, tmp_path: Path) -> None:
        done = run("true", options=("--keep", str(tmp_path / "missing")))
        assert done.returncode == 2
        assert "missing: No such file or directory" in done.stderr


class TestCheck:
    def test_says_what_the_machine_allows(self, run: Run) -> None:
        done = run(options=("--check",))
        assert done.returncode == 0
        assert "yes  private namespaces: made in " in done.stdout
        assert "yes  interfaces inside the sandbox" in done.stdout

    def test_says_what_is_missing(self, run: Run) -> None:
        inner = f"{TestRefusal.ORDINARY} {sys.executable} -P -m harness.sandbox --check"
        done = run("sh", "-c", f"echo 0 > /proc/sys/user/max_user_namespaces && exec {inner}")
        assert done.returncode == 4
        assert done.stdout.startswith("no   private namespaces: no user namespaces are allowed")


def _await_ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"


def _read_until(terminal: int, wanted: bytes) -> bytes:
    text = b""
    while wanted not in text and select.select([terminal], [], [], 30)[0]:
        text += os.read(terminal, 4096)
    return text
