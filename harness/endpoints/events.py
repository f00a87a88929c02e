"""The event lines of an endpoint: an incremental reader that accepts nothing it cannot trust."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

NANOSECOND: Final = 1_000_000_000
FUTURE_TOLERANCE: Final = NANOSECOND // 200
"""5 ms: both clocks are the same one, so only the granularity of a coarse clock is forgiven."""
BACKWARD_TOLERANCE: Final = NANOSECOND
"""1 s: threads and 10 ms bins may swap neighbouring lines; more than that means a wrong clock."""
LONGEST_LINE: Final = 1 << 16

_SHA256 = re.compile(r"[0-9a-f]{64}")
_SHOWN = 160


class BrokenEvents(Exception):
    """An endpoint wrote something into its events file that cannot be believed.

    Attributes:
        file: name of the events file.
        line: number of the line, from 1; 0 when the whole file is meant.
        text: that line, shortened.
        reason: what is wrong with it, and what is allowed.

    """

    def __init__(self, file: str, line: int, text: str, reason: str) -> None:
        self.file, self.line, self.reason = file, line, reason
        self.text = text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
        place = f"{file}:{line}" if line else file
        shown = f" in {self.text!r}" if text else ""
        super().__init__(f"{place}: {reason}{shown}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of an events file.

    Attributes:
        line: its number, from 1.
        time: CLOCK_MONOTONIC in nanoseconds.
        event: what happened.
        fields: everything else on the line, unknown fields included.

    """

    line: int
    time: int
    event: str
    fields: Mapping[str, Any]

    @property
    def bytes(self) -> int:
        """Bytes of a ``received``, ``sent``, ``object`` or ``done`` event."""
        value: int = self.fields["bytes"]
        return value

    @property
    def stream(self) -> int:
        """Stream number; 0 where the endpoint names none."""
        value: int = self.fields.get("stream", 0)
        return value

    @property
    def path(self) -> str | None:
        """The client's address of the path, or None where the endpoint cannot tell."""
        value: str | None = self.fields.get("path")
        return value


@dataclass(frozen=True, slots=True)
class _Field:
    wanted: str
    valid: Callable[[Any], bool]


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value < float("inf")


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _is_digest(value: Any) -> bool:
    return value is None or (isinstance(value, str) and _SHA256.fullmatch(value) is not None)


_FIELDS: Final[Mapping[str, _Field]] = {
    "bytes": _Field("a whole number, 0 or more", _is_count),
    "stream": _Field("a whole number, 0 or more", _is_count),
    "path": _Field("an address", _is_text),
    "from": _Field("an address", _is_text),
    "number": _Field("a whole number, 0 or more", _is_count),
    "connect_ms": _Field("a number, 0 or more", _is_number),
    "ms": _Field("a number, 0 or more", _is_number),
    "congestion": _Field("a name", _is_text),
    "reason": _Field("some text", _is_text),
    "text": _Field("some text", _is_text),
    "sha256": _Field("64 lower-case hexadecimal digits, or null with a reason", _is_digest),
}
"""Fields with a meaning of their own, wherever they occur."""

_REQUIRED: Final[Mapping[str, tuple[str, ...]]] = {
    "listening": (),
    "connected": (),
    "first_byte": (),
    "received": ("bytes",),
    "sent": ("bytes",),
    "exchange": ("ms",),
    "object": ("ms", "bytes"),
    "path_joined": ("path",),
    "path_failed": ("path",),
    "migrated": ("path",),
    "fallback": ("reason",),
    "note": ("text",),
    "done": ("bytes", "sha256"),
}
"""Every event there is, with the fields that it must have."""

EVENTS: Final = tuple(_REQUIRED)


