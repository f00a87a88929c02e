"""Validation errors in words of the file: which key, what is wrong, and what is allowed."""

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError

from harness.spec.errors import Misfit
from harness.spec.lines import Key
from harness.spec.units import DURATION_UNITS, RATE_UNITS, SIZE_UNITS

_WANTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "text in quotes",
    "list_type": "a list, in [ ]",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
}
_BOUNDS = {
    "greater_than": ("gt", "too small", "more than {}"),
    "greater_than_equal": ("ge", "too small", "{} or more"),
    "less_than": ("lt", "too large", "less than {}"),
    "less_than_equal": ("le", "too large", "{} or less"),
}
_PATTERNS = {
    r"^[a-z][a-z0-9_]*$": "a small letter, then small letters, digits and _",
    r"^[A-Za-z][A-Za-z0-9_-]*$": "a letter, then letters, digits, _ and -",
    r"^[a-z0-9_]{1,15}$": "at most 15 small letters, digits and _, as in /proc/sys/net/ipv4/"
    "tcp_available_congestion_control",
    r"^[a-z0-9][a-z0-9._-]*$": "a small letter or digit, then small letters, digits, '.', _ and -",
}
_UNITS: tuple[tuple[Mapping[str, float], str], ...] = ((DURATION_UNITS, "s"), (RATE_UNITS, "bit/s"), (SIZE_UNITS, "B"))


def explain(
    error: ValidationError, model: type[BaseModel], data: dict[str, Any], *, also: Sequence[str] = ()
) -> list[tuple[Key, str]]:
    """Return the keys of ``data`` that are wrong, and a sentence for each.

    ``also`` are keys beside the model's own that are allowed at the top.
    """
    found: dict[Key, list[tuple[str, str]]] = {}
    for item in error.errors(include_url=False):
        cause = item.get("ctx", {}).get("error")
        loc = (*item["loc"], *(cause.key if isinstance(cause, Misfit) else ()))
        of_tag = item["type"] in ("union_tag_not_found", "union_tag_invalid")
        tag = (str(item["ctx"]["discriminator"]).strip("'"),) if of_tag else ()
        key = (*real_key(loc, data, tagged=True, absent=item["type"] == "missing"), *tag)
        message = _message(item, _value(data, key, item["input"]), model, also)
        if (item["type"], message) not in found.setdefault(key, []):
            found[key].append((item["type"], message))
    return [(key, _joined(messages)) for key, messages in found.items()]


def _value(data: Any, key: Key, otherwise: Any) -> Any:
    """Return the value as the file has it: validators may have seen what a shorthand or a unit stands for."""
    for part in key:
        if not (part in data if isinstance(data, dict) else isinstance(data, list)):
            return otherwise
        data = data[part]
    return data


def _message(item: Any, value: Any, model: type[BaseModel], also: Sequence[str]) -> str:
    kind, loc, context = item["type"], item["loc"], item.get("ctx", {})
    if kind == "extra_forbidden":
        allowed = allowed_keys(model, loc[:-1]) + (list(also) if len(loc) == 1 else [])
        return f"is not a key that is known here{_meant(loc[-1], allowed)}; allowed: {', '.join(sorted(allowed))}"
    if kind == "missing":
        return f"is missing{_choices(model, loc)}"
    if kind in ("literal_error", "enum"):
        return f"{_shown(value)} is not known; allowed: {context['expected']}"
    if kind == "union_tag_invalid":
        return f"{context['tag']!r} is not known; allowed: {context['expected_tags']}"
    if kind == "union_tag_not_found":
        return (
            f"is missing; allowed: {', '.join(_tag_values(model, loc, str(context['discriminator']).strip(chr(39))))}"
        )
    if kind in _WANTED:
        return f"{_shown(value)} is not {_WANTED[kind]}"
    if kind in _BOUNDS:
        name, what, form = _BOUNDS[kind]
        return f"{_shown(value)} is {what}; allowed: {form.format(_bound(context[name], value))}"
    if kind == "string_pattern_mismatch":
        pattern = context["pattern"]
        return f"{_shown(value)} is not allowed here; allowed: {_PATTERNS.get(pattern, 'what matches ' + pattern)}"
    if kind in ("too_short", "too_long"):
        bound = context["min_length"] if kind == "too_short" else context["max_length"]
        return f"has {context['actual_length']} items; allowed: {bound} or {'more' if kind == 'too_short' else 'fewer'}"
    return str(item["msg"]).removeprefix("Value error, ")


