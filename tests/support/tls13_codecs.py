"""Laws that hold for every codec of TLS 1.3, and bytes that are nearly right."""

from collections.abc import Callable, Collection
from typing import TypeVar

from hypothesis import strategies as st

from impl.tls13.alerts import TLSError
from impl.tls13.registries import AlertDescription

DECODE_ERROR = AlertDescription.DECODE_ERROR
ILLEGAL_PARAMETER = AlertDescription.ILLEGAL_PARAMETER
REFUSALS = frozenset({DECODE_ERROR, ILLEGAL_PARAMETER})
"""What decoders may refuse with."""

T = TypeVar("T")

u16 = st.integers(0, 0xFFFF)


def _attempt(decode: Callable[[bytes], T], data: bytes) -> T | TLSError:
    try:
        return decode(data)
    except TLSError as error:
        return error


def alert_of(decode: Callable[[bytes], object], data: bytes) -> AlertDescription | None:
    """The alert with which `data` is refused; None if it is not."""
    outcome = _attempt(decode, data)
    return outcome.alert if isinstance(outcome, TLSError) else None


def check_round_trip(
    value: T, encode: Callable[[T], bytes], decode: Callable[[bytes], object], *, ends: Collection[int] = ()
) -> None:
    """A value survives, and its encoding has exactly one end; `ends` are other lengths at which it may end, too."""
    encoded = encode(value)
    assert decode(encoded) == value
    for size in set(range(len(encoded))).difference(ends):
        assert alert_of(decode, encoded[:size]) is DECODE_ERROR, f"cut to {size} of {len(encoded)} bytes"
    for extra in (b"\x00", b"\x01", b"\xff"):
        assert alert_of(decode, encoded + extra) is DECODE_ERROR, f"with {extra!r} appended"


def check_any_bytes(
    data: bytes,
    decode: Callable[[bytes], T],
    encode: Callable[[T], bytes] | None = None,
    *,
    refusals: Collection[AlertDescription] = REFUSALS,
) -> None:
    """Bytes are refused as they should be, or else mean something that is written like that and in no other way."""
    outcome = _attempt(decode, data)
    if isinstance(outcome, TLSError):
        assert outcome.alert in refusals
        assert outcome.reason
    elif encode is not None:
        assert encode(outcome) == data


@st.composite
def damaged(draw: st.DrawFn, encodings: st.SearchStrategy[bytes]) -> bytes:
    """Bytes that are an encoding but for a few changes, or anything at all."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=64))
    data = bytearray(draw(encodings))
    for _ in range(draw(st.integers(1, 3))):
        position = draw(st.integers(0, len(data)))
        match draw(st.sampled_from(("change", "nudge", "insert", "remove"))):
            case "change":
                data[position : position + 1] = draw(st.binary(min_size=1, max_size=1))
            case "nudge" if position < len(data):  # a length is often wrong by one
                data[position] = (data[position] + draw(st.sampled_from((1, -1)))) % 256
            case "insert":
                data[position:position] = draw(st.binary(min_size=1, max_size=4))
            case _:
                del data[position : position + draw(st.integers(1, 4))]
    return bytes(data)


def extension_blocks(max_size: int = 4) -> st.SearchStrategy[dict[int, bytes]]:
    """Extensions of a message: known types, types that nobody knows, any data."""
    return st.dictionaries(st.integers(0, 60) | u16, st.binary(max_size=12), max_size=max_size)
