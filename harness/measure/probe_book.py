"""Bookkeeping of latency probes: what is under way, what arrived, what is lost; no I/O."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

COLUMNS = ("time_s", "probe", "path", "direction", "value_ms", "lost")
ProbeKind = Literal["udp", "tcp_connect", "tcp_exchange"]
ProbeDirection = Literal["forward", "backward", "round_trip"]


@dataclass(frozen=True)
class Series:
    """Probes of one kind on one path in one direction."""

    probe: ProbeKind
    path: str
    direction: ProbeDirection


@dataclass(frozen=True)
class Result:
    """What became of one probe.

    Attributes:
        sent_ns: CLOCK_MONOTONIC of its sending.
        series: what it was.
        value_ns: its delay; None if it is lost.

    """

    sent_ns: int
    series: Series
    value_ns: int | None

    def row(self, zero_ns: int) -> tuple[str, str, str, str, str | None, int]:
        """Return its row of latency.csv."""
        return (
            f"{(self.sent_ns - zero_ns) / 1e9:.6f}",
            self.series.probe,
            self.series.path,
            self.series.direction,
            None if self.value_ns is None else f"{self.value_ns / 1e6:.4f}",
            int(self.value_ns is None),
        )


class ProbeBook:
    """Probes under way, each until it arrives or ``timeout_ns`` have passed.

    Every probe that was sent has exactly one result. One that arrives after its time is lost all the same, and so its
    arrival is passed over.
    """

    def __init__(self, timeout_ns: int) -> None:
        assert timeout_ns > 0
        self._timeout_ns = timeout_ns
        self._under_way: dict[tuple[Series, int], int] = {}

    def sent(self, series: Series, sequence: int, now_ns: int) -> None:
        """Enter a probe; sequence numbers are unique within a series, and times never go back."""
        assert (series, sequence) not in self._under_way
        self._under_way[series, sequence] = now_ns

    def arrived(self, series: Series, sequence: int, value_ns: int) -> Result | None:
        """Take an arrival; None if it is a duplicate, late, or not a probe that was sent."""
        sent_ns = self._under_way.pop((series, sequence), None)
        if sent_ns is None:
            return None
        return Result(sent_ns, series, value_ns if value_ns <= self._timeout_ns else None)

    def failed(self, series: Series, sequence: int) -> Result | None:
        """Take a probe that cannot arrive any more; None if it has its result already."""
        sent_ns = self._under_way.pop((series, sequence), None)
        return None if sent_ns is None else Result(sent_ns, series, None)

    def expire(self, now_ns: int) -> Iterator[Result]:
        """Yield those whose time is over as lost."""
        late = [key for key, sent_ns in self._under_way.items() if now_ns - sent_ns > self._timeout_ns]
        for series, sequence in late:
            yield Result(self._under_way.pop((series, sequence)), series, None)

    def abandon(self, now_ns: int, share: float = 0.5) -> Iterator[Result]:
        """Yield, at the end of the run, those under way for more than ``share`` of the time limit as lost.

        The younger ones have no result: they may well have arrived after the end.
        """
        yield from (
            Result(sent_ns, series, None)
            for (series, _), sent_ns in self._under_way.items()
            if now_ns - sent_ns > share * self._timeout_ns
        )
        self._under_way.clear()
