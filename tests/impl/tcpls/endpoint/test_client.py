"""The client and the server of the endpoint as processes, as the harness runs them: all they are asked to do."""

import asyncio
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, cast

import pytest

from harness.endpoints.environment import Objects, TestCase
from harness.endpoints.listening import listening
from harness.endpoints.process import Status
from impl.contract.setting import EndpointError
from impl.tcpls.endpoint.client import Client
from impl.tcpls.events import ConnectionClosed
from impl.tcpls.qlog import read_qlog
from tests.impl.contract import transfers
from tests.impl.contract.transfers import Transfer, setting, transfer
from tests.support.tcpls_live import Live, Proxy

TWO_PATHS: dict[str, Any] = {"listen": ("127.0.0.2", "127.0.0.4"), "local": ("127.0.0.1", "127.0.0.3")}


def check(result: Transfer) -> None:
    """All was done, and all arrived."""
    assert result.client.status == Status.DONE, str(result.client) + str(result.server)
    assert (result.server.status, result.server.exit_code) == (Status.DONE, 0), result.server
    (done,) = result.of(result.receiver, "done")
    assert done.bytes == result.setting.bytes
    assert done.fields["sha256"] == result.sha256
    assert sum(event.bytes for event in result.of(result.receiver, "received")) == result.setting.bytes
    assert len(result.of(result.receiver, "first_byte")) == 1


class TestPayload:
    @pytest.mark.parametrize(("testcase", "streams"), [("download", 1), ("download", 4), ("upload", 3)])
    def test_it_arrives_over_both_paths(self, testcase: TestCase, streams: int, tmp_path: Path) -> None:
        chosen = setting(tmp_path, testcase=testcase, streams=streams, size=(16 << 20) + 13, **TWO_PATHS)
        result = transfer("tcpls", chosen)
        check(result)
        received = result.of(result.receiver, "received")
        assert {event.stream for event in received} == set(range(streams))
        assert {event.path for event in received} == {"127.0.0.1", "127.0.0.3"}
        (connected,) = result.of("client", "connected")
        assert (connected.path, connected.fields["congestion"]) == ("127.0.0.1", "reno")
        assert connected.fields["connect_ms"] > 0
        assert connected.fields["handshake_ms"] > 0
        assert [event.path for event in result.of("client", "path_joined")] == ["127.0.0.3"]
        assert not result.of("client", "path_failed")
        keys = (tmp_path / "keys.log").read_text().splitlines()
        assert len([line for line in keys if line.startswith("TCPLS_CONNECTION ")]) == 2  # of either end
        traces = sorted((tmp_path / "qlog").iterdir())
        assert [file.name.rpartition("_")[2] for file in traces] == ["client.sqlog", "server.sqlog"]
        assert all(len(list(read_qlog(file))) > 100 for file in traces)

    def test_nothing_in_four_streams(self, tmp_path: Path) -> None:
        result = transfer("tcpls", setting(tmp_path, size=0, streams=4))
        assert result.client.status == Status.DONE, result.client
        assert result.of("client", "done")[0].fields["sha256"] == result.sha256

    def test_mixed_families(self, tmp_path: Path) -> None:
        chosen = setting(tmp_path, listen=("::1", "127.0.0.2"), local=("::1", "127.0.0.1"))
        result = transfer("tcpls", chosen)
        check(result)
        assert result.of("client", "connected")[0].path == "::1"

    def test_latency(self, tmp_path: Path) -> None:
        result = transfer("tcpls", setting(tmp_path, testcase="latency", size=10 * 64 + 5))
        check(result)
        exchanges = result.of("client", "exchange")
        assert len(exchanges) == 11
        assert all(0 < event.fields["ms"] < 1000 for event in exchanges)


