"""The loop's decisions: what it must see of packets, how long they may stay unread, which clock to trust."""

import os
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.elements.line import Counters
from harness.elements.nfqueue_loop import (
    GROUPING_NS,
    DirectionConfig,
    ElementDirection,
    ElementLoop,
    copy_needed,
    read_interval_ns,
)
from harness.network.paths import PathInstance
from harness.spec.link import Link
from tests.harness.elements.chain import chain

MS = 1_000_000


def link(**fields: Any) -> Link:
    return Link.model_validate(fields)


class TestCopy:
    def test_only_as_much_as_is_needed(self) -> None:
        plain = copy_needed(link(delay="20ms", loss=0.1))
        syn = copy_needed(link(loss={"model": "syn", "first": 1}))
        assert plain < 40 < syn < 200
        for whole in (link(duplicate=0.1), link(corrupt=0.1), link(corrupt=0.1, loss={"model": "syn", "first": 1})):
            assert copy_needed(whole) > 65000


class TestReadInterval:
    @given(st.floats(0, 2000))
    def test_arrivals_are_read_before_they_are_due(self, delay_ms: float) -> None:
        described = link(delay=f"{delay_ms:.3f}ms")
        interval = read_interval_ns(described)
        assert 0 <= interval <= 2 * MS
        assert interval <= described.delay * 1e9

    def test_short_delays_are_watched(self) -> None:
        assert read_interval_ns(link(delay="0.2ms")) == 0
        assert read_interval_ns(link()) == 0

    def test_what_may_overtake_is_read_often(self) -> None:
        overtaking = read_interval_ns(link(delay="50ms", reorder={"probability": 0.1}))
        assert 0 < overtaking <= GROUPING_NS < read_interval_ns(link(delay="50ms"))


@pytest.fixture
def path() -> Iterator[PathInstance]:
    with chain() as made:
        yield made


def direction(path: PathInstance, described: Link) -> ElementDirection:
    seat = path.forward.element
    return ElementDirection(DirectionConfig("p/forward", seat.pid, 2, seat.interface, described, 7))


@pytest.mark.sandbox
class TestDirection:
    def test_arrival_times_that_cannot_be_true_are_not_believed(self, path: PathInstance) -> None:
        made = direction(path, link(delay="5ms"))
        now = time.monotonic_ns()
        made.read(now, 0)
        assert made._credible(now + MS, now + 2 * MS)
        assert not made._credible(0, now)
        assert not made._credible(now + 3_600_000 * MS, now)
        made.close()

    def test_a_queue_is_given_up(self, path: PathInstance) -> None:
        direction(path, link()).close()
        again = direction(path, link())
        with pytest.raises(OSError):  # noqa: PT011 - which one is the kernel's choice
            direction(path, link())
        again.close()


@pytest.mark.sandbox
class TestLoop:
    def test_control_is_served_between_packets_and_stop_ends_it(self, path: PathInstance) -> None:
        made = direction(path, link(delay="5ms"))
        read, write = os.pipe()
        written: list[int] = []
        calls: list[bytes] = []

        def write_counters(now: int, counters: list[Counters]) -> None:
            assert len(counters) == 1
            written.append(now)

        def control() -> None:
            calls.append(os.read(read, 1))
            if calls[-1] == b"r":
                loop.restart()
            elif calls[-1] == b"c":
                loop.change(0, link(delay="9ms"))
            else:
                loop.stop()

        loop = ElementLoop([made], read, control, write_counters)
        os.write(write, b"rcs")
        loop.run()
        loop.update_counters(time.monotonic_ns())
        assert calls == [b"r", b"c", b"s"]
        assert written == sorted(written)
        assert made.config.link.delay == 0.005  # what it began with
        made.close()
        os.close(read)
        os.close(write)
