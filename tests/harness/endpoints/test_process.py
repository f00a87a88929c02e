"""Endpoint processes: readiness, every way to end, faults, and nothing left behind."""

import asyncio
import os
import signal
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest

from harness.endpoints.process import EndpointFailed, EndpointProcess, Outcome, Status, log_end

T = TypeVar("T")


def start(folder: Path, *argv: str) -> EndpointProcess:
    return EndpointProcess.start(
        "client",
        argv,
        node_pid=None,
        environment={"PATH": os.environ["PATH"]},
        log=folder / "client.log",
        folder=folder,
    )


def shell(folder: Path, script: str) -> EndpointProcess:
    return start(folder, "sh", "-c", script)


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


async def ended(process: EndpointProcess, limit: float = 10.0) -> Outcome:
    async with process:
        return await process.wait(limit)


async def said(process: EndpointProcess, text: str) -> None:
    await process.ready(lambda: text in process.log.read_text(), limit=10, what=f"saying {text}")


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def gone(pid: int) -> bool:
    try:
        return state(pid) == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


class TestOutcome:
    @pytest.mark.parametrize(
        ("script", "status", "code", "message"),
        [
            ("exit 0", Status.DONE, 0, "client: done"),
            ("exit 127", Status.UNSUPPORTED, 127, "client: cannot do this test case (exit status 127)"),
            ("exit 3", Status.FAILED, 3, "client: failed with exit status 3"),
            ("kill -SEGV $$", Status.FAILED, None, "client: crashed: ended by SIGSEGV"),
            ("kill -TERM $$", Status.FAILED, None, "client: crashed: ended by SIGTERM"),
        ],
    )
    def test_classes(self, script: str, status: Status, code: int | None, message: str, tmp_path: Path) -> None:
        outcome = run(ended(shell(tmp_path, script)))
        assert (outcome.status, outcome.exit_code, outcome.message) == (status, code, message)
        assert 0 < outcome.seconds < 10

    def test_log_end(self, tmp_path: Path) -> None:
        outcome = run(ended(shell(tmp_path, "seq 30; echo why >&2; exit 1")))
        assert outcome.log_end == (*map(str, range(12, 31)), "why")
        assert str(outcome).startswith("client: failed with exit status 1\n    12\n")

    def test_hang(self, tmp_path: Path) -> None:
        outcome = run(ended(start(tmp_path, "sleep", "1000"), 0.2))
        assert (outcome.status, outcome.signal) == (Status.HUNG, "SIGTERM")
        assert outcome.message == "client: hung: still running after 0.2 s"

    def test_hang_that_ignores_sigterm(self, tmp_path: Path) -> None:
        async def work() -> Outcome:
            async with shell(tmp_path, "trap '' TERM; echo set; while :; do sleep 1000; done") as process:
                await said(process, "set")
                return await process.wait(0.1, grace=0.2)

        outcome = run(work())
        assert (outcome.status, outcome.signal) == (Status.HUNG, "SIGKILL")

    @pytest.mark.parametrize(
        ("script", "status"),
        [
            ("trap 'exit 0' TERM; echo set; while :; do sleep 0.01; done", Status.DONE),
            ("echo set; exec sleep 1000", Status.DONE),
            ("trap 'exit 4' TERM; echo set; while :; do sleep 0.01; done", Status.FAILED),
        ],
    )
    def test_stopped_server(self, script: str, status: Status, tmp_path: Path) -> None:
        async def work() -> Outcome:
            async with shell(tmp_path, script) as process:
                await said(process, "set")
                return await process.stop(grace=5)

        assert run(work()).status == status

    def test_outcome_of_a_running_process(self, tmp_path: Path) -> None:
        async def work() -> None:
            async with start(tmp_path, "sleep", "1000") as process:
                with pytest.raises(RuntimeError):
                    process.outcome()

        run(work())

    @pytest.mark.parametrize("program", ["no-such-program", "./missing", "/etc"])
    def test_no_such_program(self, program: str, tmp_path: Path) -> None:
        with pytest.raises(EndpointFailed, match=f"client: cannot start {program}: no such program"):
            start(tmp_path, program)


class TestReadiness:
    def test_never_ready(self, tmp_path: Path) -> None:
        async def work() -> None:
            async with shell(tmp_path, "echo waiting; exec sleep 1000") as process:
                await process.ready(lambda: False, limit=0.3, what="listening on 10.0.0.2 port 1")

        with pytest.raises(EndpointFailed, match=r"not listening on 10\.0\.0\.2 port 1 within 0\.3 s") as caught:
            run(work())
        assert "    waiting" in str(caught.value)

    def test_ends_before(self, tmp_path: Path) -> None:
        async def work() -> None:
            async with shell(tmp_path, "echo no port; exit 1") as process:
                await process.ready(lambda: False, limit=30, what="listening")

        with pytest.raises(EndpointFailed, match="failed with exit status 1\n    no port"):
            run(work())


class TestFaults:
    def test_kill(self, tmp_path: Path) -> None:
        async def work() -> Outcome:
            async with start(tmp_path, "sleep", "1000") as process:
                process.kill("the fault kill_client")
                return await process.wait(10)

        outcome = run(work())
        assert (outcome.status, outcome.message) == (Status.KILLED, "client: killed by the fault kill_client")

    def test_pause_and_resume_the_whole_group(self, tmp_path: Path) -> None:
        async def work() -> None:
            async with shell(tmp_path, "sleep 1000 & echo child $!; wait") as process:
                await said(process, "child")
                child = int(process.log.read_text().split()[1])
                process.pause()
                await process.ready(lambda: state(child) == state(process.pid) == "T", limit=10, what="paused")
                process.resume()
                await process.ready(lambda: state(child) == state(process.pid) == "S", limit=10, what="running")

        run(work())

    def test_paused_process_can_be_stopped(self, tmp_path: Path) -> None:
        async def work() -> Outcome:
            async with start(tmp_path, "sleep", "1000") as process:
                process.pause()
                return await process.stop(grace=5)

        assert run(work()).status == Status.DONE


class TestNothingIsLeft:
    def test_children(self, tmp_path: Path) -> None:
        async def work() -> int:
            async with shell(tmp_path, "sleep 1000 & echo child $!; exit 0") as process:
                await process.wait(10)
            return int(process.log.read_text().split()[1])

        child = run(work())
        deadline = time.monotonic() + 10
        while not gone(child):
            assert time.monotonic() < deadline
            time.sleep(0.005)

    def test_on_errors(self, tmp_path: Path) -> None:
        process = shell(tmp_path, "trap '' TERM; exec sleep 1000")

        async def work() -> None:
            async with process:
                raise KeyError("broken")

        with pytest.raises(KeyError):
            run(work())
        assert gone(process.pid)
        process.resume()  # after the end: nothing happens
        assert process.outcome().signal == signal.SIGKILL.name


class TestLogEnd:
    def test_missing_and_binary(self, tmp_path: Path) -> None:
        assert log_end(tmp_path / "missing") == ()
        (tmp_path / "log").write_bytes(b"\xff\n" + b"x" * 100_000 + b"\nlast")
        assert log_end(tmp_path / "log")[-1] == "last"
