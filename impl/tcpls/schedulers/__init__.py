"""Schedulers: which connection of a session carries which data (draft-piraux-tcpls-00, section 4.2).

The draft lets stream frames go over any connection and leaves the choice to the endpoint. A sender asks its scheduler
each time a connection could take more; it needs to be told nothing else, and each end may use another one.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from impl.tcpls.schedulers.earliest_completion import EarliestCompletion
from impl.tcpls.schedulers.interface import BULK, RECORD, Path, Scheduler
from impl.tcpls.schedulers.preference import LowestRtt, PrimaryBackup, Redundant
from impl.tcpls.schedulers.shares import AHEAD, RoundRobin, Weighted

__all__ = [
    "AHEAD",
    "BULK",
    "RECORD",
    "SCHEDULERS",
    "EarliestCompletion",
    "LowestRtt",
    "Path",
    "PrimaryBackup",
    "Redundant",
    "RoundRobin",
    "Scheduler",
    "Weighted",
    "make_scheduler",
]

SCHEDULERS: Final[Mapping[str, Callable[[], Scheduler]]] = MappingProxyType(
    {
        "primary-backup": PrimaryBackup,
        "lowest-rtt": LowestRtt,
        "round-robin": RoundRobin,
        "weighted": Weighted,
        "earliest-completion": EarliestCompletion,
        "redundant": Redundant,
    }
)
"""All schedulers by name; each call makes a new one, for one session."""


def make_scheduler(name: str) -> Scheduler:
    """A new scheduler of this name.

    Raises:
        ValueError: there is none; the message lists the names.

    """
    try:
        return SCHEDULERS[name]()
    except KeyError:
        allowed = ", ".join(SCHEDULERS)
        raise ValueError(f"there is no scheduler {name!r}; the schedulers are: {allowed}") from None
