"""A TOML file with the line of every key, and what is wrong with its data told by file, line and key."""

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from harness.spec.errors import Problem, SpecificationError
from harness.spec.explain import explain
from harness.spec.lines import Key, key_lines

T = TypeVar("T", bound=BaseModel)

_TOML_FAULTS = {
    "Cannot overwrite a value": "a key is given twice, or is a value and a table",
    "Invalid value": 'a value is missing or is not TOML; text stands in quotes, such as "25mbit"',
    "Expected newline or end of document after a statement": (
        'something follows a value; text stands in quotes, such as "25mbit"'
    ),
}


@dataclass(frozen=True)
class Document:
    """A file's data and where its keys stand.

    Attributes:
        file: name of the file as messages show it.
        data: its content.
        lines: line of every table, key and list item.
        folder: that relative files named in it belong to.

    """

    file: str
    data: dict[str, Any]
    lines: dict[Key, int]
    folder: Path = Path()

    @classmethod
    def read(cls, path: Path, *, shown: str | None = None) -> "Document":
        """Read a TOML file.

        Raises:
            SpecificationError: it cannot be read, or is not TOML.

        """
        name = shown or _short(path)
        try:
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text; a TOML file is"
            raise SpecificationError.one(name, "", f"cannot be read: {reason}") from None
        try:
            data = tomllib.loads(text)
            if not data:
                raise SpecificationError.one(name, "", "is empty; docs/ has a complete example of each kind of file")
            return cls(name, data, key_lines(text), path.parent)
        except tomllib.TOMLDecodeError as error:
            raise SpecificationError.one(name, "", *_toml_fault(str(error), text)) from None
        except RecursionError:
            raise SpecificationError.one(name, "", "not TOML: lists or tables are nested too deeply") from None
        except ValueError:
            raise SpecificationError.one(name, "", "not TOML: a number has too many digits") from None

    def line(self, key: Key) -> int | None:
        """Return the line of ``key``, or that of the nearest table around it."""
        while key:
            if key in self.lines:
                return self.lines[key]
            key = key[:-1]
        return None


@dataclass(frozen=True)
class Assignment:
    """A value that was put into the data of documents.

    Attributes:
        key: where in the data.
        text: the key as it was written.
        value: what was put in.
        source: where that was written: a file, or ``--set``.
        line: its line there.

    """

    key: Key
    text: str
    value: Any
    source: str
    line: int | None = None

    def __str__(self) -> str:
        return f"{self.source}:{self.line}: {self.text}" if self.line else f"{self.source} {self.text}"


def validate(
    model: type[T],
    data: dict[str, Any],
    documents: Sequence[Document],
    assignments: Sequence[Assignment] = (),
    *,
    also: Sequence[str] = (),
) -> T:
    """Read ``data`` as a ``model``.

    Args:
        model: what the data should be.
        data: of the documents, with the assignments' values in it.
        documents: what the data were merged from, the most specific first; errors name the first that has the key.
        assignments: an error in what they put in names them and no document.
        also: keys beside the model's own that a document may have.

    Raises:
        SpecificationError: with one problem for each thing that is wrong.

    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        problems = [
            problem_at(key, message, documents, assignments) for key, message in explain(error, model, data, also=also)
        ]
        raise SpecificationError(list(dict.fromkeys(problems))) from None


def problem_at(
    key: Key, message: str, documents: Sequence[Document], assignments: Sequence[Assignment] = ()
) -> Problem:
    """Return the problem with ``key``, which names the place that its value comes from."""
    for assignment in reversed(assignments):
        if key[: len(assignment.key)] == assignment.key:
            rest = show(key[len(assignment.key) :])
            text = assignment.text + (f".{rest}" if rest and not rest.startswith("[") else rest)
            return Problem(assignment.source, text, message, assignment.line)
    for assignment in reversed(assignments):
        # A table that came into being by an assignment only.
        if assignment.key[: len(key)] == key and not any(key in document.lines for document in documents):
            return Problem(assignment.source, assignment.text, f"{show(key)} {message}", assignment.line)
    file, line = place(key, documents)
    near = [str(assignment) for assignment in assignments if _bears_on(assignment.key, key)]
    note = f" (given: {', '.join(dict.fromkeys(near))})" if near else ""
    return Problem(file, show(key), message + note, line)


def _bears_on(assigned: Key, key: Key) -> bool:
    """Tell whether a value put in may be what makes ``key`` wrong: it is a part of it, or says of what kind it is."""
    if key and assigned[: len(key)] == key:
        return True
    return bool(key) and assigned[:-1] == key[:-1] and assigned[-1] in ("kind", "model")


def place(key: Key, documents: Sequence[Document]) -> tuple[str, int | None]:
    """Return file and line of ``key``: of the first document that has it, else of the nearest thing around it."""
    for length in range(len(key), 0, -1):
        for document in documents:
            if key[:length] in document.lines:
                return document.file, document.lines[key[:length]]
    return documents[0].file, None


def show(key: Key) -> str:
    """Write a key as people read it: ``fault[0].path``."""
    text = ""
    for part in key:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            part = f'"{part}"' if "." in part else part
            text += f".{part}" if text else part
    return text


def _toml_fault(error: str, text: str) -> tuple[str, int | None]:
    """Return the reader's error in clearer words, and its line."""
    found = re.search(r"\(at line (\d+)", error)
    message = re.sub(r" \(at .*\)$", "", error)
    # "At the end" is no line, but where a text that lacks something ends is one.
    line = int(found[1]) if found else len(text.rstrip().splitlines()) or None
    twice = re.fullmatch(r"Cannot declare \((.*?),?\) twice", message)
    if twice:
        name = ".".join(part.strip().strip("'\"") for part in twice[1].split(","))
        return f"not TOML: the table [{name}] is there twice; one of several is written [[{name}]]", line
    clearer = _TOML_FAULTS.get(message)
    return f"not TOML: {clearer or message}", line


def _short(path: Path) -> str:
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)
