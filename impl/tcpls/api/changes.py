"""Lets any number of tasks wait for the next change of something."""

import asyncio


class Changes:
    """The changes of one thing."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: set[asyncio.Future[None]] = set()

    async def wait(self) -> None:
        """Wait for the next change."""
        waiting = asyncio.get_running_loop().create_future()
        self._waiting.add(waiting)
        try:
            await waiting
        finally:
            self._waiting.discard(waiting)

    def tell(self) -> None:
        """Something has changed."""
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)
