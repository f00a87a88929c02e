"""Names of hosts."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest

from impl.tcpls.sockets.errors import SocketError
from impl.tcpls.sockets.resolving import resolve
from tests.support.tls_streams import run

Row = tuple[Any, ...]


def answering(monkeypatch: pytest.MonkeyPatch, answer: Callable[[], list[Row]]) -> None:
    """Put an answer in the place of the system's resolver."""

    def getaddrinfo(*_: Any, **__: Any) -> list[Row]:
        return answer()

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def row(family: int, *address: Any) -> Row:
    return (family, socket.SOCK_STREAM, 6, "", address)


class TestResolving:
    @pytest.mark.parametrize("address", ["10.0.0.1", "fd00::1", "fe80::1%lo"])
    def test_an_address_is_itself(self, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
        def asked() -> list[Row]:
            raise AssertionError("the resolver was asked")

        answering(monkeypatch, asked)
        assert run(resolve(address, 443)) == [address]

    def test_order_is_kept_and_each_is_named_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        rows = [
            row(socket.AF_INET6, "fd00::1", 443, 0, 0),
            row(socket.AF_INET, "10.0.0.1", 443),
            row(socket.AF_INET6, "fd00::1", 443, 0, 0),
            row(socket.AF_UNIX, "x"),
        ]
        answering(monkeypatch, lambda: rows)
        assert run(resolve("example.org", 443)) == ["fd00::1", "10.0.0.1"]

    def test_the_host_itself(self) -> None:
        assert {"127.0.0.1", "::1"} & set(run(resolve("localhost", 443)))


class TestRefusals:
    def test_no_such_host(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse() -> list[Row]:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        answering(monkeypatch, refuse)
        with pytest.raises(SocketError, match="cannot resolve 'nosuch': Name or service not known; check the name"):
            run(resolve("nosuch", 443))

    def test_no_address_of_a_known_family(self, monkeypatch: pytest.MonkeyPatch) -> None:
        answering(monkeypatch, lambda: [row(socket.AF_UNIX, "x")])
        with pytest.raises(SocketError, match="neither an IPv4 nor an IPv6 address"):
            run(resolve("odd", 443))

    @pytest.mark.parametrize("host", ["a\0b", "x" * 64 + ".org", "a..b"])
    def test_what_is_no_name(self, host: str) -> None:
        with pytest.raises(SocketError, match=r"is no name of a host|cannot resolve"):
            run(resolve(host, 443))

    def test_no_answer(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async def main() -> None:
            async def never(*_: Any, **__: Any) -> list[Row]:
                await asyncio.Event().wait()
                return []

            monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", never)
            with pytest.raises(SocketError, match=r"no answer within 0\.01 s"):
                await resolve("slow", 443, timeout=0.01)

        run(main())