class TestObjects:
    @pytest.mark.parametrize(("placement", "path"), [("shared", "127.0.0.1"), ("own", "127.0.0.3")])
    def test_they_come_where_they_should(self, placement: Literal["shared", "own"], path: str, tmp_path: Path) -> None:
        objects = Objects(size=5000, interval=0.002, placement=placement)
        chosen = setting(tmp_path, testcase="objects", size=32 << 20, objects=objects, **TWO_PATHS)
        result = transfer("tcpls", chosen)
        check(result)
        seen = result.of("client", "object")
        assert len(seen) > 5
        assert sorted(event.fields["number"] for event in seen) == list(range(len(seen)))
        assert {event.bytes for event in seen} == {5000}
        # Those that are asked for before the second connection has joined go on the first.
        assert {event.path for event in seen[len(seen) // 2 :]} == {path}
        assert {event.path for event in result.of("client", "received")} == {"127.0.0.1"}


class TestPaths:
    def test_it_moves_when_it_is_told_to(self, tmp_path: Path) -> None:
        marks = (4 << 20, 8 << 20, 12 << 20)
        chosen = replace(setting(tmp_path, size=24 << 20, migrate=marks, **TWO_PATHS), multipath="backup")
        result = transfer("tcpls", chosen)
        check(result)
        moved = result.of("client", "migrated")
        paths = ["127.0.0.3", "127.0.0.1", "127.0.0.3"]
        assert [event.path for event in moved] == paths
        assert [event.fields["from"] for event in moved] == ["127.0.0.1", "127.0.0.3", "127.0.0.1"]
        by = dict.fromkeys(paths, 0)
        for event in result.of("client", "received"):
            assert event.path is not None
            by[event.path] += event.bytes
        assert min(by.values()) > 1 << 20

    def test_there_is_nowhere_to_move_to(self, tmp_path: Path) -> None:
        result = transfer("tcpls", setting(tmp_path, size=8 << 20, migrate=(1 << 20,)))
        assert (result.client.status, result.client.exit_code) == (Status.FAILED, 1)
        assert result.client.log_end[-1] == "client: the session failed: there is no other connection to move to"
        assert result.server.exit_code == 0

    def test_a_connection_that_is_reset_in_the_middle(self, tmp_path: Path) -> None:
        async def run() -> Transfer:
            chosen = setting(
                tmp_path,
                size=32 << 20,
                listen=("127.0.0.1",),
                connect=("127.0.0.1", "127.0.0.6"),
                local=("127.0.0.1", "127.0.0.3"),
            )
            live = cast(Live, SimpleNamespace(port=chosen.port))
            async with Proxy("127.0.0.6", live) as proxy:
                running = asyncio.create_task(transfers._transfer("tcpls", "tcpls", chosen, (None, None)))
                events = chosen.events("client")
                while not (events.exists() and '"path": "127.0.0.3"' in events.read_text()) and not running.done():
                    await asyncio.sleep(0.002)
                await proxy.reset()
                return await running

        result = asyncio.run(run())
        check(result)
        assert [event.path for event in result.of("client", "path_failed")] == ["127.0.0.3"]
        assert len(result.of("client", "path_joined")) >= 1


class TestFailures:
    def test_the_server_was_told_something_else(self, tmp_path: Path) -> None:
        async def run() -> Any:
            chosen = setting(tmp_path, size=1 << 20)
            async with transfers.start("tcpls", "server", replace(chosen, streams=2)) as server:
                await server.ready(
                    lambda: listening(server.pid, chosen.listen, chosen.port), limit=20, what="listening"
                )
                async with transfers.start("tcpls", "client", chosen) as client:
                    return await client.wait(20), await server.stop()

        client, server = asyncio.run(run())
        assert (client.status, client.exit_code) == (Status.FAILED, 1)
        assert client.log_end[-1].startswith("client: the session failed: ")
        assert "in 1 streams, the server was told" in server.log_end[-1]

    def test_the_server_ends_in_the_middle(self, tmp_path: Path) -> None:
        async def run() -> Any:
            chosen = setting(tmp_path, size=160 << 20)
            async with transfers.start("tcpls", "server", chosen) as server:
                await server.ready(
                    lambda: listening(server.pid, chosen.listen, chosen.port), limit=20, what="listening"
                )
                async with transfers.start("tcpls", "client", chosen) as client:
                    await client.ready(
                        lambda: chosen.events("client").exists() and "received" in chosen.events("client").read_text(),
                        limit=20,
                        what="receiving",
                        poll=0.001,
                    )
                    stopped = await server.stop()
                    return await client.wait(20), stopped

        client, server = asyncio.run(run())
        assert (server.status, server.exit_code) == (Status.DONE, 0), server
        assert (client.status, client.exit_code) == (Status.FAILED, 1)
        assert len(client.log_end) == 1
        assert client.log_end[0].startswith("client: ")

    def test_a_foreign_certificate(self, tmp_path: Path) -> None:
        chosen = setting(tmp_path)
        other = tmp_path / "other"
        other.mkdir()
        foreign = setting(other).tls
        assert foreign is not None
        result = transfer("tcpls", replace(chosen, tls=replace(chosen.tls, ca=foreign.ca)))  # type: ignore[type-var]
        assert result.client.exit_code != 0
        assert result.server.status == Status.DONE

    def test_a_server_without_tcpls(self, tmp_path: Path) -> None:
        result = transfer("tls", setting(tmp_path), client="tcpls")
        assert (result.client.status, result.client.exit_code) == (Status.FAILED, 1)
        assert result.client.log_end[-1] == "client: the server speaks plain TLS: it has no extension tcpls"


class TestEvents:
    def test_a_join_that_fails_is_no_path_that_has_failed(self) -> None:
        """The event path_failed needs the path, which is known of those that have joined."""
        written: list[tuple[str, dict[str, Any]]] = []
        log = SimpleNamespace(write=lambda name, **fields: written.append((name, fields)))
        client = Client(cast(Any, SimpleNamespace(migrate=())), cast(Any, None), cast(Any, log))
        client._on_event(ConnectionClosed(connection_id=3, reason="refused", failed=True))
        client._addresses[4] = "10.0.0.1"
        client._on_event(ConnectionClosed(connection_id=4, reason="reset", failed=True))
        client._on_event(ConnectionClosed(connection_id=4, reason="closed", failed=False))
        assert written == [
            ("note", {"text": "connection 3 could not be joined: refused"}),
            ("path_failed", {"path": "10.0.0.1", "reason": "reset", "connection": 4}),
        ]

    def test_the_server_ends_the_session_before_all_is_there(self) -> None:
        async def main() -> None:
            waiting = SimpleNamespace(done=False, due_at=None)
            client = Client(cast(Any, SimpleNamespace(migrate=())), cast(Any, None), cast(Any, None))
            client._begin = lambda _: client._tasks.append(cast(Any, waiting))  # type: ignore[method-assign,assignment]
            session = SimpleNamespace(core=SimpleNamespace(ended="clean"))
            with pytest.raises(EndpointError, match="ended the session before everything was there"):
                await client._work(cast(Any, session))

        asyncio.run(main())
