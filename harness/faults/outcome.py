"""What performing an action gives, how it fails, and who holds what while several faults overlap."""

import time
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class FaultFailed(Exception):
    """An action could not be performed, or not wholly; the message says what and why."""


@dataclass(frozen=True)
class Outcome:
    """What an action did.

    Attributes:
        applied_ns: CLOCK_MONOTONIC, taken right after the effect.
        result: in words, for the timeline.

    """

    applied_ns: int
    result: str

    @classmethod
    def now(cls, result: str) -> "Outcome":
        """Return an outcome whose effect is just there."""
        return cls(time.monotonic_ns(), result)


class Holders(Generic[Key]):
    """Counts who keeps a thing broken: two faults may overlap on one thing, and it works again when both are over."""

    def __init__(self) -> None:
        self._holders: dict[Key, set[str]] = {}

    def add(self, key: Key, holder: str) -> bool:
        """Note that ``holder`` keeps ``key`` broken; True when it is the first one."""
        holders = self._holders.setdefault(key, set())
        holders.add(holder)
        return len(holders) == 1

    def remove(self, key: Key, holder: str) -> bool:
        """Note that ``holder`` lets go of ``key``; True when it was the last one, False also when it held nothing."""
        holders = self._holders.get(key, set())
        if holder not in holders:
            return False
        holders.remove(holder)
        if not holders:
            del self._holders[key]
        return not holders

    def keys_of(self, holder: str) -> list[Key]:
        """Return what ``holder`` keeps broken."""
        return [key for key, holders in self._holders.items() if holder in holders]

    def holders_of(self, key: Key) -> frozenset[str]:
        """Return who keeps ``key`` broken."""
        return frozenset(self._holders.get(key, ()))
