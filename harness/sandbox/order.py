"""What the program outside tells the one that makes the sandbox, and the values that both know."""

import json
from dataclasses import dataclass
from typing import Any

# Holds the inode of the sandbox's PID namespace; a variable left over from elsewhere does not match.
VARIABLE = "HARNESS_SANDBOX"
EXIT_UNAVAILABLE = 4


@dataclass(frozen=True)
class Order:
    """What the program outside asks for.

    Attributes:
        status: write end of the pipe for the report.
        lifeline: read end of the pipe whose end means that the program outside is gone.
        keep: folders that must be visible inside.
        terminal: the command becomes the terminal's foreground program.
        bound_to_thread: die when the thread outside that launched this ends.
    """

    status: int
    lifeline: int
    keep: tuple[str, ...]
    terminal: bool
    bound_to_thread: bool

    def encode(self) -> str:
        """Return the order as an argument of this program."""
        return json.dumps(vars(self))

    @classmethod
    def decode(cls, text: str) -> "Order":
        """Read what ``encode`` wrote."""
        fields: dict[str, Any] = json.loads(text)
        return cls(**{**fields, "keep": tuple(fields["keep"])})
