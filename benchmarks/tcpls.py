"""Measures TCPLS against this kernel's Multipath TCP and Python's ssl, and writes docs/tcpls-performance.md.

    python -m benchmarks.tcpls                   # three seeds each, about three quarters of an hour
    python -m benchmarks.tcpls --repeat 1        # a quarter of an hour
    python -m benchmarks.tcpls --page            # the page again, from the runs that are there

The machine must have nothing else to do: runs that are invalid are left out of the tables, and counted in them.
"""

import argparse
import json
import shutil
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, StrictUndefined

from benchmarks import bulk, tcpls_handshakes
from benchmarks.kernel_mptcp import Record, chosen, row, run
from impl.tls13.cipher_suites import CIPHER_SUITES

ROOT: Final = Path(__file__).parents[1]
TEMPLATE: Final = Path(__file__).with_suffix(".md.j2")
PAGE: Final = ROOT / "docs" / "tcpls-performance.md"
FIGURES: Final = ROOT / "docs" / "figures"
PEERS: Final = "tcpls,mptcp"
SCENARIOS: Final = {
    "failover": PEERS,
    "rotating_outages": PEERS,
    "aggregation": PEERS,
    "migration": PEERS,
    "unequal_paths": PEERS,
    "three_paths": PEERS,
}
GOODPUT: Final = [
    ("goodput_steady_mbps", 1), ("goodput_steady_stdev_mbps", 1), ("longest_gap_s", 2), ("completion_s", 1),
]  # fmt: skip


def load(folder: Path, scenario: str) -> list[Record]:
    """Read the records of the runs of a scenario that are there."""
    records = []
    for file in sorted(folder.glob(f"{scenario}/*/run.json")):
        record: Record = json.loads(file.read_text(encoding="utf-8"))
        record["directory"] = str(file.parent)
        records.append(record)
    return records


def latest(records: Sequence[Record]) -> list[Record]:
    """Of the attempts at one run keep the valid one, or the last."""
    best: dict[tuple[Any, ...], Record] = {}
    for record in records:
        key = (record["endpoint"], json.dumps(record["values"], sort_keys=True), record["seed"])
        if key not in best or best[key]["verdict"] == "invalid":
            best[key] = record
    return list(best.values())


def rows(records: list[Record], metrics: list[tuple[str, int]]) -> list[list[str]]:
    """One row for each endpoint."""
    endpoints = dict.fromkeys(record["endpoint"] for record in records)
    return [row(chosen(records, endpoint=name), metrics, before=(name,), after=()) for name in endpoints]


def failover_rows(records: list[Record]) -> list[list[str]]:
    """One row for each kind of outage, mode and endpoint."""
    for record in records:
        record["metrics"]["outage_recovery_s"] = (record["metrics"].get("recovery_s") or {}).get("outage")
    metrics = [("longest_gap_s", 2), ("outage_recovery_s", 2), ("completion_s", 1)]
    return [
        row(found, metrics, before=(kind, mode, endpoint), after=())
        for kind in ("drop", "rst", "down")
        for mode in ("backup", "active")
        for endpoint in ("tcpls", "mptcp")
        if (found := chosen(records, kind=kind, mode=mode, endpoint=endpoint))
    ]


def second_path(records: list[Record]) -> list[list[str]]:
    """When both paths were busy, from the moment at which the second one came up."""
    for record in records:
        busy = record["metrics"].get("all_paths_busy_s")
        record["metrics"]["second_path_s"] = None if busy is None else busy - SECOND_PATH_AT
    return rows(records, [("second_path_s", 2), *GOODPUT])


SECOND_PATH_AT: Final = 5.0


def copy_figures(runs: dict[str, list[Record]], out: Path) -> None:
    """Copy what the page shows into docs/."""
    FIGURES.mkdir(exist_ok=True)
    for scenario in runs:
        for suffix in ("png", "svg"):
            source = out / scenario / f"comparison.{suffix}"
            if source.exists():
                shutil.copyfile(source, FIGURES / f"tcpls-{scenario.replace('_', '-')}.{suffix}")


def main() -> int:
    """Run everything and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=3, help="seeds of each case")
    parser.add_argument("--rounds", type=int, default=7, help="rounds of the comparisons with ssl")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "tcpls", help="folder of the runs")
    parser.add_argument("--page", action="store_true", help="run no scenario: take the runs that are there")
    options = parser.parse_args()
    if not options.page:
        for scenario, endpoints in SCENARIOS.items():
            run(scenario, endpoints, options.repeat, options.out)
    runs = {scenario: latest(load(options.out, scenario)) for scenario in SCENARIOS}
    suite = next(iter(CIPHER_SUITES.values())).name
    transfers = bulk.measure(suite, 2048 << 20, options.rounds, (bulk.TCPLS, bulk.OURS, bulk.BLOCKING, bulk.ASYNCIO))
    handshakes = tcpls_handshakes.measure(count=200, rounds=options.rounds)
    copy_figures(runs, options.out)
    # What is made is Markdown, where escaping for HTML would show.
    environment = Environment(trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined, autoescape=False)  # noqa: S701
    page = environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        environment=runs["aggregation"][0]["environment"],
        element=runs["aggregation"][0]["element"],
        failover=failover_rows(runs["failover"]),
        rotating=rows(runs["rotating_outages"], [("completion_s", 1), ("longest_gap_s", 2), ("goodput_mbps", 1)]),
        aggregation=second_path(runs["aggregation"]),
        migration=rows(runs["migration"], [("goodput_mbps", 1), ("longest_gap_s", 2), ("completion_s", 1)]),
        unequal=rows(runs["unequal_paths"], GOODPUT),
        three=rows(runs["three_paths"], GOODPUT),
        suite=suite,
        bulk=[
            (
                variant,
                f"{statistics.median(each[variant].gbps for each in transfers):.2f}",
                f"{statistics.median(each[variant].gbps / each[bulk.BLOCKING].gbps for each in transfers):.2f}",
                bulk.cost([each[variant].sender for each in transfers]),
                bulk.cost([each[variant].receiver for each in transfers]),
            )
            for variant in transfers[0]
        ],
        handshakes=[asdict(one) for one in handshakes],
    )
    PAGE.write_text(page + "\n", encoding="utf-8")
    print(PAGE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
