"""Runs that take little more than their set-up, for tests of the harness's main job."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]

# 4 MiB take 1.4 s at 25 Mbit/s; the outage comes in the middle.
FAILOVER = (
    "failover_quick",
    "--set", "fault.kind=drop",
    "--set", "multipath.mode=active",
    "--set", "workload.bytes=4MiB",
    "--set", "fault.at=700ms",
)  # fmt: skip
PLAIN = ("aggregation_quick", "--set", "workload.bytes=2MiB", "--set", "fault.at=300ms")


def harness(*arguments: str) -> list[str]:
    """Return the command line of ``harness`` with these arguments."""
    return [sys.executable, "-m", "harness", *arguments]


def start(*arguments: str, prefix: Sequence[str] = (), env: Mapping[str, str] | None = None) -> "subprocess.Popen[str]":
    """Start ``harness`` without a terminal."""
    return subprocess.Popen(
        [*prefix, *harness(*arguments)],
        env=env,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(*arguments: str, prefix: Sequence[str] = ()) -> "subprocess.CompletedProcess[str]":
    """Run ``harness`` to its end."""
    process = start(*arguments, prefix=prefix)
    out, err = process.communicate(timeout=100)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def records(*arguments: str, prefix: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Run ``harness run … --json`` and return the records; what it printed as an error is in the assertion."""
    done = run("run", *arguments, "--json", prefix=prefix)
    assert done.returncode in (0, 1, 3), done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found
