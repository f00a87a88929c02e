"""Runs one failover scenario on both elements and compares what they are calibrated to and what a transport gets.

The machine may be slow (an emulated processor), so the rate is low, and its verdicts on timing are not asked for: both
elements are measured by the same instruments on the same machine, side by side.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from typing import Any

from rich.console import Console
from rich.table import Table

REPEAT = 5
TOLERANCE = 0.03
PATHS = ("upper", "lower")
ELEMENTS = ("netem", "nfqueue")
ARGUMENTS = (
    "failover_quick", "--endpoint", "mptcp", "--repeat", str(REPEAT), "--attempts", "1", "--no-figures", "--json",
    "--set", "fault.kind=rst", "--set", "multipath.mode=active", "--set", "fault.at=2500ms",
    "--set", "workload.bytes=2MiB", "--set", "workload.limit=30s", "--set", "workload.stall_limit=10s",
    "--set", "expect.gap.at_most=5s", "--set", "expect.recovery.at_most=5s", "--set", "expect.1.term=10s",
)  # fmt: skip
NETWORK = ("both.rate=3mbit", "both.delay=40ms", "both.queue={packets = 30}")


def run(element: str, folder: str) -> list[dict[str, Any]]:
    """Return the records of the repeated runs on an element."""
    settings = [word for path in PATHS for text in NETWORK for word in ("--set", f"topology.path.{path}.{text}")]
    command = [sys.executable, "-m", "harness", "run", *ARGUMENTS, *settings, "--element", element, "--out", folder]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode not in (0, 1, 3):
        sys.exit(f"compare_elements: harness run on {element} ended with exit code {done.returncode}")
    records: list[dict[str, Any]] = json.loads(done.stdout)
    return records


def calibrated(records: list[dict[str, Any]], path: str, direction: str, name: str) -> list[float]:
    """Return a calibrated quantity of all runs, before the transfer and after it."""
    directions = [record["validity"]["paths"][path][direction] for record in records]
    found = [each.get(when) for each in directions for when in ("before", "after")]
    return [each[name] for each in found if each is not None and each[name] is not None]


def main() -> int:
    """Run, print the table, and return 1 if the elements differ."""
    with tempfile.TemporaryDirectory() as folder:
        runs = {element: run(element, folder) for element in ELEMENTS}
    problems = []
    table = Table("", *ELEMENTS, "difference", box=None, pad_edge=False)
    for path in PATHS:
        for direction in ("forward", "backward"):
            for name, unit in (("rate_mbps", "Mbps"), ("delay_ms", "ms")):
                what = f"{path} {direction} {name.split('_')[0]} ({unit}, median)"
                values = [calibrated(runs[element], path, direction, name) for element in ELEMENTS]
                if not all(values):
                    problems.append(f"{what}: not measured on both elements")
                    continue
                first, second = (statistics.median(each) for each in values)
                difference = abs(first - second) / max(first, second)
                table.add_row(what, f"{first:.3f}", f"{second:.3f}", f"{100 * difference:.2f} %")
                if difference > TOLERANCE:
                    problems.append(f"{what}: {first:.3f} and {second:.3f} differ by more than {100 * TOLERANCE:g} %")
    for name in ("goodput_mbps", "longest_gap_s", "completion_s"):
        ranges = []
        for element in ELEMENTS:
            found = [record["metrics"].get(name) for record in runs[element]]
            ranges.append([value for value in found if value is not None])
            if len(ranges[-1]) < len(found):
                problems.append(f"{name} on {element}: {len(found) - len(ranges[-1])} of {len(found)} runs have none")
        if not all(ranges):
            continue
        (low_1, high_1), (low_2, high_2) = ((min(each), max(each)) for each in ranges)
        overlap = max(low_1, low_2) <= min(high_1, high_2)
        table.add_row(
            name, f"{low_1:.2f}–{high_1:.2f}", f"{low_2:.2f}–{high_2:.2f}", "overlap" if overlap else "NO OVERLAP"
        )
        if not overlap and name != "completion_s":
            problems.append(f"{name}: the ranges {low_1:.2f}–{high_1:.2f} and {low_2:.2f}–{high_2:.2f} do not overlap")
    for element in ELEMENTS:
        verdicts = [record["verdict"] for record in runs[element]]
        table.add_row(f"verdicts on {element}", ", ".join(verdicts), "", "")
        wrong = [record for record in runs[element] if record["metrics"].get("sha256_ok") is not True]
        if wrong:
            problems.append(f"{element}: {len(wrong)} of {REPEAT} transfers did not arrive: {wrong[0]['reasons'][:1]}")
    Console(width=120).print(table)
    for problem in problems:
        print(f"compare_elements: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
