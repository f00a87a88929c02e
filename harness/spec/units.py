"""Quantities with their units: rates, durations, sizes and fractions as people write them.

In memory every quantity has one unit: bits per second, seconds, bytes, and fractions of one. A bare number other than
zero is refused, because ``delay = 20`` is read as seconds by one person and as milliseconds by the next.
"""

import decimal
import math
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

_QUANTITY = re.compile(r"\s*(-?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+))\s*([A-Za-zµμ%/]*)\s*")

RATE_UNITS: Mapping[str, float] = {
    "bit/s": 1, "bit": 1, "bps": 1,
    "kbit/s": 1e3, "kbit": 1e3, "kbps": 1e3,
    "mbit/s": 1e6, "mbit": 1e6, "mbps": 1e6,
    "gbit/s": 1e9, "gbit": 1e9, "gbps": 1e9,
}  # fmt: skip
DURATION_UNITS: Mapping[str, float] = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0}
_MICRO_SIGN, _GREEK_MU = "µ", "μ"  # two characters that look the same; keyboards have one or the other
SIZE_UNITS: Mapping[str, float] = {
    "b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9,
    "kib": 1024, "mib": 1024**2, "gib": 1024**3,
}  # fmt: skip
FRACTION_UNITS: Mapping[str, float] = {"%": 0.01}


class Model(BaseModel):
    """A part of a specification: immutable, and refusing keys that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, allow_inf_nan=False)


Plain = str | int | float | bool
"""A value without parts."""

Count = Annotated[int, Field(strict=True, gt=0)]
"""A whole number from 1; ``"3"``, ``3.0`` and ``true`` are none."""

Number = Annotated[float, Field(strict=True)]
"""A finite number; text is none."""

Flag = Annotated[bool, Field(strict=True)]
"""``true`` or ``false``; ``"yes"`` and ``1`` are neither."""


def parse_quantity(text: str, units: Mapping[str, float], what: str, example: str) -> float:
    """Read ``text`` as a number and one of ``units``; ``what`` and ``example`` word the error.

    Raises:
        ValueError: the text is no finite number, from 0, with one of these units.

    """
    match = _QUANTITY.fullmatch(text)
    allowed = ", ".join(units)
    if match is None:
        raise ValueError(f"{text!r} is not {what}; write a number and a unit, such as {example!r} (units: {allowed})")
    number, unit = float(match[1]), match[2].replace(_GREEK_MU, _MICRO_SIGN)
    if number < 0:
        raise ValueError(f"{text!r} is negative; {what} is 0 or more, such as {example!r}")
    if not unit:
        if number == 0:
            return 0.0
        raise ValueError(f"{text!r} has no unit; write {what} such as {example!r} (units: {allowed})")
    factor = units.get(unit.lower())
    if factor is None:
        raise ValueError(f"{unit!r} is not a unit of {what}; allowed: {allowed}, as in {example!r}")
    if not math.isfinite(number * factor):
        raise ValueError(f"{text[:40]!r}… is too large for {what}; write one such as {example!r}")
    return number * factor


def same_value(one: Any, other: Any) -> bool:
    """Tell whether two plain values mean the same: equal ones, ``"20ms"`` and ``"0.02s"``, ``"1%"`` and ``0.01``."""
    if isinstance(one, str) and isinstance(other, str):
        for units in (RATE_UNITS, DURATION_UNITS, SIZE_UNITS, FRACTION_UNITS):
            try:
                values = parse_quantity(one, units, "", ""), parse_quantity(other, units, "", "")
            except ValueError:
                continue
            return math.isclose(*values, rel_tol=1e-9)
    for text, number in ((one, other), (other, one)):
        if isinstance(text, str) and isinstance(number, float) and text.endswith("%"):
            try:
                return math.isclose(parse_quantity(text, FRACTION_UNITS, "", ""), number, rel_tol=1e-9)
            except ValueError:
                return False
    if isinstance(one, bool) is not isinstance(other, bool):
        return False
    return bool(one == other)


def _reader(units: Mapping[str, float], what: str, example: str, *, bare: bool = False) -> Callable[[Any], float]:
    def read(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            shown = str(value).lower() if isinstance(value, bool) else str(value)
            raise ValueError(f"{shown} is not {what}; write it as text, such as {example!r}")
        if isinstance(value, str):
            return parse_quantity(value, units, what, example)
        if value == 0 or bare:
            return float(value)
        raise ValueError(
            f"{value!r} has no unit; write {what} as text, such as {example!r} (units: {', '.join(units)})"
        )

    return read


def _schema(pattern_units: Mapping[str, float], example: str, *, bare: bool = False) -> WithJsonSchema:
    forms: list[dict[str, Any]] = [
        {"type": "string", "examples": [example], "description": f"units: {', '.join(pattern_units)}"}
    ]
    forms.append({"type": "number"} if bare else {"const": 0})
    return WithJsonSchema({"anyOf": forms})


def _plain(value: float) -> str:
    """Write a number without an exponent, with all its digits, so that it reads back as the same number."""
    return f"{decimal.Decimal(repr(float(value))):f}".removesuffix(".0")


_size = _reader(SIZE_UNITS, "a size", "60MiB")
_share = _reader(FRACTION_UNITS, "a fraction", "1%", bare=True)


def _whole_bytes(value: Any) -> int:
    size = _size(value)
    if 0 < size < 1:
        raise ValueError(f"{value!r} is less than a byte; write a size such as '60MiB'")
    return round(size)


def _probability(value: Any) -> float:
    share = _share(value)
    if not 0 <= share <= 1:
        raise ValueError(f"{value!r} is not a fraction; allowed: 0 to 1, or '0%' to '100%'")
    return share


Rate = Annotated[
    float,
    BeforeValidator(_reader(RATE_UNITS, "a rate", "25mbit")),
    Field(gt=0),
    PlainSerializer(lambda value: f"{_plain(value)}bit", return_type=str),
    _schema(RATE_UNITS, "25mbit"),
]
"""Bits per second, counted over whole Ethernet frames without preamble and checksum."""

Duration = Annotated[
    float,
    BeforeValidator(_reader(DURATION_UNITS, "a duration", "20ms")),
    Field(ge=0),
    PlainSerializer(lambda value: f"{_plain(value)}s", return_type=str),
    _schema(DURATION_UNITS, "20ms"),
]
"""Seconds."""

Size = Annotated[
    int,
    BeforeValidator(_whole_bytes),
    Field(ge=0),
    PlainSerializer(lambda value: f"{value}B", return_type=str),
    _schema(SIZE_UNITS, "60MiB"),
]
"""Bytes."""

Fraction = Annotated[
    float,
    BeforeValidator(_probability),
    PlainSerializer(lambda value: value, return_type=float),
    _schema(FRACTION_UNITS, "1%", bare=True),
]
"""A share of one: ``0.01`` and ``"1%"`` are the same."""
