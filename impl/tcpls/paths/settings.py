"""When connections are opened, and how often it is tried."""

from dataclasses import dataclass, fields
from enum import Enum


class Policy(Enum):
    """Which connections there should be."""

    ALL = "all"
    """One for each candidate, all in use."""
    BACKUP = "backup"
    """One for each candidate; the scheduler uses one and keeps the others for a failure."""
    ON_FAILURE = "on-failure"
    """One in all: the next candidate is tried when no connection is usable."""
    MANUAL = "manual"
    """Those that are requested, and no others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PathSettings:
    """The pace of attempts; all times in seconds.

    Attributes:
        first: how long the first attempt is waited for before another one is made beside it, and under ON_FAILURE
            before the next candidate is tried: the Connection Attempt Delay of RFC 8305, section 5.
        retry: time between attempts on a candidate that has failed. A SYN of our own is there before the kernel's
            retransmission, which comes after 1 s.
        eager_for: how long after a failure attempts follow each other so quickly; then the pauses double,
        slowest: up to this.
        parallel: how many attempts on one candidate are under way at most; 2 or more.
        patience: how long one of them at least may remain unanswered. Three times a round trip of 1 s.
        suspect_after: how long a connection is suspected before another one is opened in its place.
        token_wait: time after which a candidate is tried again when the server has refused the token.

    """

    first: float = 0.25
    retry: float = 0.1
    eager_for: float = 10.0
    slowest: float = 2.0
    parallel: int = 4
    patience: float = 3.0
    suspect_after: float = 0.5
    token_wait: float = 1.0

    def __post_init__(self) -> None:
        for entry in fields(self):
            value = getattr(self, entry.name)
            if not 0 < value < float("inf"):
                raise ValueError(f"paths: {entry.name} is {value}; it must be above 0, and finite")
        if self.parallel < 2:
            raise ValueError(f"paths: parallel is {self.parallel}; it must be 2 or more")
        if self.retry > self.slowest:
            raise ValueError(f"paths: retry {self.retry} is more than slowest {self.slowest}; lower it")
