"""Small specifications as text, and what the harness says of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.spec.errors import SpecificationError
from harness.spec.keys import parse_assignment
from harness.spec.loader import load_topology
from harness.spec.plan import PlannedRun, plan_runs

SCENARIO = """\
name = "mine"
topology = "two_paths"
endpoints = ["tcp"]

[workload]
bytes = "1MiB"
limit = "10s"

[[fault]]
name = "outage"
kind = "drop"
path = "upper"
at = "1s"

[[expect]]
kind = "hash_equal"
"""

TOPOLOGY = """\
name = "net"

[[node]]
name = "client"
kind = "client"

[[node]]
name = "server"
kind = "server"

[[path]]
name = "upper"
from = "client"
to = "server"
both = { rate = "5mbit", delay = "10ms" }
"""


def changed(text: str, old: str, new: str) -> str:
    """Return ``text`` with ``old``, which must be in it, replaced."""
    assert old in text
    return text.replace(old, new)


def scenario_file(folder: Path, text: str | bytes = SCENARIO, name: str = "s.toml") -> str:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def planned(folder: Path, text: str | bytes = SCENARIO, assign: Sequence[str] = (), **options: Any) -> list[PlannedRun]:
    return plan_runs(
        [scenario_file(folder, text)],
        assignments=[parse_assignment(each) for each in assign],
        element="nfqueue",
        **options,
    )


def scenario_errors(
    folder: Path, text: str | bytes = SCENARIO, assign: Sequence[str] = (), **options: Any
) -> list[str]:
    """Return the lines of the error, with file names as from within ``folder``."""
    with pytest.raises(SpecificationError) as caught:
        planned(folder, text, assign, **options)
    return _lines(caught.value, folder)


def topology_errors(folder: Path, text: str | bytes) -> list[str]:
    with pytest.raises(SpecificationError) as caught:
        load_topology(scenario_file(folder, text, "t.toml"))
    return _lines(caught.value, folder)


def _lines(error: SpecificationError, folder: Path) -> list[str]:
    lines = str(error).splitlines()
    assert len(lines) == len(error.problems), "one line for each problem"
    return [line.replace(f"{folder}/", "") for line in lines]
