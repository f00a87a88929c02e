"""Measures this kernel's Multipath TCP in the paper's experiments and writes docs/kernel-mptcp.md.

    python -m benchmarks.kernel_mptcp            # three seeds each, about a quarter of an hour
    python -m benchmarks.kernel_mptcp --repeat 1 --out results/kernel-mptcp

The machine must have nothing else to do: runs that are invalid are left out of the table, and counted in it.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

ROOT = Path(__file__).parents[1]
TEMPLATE = Path(__file__).with_suffix(".md.j2")
PAGE = ROOT / "docs" / "kernel-mptcp.md"
FIGURES = ROOT / "docs" / "figures"
Record = dict[str, Any]

PAPER_ROTATING = ("58.9, gaps 2.5–4.1", "28.6, gaps 1.3–1.8")
PAPER_AGGREGATION = ("47–48, deviation 0.7", "47–48, deviation 7.2")
PAPER_GAP = {"drop": ("0.43", "1.29"), "rst": ("0.13", "0.21"), "down": ("0.45", "—")}


def run(scenario: str, endpoints: str, repeat: int, out: Path) -> list[Record]:
    """Run a scenario and return its records, invalid attempts included."""
    command = ["run", scenario, "--endpoint", endpoints, "--repeat", str(repeat), "--out", str(out), "--json"]
    done = subprocess.run([sys.executable, "-m", "harness", *command], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode not in (0, 1, 3):
        sys.exit(f"kernel_mptcp: harness {' '.join(command)} ended with exit code {done.returncode}")
    records: list[Record] = json.loads(done.stdout)
    for record in records:
        print(scenario, record["endpoint"], record["values"], record["seed"], record["verdict"], *record["reasons"][:1])
    return records


def spread(records: list[Record], metric: str, digits: int) -> str:
    """Return median and range of a metric over the valid runs."""
    values = [record["metrics"][metric] for record in records if record["metrics"].get(metric) is not None]
    if not values:
        return "—"
    middle = f"{statistics.median(values):.{digits}f}"
    return middle if len(values) == 1 else f"{middle} ({min(values):.{digits}f}–{max(values):.{digits}f})"


def row(
    records: list[Record], metrics: list[tuple[str, int]], *, before: tuple[str, ...], after: tuple[str, ...]
) -> list[str]:
    """Return the cells of a row: what is given, the metrics between, and how many runs of how many counted."""
    valid = [record for record in records if record["verdict"] != "invalid"]
    invalid = len(records) - len(valid)
    counted = f"{len(valid)}{f' (+{invalid} invalid)' if invalid else ''}"
    return [*before, *(spread(valid, metric, digits) for metric, digits in metrics), *after, counted]


def chosen(records: list[Record], **wanted: Any) -> list[Record]:
    """Return the records of an endpoint, or with a value of the matrix."""
    found = records
    for key, value in wanted.items():
        found = [
            record
            for record in found
            if (record["endpoint"] if key == "endpoint" else record["values"].get(_KEYS[key])) == value
        ]
    return found


_KEYS = {"kind": "fault.kind", "mode": "multipath.mode"}


def page(failover: list[Record], rotating: list[Record], aggregation: list[Record]) -> str:
    """Return the page."""
    for record in failover:
        record["metrics"]["outage_recovery_s"] = (record["metrics"].get("recovery_s") or {}).get("outage")
    outage = [("longest_gap_s", 2), ("outage_recovery_s", 2), ("completion_s", 1)]
    both = [
        ("goodput_all_paths_mbps", 1), ("goodput_steady_stdev_mbps", 1), ("all_paths_busy_s", 2), ("completion_s", 1),
    ]  # fmt: skip
    # What is made is Markdown, where escaping for HTML would show.
    template = Environment(trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined, autoescape=False)  # noqa: S701
    return template.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        environment=failover[0]["environment"],
        element=failover[0]["element"],
        failover=[
            row(
                chosen(failover, kind=kind, mode=mode),
                outage,
                before=(kind, mode),
                after=PAPER_GAP[kind] if mode == "backup" else ("", ""),
            )
            for kind in PAPER_GAP
            for mode in ("backup", "active")
        ],
        rotating=[row(rotating, [("completion_s", 1), ("longest_gap_s", 1)], before=(), after=PAPER_ROTATING)],
        aggregation=[
            row(chosen(aggregation, endpoint=endpoint), both, before=(endpoint,), after=paper)
            for endpoint, paper in (("mptcp", PAPER_AGGREGATION), ("tcp", ("", "")))
        ],
    )


def copy_figure(records: list[Record], name: str) -> None:
    """Copy the figure of the run with the median completion into docs/."""
    valid = sorted(
        (record for record in records if record["verdict"] == "pass"),
        key=lambda record: record["metrics"]["completion_s"],
    )
    if valid:
        directory = Path(valid[len(valid) // 2]["directory"])
        for suffix in ("png", "svg"):
            shutil.copyfile(directory / f"figure.{suffix}", FIGURES / f"{name}.{suffix}")


def main() -> None:
    """Run everything and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=3, help="seeds of each case")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "kernel-mptcp", help="folder of the runs")
    options = parser.parse_args()
    failover = run("failover", "mptcp", options.repeat, options.out)
    rotating = run("rotating_outages", "mptcp", options.repeat, options.out)
    aggregation = run("aggregation", "mptcp,tcp", options.repeat, options.out)
    FIGURES.mkdir(exist_ok=True)
    copy_figure(chosen(failover, kind="drop", mode="backup"), "failover")
    copy_figure(rotating, "rotating_outages")
    copy_figure(chosen(aggregation, endpoint="mptcp"), "aggregation")
    PAGE.write_text(page(failover, rotating, aggregation) + "\n", encoding="utf-8")
    print(PAGE)


if __name__ == "__main__":
    main()
