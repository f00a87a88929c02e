"""Listening sockets: ports, families, refusals, and accepting."""

import select
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import pytest

from impl.tcpls.sockets.errors import SocketError
from impl.tcpls.sockets.listening import accept_tcp, listen_tcp
from impl.tcpls.sockets.options import congestion_of
from tests.impl.tcpls.sockets.links import reset


@contextmanager
def listening(addresses: Sequence[str], port: int = 0, **settings: Any) -> Iterator[list[socket.socket]]:
    sockets = listen_tcp(addresses, port, **settings)
    try:
        yield sockets
    finally:
        for sock in sockets:
            sock.close()


class TestListening:
    def test_one_port_for_all_addresses(self) -> None:
        with listening(["127.0.0.1", "::1", "127.0.0.2"]) as sockets:
            assert [sock.getsockname()[0] for sock in sockets] == ["127.0.0.1", "::1", "127.0.0.2"]
            assert len({sock.getsockname()[1] for sock in sockets}) == 1
            assert all(not sock.getblocking() for sock in sockets)

    def test_both_wildcards_side_by_side(self) -> None:
        with listening(["0.0.0.0", "::"]) as sockets:
            port = sockets[0].getsockname()[1]
            with socket.create_connection(("127.0.0.1", port)):
                assert select.select(sockets, [], [], 10)[0] == [sockets[0]]

    def test_the_port_of_the_first_address_is_another_where_it_is_taken(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with socket.create_server(("127.0.0.2", 0)) as other:
            taken = other.getsockname()[1]
            bind, ports = socket.socket.bind, iter([taken, 0])

            def chosen(sock: socket.socket, address: tuple[Any, ...]) -> None:
                host, port = address
                bind(sock, (host, next(ports) if host == "127.0.0.1" else port))

            with monkeypatch.context() as patched:
                patched.setattr(socket.socket, "bind", chosen)
                sockets = listen_tcp(["127.0.0.1", "127.0.0.2"], 0)
            assert sockets[0].getsockname()[1] == sockets[1].getsockname()[1] != taken
            for sock in sockets:
                sock.close()

    def test_options(self) -> None:
        with listening(["127.0.0.1"], fast_open=True, congestion="reno", backlog=5) as [sock]:
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN) == 5
            assert congestion_of(sock) == "reno"


class TestRefusals:
    def test_a_taken_port_is_named_and_nothing_stays_open(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            with pytest.raises(SocketError, match=rf"cannot listen on 127\.0\.0\.1:{port}: .*in use.*listens there"):
                listen_tcp(["127.0.0.2", "127.0.0.1"], port)
            with listening(["127.0.0.2"], port):
                pass

    @pytest.mark.parametrize(
        ("addresses", "message"),
        [
            ([], "no address to listen on"),
            (["192.0.2.1"], r"cannot listen on 192\.0\.2\.1:0: .*no interface of this host"),
            (["example.org"], "'example.org' is no numeric address"),
            (["127.0.0.1", "127.0.0.1"], "given twice"),
        ],
    )
    def test_bad_addresses(self, addresses: list[str], message: str) -> None:
        with pytest.raises(SocketError, match=message):
            listen_tcp(addresses, 0)

    def test_a_refused_congestion_control(self) -> None:
        with pytest.raises(SocketError, match="congestion control 'nosuch'"):
            listen_tcp(["127.0.0.1"], 0, congestion="nosuch")


class TestAccepting:
    @pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
    def test_a_connection_and_its_peer(self, address: str) -> None:
        with listening([address]) as [listener]:
            assert accept_tcp(listener) is None
            with socket.create_connection((address, listener.getsockname()[1])) as client:
                assert select.select([listener], [], [], 10)[0]
                accepted = accept_tcp(listener)
                assert accepted is not None
                sock, peer = accepted
                with sock:
                    assert peer == client.getsockname()[:2]
                    assert not sock.getblocking()

    def test_one_that_was_reset_before_is_no_error(self) -> None:
        with listening(["127.0.0.1"]) as [listener]:
            reset(socket.create_connection(listener.getsockname()))
            assert select.select([listener], [], [], 10)[0]
            accepted = accept_tcp(listener)
            if accepted is not None:
                accepted[0].close()
            assert accept_tcp(listener) is None

    def test_errors_of_one_connection_are_passed_over(self) -> None:
        class Listener(socket.socket):
            errors: ClassVar[list[OSError]] = [
                ConnectionAbortedError(103, "gone"),
                OSError(71, "protocol"),
                BlockingIOError(11, "again"),
            ]

            def accept(self) -> Any:
                raise self.errors.pop(0)

        with Listener() as listener:
            assert accept_tcp(listener) is None
            assert not Listener.errors
            Listener.errors.append(OSError(24, "Too many open files"))
            with pytest.raises(OSError, match="Too many open files"):
                accept_tcp(listener)
