"""Batched datagrams, over loopback."""

import socket
import time
from collections.abc import Callable
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.measure.datagrams import Receiver, Train, open_socket, pack_address, unpack_address
from harness.network.paths import Family


def _collect(receiver: Receiver, done: Callable[[int], bool]) -> list[tuple[bytes, int, tuple[str, int]]]:
    found: list[tuple[bytes, int, tuple[str, int]]] = []
    limit = time.monotonic() + 10
    while not done(len(found)):
        assert time.monotonic() < limit
        found += [(d.head, d.arrived_ns, unpack_address(d.sender)) for d in receiver.receive()]
    return found


class TestAddresses:
    @given(st.ip_addresses(v=4), st.integers(0, 65535))
    def test_ipv4(self, address: object, port: int) -> None:
        assert unpack_address(pack_address("ipv4", (str(address), port))) == (str(address), port)

    @given(st.ip_addresses(v=6), st.integers(0, 65535))
    def test_ipv6(self, address: object, port: int) -> None:
        host = socket.inet_ntop(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, str(address)))
        assert unpack_address(pack_address("ipv6", (host, port))) == (host, port)


class TestTrain:
    @pytest.mark.parametrize(("family", "host"), [("ipv4", "127.0.0.1"), ("ipv6", "::1")])
    def test_arrives_in_order_with_kernel_time(self, family: Family, host: str) -> None:
        count = 150
        with closing(open_socket(family, host)) as sender, closing(open_socket(family, host)) as sink:
            receiver = Receiver(sink)
            heads = [i.to_bytes(18, "big") for i in range(count)]
            train = Train(heads, 300)
            train.aim(pack_address(family, (host, sink.getsockname()[1])))
            before = time.time_ns()
            sent = 0
            while sent < count:
                sent += train.send(sender, sent, min(70, count - sent))
            found = _collect(receiver, lambda n: n == count)
            after = time.time_ns()
        assert [head for head, _, _ in found] == heads
        # The stamp is taken in the kernel before the receiving call, not by it.
        assert all(before <= at <= after for _, at, _ in found)
        assert {who for _, _, who in found} == {(host, sender_port(found))}

    def test_size_on_the_wire(self) -> None:
        with closing(open_socket("ipv4", "127.0.0.1")) as sender, closing(open_socket("ipv4", "127.0.0.1")) as sink:
            train = Train([bytes(18)], 1472)
            train.aim(pack_address("ipv4", sink.getsockname()))
            assert train.send(sender, 0, 1) == 1
            sink.setblocking(True)
            assert len(sink.recv(4000)) == 1472

    def test_error_is_raised(self) -> None:
        with closing(open_socket("ipv4", "127.0.0.1")) as sender:
            train = Train([bytes(18)], 18)
            train.aim(pack_address("ipv4", ("192.0.2.1", 9)))
            # From a loopback address there is no way to anywhere else.
            with pytest.raises(OSError, match=r"Invalid argument|unreachable"):
                train.send(sender, 0, 1)


def sender_port(found: list[tuple[bytes, int, tuple[str, int]]]) -> int:
    return found[0][2][1]


class TestReceiver:
    def test_short_datagram_keeps_its_length(self) -> None:
        with closing(open_socket("ipv4", "127.0.0.1")) as sender, closing(open_socket("ipv4", "127.0.0.1")) as sink:
            receiver = Receiver(sink)
            sender.sendto(b"a" * 40, sink.getsockname())
            assert _collect(receiver, lambda n: n == 1)[0][0] == b"a" * 18
            sender.sendto(b"bc", sink.getsockname())
            assert _collect(receiver, lambda n: n == 1)[0][0] == b"bc"

    def test_nothing_there(self) -> None:
        with closing(open_socket("ipv4", "127.0.0.1")) as sink:
            assert Receiver(sink).receive() == []

    def test_overflow_is_counted(self) -> None:
        with closing(open_socket("ipv4", "127.0.0.1")) as sender, closing(open_socket("ipv4", "127.0.0.1")) as sink:
            sink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            receiver = Receiver(sink)
            for _ in range(200):
                sender.sendto(bytes(1000), sink.getsockname())
            got = len(receiver.receive())
            assert got < 200
            sender.sendto(b"last", sink.getsockname())
            _collect(receiver, lambda n: n == 1)
            assert receiver.overflowed == 200 - got


class TestOpenSocket:
    def test_address_that_is_not_there(self) -> None:
        with pytest.raises(OSError, match="assign"):
            open_socket("ipv4", "192.0.2.1")
