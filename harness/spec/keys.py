"""Dotted keys of a specification: reading and setting ``fault.kind`` or ``path.lower.both.rate`` in plain data."""

import copy
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from harness.spec.errors import SpecificationError


def parse_assignment(text: str) -> tuple[str, Any]:
    """Split ``KEY=VALUE`` of a command line; the value is TOML where it reads as such, else the text itself.

    Raises:
        SpecificationError: there is no key or no equals sign.

    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise SpecificationError.one(f"--set {text}", "", "not an assignment; write KEY=VALUE, such as fault.kind=drop")
    return key.strip(), parse_value(value.strip())


def parse_value(text: str) -> Any:
    """Return the TOML value that ``text`` is, or ``text``: ``3`` is a number, ``25mbit`` a string."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, KeyError, RecursionError):  # of ValueError: also numbers with thousands of digits
        return text


def flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield dotted keys and values: an unquoted ``fault.kind`` is a table in a table for TOML.

    A key that is quoted with its dots has the value that stands there, tables too.
    """
    for key, value in table.items():
        if isinstance(value, dict) and "." not in key:
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def with_value(data: Mapping[str, Any], key: str, value: Any, *, source: str) -> dict[str, Any]:
    """Return a copy of ``data`` in which ``key`` has ``value``; see `resolve` for what keys lead where.

    Raises:
        SpecificationError: the key leads through a plain value, or to no item; ``source`` names its origin.

    """
    result = copy.deepcopy(dict(data))
    *way, last = resolve(result, key, source=source)
    place: Any = result
    for part in way:
        place = place.setdefault(part, {}) if isinstance(place, dict) else place[part]
    place[last] = copy.deepcopy(value)
    return result


def resolve(data: Mapping[str, Any], key: str, *, source: str) -> tuple[str | int, ...]:
    """Return the way to ``key`` in ``data``, as keys of tables and indexes of lists; tables may be missing on it.

    An item of a list is named by its ``name`` or its index from 0; a list of one may be passed over, so that
    ``fault.kind`` means the only fault's, and a table in the place of a list is a list of one.

    Raises:
        SpecificationError: the key leads through a plain value, or to no item; ``source`` names its origin.

    """
    parts = key.split(".")
    if not all(parts):
        raise SpecificationError.one(source, key, "is not a dotted key, such as fault.kind")
    way: list[str | int] = []
    place: Any = data
    index = 0
    while index < len(parts):
        part, last = parts[index], index == len(parts) - 1
        if isinstance(place, list):
            found = _item(place, part)
            if found is None and len(place) == 1 and isinstance(place[0], dict):
                found, index = 0, index - 1
            if found is None:
                raise SpecificationError.one(source, key, f"{part!r} is not in the list; allowed: {_items(place)}")
            way.append(found)
            place = place[found]
        elif isinstance(place, dict):
            if not (way and not last and part not in place and part in (place.get("name"), "0")):
                way.append(part)
                place = place.get(part, {})
        else:
            raise SpecificationError.one(source, key, f"{'.'.join(parts[:index])!r} is a value and has no keys")
        index += 1
    return tuple(way)


def lookup(data: Mapping[str, Any], key: str) -> Any:
    """Return the value of ``key`` in ``data``, or None where there is none."""
    return _find(data, key)[1]


def exists(data: Mapping[str, Any], key: str) -> bool:
    """Tell whether ``key`` leads to a value in ``data``, which may be None."""
    return _find(data, key)[0]


def _find(data: Mapping[str, Any], key: str) -> tuple[bool, Any]:
    place: Any = data
    for part in key.split("."):
        if isinstance(place, list):
            found = _item(place, part)
            if found is not None:
                place = place[found]
                continue
            if len(place) != 1:
                return False, None
            place = place[0]
        if not isinstance(place, dict) or part not in place:
            return False, None
        place = place[part]
    return True, place


def _item(items: list[Any], name: str) -> int | None:
    for position, item in enumerate(items):
        if isinstance(item, dict) and item.get("name") == name:
            return position
    return int(name) if name.isascii() and name.isdecimal() and int(name) < len(items) else None


def _items(items: list[Any]) -> str:
    names = [str(item["name"]) for item in items if isinstance(item, dict) and "name" in item]
    return ", ".join(names + [str(position) for position in range(len(items))]) or "nothing: it is empty"
