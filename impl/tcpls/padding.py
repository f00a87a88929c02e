"""Padding against traffic analysis (draft-piraux-tcpls-00, section 5.2.1): how long records are made to look."""

import os
from collections.abc import Callable
from typing import Final

PaddingPolicy = Callable[[int, int], int]
"""Bytes of frames in a record, room that is left in it → Padding frames to add, at most as many as there is room."""


def no_padding(_size: int, _room: int) -> int:
    """Records show how much is in them."""
    return 0


def pad_to_block(block: int) -> PaddingPolicy:
    """Fill records up to the next multiple of `block` bytes.

    Raises:
        ValueError: `block` is not positive.

    """
    if block < 1:
        raise ValueError(f"records cannot be filled up to multiples of {block} bytes; give 1 or more")
    return lambda size, room: min(-size % block, room)


def random_padding(most: int, random: Callable[[int], bytes] = os.urandom) -> PaddingPolicy:
    """Add 0 to `most` bytes, each number as likely as the others.

    Raises:
        ValueError: `most` is negative.

    """
    if most < 0:
        raise ValueError(f"up to {most} bytes of padding; give 0 or more")
    return lambda _size, room: int.from_bytes(random(8), "big") % (min(most, room) + 1)


_DEFAULT_BLOCK: Final = 512
_DEFAULT_MOST: Final = 256


def parse_padding(text: str) -> PaddingPolicy | None:
    """Read a policy as commands name it: ``none``, ``block``, ``block:N``, ``random``, ``random:N``; None is none.

    Raises:
        ValueError: it is none of these.

    """
    name, _, number = text.partition(":")
    try:
        size = int(number) if number else None
        if name == "none" and size is None:
            return None
        if name == "block":
            return pad_to_block(_DEFAULT_BLOCK if size is None else size)
        if name == "random":
            return random_padding(_DEFAULT_MOST if size is None else size)
    except ValueError as error:
        raise ValueError(f"padding {text!r}: {error}") from None
    raise ValueError(f"padding {text!r} is not known; allowed: none, block, block:BYTES, random, random:BYTES")
