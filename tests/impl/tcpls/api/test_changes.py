"""Whoever waits learns of the next change, and of no earlier one."""

import asyncio

import pytest

from impl.tcpls.api.changes import Changes


async def waiting(changes: Changes) -> asyncio.Task[None]:
    """A task that waits already."""
    task = asyncio.ensure_future(changes.wait())
    await asyncio.sleep(0)
    return task


class TestChanges:
    def test_all_learn_of_the_next(self) -> None:
        async def main() -> None:
            changes = Changes()
            tasks = [await waiting(changes) for _ in range(3)]
            changes.tell()
            changes.tell()  # they know already
            await asyncio.gather(*tasks)

        asyncio.run(main())

    def test_an_earlier_one_does_not_count(self) -> None:
        async def main() -> None:
            changes = Changes()
            changes.tell()
            task = await waiting(changes)
            assert not task.done()
            changes.tell()
            await task

        asyncio.run(main())

    def test_whoever_gives_up_is_forgotten(self) -> None:
        async def main() -> None:
            changes = Changes()
            task = await waiting(changes)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            changes.tell()

        asyncio.run(main())
