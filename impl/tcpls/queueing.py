"""Keeps the queue of a path short: no more goes out than the path carries, and a little that waits before it.

A congestion control that reacts to loss fills the queue at the narrowest link until it overflows. The loss then holds
up everything behind it for a round trip, with the queue in it. Over several paths that is what makes goodput uneven,
and what makes a failover late. So a connection is given only

    rate × (min_rtt + target) + 2 records

beyond what the peer's kernel has acknowledged: its bandwidth-delay product and `target` seconds of queue. The rate is
the highest that the kernel has seen lately. In this way the kernel's congestion window does not grow beyond what is
used (RFC 7661), and stays the upper limit as ever.

Others who share the link and fill its queue would starve whoever shows such restraint. If the round trip stays long
although we keep to the limit, the queue is not ours, and for a while the congestion control alone decides.
"""

from collections import deque
from typing import Final

from impl.tcpls.transport_info import TransportInfo

_WINDOW: Final = 5.0
"""Seconds for which a rate counts that was reached."""
_RECORDS: Final = 2 * 2**14
_FOREIGN: Final = 2.0
"""The queue is held to be others' if the round trip is longer by so many times the target than the shortest one,"""
_PATIENCE: Final = 8
"""over so many round trips in which we kept to the limit."""
_TRUCE: Final = 10.0
"""Seconds for which there is no limit then."""


class QueueGuard:
    """Says how much a connection may be given.

    Args:
        target: seconds of queue that are allowed; None for no limit.

    """

    __slots__ = ("_foreign_since", "_no_limit_until", "_rates", "_target", "limit")

    def __init__(self, target: float | None) -> None:
        self.limit: int | None = None
        self._target = target
        self._rates: deque[tuple[float, float]] = deque()  # falling rates, each with its moment
        self._foreign_since: float | None = None
        self._no_limit_until = float("-inf")

    def observe(self, info: TransportInfo, now: float) -> None:
        """Take what the kernel says."""
        if self._target is None:
            return
        if info.delivery_rate > 0:
            rates = self._rates
            while rates and rates[-1][0] <= info.delivery_rate:
                rates.pop()
            rates.append((info.delivery_rate, now))
            while now - rates[0][1] > _WINDOW:
                rates.popleft()
        if not self._rates or info.min_rtt <= 0 or now < self._no_limit_until:
            self.limit = None
            return
        self.limit = int(self._rates[0][0] * (info.min_rtt + self._target)) + _RECORDS
        self._look_for_others(info, now)

    def _look_for_others(self, info: TransportInfo, now: float) -> None:
        assert self._target is not None
        assert self.limit is not None
        ours = info.unacked + info.unsent >= 0.75 * self.limit
        if not ours or info.srtt - info.min_rtt <= _FOREIGN * self._target + _RECORDS / self._rates[0][0]:
            self._foreign_since = None
        elif self._foreign_since is None:
            self._foreign_since = now
        elif now - self._foreign_since > _PATIENCE * info.srtt:
            self._foreign_since = None
            self._no_limit_until = now + _TRUCE
            self.limit = None
