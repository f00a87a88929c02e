"""Quantities as people read and write them: sizes and rates with decimal prefixes, and times."""

import re
from typing import Final

_PREFIXES: Final = ("", "k", "M", "G", "T", "P")
_SIZE: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([kKMGT]?)(i?)B?")
_MAX_SIZE: Final = 2**63 - 1


def size(count: int) -> str:
    """Show a number of bytes: ``340 B``, ``12.5 MB``."""
    return f"{count} B" if count < 1000 else f"{_scaled(count)}B"


def rate(bytes_per_second: float) -> str:
    """Show a rate in bits per second: ``3.04 Gbit/s``."""
    return f"{_scaled(8 * bytes_per_second)}bit/s"


def seconds(value: float) -> str:
    """Show a time: ``178 µs``, ``1.53 ms``, ``2.10 s``."""
    for limit, factor, unit in ((0.999_5e-3, 1e6, "µs"), (0.999_5, 1e3, "ms")):
        if abs(value) < limit:
            return f"{_three(value * factor)} {unit}"
    return f"{_three(value)} s"


def parse_size(text: str) -> int:
    """Read a number of bytes: ``300``, ``64k``, ``1.5MB``, ``1MiB``.

    Raises:
        ValueError: it is none.

    """
    parts = _SIZE.fullmatch(text)
    if parts is None or (parts[3] and not parts[2]):
        raise ValueError(f"{text!r} is not a size; give bytes as in 300, 64k, 1.5MB or 1MiB")
    base = 1024 if parts[3] else 1000
    count = round(float(parts[1]) * float(base) ** _PREFIXES.index(parts[2].replace("K", "k")))
    if count > _MAX_SIZE:
        raise ValueError(f"{text!r} is too large a size")
    return count


def _scaled(value: float) -> str:
    power = 0
    while value >= 999.5 and power < len(_PREFIXES) - 1:
        value /= 1000
        power += 1
    return f"{_three(value)} {_PREFIXES[power]}"


def _three(value: float) -> str:
    """Three digits, as many as say something."""
    return f"{value:.0f}" if value >= 99.95 or value == 0 else f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"
