import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from harness.endpoints.environment import Setting
from harness.endpoints.process import EndpointProcess
from harness.run.order import Progress
from harness.run.transfer import End, Transfer
from harness.spec.scenario import Workload

LIMIT = "5s"


def setting(folder: Path, testcase: str = "download") -> Setting:
    return Setting(
        testcase=cast(Any, testcase),
        listen=("10.1.3.1",),
        connect=("10.1.3.1",),
        local=("10.1.1.1",),
        port=4433,
        bytes=1000,
        seed=1,
        folder=folder,
    )


def process(running: Callable[[], bool]) -> EndpointProcess:
    class Fake:
        @property
        def running(self) -> bool:
            return running()

        def outcome(self) -> SimpleNamespace:
            return SimpleNamespace(status="failed", __str__=lambda: "")

    return cast(EndpointProcess, Fake())


def write(folder: Path, role: str, *events: dict[str, Any]) -> None:
    with (folder / f"{role}.events.jsonl").open("a") as file:
        for event in events:
            file.write(json.dumps({"time": time.monotonic_ns(), **event}) + "\n")


class Watched:
    """A transfer with processes that end when told to."""

    def __init__(self, folder: Path, *, testcase: str = "download", **workload: Any) -> None:
        self.client_runs = self.server_runs = True
        self.progress: list[Progress] = []
        self.checks: list[Callable[[], None]] = []
        self.interrupted = asyncio.Event()
        self.transfer = Transfer(
            Workload.model_validate({"bytes": "1000B", "limit": LIMIT, "kind": testcase, **workload}),
            setting(folder, testcase),
            time.monotonic_ns(),
            {"10.1.1.1": "upper"},
            self.checks,
            self.progress.append,
            self.interrupted,
        )

    async def watch(self) -> End:
        return await self.transfer.watch(process(lambda: self.client_runs), process(lambda: self.server_runs))


class TestEnd:
    def test_client_ends(self, tmp_path: Path) -> None:
        async def scene() -> End:
            watched = Watched(tmp_path)
            watched.client_runs = False
            return await watched.watch()

        assert asyncio.run(scene()).by == "client"

    def test_server_ends_first(self, tmp_path: Path) -> None:
        async def scene() -> End:
            watched = Watched(tmp_path)
            watched.server_runs = False
            return await watched.watch()

        end = asyncio.run(scene())
        assert end.by == "server"
        assert end.failure is not None
        assert "before the client had ended" in end.failure

    def test_limit(self, tmp_path: Path) -> None:
        async def scene() -> End:
            return await Watched(tmp_path, limit="200ms").watch()

        end = asyncio.run(scene())
        assert end.by == "limit"
        assert end.at_s >= 0.2

    def test_stall_counts_from_the_last_arrival(self, tmp_path: Path) -> None:
        async def scene() -> End:
            watched = Watched(tmp_path, stall_limit="300ms")
            write(tmp_path, "client", {"event": "received", "bytes": 10})
            return await watched.watch()

        end = asyncio.run(scene())
        assert end.by == "stall"
        assert end.at_s >= 0.3

    def test_nothing_received_is_no_stall(self, tmp_path: Path) -> None:
        async def scene() -> End:
            return await Watched(tmp_path, stall_limit="100ms", limit="400ms").watch()

        assert asyncio.run(scene()).by == "limit"

    def test_interrupt(self, tmp_path: Path) -> None:
        async def scene() -> End:
            watched = Watched(tmp_path)
            watched.interrupted.set()
            return await watched.watch()

        assert asyncio.run(scene()).by == "interrupt"

    def test_broken_event_line_names_file_and_line(self, tmp_path: Path) -> None:
        async def scene() -> End:
            watched = Watched(tmp_path)
            (tmp_path / "server.events.jsonl").write_text("no json\n")
            return await watched.watch()

        end = asyncio.run(scene())
        assert end.by == "server"
        assert end.failure is not None
        assert end.failure.startswith("server.events.jsonl:1: ")

    def test_failed_check_goes_up(self, tmp_path: Path) -> None:
        async def scene() -> str:
            watched = Watched(tmp_path)

            def dead() -> None:
                raise RuntimeError("the element died")

            watched.checks.append(dead)
            try:
                await watched.watch()
            except RuntimeError as error:
                return str(error)
            return ""

        assert asyncio.run(scene()) == "the element died"


class TestCounting:
    def test_receiver_of_a_download_is_the_client(self, tmp_path: Path) -> None:
        watched = Watched(tmp_path)
        write(tmp_path, "client", {"event": "received", "bytes": 10, "path": "10.1.1.1"})
        write(tmp_path, "server", {"event": "received", "bytes": 99})
        watched.transfer.poll()
        assert watched.transfer.goodput.total_bytes == 10
        assert watched.transfer.goodput.rows()[0][3] == "upper"

    def test_receiver_of_an_upload_is_the_server(self, tmp_path: Path) -> None:
        watched = Watched(tmp_path, testcase="upload")
        write(tmp_path, "client", {"event": "received", "bytes": 10})
        write(tmp_path, "server", {"event": "received", "bytes": 99})
        watched.transfer.poll()
        assert watched.transfer.goodput.total_bytes == 99

    def test_received_all_needs_the_receivers_word(self, tmp_path: Path) -> None:
        watched = Watched(tmp_path)
        assert not watched.transfer.received_all()
        write(
            tmp_path,
            "client",
            {"event": "received", "bytes": 10},
            {"event": "done", "bytes": 10, "sha256": "0" * 64},
        )
        watched.transfer.poll()
        assert watched.transfer.received_all()

    def test_progress_is_told(self, tmp_path: Path) -> None:
        async def scene() -> list[Progress]:
            watched = Watched(tmp_path, limit="150ms")
            write(tmp_path, "client", {"event": "received", "bytes": 250})
            await watched.watch()
            return watched.progress

        last = asyncio.run(scene())[-1]
        assert last.phase == "transfer"
        assert (last.received, last.expected) == (250, 1000)
