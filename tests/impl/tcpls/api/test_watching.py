"""Addresses that vanish and come back under a session, in a private network."""

import subprocess
from collections.abc import Iterator

import pytest

from impl.tcpls.api import Session, connect
from impl.tcpls.api import watching as module
from impl.tcpls.api.watching import AddressGuard
from impl.tcpls.events import ConnectionClosed, ConnectionJoined
from impl.tcpls.paths import Candidate
from impl.tcpls.sockets import SocketError
from tests.impl.tcpls.api.test_joining import DATA, Download
from tests.support.tcpls_live import client, joined, of, over, sender, serving
from tests.support.tls_streams import client_config, run, until


def ip(*commands: str) -> None:
    text = "".join(f"{command}\n" for command in commands)
    subprocess.run(["ip", "-batch", "-"], input=text, text=True, check=True)


@pytest.mark.sandbox
class TestAddressesThatVanish:
    @pytest.fixture(autouse=True)
    def _network(self) -> Iterator[None]:
        ip(
            "link add near type veth peer name far",
            "link set near addrgenmode none",
            "link set near up",
            "link set far up",
            "address add 10.7.0.1/24 dev near",
        )
        yield
        ip("link delete near")

    @pytest.mark.parametrize(
        ("break_it", "mend_it"),
        [
            ("address delete 10.7.0.1/24 dev near", "address add 10.7.0.1/24 dev near"),
            ("link set near down", "link set near up"),
            ("link set far down", "link set far up"),
        ],
        ids=["address", "link", "carrier"],
    )
    def test_the_transfer_goes_on_and_the_connection_comes_back(self, break_it: str, mend_it: str) -> None:
        async def main() -> None:
            candidates = [Candidate("10.7.0.1", "10.7.0.1"), Candidate("127.0.0.1", "127.0.0.1")]
            async with (
                serving(sender(DATA), "127.0.0.1", "10.7.0.1") as live,
                over(live, candidates) as (session, events),
            ):
                await joined(session, 2)
                download = Download(session)
                await download.reaches(2**21)
                ip(break_it)
                await until(lambda: bool(of(events, ConnectionClosed)))
                (closed,) = of(events, ConnectionClosed)
                assert (closed.connection_id, closed.failed) == (0, True)
                assert closed.reason == "the address 10.7.0.1 or its link is gone"
                await download.whole()
                assert list(session.core.connections) == [1]
                assert len(of(events, ConnectionJoined)) == 1
                ip(mend_it)
                await joined(session, 2)
                assert list(session.core.connections) == [1, 2]
                server = await live.session()
                await until(lambda: list(server.core.connections) == [1, 2])

        run(main())

    def test_the_server_drops_what_came_in_there_as_well(self) -> None:
        async def main() -> None:
            async with (
                serving(sender(DATA), "127.0.0.1", "10.7.0.1") as live,
                await connect("127.0.0.1", live.port, client_config()) as session,
            ):
                await session.join("10.7.0.1", local="127.0.0.1")
                server = await live.session()
                assert [stats.local for stats in server.stats()] == ["127.0.0.1", "10.7.0.1"]
                ip("address delete 10.7.0.1/24 dev near")
                await until(lambda: list(server.core.connections) == [0])
                await until(lambda: list(session.core.connections) == [0])

        run(main())


class TestMachinesWithoutRtnetlink:
    def test_sessions_go_without(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: object, **__: object) -> None:
            raise SocketError("addresses cannot be watched: of the test")

        async def main() -> None:
            monkeypatch.setattr(module, "AddressWatch", fail)
            no_sessions: list[Session] = []
            guard = AddressGuard(lambda: no_sessions)
            assert guard.failed == "addresses cannot be watched: of the test"
            guard.close()
            async with serving(sender(DATA)) as live, await client(live) as session:
                await Download(session).whole()

        run(main())

    def test_closing_twice(self) -> None:
        async def main() -> None:
            guard = AddressGuard(list)
            assert guard.failed is None
            guard.close()
            guard.close()

        run(main())
