"""Tests of harness.spec.lines."""

import tomllib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.spec.lines import Key, key_lines
from harness.spec.loader import PROJECT


def keys_of(data: Any, key: Key = ()) -> set[Key]:
    """Return the key of every table, value and list item."""
    found: set[Key] = set()
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else []
    for part, value in items:
        found |= {(*key, part)} | keys_of(value, (*key, part))
    return found


bare = st.text("abcxyz019_-", min_size=1, max_size=5)
names = st.one_of(bare, st.text("a.b [=#'\"\\", min_size=1, max_size=5))
strings = st.text("ab\"'\\ #[]={}\n,", max_size=8)


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


@st.composite
def values(draw: st.DrawFn, depth: int = 0) -> tuple[str, list[tuple[Key, int]]]:
    """A value as text, and the keys in it with the number of line breaks before each."""
    kinds = ["plain", "string", "multi", "literal"] + (["list", "table"] if depth < 2 else [])
    kind = draw(st.sampled_from(kinds))
    if kind == "plain":
        return draw(st.sampled_from(["1", "-2.5", "true", "inf", "2024-01-01T10:00:00Z", "0xff"])), []
    if kind == "string":
        return quoted(draw(strings)), []
    if kind == "literal":
        text = draw(strings).replace("'", "")
        return ("'''" + text + "'''") if "\n" in text else f"'{text}'", []
    if kind == "multi":
        text = draw(strings).replace("\\", "\\\\").replace('"""', "")
        return '"""' + text.rstrip('"') + '"""', []
    keys: list[tuple[Key, int]] = []
    text = "[" if kind == "list" else "{"
    used: set[str] = set()
    for index in range(draw(st.integers(0, 3))):
        if kind == "list":
            text += draw(st.sampled_from([" ", "\n  ", " # a ] comment\n"]))
            part: str | int = index
        else:
            part = draw(bare.filter(lambda name: name not in used))
            used.add(part)
            text += " "
        keys.append(((part,), text.count("\n")))
        if kind == "table":
            text += f"{part} = "
        before = text.count("\n")
        inner, inner_keys = draw(values(depth + 1))
        keys += [((part, *key), before + line) for key, line in inner_keys]
        text += inner + (", " if kind == "list" else ",")
    if kind == "table":
        text = text.removesuffix(",")
    return text + ("]" if kind == "list" else "}"), keys


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, dict[Key, int]]:
    """A TOML text made of keys, tables and arrays of tables, and the line of every key."""
    lines: dict[Key, int] = {}
    text = ""
    counts: dict[str, int] = {}

    def pairs(table: Key) -> None:
        nonlocal text
        used: set[str] = set()
        for _ in range(draw(st.integers(0, 3))):
            name = draw(names.filter(lambda each: each not in used))
            used.add(name)
            text += draw(st.sampled_from(["", "\n", "# [comment] x = 1\n", "  "]))
            line = text.count("\n") + 1
            lines[(*table, name)] = line
            written = name if all(letter in "abcxyz019_-" for letter in name) else quoted(name)
            text += f"{written} = "
            value, keys = draw(values())
            for key, breaks in keys:
                lines[(*table, name, *key)] = line + breaks
            text += value + draw(st.sampled_from(["", " # comment"])) + "\n"

    pairs(())
    for number in range(draw(st.integers(0, 4))):
        if draw(st.booleans()):
            table: Key = (f"T{number}",)
            lines[table] = text.count("\n") + 1
            text += f"[T{number}]\n"
        else:
            name = draw(st.sampled_from(["A", "B"]))
            index = counts.get(name, 0)
            counts[name] = index + 1
            table = (name, index)
            lines.setdefault((name,), text.count("\n") + 1)
            lines[table] = text.count("\n") + 1
            text += f"[[ {name} ]]\n"
        pairs(table)
    return text, lines


class TestGeneratedDocuments:
    @settings(deadline=None, max_examples=300)
    @given(documents())
    def test_every_key_has_its_line(self, document: tuple[str, dict[Key, int]]) -> None:
        text, expected = document
        assert keys_of(tomllib.loads(text)) == set(expected)
        assert key_lines(text) == expected


class TestBundledFiles:
    @pytest.mark.parametrize("path", sorted(PROJECT.glob("*/*.toml")), ids=lambda path: str(path.stem))
    def test_the_line_of_each_key_holds_it(self, path: Any) -> None:
        text = path.read_text()
        lines = text.splitlines()
        found = key_lines(text)
        assert set(found) >= keys_of(tomllib.loads(text))
        for key, line in found.items():
            if isinstance(key[-1], str):
                assert key[-1] in lines[line - 1]


class TestForms:
    def test_dotted_keys(self) -> None:
        assert key_lines('a.b = 1\n"c.d".e = 2\n') == {
            ("a",): 1, ("a", "b"): 1, ("c.d",): 2, ("c.d", "e"): 2,
        }  # fmt: skip

    def test_tables_within_items_of_an_array(self) -> None:
        text = "[[path]]\n[path.forward]\nrate = 1\n[[path]]\n[path.forward]\nrate = 2\n"
        found = key_lines(text)
        assert found["path", 0, "forward", "rate"] == 3
        assert found["path", 1, "forward", "rate"] == 6

    def test_what_only_looks_like_keys_within_strings(self) -> None:
        found = key_lines("text = \"\"\"\n[path]\nname = 1\n\"\"\"\nlast = '''\n[[x]]'''\nend = 1")
        assert found == {("text",): 1, ("last",): 5, ("end",): 7}

    def test_quotes_at_the_end_of_a_string_of_several_lines(self) -> None:
        assert key_lines('a = """x"""""\nb = 1') == {("a",): 1, ("b",): 2}

    def test_windows_line_ends(self) -> None:
        assert key_lines("a = 1\r\n[t]\r\nb = 2\r\n") == {("a",): 1, ("t",): 2, ("t", "b"): 3}

    def test_nothing(self) -> None:
        assert key_lines("# only a comment") == {}
