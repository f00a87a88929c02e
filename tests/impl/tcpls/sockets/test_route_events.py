"""Watching the addresses of a private network namespace."""

import asyncio
import errno
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from impl.tcpls.sockets.errors import SocketError
from impl.tcpls.sockets.route_events import AddressWatch
from tests.impl.tcpls.sockets import rtnetlink
from tests.support.tls_streams import run, until


def ip(*commands: str) -> None:
    text = "".join(f"{command}\n" for command in commands)
    subprocess.run(["ip", "-batch", "-"], input=text, text=True, check=True)


@dataclass
class Changes:
    """Notes what it is told."""

    told: list[tuple[set[str], set[str]]] = field(default_factory=list)
    present: frozenset[str] = frozenset()
    routes: int = 0

    def __call__(self, present: frozenset[str], gone: frozenset[str], come: frozenset[str]) -> None:
        assert come <= present
        assert not gone & present
        self.present = present
        self.told.append((set(gone), set(come)))

    def on_routes(self) -> None:
        self.routes += 1


@pytest.mark.sandbox
class TestWatching:
    @pytest.fixture(autouse=True)
    def _network(self) -> Iterator[None]:
        ip(
            "link add near type veth peer name far",
            "link set near addrgenmode none",
            "link set near up",
            "link set far up",
            "address add 10.7.0.1/24 dev near",
            "address add fd07::1/64 dev near nodad",
        )
        yield
        ip("link delete near")

    @staticmethod
    def watch(step: Callable[[AddressWatch, Changes], Any], **settings: Any) -> None:
        async def main() -> None:
            changes = Changes()
            watch = AddressWatch(asyncio.get_running_loop(), changes, **settings)
            try:
                await until(lambda: {"10.7.0.1", "fd07::1"} <= watch.present)  # the carrier may take a moment
                changes.told.clear()
                await step(watch, changes)
            finally:
                watch.close()
                watch.close()

        run(main())

    def test_what_is_there_at_first_is_known_at_once(self) -> None:
        async def main() -> None:
            loop = asyncio.get_running_loop()
            first = AddressWatch(loop, Changes())
            await until(lambda: "10.7.0.1" in first.present)
            first.close()
            second = AddressWatch(loop, Changes())
            assert {"10.7.0.1", "fd07::1"} <= second.present
            second.close()

        run(main())

    def test_an_address_that_goes_and_comes(self) -> None:
        async def step(watch: AddressWatch, changes: Changes) -> None:
            ip("address delete 10.7.0.1/24 dev near")
            await until(lambda: changes.told == [({"10.7.0.1"}, set())])
            assert "10.7.0.1" not in watch.present
            ip("address add 10.7.0.2/24 dev near")
            await until(lambda: changes.told[1:] == [(set(), {"10.7.0.2"})])
            assert watch.present == changes.present

        self.watch(step)

    def test_an_interface_that_is_set_down_and_up(self) -> None:
        async def step(watch: AddressWatch, changes: Changes) -> None:
            ip("link set near down")
            await until(lambda: not {"10.7.0.1", "fd07::1"} & watch.present)
            ip("link set near up")
            await until(lambda: "10.7.0.1" in watch.present)  # IPv6 addresses do not come back by themselves
            assert watch.present == changes.present

        self.watch(step)

    def test_a_carrier_that_is_lost(self) -> None:
        async def step(watch: AddressWatch, changes: Changes) -> None:
            ip("link set far down")
            await until(lambda: not {"10.7.0.1", "fd07::1"} & watch.present)
            ip("link set far up")
            await until(lambda: {"10.7.0.1", "fd07::1"} <= watch.present)
            assert watch.present == changes.present

        self.watch(step)

    def test_an_interface_that_vanishes_and_appears(self) -> None:
        async def step(watch: AddressWatch, _: Changes) -> None:
            ip("link delete near")
            await until(lambda: not {"10.7.0.1", "fd07::1"} & watch.present)
            ip("link add near type veth peer name far", "link set far up", "link set near up")
            ip("address add 10.7.0.1/24 dev near")
            await until(lambda: "10.7.0.1" in watch.present)

        self.watch(step)

    def test_a_tentative_address_does_not_count_yet(self) -> None:
        async def step(watch: AddressWatch, changes: Changes) -> None:
            subprocess.run(["sysctl", "-qw", "net.ipv6.conf.near.dad_transmits=100"], check=True)
            ip("address add fd07::2/64 dev near", "address add 10.7.0.3/24 dev near")
            await until(lambda: "10.7.0.3" in watch.present)  # told after the first
            assert "fd07::2" not in watch.present
            assert changes.told == [(set(), {"10.7.0.3"})]

        self.watch(step)

    def test_link_local_addresses_come_with_their_interface(self) -> None:
        async def step(watch: AddressWatch, _: Changes) -> None:
            ip("address add fe80::7/64 dev near nodad")
            await until(lambda: "fe80::7%near" in watch.present)

        self.watch(step)

    def test_routes_are_told_to_those_who_ask(self) -> None:
        async def main() -> None:
            changes = Changes()
            watch = AddressWatch(asyncio.get_running_loop(), changes, on_routes=changes.on_routes)
            await until(lambda: {"10.7.0.1", "fd07::1"} <= watch.present)
            for command in ("add default via 10.7.0.9", "delete default", "add default via fd07::9"):
                changes.routes = 0
                ip(f"route {command}")
                await until(lambda: changes.routes > 0)
            watch.close()

        run(main())

    def test_after_an_overrun_all_is_listed_again(self) -> None:
        async def step(watch: AddressWatch, changes: Changes) -> None:
            many = [f"10.8.{high}.{low}" for high in range(4) for low in range(1, 101)]
            ip(*(f"address add {address}/32 dev near" for address in many))
            await until(lambda: set(many) <= watch.present)
            ip(*(f"address delete {address}/32 dev near" for address in many))
            await until(lambda: not set(many) & watch.present)
            assert {"10.7.0.1", "fd07::1"} <= watch.present
            assert watch.present == changes.present
            assert len(changes.told) < 10  # and not 800: many changes at once are one

        self.watch(step, receive_buffer=1)  # the kernel's least: a few messages

    def test_nothing_is_told_after_close(self) -> None:
        async def step(watch: AddressWatch, changes: Changes) -> None:
            watch.close()
            ip("address delete 10.7.0.1/24 dev near")
            await asyncio.sleep(0.01)
            assert changes.told == []

        self.watch(step)


