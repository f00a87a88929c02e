"""Tests of the element nfqueue with real packets in a sandbox: delay, order, changes, losses, death, counters."""

import os
import random
import select
import signal
import socket
import statistics
import time
from collections.abc import Iterator

import pytest

from harness.elements import CounterReader, ElementDied, Elements
from harness.elements.line import Counters
from harness.network.namespaces import enter
from harness.network.paths import DirectionName, PathInstance
from harness.spec.link import Link
from tests.harness.elements.chain import chain
from tests.harness.elements.traffic import PORT, Receiver, sender

pytestmark = pytest.mark.sandbox


def link(**fields: object) -> Link:
    return Link.model_validate(fields)


def setup(path: PathInstance, forward: Link, backward: Link | None = None, seed: int = 1) -> Elements:
    links: dict[tuple[str, DirectionName], Link] = {("p", "forward"): forward, ("p", "backward"): backward or link()}
    return Elements.setup([path], links, element="nfqueue", seed=seed)


def send_numbers(out: socket.socket, numbers: range, size: int = 100) -> None:
    for number in numbers:
        out.send(number.to_bytes(4, "big").ljust(size, b"."))


def settled(elements: Elements, packets_in: int, timeout: float = 5.0) -> Counters:
    """Wait until so many packets have arrived at the forward element, and all have left it."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        counters = elements.counters()["p", "forward"]
        if counters.packets_in == packets_in == counters.packets_out - counters.duplicated + counters.lost:
            return counters
        time.sleep(0.005)
    raise AssertionError(f"not settled at {packets_in}: {counters}")


@pytest.fixture(params=["ipv4", "ipv6"])
def both(request: pytest.FixtureRequest) -> Iterator[PathInstance]:
    with chain(family=request.param) as path:
        yield path


@pytest.fixture
def path() -> Iterator[PathInstance]:
    with chain() as made:
        yield made


class TestDelay:
    @pytest.mark.parametrize("delay", [0, 1, 20])
    def test_packets_wait_for_the_delay(self, both: PathInstance, delay: int) -> None:
        with setup(both, link(delay=f"{delay}ms")), Receiver(both) as receiver, sender(both) as out:
            send_numbers(out, range(1))  # neighbours are resolved
            receiver.take(1)
            waited = []
            for _ in range(40):
                sent = time.time_ns()
                send_numbers(out, range(1))
                waited.append((receiver.take(1)[0][1] - sent) / 1e6)
        # The middle one: single packets may be late on a busy machine, none may be early by more than a group's half.
        assert statistics.median(waited) == pytest.approx(delay, abs=0.5)
        assert min(waited) >= delay - 0.2

    def test_jitter_spreads_and_does_not_reorder(self, path: PathInstance) -> None:
        jittery = link(delay="20ms", jitter={"amount": "5ms"})
        with setup(path, jittery), Receiver(path) as receiver, sender(path) as out:
            start = {}
            for number in range(200):
                start[number] = time.time_ns()
                send_numbers(out, range(number, number + 1))
                time.sleep(0.002)
            arrived = receiver.take(200)
        assert [number for number, _ in arrived] == list(range(200))
        waited = [(at - start[number]) / 1e6 for number, at in arrived]
        assert statistics.stdev(waited) > 1

    def test_both_directions_have_their_own(self, path: PathInstance) -> None:
        with setup(path, link(delay="5ms"), link(delay="30ms")), Receiver(path) as receiver, sender(path) as out:
            for _ in range(2):
                sent = time.monotonic()
                out.send(b"ping")
                _, address = receiver.socket.recvfrom(100)
                receiver.socket.sendto(b"pong", address)
                out.settimeout(5)
                assert out.recv(100) == b"pong"
                waited = time.monotonic() - sent
        assert 0.0345 <= waited <= 0.06


class TestChange:
    def test_changes_lose_and_reorder_nothing(self, path: PathInstance) -> None:
        numbers = random.Random(1)
        with setup(path, link(delay="50ms")) as elements, Receiver(path) as receiver, sender(path) as out:
            for number in range(2000):
                if number % 50 == 25:
                    fields: dict[str, object] = {"delay": f"{numbers.randrange(80)}ms"}
                    if numbers.random() < 0.5:
                        fields["jitter"] = {"amount": "2ms"}
                    if numbers.random() < 0.3:
                        fields["corrupt"] = 1e-9  # copies whole packets from here on
                    elements.change("p", "forward", link(**fields))
                send_numbers(out, range(number, number + 1))
                if number % 10 == 0:
                    time.sleep(0.001)
            assert [number for number, _ in receiver.take(2000)] == list(range(2000))
            assert settled(elements, 2000).overflow == 0

    def test_it_holds_from_the_time_it_reports(self, path: PathInstance) -> None:
        with setup(path, link(delay="5ms")) as elements, Receiver(path) as receiver, sender(path) as out:
            before = time.monotonic_ns()
            at = elements.change("p", "forward", link(delay="60ms"))
            assert before <= at <= time.monotonic_ns()
            sent = time.time_ns()
            send_numbers(out, range(1))
            assert receiver.take(1)[0][1] - sent >= 59_500_000

    def test_rate_changes_lose_nothing_that_waits(self, path: PathInstance) -> None:
        slow = {"delay": "5ms", "queue": {"packets": 100}}
        with setup(path, link(rate="2mbit", **slow)) as elements, Receiver(path) as receiver, sender(path) as out:
            send_numbers(out, range(80), size=1000)
            for rate in ("3mbit", "1mbit", "20mbit"):
                elements.change("p", "forward", link(rate=rate, **slow))
            elements.change("p", "forward", link(delay="5ms", queue={"bytes": "90kB"}))
            assert [number for number, _ in receiver.take(80)] == list(range(80))


class TestLoss:
    def lost_numbers(self, forward: Link, seed: int, count: int = 500) -> list[int]:
        with (
            chain() as path,
            setup(path, forward, seed=seed) as elements,
            Receiver(path) as receiver,
            sender(path) as out,
        ):
            send_numbers(out, range(1, count + 1))
            counters = settled(elements, count)
            arrived = {number for number, _ in receiver.take(count - counters.lost)}
            assert counters.lost_bytes == counters.lost * (100 + 28 + 14)
        return [number for number in range(1, count + 1) if number not in arrived]

    @pytest.mark.parametrize(
        "loss", [0.1, {"model": "gilbert_elliott", "to_bad": 0.05, "to_good": 0.4}], ids=["uniform", "bursts"]
    )
    def test_the_same_seed_loses_the_same_packets(self, loss: object) -> None:
        first = self.lost_numbers(link(loss=loss, delay="3ms"), 7)
        assert 15 <= len(first) <= 120
        assert self.lost_numbers(link(loss=loss, delay="3ms"), 7) == first
        assert self.lost_numbers(link(loss=loss, delay="3ms"), 8) != first

    def test_indexes_name_the_packets(self) -> None:
        assert self.lost_numbers(link(loss={"model": "indexes", "packets": [2, 3, 50]}), 1, 100) == [2, 3, 50]

    def test_only_syns_are_lost(self, both: PathInstance) -> None:
        family = socket.AF_INET if both.family == "ipv4" else socket.AF_INET6
        with setup(both, link(delay="1ms", loss={"model": "syn", "first": 1})) as elements:
            with enter(both.to.pid):
                listener = socket.create_server((both.to_address, PORT), family=family)
            with enter(both.from_.pid):
                client = socket.socket(family)
            with listener, client:
                sent = time.monotonic()
                client.settimeout(10)
                client.connect((both.to_address, PORT))
                assert time.monotonic() - sent > 0.5  # the SYN had to be sent again
                client.sendall(b"data")
                server, _ = listener.accept()
                with server:
                    assert server.recv(10) == b"data"
            deadline = time.monotonic() + 5
            while elements.counters()["p", "forward"].lost != 1 and time.monotonic() < deadline:
                time.sleep(0.005)
            assert elements.counters()["p", "forward"].lost == 1


class TestAlteration:
    def test_every_packet_comes_twice(self, both: PathInstance) -> None:
        forward = link(delay="5ms", duplicate=1.0)
        with setup(both, forward) as elements, Receiver(both) as receiver, sender(both) as out:
            send_numbers(out, range(50))
            arrived = [number for number, _ in receiver.take(100)]
            assert arrived == [number for number in range(50) for _ in range(2)]
            assert settled(elements, 50).duplicated == 50

    def test_corrupted_packets_fail_their_checksum(self, path: PathInstance) -> None:
        with setup(path, link(corrupt=0.5)) as elements, Receiver(path) as receiver, sender(path) as out:
            send_numbers(out, range(200), size=1000)
            counters = settled(elements, 200)
            assert 50 < counters.corrupted < 150
            assert len(receiver.rest(0.3)) == 200 - counters.corrupted

    def test_reordered_packets_overtake(self, path: PathInstance) -> None:
        forward = link(delay="20ms", reorder={"probability": 0.2})
        with setup(path, forward) as elements, Receiver(path) as receiver, sender(path) as out:
            send_numbers(out, range(200))
            arrived = [number for number, _ in receiver.take(200)]
            overtaking = settled(elements, 200).reordered
            assert 15 < overtaking < 70
            assert arrived[:overtaking] == sorted(arrived[:overtaking])
            assert arrived[overtaking:] == sorted(arrived[overtaking:])


class TestProcess:
    def test_counters_are_read_by_others_through_the_file(self, path: PathInstance) -> None:
        with setup(path, link()) as elements, Receiver(path) as receiver, sender(path) as out:
            send_numbers(out, range(10))
            receiver.take(10)
            settled(elements, 10)
            assert elements.process is not None
            with CounterReader(elements.process.counters_path) as reader:
                forward, backward = reader.read()
                assert (forward.packets_out, forward.bytes_out) == (10, 10 * 142)
                assert backward == Counters()
                assert reader.process().pid == elements.process.pid

    def test_packets_beyond_the_kernels_room_are_counted(self, path: PathInstance) -> None:
        with setup(path, link(delay="1ms")) as elements, sender(path) as out:
            assert elements.process is not None
            os.kill(elements.process.pid, signal.SIGSTOP)
            send_numbers(out, range(60000), size=8)
            os.kill(elements.process.pid, signal.SIGCONT)
            deadline = time.monotonic() + 10
            while not elements.counters()["p", "forward"].overflow and time.monotonic() < deadline:
                time.sleep(0.01)
            counters = elements.counters()["p", "forward"]
            assert counters.overflow > 0

    def test_a_killed_process_is_noticed(self, path: PathInstance) -> None:
        with setup(path, link()) as elements:
            elements.check()
            assert elements.process is not None
            os.kill(elements.process.pid, signal.SIGKILL)
            os.waitid(os.P_PID, elements.process.pid, os.WEXITED | os.WNOWAIT)
            with pytest.raises(ElementDied, match="signal 9"):
                elements.check()
            with pytest.raises(ElementDied):
                elements.change("p", "forward", link(delay="1ms"))

    def test_it_ends_with_its_input(self, path: PathInstance) -> None:
        elements = setup(path, link())
        assert elements.process is not None
        watch = os.pidfd_open(elements.process.pid)
        elements.close()
        assert select.select([watch], [], [], 5)[0]
        os.close(watch)

    def test_a_queue_that_is_taken_is_named(self, path: PathInstance) -> None:
        with setup(path, link()), pytest.raises(ElementDied, match="queue 2"):
            setup(path, link(delay="1ms"))
