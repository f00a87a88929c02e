"""The program of one run inside its sandbox: ``python -m harness.run.inside ORDER PROGRESS`` (two descriptors)."""

import asyncio
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from harness.results.writer import write_record
from harness.run.experiment import Experiment
from harness.run.order import Order, Progress
from harness.run.prompt import open_prompt


def main() -> int:
    """Carry out the order; the exit code says whether a record was written."""
    order = Order.from_descriptor(int(sys.argv[1]))
    with os.fdopen(int(sys.argv[2]), "w", encoding="utf-8") as progress:

        def report(moment: Progress) -> None:
            progress.write(moment.to_line() + "\n")
            progress.flush()

        try:
            return asyncio.run(_carry_out(order, report))
        except Exception:
            # Not a user's fault but ours: the log has the traceback, the record the last line of it.
            (Path(order.directory) / "harness.log").write_text(traceback.format_exc(), encoding="utf-8")
            return 70


async def _carry_out(order: Order, report: Callable[[Progress], None]) -> int:
    experiment = Experiment(order, report)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, experiment.interrupt)
    async with experiment:
        record = await experiment.run()
        write_record(Path(order.directory), record)
        if order.shell_on_fail and record.verdict == "fail" and experiment.emulation is not None:
            report(Progress("prompt"))
            open_prompt(experiment.emulation, record.reasons)
    return 0


if __name__ == "__main__":
    sys.exit(main())