class Script:
    """A netlink socket whose kernel says what the test wrote: for each request, datagrams or errors."""

    def __init__(self, *answers: list[bytes | OSError]) -> None:
        self._local, self._remote = socket.socketpair()
        self._answers = list(answers)
        self._waiting: list[bytes | OSError] = []
        self.requests = 0

    def say(self, *said: bytes | OSError) -> None:
        self._waiting += said
        self._remote.send(b"!")

    def send(self, _: bytes) -> None:
        self.requests += 1
        if self._answers:
            self.say(*self._answers.pop(0))

    def recvfrom(self, _: int) -> tuple[bytes, tuple[int, int]]:
        if not self._waiting:
            while self._local.recv(1 << 10, socket.MSG_DONTWAIT):
                pass
        said = self._waiting.pop(0)
        if isinstance(said, OSError):
            raise said
        return said, (0, 0)

    def setsockopt(self, *_: int) -> None: ...
    def bind(self, _: tuple[int, int]) -> None: ...
    def settimeout(self, _: float) -> None: ...
    def setblocking(self, _: bool) -> None: ...

    def fileno(self) -> int:
        return self._local.fileno()

    def close(self) -> None:
        self._local.close()
        self._remote.close()


LOST = OSError(errno.ENOBUFS, "No buffer space available")


