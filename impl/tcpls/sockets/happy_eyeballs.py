"""Happy Eyeballs (RFC 8305): of several ways to a server the one that answers first, without loading it with all."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import chain, zip_longest
from typing import Final, Literal, Protocol, TypeVar

from impl.tcpls.sockets.addresses import version_of
from impl.tcpls.sockets.errors import AllFailed

DELAY: Final = 0.25
"""Connection Attempt Delay: how long an attempt has before the next one joins it, seconds (RFC 8305, section 5)."""


class HasRemote(Protocol):
    """A way to a server: what else it has, such as a local address, is its attempt's own matter."""

    @property
    def remote(self) -> str:
        """The server's numeric address."""


C = TypeVar("C", bound=HasRemote)
T = TypeVar("T")


def interleave(candidates: Iterable[C], first: Literal[4, 6] | None = None) -> list[C]:
    """Return the candidates with families taking turns, in their order within each (RFC 8305, section 4).

    Args:
        candidates: in order of preference.
        first: version of the family to begin with; None for that of the first candidate.

    Raises:
        ValueError: a remote address is not numeric.

    """
    by_version: dict[int, list[C]] = {}
    if first is not None:
        by_version[first] = []
    for candidate in candidates:
        by_version.setdefault(version_of(candidate.remote), []).append(candidate)
    rounds = zip_longest(*by_version.values())
    return [candidate for candidate in chain.from_iterable(rounds) if candidate is not None]


async def connect_first(
    candidates: Sequence[C],
    attempt: Callable[[C], Awaitable[T]],
    *,
    delay: float = DELAY,
    first: Literal[4, 6] | None = None,
    discard: Callable[[T], object] | None = None,
) -> tuple[C, T]:
    """Attempt the candidates one after the other, interleaved, and return the first that succeeds with its result.

    The next attempt begins when the last one has had its delay, or at once when one has failed; the others go on. The
    winner's rivals are cancelled and awaited.

    Args:
        candidates: in order of preference.
        attempt: makes one connection; an OSError is its failure.
        delay: between attempts, seconds.
        first: as in ``interleave``.
        discard: gets every result that is not returned, to close it: that of an attempt that succeeded at the same
            moment, or of any if this is cancelled just then.

    Raises:
        AllFailed: no attempt succeeded, or there is no candidate.
        Exception: whatever else an attempt raises, at once: it is no matter of one candidate.

    """
    waiting = interleave(candidates, first)[::-1]
    running: dict[asyncio.Task[T], C] = {}
    errors: list[OSError] = []

    def dispose(task: asyncio.Task[T]) -> None:
        if not task.cancelled() and task.exception() is None and discard is not None:
            discard(task.result())

    try:
        while waiting or running:
            if waiting:
                candidate = waiting.pop()
                running[asyncio.create_task(_as_coroutine(attempt(candidate)))] = candidate
            await asyncio.wait(running, timeout=delay if waiting else None, return_when=asyncio.FIRST_COMPLETED)
            for task in [task for task in running if task.done()]:  # in the order of their beginning
                candidate = running.pop(task)
                try:
                    result = task.result()
                except OSError as error:
                    errors.append(error)
                    continue
                try:
                    await _end(running, dispose)
                except BaseException:
                    dispose(task)
                    raise
                return candidate, result
        raise AllFailed(errors or [OSError("there is no address to connect to")])
    finally:
        await _end(running, dispose)


async def _as_coroutine(attempt: Awaitable[T]) -> T:
    return await attempt


async def _end(running: dict[asyncio.Task[T], C], dispose: Callable[[asyncio.Task[T]], None]) -> None:
    """Cancel tasks and await them; what they have made nevertheless is disposed of, even if this is cancelled."""
    tasks = list(running)
    running.clear()
    for task in tasks:
        task.add_done_callback(dispose)
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
