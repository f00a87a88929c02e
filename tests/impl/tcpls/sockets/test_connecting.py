"""Connecting over loopback, with and without Fast Open, to those who answer, refuse and are silent."""

import asyncio
import errno
import itertools
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from impl.tcpls.sockets.connecting import Connected, connect_tcp
from impl.tcpls.sockets.errors import ConnectFailed, SocketError
from impl.tcpls.sockets.listening import accept_tcp, listen_tcp
from impl.tcpls.sockets.options import congestion_of
from impl.tcpls.sockets.tcp_info import fast_open_acked, read_info
from tests.support.tls_streams import run, until

NUMBERS = itertools.count(1)
PORT_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
FAST_OPEN = Path("/proc/sys/net/ipv4/tcp_fastopen")


@pytest.fixture(params=["127.0.0.1", "::1"])
def listener(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    [sock] = listen_tcp([request.param], 0, fast_open=True)
    with sock:
        yield sock


def place(listener: socket.socket) -> tuple[str, int]:
    host, port = listener.getsockname()[:2]
    return host, port


async def accepted(listener: socket.socket) -> socket.socket:
    found: list[socket.socket] = []

    def one() -> bool:
        got = accept_tcp(listener)
        if got is not None:
            found.append(got[0])
        return got is not None

    await until(one)
    return found[0]


def connect(listener: socket.socket, **settings: Any) -> Connected:
    """Connect, without looking at what the server gets."""
    return run(connect_tcp(None, *place(listener), **settings))


def silent(port: int = 0) -> socket.socket:
    """A listener whose queue is soon full: further SYNs get no answer."""
    return socket.create_server(("127.0.0.1", port), backlog=0)


class TestConnecting:
    def test_a_connection(self, listener: socket.socket) -> None:
        with connect(listener, congestion="reno").sock as sock:
            assert sock.getpeername()[:2] == place(listener)
            assert not sock.getblocking()
            assert congestion_of(sock) == "reno"
            assert read_info(sock, 0.0).established

    def test_its_time_and_that_nothing_was_taken(self, listener: socket.socket) -> None:
        found = connect(listener)
        found.sock.close()
        assert 0 < found.seconds < 10
        assert (found.taken, found.acked) == (0, None)

    def test_from_an_address(self) -> None:
        with listen_tcp(["127.0.0.1"], 0)[0] as server, run(connect_tcp("127.0.0.7", *place(server))).sock as sock:
            assert sock.getsockname()[0] == "127.0.0.7"

    def test_from_an_ipv6_address(self) -> None:
        with listen_tcp(["::1"], 0)[0] as server, run(connect_tcp("::1", *place(server))).sock as sock:
            assert sock.getsockname()[0] == "::1"


class TestRefusals:
    def test_nobody_listens(self) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            port = unused.getsockname()[1]
            with pytest.raises(ConnectFailed) as caught:
                run(connect_tcp("127.0.0.1", "127.0.0.1", port))
        refused = f"cannot connect from 127.0.0.1 to 127.0.0.1:{port}: Connection refused (nothing listens there)"
        assert str(caught.value) == refused

    def test_nobody_listens_and_data_were_to_go_with_the_syn(self) -> None:
        with pytest.raises(ConnectFailed, match="Connection refused"):
            run(connect_tcp(None, "127.0.0.1", 1, fast_open=b"hello"))

    def test_no_answer(self) -> None:
        async def main() -> None:
            with silent() as listener:
                (await connect_tcp(None, *place(listener))).sock.close()  # and waits to be accepted
                with pytest.raises(ConnectFailed, match=r"no answer within 0\.05 s") as caught:
                    await connect_tcp(None, *place(listener), timeout=0.05)
                assert caught.value.errno == errno.ETIMEDOUT

        run(main())

    @pytest.mark.parametrize(
        ("local", "remote", "port", "message"),
        [
            ("127.0.0.1", "::1", 1, "one is an IPv4 address, the other an IPv6 one"),
            (None, "localhost", 1, "no numeric address"),
            (None, "127.0.0.1", 70000, "port 70000 does not exist"),
            (None, "fe80::1", 1, "needs its interface"),
        ],
    )
    def test_what_makes_no_sense(self, local: str | None, remote: str, port: int, message: str) -> None:
        with pytest.raises(SocketError, match=message):
            run(connect_tcp(local, remote, port))

    def test_an_address_that_is_not_here(self) -> None:
        with pytest.raises(ConnectFailed, match=r"from 192\.0\.2\.1 to 127\.0\.0\.1:1: .*no interface of this host"):
            run(connect_tcp("192.0.2.1", "127.0.0.1", 1))

    def test_an_option_that_is_refused(self) -> None:
        with pytest.raises(SocketError, match="'nosuch'"):
            run(connect_tcp(None, "127.0.0.1", 1, congestion="nosuch"))

    def test_a_link_local_server_is_looked_for_on_the_interface_of_the_local_address(self) -> None:
        # lo has no such address: the kernel's answer shows that the interface was taken over.
        with pytest.raises(ConnectFailed, match=r"from fe80::1%lo to \[fe80::2\]:1: "):
            run(connect_tcp("fe80::1%lo", "fe80::2", 1, timeout=5))


class TestCancelling:
    def test_the_socket_is_closed(self) -> None:
        async def main() -> None:
            with silent() as listener:
                (await connect_tcp(None, *place(listener))).sock.close()
                waiting = asyncio.create_task(connect_tcp(None, *place(listener), timeout=None))
                done, _ = await asyncio.wait([waiting], timeout=0.05)
                assert not done
                waiting.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await waiting

        run(main())  # and a socket left open would warn


def wait_for_route(address: str) -> None:
    """Wait until a new IPv6 address is this host's own: the kernel makes its local route a moment after its prefix's.

    In between, what is sent there finds a way out, and comes back as unreachable.
    """
    command = ["ip", "-6", "route", "get", address]
    while not subprocess.run(command, capture_output=True, text=True).stdout.startswith("local "):
        time.sleep(0.001)


@pytest.mark.sandbox
class TestPorts:
    def test_an_address_has_all_its_ports_for_each_server(self) -> None:
        async def main() -> None:
            with listen_tcp(["0.0.0.0"], 0)[0] as server:
                port = server.getsockname()[1]
                found = [await connect_tcp("127.0.0.9", f"127.0.3.{number}", port) for number in range(1, 6)]
            assert {each.sock.getsockname()[1] for each in found} <= {40000, 40001}
            for each in found:
                each.sock.close()

        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        before = PORT_RANGE.read_text()
        PORT_RANGE.write_text("40000 40001")
        try:
            run(main())
        finally:
            PORT_RANGE.write_text(before)


@pytest.mark.sandbox
class TestFastOpen:
    @pytest.fixture(autouse=True)
    def _on(self) -> None:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        FAST_OPEN.write_text("3")

    @pytest.fixture(params=[4, 6])
    def listener(self, request: pytest.FixtureRequest) -> Iterator[socket.socket]:
        """A listener on an address of its own, for which no cookie is known yet."""
        number = next(NUMBERS)
        address = f"127.0.1.{number}" if request.param == 4 else f"fd00::{number}"
        if request.param == 6:
            subprocess.run(["ip", "address", "add", address, "dev", "lo", "nodad"], check=True)
            wait_for_route(address)
        [sock] = listen_tcp([address], 0, fast_open=True)
        with sock:
            yield sock

    @staticmethod
    async def exchange(listener: socket.socket, data: bytes) -> tuple[Connected, bytes, bool]:
        """Connect with data, send what was not taken, and return what the server got and how."""
        found = await connect_tcp(None, *place(listener), fast_open=data)
        with found.sock, await accepted(listener) as server:
            rest = data[found.taken :]
            if rest:
                await asyncio.get_running_loop().sock_sendall(found.sock, rest)
            got = b""
            while len(got) < len(data):
                got += await asyncio.get_running_loop().sock_recv(server, 1 << 16)
            return found, got, fast_open_acked(server)

    def test_the_first_time_there_is_no_cookie_the_second_time_data_go_with_the_syn(
        self, listener: socket.socket
    ) -> None:
        async def main() -> None:
            first, got, acked = await self.exchange(listener, b"hello")
            assert (got, first.taken, first.acked, acked) == (b"hello", 0, None, False)
            second, got, acked = await self.exchange(listener, b"hello")
            assert (got, second.taken, second.acked, acked) == (b"hello", 5, True, True)

        run(main())

    def test_what_does_not_fit_is_not_taken(self, listener: socket.socket) -> None:
        async def main() -> None:
            await self.exchange(listener, b"for the cookie")
            data = bytes(range(256)) * 1024
            found, got, _ = await self.exchange(listener, data)
            assert 0 < found.taken < len(data)
            assert got == data

        run(main())

    def test_a_server_that_does_not_want_it_gets_the_data_all_the_same(self, listener: socket.socket) -> None:
        async def main() -> None:
            await self.exchange(listener, b"for the cookie")
            FAST_OPEN.write_text("1")
            found, got, acked = await self.exchange(listener, b"hello")
            assert (got, found.taken, found.acked, acked) == (b"hello", 5, False, False)

        run(main())

    def test_where_it_is_off_the_connection_is_an_ordinary_one(self, listener: socket.socket) -> None:
        async def main() -> None:
            FAST_OPEN.write_text("0")
            found, got, _ = await self.exchange(listener, b"hello")
            assert (got, found.taken, found.acked) == (b"hello", 0, None)

        run(main())

    def test_from_an_address(self) -> None:
        async def main() -> None:
            with listen_tcp(["127.0.2.1"], 0, fast_open=True)[0] as server:
                for taken in (0, 5):
                    found = await connect_tcp("127.0.0.9", *place(server), fast_open=b"hello")
                    with found.sock, await accepted(server) as sock:
                        assert found.taken == taken
                        assert sock.getpeername()[0] == "127.0.0.9"

        run(main())
