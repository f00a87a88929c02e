"""The line of every table, key and list item of a TOML text, which the standard library's reader does not tell."""

import re
import tomllib
from bisect import bisect_right

Key = tuple[str | int, ...]

_SPACE = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_STRING = re.compile(
    r'"""(?:\\.|[^\\"]|"{1,2}(?!"))*"{3,5}'
    r"|'''(?:[^']|'{1,2}(?!'))*'{3,5}"
    r'|"(?:\\.|[^\\"\n])*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_BARE_VALUE = re.compile(r"[^,\]}\n#]*")


def key_lines(text: str) -> dict[Key, int]:
    """Return the line, from 1, on which each table, key and list item of a valid TOML text begins.

    Items of lists are keyed by their index, those of arrays of tables too: ``("path", 0, "name")``. A table that is
    only a part of another one's name has the line of the first such name.
    """
    return _Scanner(text).scan()


class _Scanner:
    """Walks over a text that is known to be TOML, so that only what separates keys and values needs a look."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._starts = [0] + [match.end() for match in re.finditer("\n", text)]
        self._lines: dict[Key, int] = {}
        self._counts: dict[Key, int] = {}

    def scan(self) -> dict[Key, int]:
        table: Key = ()
        while self._skip() < len(self._text):
            line = self._line()
            if self._text[self._at] == "[":
                is_array = self._text.startswith("[[", self._at)
                self._at += 2 if is_array else 1
                table = self._resolve(self._key(), is_array=is_array)
                self._skip()
                self._at += 2 if is_array else 1
                self._note((), table, line)
            else:
                self._pair(table)
        return self._lines

    def _line(self) -> int:
        return bisect_right(self._starts, self._at)

    def _skip(self) -> int:
        match = _SPACE.match(self._text, self._at)
        assert match is not None
        self._at = match.end()
        return self._at

    def _note(self, base: Key, parts: Key, line: int) -> None:
        for length in range(1, len(parts) + 1):
            self._lines.setdefault((*base, *parts[:length]), line)

    def _key(self) -> Key:
        """Read a key, dotted or not, and stop behind it."""
        parts: list[str | int] = []
        while True:
            self._skip()
            quoted = _STRING.match(self._text, self._at)
            match = quoted or _BARE_KEY.match(self._text, self._at)
            assert match is not None, f"no key at offset {self._at}"
            self._at = match.end()
            parts.append(tomllib.loads(f"key = {match[0]}")["key"] if quoted else match[0])
            self._skip()
            if not self._text.startswith(".", self._at):
                return tuple(parts)
            self._at += 1

    def _pair(self, table: Key) -> None:
        """Read a key and its value."""
        line = self._line()
        parts = self._key()
        self._note(table, parts, line)
        self._at += 1  # the equals sign
        self._value((*table, *parts))

    def _value(self, key: Key) -> None:
        self._skip()
        string = _STRING.match(self._text, self._at)
        if string:
            self._at = string.end()
        elif self._text[self._at] in "[{":
            self._items(key, is_list=self._text[self._at] == "[")
        else:
            match = _BARE_VALUE.match(self._text, self._at)
            assert match is not None
            self._at = match.end()

    def _items(self, key: Key, *, is_list: bool) -> None:
        """Read a list or an inline table."""
        index = 0
        self._at += 1
        while self._text[self._skip()] not in "]}":
            if is_list:
                self._lines.setdefault((*key, index), self._line())
                self._value((*key, index))
                index += 1
            else:
                self._pair(key)
            if self._text[self._skip()] == ",":
                self._at += 1
        self._at += 1

    def _resolve(self, parts: Key, *, is_array: bool) -> Key:
        """Put the index of the present item behind each part that is an array of tables."""
        key: Key = ()
        for position, part in enumerate(parts):
            key = (*key, part)
            if is_array and position == len(parts) - 1:
                self._counts[key] = self._counts.get(key, 0) + 1
            if key in self._counts:
                key = (*key, self._counts[key] - 1)
        return key
