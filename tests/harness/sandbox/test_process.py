"""The handle of a sandbox in Python: streams, asyncio, descriptors, threads, errors."""

import asyncio
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from harness import sandbox
from tests.support import leftovers


class TestLaunch:
    def test_lines_come_while_the_program_runs(self) -> None:
        with sandbox.launch(["sh", "-c", "echo one; echo two; read x"], stdin=-1, stdout=subprocess.PIPE) as running:
            lines = running.lines()
            assert [next(lines), next(lines)] == ["one", "two"]
            assert running.poll() is None
            assert running.process.stdin is not None
            running.process.stdin.close()
            assert list(lines) == []
            assert running.wait(30) == 1

    def test_reports_how_it_came_to_be(self) -> None:
        with sandbox.launch(["true"]) as running:
            assert running.report.user_namespace
            assert set(running.report.limits) == {"rtprio", "nice", "nofile", "memlock"}
            assert running.wait(30) == 0

    def test_is_killed_at_the_end_of_its_block(self, tmp_path: Path) -> None:
        before = leftovers.snapshot(tmp_path)
        with sandbox.launch(["sleep", "60"], env=before.environment) as running:
            created = leftovers.namespaces(leftovers.processes(before.mark))
        assert running.poll() == 137
        leftovers.wait_until_gone(before, created)

    def test_passes_descriptors(self) -> None:
        read, write = os.pipe()
        with os.fdopen(read) as pipe:
            program = f"import os; os.write({write}, b'here')"
            with sandbox.launch([sys.executable, "-c", program], pass_fds=[write]) as running:
                os.close(write)
                assert running.wait(30) == 0
            assert pipe.read() == "here"

    def test_leaves_no_other_descriptor_open_inside(self) -> None:
        command = [sys.executable, "-c", "import os; print(*os.listdir('/proc/self/fd'))"]
        with sandbox.launch(command, stdout=subprocess.PIPE) as running:
            assert next(running.lines()).split() == ["0", "1", "2", "3"]  # 3 is the folder being listed

    def test_knows_that_it_is_inside(self) -> None:
        assert not sandbox.inside()
        program = "from harness import sandbox; print(sandbox.inside())"
        with sandbox.launch([sys.executable, "-c", program], stdout=subprocess.PIPE) as running:
            assert list(running.lines()) == ["True"]

    def test_outlives_the_thread_that_launched_it(self) -> None:
        found: list[sandbox.Sandbox] = []
        thread = threading.Thread(target=lambda: found.append(sandbox.launch(["sleep", "60"])))
        thread.start()
        thread.join()
        with found[0] as running, pytest.raises(subprocess.TimeoutExpired):
            running.wait(0.3)

    def test_runs_in_the_folder_and_environment_given(self, tmp_path: Path) -> None:
        environment = {**os.environ, "WORD": "said"}
        command = ["sh", "-c", "pwd; echo $WORD"]
        with sandbox.launch(command, stdout=subprocess.PIPE, cwd=tmp_path, env=environment) as running:
            assert list(running.lines()) == [str(tmp_path), "said"]

    def test_no_command(self) -> None:
        with pytest.raises(sandbox.SandboxError, match="no command"):
            sandbox.launch([])

    def test_a_folder_that_is_missing(self, tmp_path: Path) -> None:
        with pytest.raises(sandbox.SandboxError, match=r"missing: No such file"):
            sandbox.launch(["true"], keep=[tmp_path / "missing"])

    def test_lines_without_a_pipe(self) -> None:
        with sandbox.launch(["true"]) as running, pytest.raises(ValueError, match=r"stdout=subprocess\.PIPE"):
            next(running.lines())


class TestLaunchAsync:
    def test_reads_and_waits(self) -> None:
        async def scenario() -> tuple[bytes, int]:
            async with await sandbox.launch_async(["sh", "-c", "echo one; exit 3"], stdout=subprocess.PIPE) as running:
                assert running.process.stdout is not None
                return await running.process.stdout.readline(), await running.wait()

        assert asyncio.run(scenario()) == (b"one\n", 3)

    def test_interrupts_then_kills(self) -> None:
        program = "trap 'echo interrupted' INT; echo ready; while :; do sleep 0.05; done"

        async def scenario() -> tuple[bytes, int]:
            async with await sandbox.launch_async(["sh", "-c", program], stdout=subprocess.PIPE) as running:
                assert running.process.stdout is not None
                await running.process.stdout.readline()
                running.interrupt()
                line = await running.process.stdout.readline()
                running.interrupt()
                return line, await running.wait()

        assert asyncio.run(scenario()) == (b"interrupted\n", 137)

    def test_is_killed_when_the_task_is_cancelled(self, tmp_path: Path) -> None:
        before = leftovers.snapshot(tmp_path)

        async def scenario() -> None:
            async with await sandbox.launch_async(["sleep", "60"], env=before.environment) as running:
                await running.wait()

        async def cancelled() -> None:
            task = asyncio.create_task(scenario())
            while not any("sleep" in process.command for process in leftovers.processes(before.mark)):
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(cancelled())
        leftovers.wait_until_gone(before)

    def test_a_folder_that_is_missing(self, tmp_path: Path) -> None:
        with pytest.raises(sandbox.SandboxError, match=r"missing: No such file"):
            asyncio.run(sandbox.launch_async(["true"], keep=[tmp_path / "missing"]))


class TestCheck:
    def test_finds_what_a_run_needs(self) -> None:
        findings = sandbox.check()
        assert [finding.name for finding in findings][:3] == [
            "private namespaces",
            "root inside the sandbox",
            "interfaces inside the sandbox",
        ]
        assert all(finding.ok for finding in findings if finding.required)
        assert all(bool(finding.remedy) is not finding.ok for finding in findings)
