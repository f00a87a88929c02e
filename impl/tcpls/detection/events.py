"""What is thought of a path, and what is said when that changes."""

from dataclasses import dataclass
from enum import Enum, auto


class PathState(Enum):
    """What is thought of a connection's path."""

    ALIVE = auto()
    SUSPECT = auto()
    """No new data should go there, and what is under way should be repeated elsewhere."""
    FAILED = auto()
    """It is given up."""


@dataclass(frozen=True, slots=True)
class PingWanted:
    """A Ping should be sent on the connection, to see whether it lives."""


@dataclass(frozen=True, slots=True)
class Suspected:
    """The path seems to be dead: ALIVE became SUSPECT.

    Attributes:
        reason: why, for people.
        by_path: whether the path is in doubt. If not, the peer's kernel answers and only its program does not: another
            connection would fare no better, so none should be opened for that.

    """

    reason: str
    by_path: bool = True


@dataclass(frozen=True, slots=True)
class Recovered:
    """A sign of life came: SUSPECT or FAILED became ALIVE."""


@dataclass(frozen=True, slots=True)
class Declared:
    """The verdict: SUSPECT became FAILED.

    Attributes:
        reason: why, for people.

    """

    reason: str


DetectionEvent = PingWanted | Suspected | Recovered | Declared