def links(sequence: int) -> bytes:
    return rtnetlink.link(1, "lo") + rtnetlink.link(2, "eth0") + rtnetlink.done(sequence)


def addresses(sequence: int, *found: str) -> bytes:
    return b"".join(rtnetlink.address(2, address) for address in found) + rtnetlink.done(sequence)


class TestListing:
    """What a kernel does rarely, said by a script."""

    @staticmethod
    def made(monkeypatch: pytest.MonkeyPatch, script: Script, changes: Changes) -> AddressWatch:
        with monkeypatch.context() as patched:
            patched.setattr(socket, "socket", lambda *_: script)
            return AddressWatch(asyncio.get_running_loop(), changes)

    def test_an_interrupted_one_is_made_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async def main() -> None:
            script = Script(
                [rtnetlink.link(2, "eth0"), rtnetlink.done(1, interrupted=True)],
                [links(2)],
                [rtnetlink.address(2, "10.0.0.9"), rtnetlink.done(3, code=-errno.EINTR)],
                [links(4)],
                [addresses(5, "10.0.0.1")],
            )
            watch = self.made(monkeypatch, script, Changes())
            assert watch.present == {"10.0.0.1"}
            assert script.requests == 5
            watch.close()

        run(main())

    def test_events_between_its_parts_are_the_later_word(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async def main() -> None:
            script = Script(
                [links(1)],
                [
                    rtnetlink.address(2, "10.0.0.1") + rtnetlink.address(2, "10.0.0.2"),
                    rtnetlink.address(2, "10.0.0.1", gone=True),
                    rtnetlink.done(2),
                ],
            )
            watch = self.made(monkeypatch, script, Changes())
            assert watch.present == {"10.0.0.2"}
            watch.close()

        run(main())

    def test_events_lost_during_one_mean_another(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async def main() -> None:
            script = Script([LOST, links(1)], [links(2)], [addresses(3, "10.0.0.1")])
            watch = self.made(monkeypatch, script, Changes())
            assert watch.present == {"10.0.0.1"}
            watch.close()

        run(main())

    def test_until_a_new_one_is_complete_the_old_one_holds(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async def main() -> None:
            script = Script([links(1)], [addresses(2, "10.0.0.1")], [links(3)], [])
            changes = Changes()
            watch = self.made(monkeypatch, script, changes)
            script.say(LOST)
            await until(lambda: script.requests == 4)
            assert watch.present == {"10.0.0.1"}
            script.say(addresses(4, "10.0.0.2"))
            await until(lambda: watch.present == {"10.0.0.2"})
            assert changes.told == [({"10.0.0.1"}, {"10.0.0.2"})]
            watch.close()

        run(main())

    def test_a_refusal_at_first_is_an_error(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async def main() -> None:
            with pytest.raises(SocketError, match=r"addresses cannot be watched: rtnetlink: .*not permitted"):
                self.made(monkeypatch, Script([rtnetlink.refused(1, errno.EPERM)]), Changes())

        run(main())

    def test_no_rtnetlink_at_all(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: int) -> socket.socket:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")

        async def main() -> None:
            loop = asyncio.get_running_loop()
            with monkeypatch.context() as patched:
                patched.setattr(socket, "socket", refuse)
                with pytest.raises(SocketError, match="no rtnetlink socket: Address family"):
                    AddressWatch(loop, Changes())

        run(main())

    def test_a_failure_later_is_tried_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async def main() -> None:
            monkeypatch.setattr("impl.tcpls.sockets.route_events._RETRY", 0.001)
            script = Script(
                [links(1)],
                [addresses(2, "10.0.0.1")],
                [OSError(errno.ENOMEM, "Cannot allocate memory")],
                [links(4)],
                [addresses(5, "10.0.0.2")],
            )
            changes = Changes()
            watch = self.made(monkeypatch, script, changes)
            script.say(LOST)
            await until(lambda: watch.present == {"10.0.0.2"})
            assert script.requests == 5
            watch.close()

        run(main())