def _joined(messages: list[tuple[str, str]]) -> str:
    """Make one sentence of what the alternatives of a key each say: nothing else gives two errors of one key."""
    first, *others = [message for _, message in messages]
    if others and all(kind in _WANTED for kind, _ in messages):
        return first + "".join(f" or {_WANTED[kind]}" for kind, _ in messages[1:])
    return "; or: ".join([first, *(message.partition("allowed: ")[2] or message for message in others)])


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        text = str(value).lower()
    else:
        text = repr(value) if isinstance(value, str | int | float | list | dict) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _bound(bound: Any, value: Any) -> str:
    unit = re.search(r"[a-zµμ/]+\s*$", value.lower()) if isinstance(value, str) else None
    for units, base in _UNITS:
        if unit and unit[0].strip() in units:
            return f"{bound:.12g} {base}"
    return f"{bound:.20g}" if isinstance(bound, float) else str(bound)


def _meant(key: Any, allowed: Sequence[str]) -> str:
    near = difflib.get_close_matches(str(key), allowed, n=1, cutoff=0.75)
    return f" (is {near[0]!r} meant?)" if near else ""


def _choices(model: type[BaseModel], loc: Sequence[str | int]) -> str:
    for part in _parts(model, loc[:-1]):
        for name, info in part.model_fields.items():
            if loc[-1] in (name, info.alias):
                if get_origin(info.annotation) is Literal:
                    return f"; allowed: {', '.join(repr(value) for value in get_args(info.annotation))}"
                if info.description:
                    return f": {info.description}"
    return ""


def allowed_keys(model: type[BaseModel], loc: Sequence[str | int]) -> list[str]:
    """Return the keys that the part of ``model`` at pydantic's location ``loc`` knows."""
    parts = _parts(model, loc)
    keys = {info.alias or name for part in parts for name, info in part.model_fields.items()}
    # `both` is taken apart before a path is validated.
    return sorted(keys | ({"both"} if {"forward", "backward"} <= keys else set()))


def _tag_values(model: type[BaseModel], loc: Sequence[str | int], tag: str) -> list[str]:
    fields = [part.model_fields[tag] for part in _parts(model, loc) if tag in part.model_fields]
    return [repr(value) for field in fields for value in get_args(field.annotation)]


def _parts(model: type[BaseModel], loc: Sequence[str | int]) -> list[type[BaseModel]]:
    """Return the models that may stand at a location: one, or the members of a union whose tag is not in it."""
    candidates: list[type[BaseModel]] = [model]
    for part in loc:
        fields = [
            info.annotation
            for candidate in candidates
            for name, info in candidate.model_fields.items()
            if part in (name, info.alias)
        ]
        if fields:
            candidates = [found for field in fields for found in _models(field)]
        elif isinstance(part, str):  # the tag of a union
            tagged = [found for found in candidates if part in _tags(found)]
            candidates = tagged or candidates
    return candidates


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for argument in get_args(annotation) for found in _models(argument)]


def _tags(model: type[BaseModel]) -> list[Any]:
    return [
        tag
        for name in ("kind", "model")
        if name in model.model_fields
        for tag in get_args(model.model_fields[name].annotation)
    ]


def real_key(loc: Sequence[str | int], data: Any, *, tagged: bool = False, absent: bool = False) -> Key:
    """Leave out of a location what is no key of the data: tags and names of alternatives, directions made of ``both``.

    ``tagged`` says that tags of unions are in it, as pydantic writes them, ``absent`` that the last part is a key that
    is missing.
    """
    key: list[str | int] = []
    seen: set[int] = set()
    for position, part in enumerate(loc):
        last = position == len(loc) - 1
        if isinstance(data, dict):
            if tagged and id(data) not in seen and part in (data.get("kind"), data.get("model")):
                # The tag comes first, and may be a key of its table too: of `kind = "metric"`, for one.
                seen.add(id(data))
                continue
            if part in ("forward", "backward") and "both" in data:
                own = data.get(part)
                if part not in data or (not last and isinstance(own, dict) and loc[position + 1] not in own):
                    part = "both"
            if part in data:
                data = data[part]
            elif not (last and absent):
                continue
        elif isinstance(data, list) and isinstance(part, int) and part < len(data):
            data = data[part]
        else:
            continue
        key.append(part)
    return tuple(key)