class EventParser:
    """Turns the bytes of an events file into events. No I/O; the time is passed in.

    Attributes:
        received: sum of the bytes of all ``received`` events so far.
        done: the ``done`` event, once it was read.

    """

    def __init__(self, file: str, *, not_before: int = 0) -> None:
        """``file`` is the name for error messages; no event may be earlier than ``not_before`` (monotonic ns)."""
        self.received = 0
        self.done: Event | None = None
        self._file = file
        self._earliest = not_before
        self._latest = not_before
        self._line = 0
        self._rest = b""

    def feed(self, data: bytes, *, now: int) -> list[Event]:
        """Return the events of all lines that ``data`` completes; ``now`` is the monotonic clock (ns) afterwards.

        Raises:
            BrokenEvents: a line is no event, or cannot be true.

        """
        *lines, self._rest = (self._rest + data).split(b"\n")
        events = [self._read(line, now) for line in lines]
        if len(self._rest) > LONGEST_LINE:
            self._line += 1
            raise self._broken(self._rest, f"the line is longer than {LONGEST_LINE} bytes")
        return events

    def finish(self, *, killed: bool = False) -> None:
        """Say that the process has ended; ``killed`` forgives a last line that it could not finish.

        Raises:
            BrokenEvents: the file ends in the middle of a line.

        """
        if self._rest and not killed:
            self._line += 1
            raise self._broken(self._rest, "the last line does not end with a newline")

    def _broken(self, line: bytes, reason: str) -> BrokenEvents:
        return BrokenEvents(self._file, self._line, line.decode("utf-8", "replace"), reason)

    def _read(self, line: bytes, now: int) -> Event:
        self._line += 1
        try:
            # Non-standard NaN and Infinity are let through here and refused by the check of each field.
            fields = json.loads(line)
        except (ValueError, RecursionError) as error:
            reason = getattr(error, "msg", "not UTF-8" if isinstance(error, UnicodeError) else str(error))
            raise self._broken(line, f"not a line of JSON ({reason})") from None
        if not isinstance(fields, dict):
            raise self._broken(line, "an event is a JSON object")
        time = self._time(line, fields.pop("time", None), now)
        name = fields.pop("event", None)
        required = _REQUIRED.get(name) if isinstance(name, str) else None
        if required is None:
            raise self._broken(line, f"unknown event {name!r}; allowed: {', '.join(EVENTS)}")
        for key in required:
            if key not in fields:
                raise self._broken(line, f"the event {name!r} needs the field {key!r}")
        for key, value in fields.items():
            field = _FIELDS.get(key)
            if field is not None and not field.valid(value):
                raise self._broken(line, f"{key!r} is {value!r}; allowed: {field.wanted}")
        event = Event(line=self._line, time=time, event=name, fields=fields)
        self._account(line, event)
        return event

    def _time(self, line: bytes, time: Any, now: int) -> int:
        if type(time) is not int:
            raise self._broken(line, f"'time' is {time!r}; allowed: CLOCK_MONOTONIC in whole nanoseconds")
        if time > now + FUTURE_TOLERANCE:
            late = (time - now) / NANOSECOND
            raise self._broken(line, f"'time' lies {late:.3f} s in the future; it is CLOCK_MONOTONIC in nanoseconds")
        if time < self._earliest:
            early = (self._earliest - time) / NANOSECOND
            raise self._broken(
                line, f"'time' lies {early:.3f} s before the process was started; it is CLOCK_MONOTONIC in nanoseconds"
            )
        if time < self._latest - BACKWARD_TOLERANCE:
            back = (self._latest - time) / NANOSECOND
            raise self._broken(line, f"'time' goes back by {back:.3f} s")
        self._latest = max(self._latest, time)
        return time

    def _account(self, line: bytes, event: Event) -> None:
        if event.event not in ("received", "done"):
            return
        if self.done is not None:
            raise self._broken(line, f"the event {event.event!r} comes after 'done' (line {self.done.line})")
        if event.event == "received":
            self.received += event.bytes
            return
        self.done = event
        if event.bytes != self.received:
            raise self._broken(
                line, f"'done' speaks of {event.bytes} bytes, the 'received' events before it of {self.received}"
            )
        if event.fields["sha256"] is None and "reason" not in event.fields:
            raise self._broken(line, "'sha256' is null; then a field 'reason' must say why")


class EventFile:
    """Reads an events file while its writer appends to it."""

    def __init__(self, path: Path, *, not_before: int = 0) -> None:
        """The file may not exist yet; ``not_before`` is the monotonic time (ns) at which its writer was started."""
        self.path = path
        self.parser = EventParser(path.name, not_before=not_before)
        self._position = 0

    def poll(self, clock: Callable[[], int]) -> list[Event]:
        """Return the events written since the last call; ``clock`` returns CLOCK_MONOTONIC in ns.

        Raises:
            BrokenEvents: a line cannot be believed, or the file has become shorter.

        """
        try:
            with self.path.open("rb") as file:
                size = file.seek(0, 2)
                if size < self._position:
                    raise BrokenEvents(
                        self.path.name, 0, "", f"shrank from {self._position} to {size} bytes; only append"
                    )
                file.seek(self._position)
                data = file.read()
        except FileNotFoundError:
            if self._position:
                raise BrokenEvents(self.path.name, 0, "", "was removed while the endpoint ran") from None
            return []
        self._position += len(data)
        # The clock is read after the file: no honest line can be later than that.
        return self.parser.feed(data, now=clock())
