"""Paths drawn at random, and the rounds in which a sender offers them."""

from collections.abc import Sequence

from hypothesis import strategies as st

from impl.tcpls.schedulers import RECORD, Scheduler
from tests.impl.tcpls.schedulers.simulated import FakePath


@st.composite
def paths(draw: st.DrawFn, *, least: int = 1) -> list[FakePath]:
    """Up to five paths in any state. One that is blocked has something queued: that is what blocks it."""
    made = []
    for connection_id in range(draw(st.integers(least, 5))):
        blocked = draw(st.booleans())
        made.append(
            FakePath(
                connection_id,
                usable=draw(st.booleans()),
                blocked=blocked,
                srtt=draw(st.sampled_from([0.0, 0.001, 0.02, 0.08, 1.0])),
                rate=draw(st.sampled_from([0.0, 1e3, 1.25e6, 5e6, 1e9])),
                queued=draw(st.integers(1 if blocked else 0, 10**7)),
                sent=draw(st.integers(0, 10**8)),
                weight=draw(st.sampled_from([0.1, 1.0, 2.0, 7.5])),
                rank=draw(st.integers(0, 4)),
            )
        )
    return made


def offer_round(scheduler: Scheduler, offered: Sequence[FakePath], backlog: int, now: float) -> dict[int, int]:
    """What each path that takes more is granted, by its id; each takes a record of it."""
    granted = {}
    for path in scheduler.order(offered):
        chosen = next(entry for entry in offered if entry.id == path.id)
        if not chosen.blocked:
            granted[path.id] = scheduler.grant(path, offered, backlog, now)
            taken = min(granted[path.id], RECORD, backlog)
            chosen.sent += taken
            chosen.queued += taken
    return granted
