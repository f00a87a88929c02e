"""Bookkeeping of latency probes."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from harness.measure.probe_book import ProbeBook, Result, Series

_SERIES = Series("udp", "p1", "forward")
_TIMEOUT = 1000


class TestRows:
    def test_arrived(self) -> None:
        row = Result(2_500_000_000, _SERIES, 20_150_000).row(1_000_000_000)
        assert row == ("1.500000", "udp", "p1", "forward", "20.1500", 0)

    def test_lost(self) -> None:
        assert Result(0, _SERIES, None).row(0)[-2:] == (None, 1)


class TestEnd:
    def test_young_probes_have_no_result(self) -> None:
        book = ProbeBook(_TIMEOUT)
        book.sent(_SERIES, 1, 0)
        book.sent(_SERIES, 2, 700)
        assert [result.sent_ns for result in book.abandon(800)] == [0]
        assert list(book.expire(10**9)) == []


class BookMachine(RuleBasedStateMachine):
    """Every probe gets at most one result, and those that expired or arrived exactly one."""

    def __init__(self) -> None:
        super().__init__()
        self.book = ProbeBook(_TIMEOUT)
        self.now = 0
        self.open: dict[int, int] = {}
        self.count = 0
        self.results = 0

    @rule(step=st.integers(0, 600))
    def send(self, step: int) -> None:
        self.now += step
        self.count += 1
        self.open[self.count] = self.now
        self.book.sent(_SERIES, self.count, self.now)

    @rule(which=st.integers(1, 60), late=st.integers(0, 2 * _TIMEOUT))
    def arrive(self, which: int, late: int) -> None:
        result = self.book.arrived(_SERIES, which, late)
        known = self.open.pop(which, None)
        assert (result is not None) == (known is not None)
        if result is not None:
            assert result.sent_ns == known
            assert (result.value_ns is None) == (late > _TIMEOUT)
            self.results += 1

    @rule(which=st.integers(1, 60))
    def fail(self, which: int) -> None:
        result = self.book.failed(_SERIES, which)
        assert (result is not None) == (self.open.pop(which, None) is not None)
        self.results += result is not None

    @rule(step=st.integers(0, 3000))
    def expire(self, step: int) -> None:
        self.now += step
        lost = list(self.book.expire(self.now))
        assert all(result.value_ns is None for result in lost)
        old = [number for number, sent in self.open.items() if self.now - sent > _TIMEOUT]
        assert len(lost) == len(old)
        for number in old:
            del self.open[number]
        self.results += len(lost)

    @invariant()
    def nothing_is_forgotten(self) -> None:
        assert self.results + len(self.open) == self.count


TestBook = BookMachine.TestCase
