"""What is wrong with a specification: where, what, and what is allowed."""

from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True)
class Problem:
    """One fault in a specification.

    Attributes:
        file: the file, or where else the key comes from, such as ``--set``.
        key: the key as people write it; empty for the file as a whole.
        message: what is wrong, and what is allowed.
        line: from 1, where it is known.

    """

    file: str
    key: str
    message: str
    line: int | None = None

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        text = f"{place}: {self.key}: {self.message}" if self.key else f"{place}: {self.message}"
        # Keys and values are the user's own text: whatever they hold, a problem is one line.
        return " ".join(text.splitlines())


class SpecificationError(Exception):
    """A specification cannot be used; ``problems`` has a line for each thing that is wrong with it."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))

    @classmethod
    def one(cls, file: str, key: str, message: str, line: int | None = None) -> Self:
        """Make an error of a single problem."""
        return cls([Problem(file, key, message, line)])


class Misfit(ValueError):
    """Raised by a model's validator for a part of it: ``key`` leads from the model to what is wrong."""

    def __init__(self, message: str, *key: str | int) -> None:
        self.key = key
        super().__init__(message)
