"""Tests of impl.nfqueue.queue with real packets over the loopback interface of a sandbox."""

import contextlib
import errno
import select
import socket
import subprocess
import time
from collections.abc import Iterator

import pytest

from impl.nfqueue import NetlinkError, Packet, Queue

pytestmark = pytest.mark.sandbox
PORT = 9000
SO_TIMESTAMPNS = 35
QUEUE = ["-t", "mangle", "-A", "OUTPUT", "-p", "udp", "--dport", str(PORT), "-j", "NFQUEUE", "--queue-num", "7"]


@pytest.fixture(scope="module", autouse=True)
def _network() -> None:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["iptables", "-w", *QUEUE], check=True)


@contextlib.contextmanager
def sockets() -> Iterator[tuple[socket.socket, socket.socket]]:
    with socket.socket(type=socket.SOCK_DGRAM) as receiver, socket.socket(type=socket.SOCK_DGRAM) as sender:
        receiver.bind(("127.0.0.1", PORT))
        receiver.settimeout(5)
        sender.connect(("127.0.0.1", PORT))
        yield sender, receiver


def take(queue: Queue, count: int) -> list[Packet]:
    """Wait for so many packets; their payloads are copied out of the queue's buffer."""
    found: list[Packet] = []
    while len(found) < count:
        assert select.select([queue], [], [], 5)[0], f"only {len(found)} of {count} packets came"
        for packet in queue.receive():
            fields = {name: getattr(packet, name) for name in Packet.__slots__ if name != "payload"}
            found.append(Packet(**fields, payload=memoryview(bytes(packet.payload))))
    return found


def received(receiver: socket.socket, count: int) -> list[bytes]:
    found = [receiver.recv(2000) for _ in range(count)]
    receiver.setblocking(False)
    with pytest.raises(BlockingIOError):
        receiver.recv(1)
    return found


class TestBinding:
    def test_a_queue_is_bound_once(self) -> None:
        with Queue(9), pytest.raises(NetlinkError, match="queue 9") as caught:
            Queue(9)
        assert caught.value.errno in (errno.EBUSY, errno.EPERM)

    def test_closing_frees_it(self) -> None:
        for _ in range(2):
            Queue(9).close()


class TestReceiving:
    def test_nothing_comes_without_blocking(self) -> None:
        with Queue(7) as queue:
            assert queue.receive() == []
            assert queue.receive_arrivals() == []

    def test_the_copied_part_and_the_whole_length_come(self) -> None:
        with Queue(7, copy=20) as queue, sockets() as (sender, _):
            sender.send(bytes(1000))
            (packet,) = take(queue, 1)
            assert (packet.length, len(packet.payload), packet.protocol, packet.hook) == (1028, 20, 0x0800, 3)

    def test_metadata_alone_comes_without_copy(self) -> None:
        with Queue(7) as queue, sockets() as (sender, _):
            sender.send(b"x")
            (packet,) = take(queue, 1)
            assert (packet.length, len(packet.payload)) == (0, 0)

    def test_more_than_one_buffer_of_arrivals_comes_at_one_call(self) -> None:
        # Several senders, for each may have only so much under way.
        with Queue(7, copy=20) as queue, contextlib.ExitStack() as stack:
            for start in range(0, 600, 100):
                sender = stack.enter_context(socket.socket(type=socket.SOCK_DGRAM))
                for size in range(start, start + 100):
                    sender.sendto(bytes(size), ("127.0.0.1", PORT))
            arrivals = queue.receive_arrivals()
            assert [length for _, _, length in arrivals] == [28 + size for size in range(600)]
            ids = [packet_id for packet_id, _, _ in arrivals]
            assert ids == list(range(ids[0], ids[0] + 600))

    def test_the_copy_can_be_changed_while_packets_wait(self) -> None:
        with Queue(7, copy=20) as queue, sockets() as (sender, receiver):
            sender.send(b"one" * 30)
            queue.set_copy(65531)
            sender.send(b"two" * 30)
            queue.set_copy(20)
            sender.send(b"six" * 30)
            packets = take(queue, 3)
            assert [len(packet.payload) for packet in packets] == [20, 118, 20]
            queue.accept_up_to(packets[-1].id)
            queue.flush()
            assert received(receiver, 3) == [b"one" * 30, b"two" * 30, b"six" * 30]


class TestVerdicts:
    def test_single_verdicts_pass_and_drop(self) -> None:
        with Queue(7) as queue, sockets() as (sender, receiver):
            for text in (b"a", b"b", b"c"):
                sender.send(text)
            first, second, third = take(queue, 3)
            queue.accept(third.id)
            queue.drop(second.id)
            queue.accept(first.id)
            queue.flush()
            assert received(receiver, 2) == [b"c", b"a"]

    def test_a_batch_takes_all_older_ones_in_order(self) -> None:
        with Queue(7) as queue, sockets() as (sender, receiver):
            for index in range(10):
                sender.send(bytes([index]))
            packets = take(queue, 10)
            queue.drop_up_to(packets[1].id)
            queue.accept_up_to(packets[8].id)
            queue.flush()
            assert received(receiver, 7) == [bytes([index]) for index in range(2, 9)]

    def test_a_payload_is_replaced(self) -> None:
        with Queue(7, copy=65531) as queue, sockets() as (sender, receiver):
            sender.send(b"before")
            (packet,) = take(queue, 1)
            changed = bytearray(packet.payload)
            changed[28:] = b"behind"
            changed[26:28] = b"\0\0"  # no UDP checksum
            queue.accept(packet.id, payload=changed)
            queue.flush()
            assert received(receiver, 1) == [b"behind"]

    def test_a_mark_is_set_before_the_rules_are_passed_again(self) -> None:
        rule = ["-t", "mangle", "-I", "OUTPUT", "-m", "mark", "--mark", "5", "-j", "ACCEPT"]
        subprocess.run(["iptables", "-w", *rule], check=True)
        with Queue(7) as queue, sockets() as (sender, receiver):
            sender.send(b"x")
            (packet,) = take(queue, 1)
            queue.repeat(packet.id, mark=5)
            queue.flush()
            assert received(receiver, 1) == [b"x"]

    def test_a_refused_verdict_is_counted(self) -> None:
        with Queue(7) as queue:
            queue.accept(12345)
            queue.flush()
            assert queue.receive() == []
            assert queue.refused == 1


class TestTimestamps:
    def test_received_packets_carry_their_arrival_while_a_socket_wants_it(self) -> None:
        with socket.socket(type=socket.SOCK_DGRAM) as stamps:
            stamps.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            argv = ["-t", "mangle", "-A", "INPUT", "-p", "udp", "--dport", "9001", "-j", "NFQUEUE", "--queue-num", "8"]
            subprocess.run(["iptables", "-w", *argv], check=True)
            with Queue(8, copy=20) as queue, socket.socket(type=socket.SOCK_DGRAM) as sender:
                for _ in range(3):
                    before = time.time_ns()
                    sender.sendto(b"", ("127.0.0.1", 9001))
                    after = time.time_ns()
                    ((_, arrival, length),) = queue.receive_arrivals()
                    assert before - 1000 <= arrival <= after  # the kernel tells whole microseconds
                    assert length == 28
