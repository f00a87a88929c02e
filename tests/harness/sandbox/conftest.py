"""Fixtures of the sandbox's tests: each runs as root, where root runs the tests, and as an ordinary user always."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import leftovers, ordinary

ROOT = Path(__file__).parents[3]
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture(params=ordinary.prefixes())
def prefix(request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    """What to put before a command to run it as the user of this round; ``tmp_path`` is that user's then."""
    found = ordinary.prefixes()[request.param]
    if found:
        ordinary.open_to(tmp_path)
    return found


@pytest.fixture
def before(tmp_path: Path) -> leftovers.Snapshot:
    return leftovers.snapshot(tmp_path)


@pytest.fixture
def start(prefix: list[str], before: leftovers.Snapshot) -> Iterator[Start]:
    """Start a command in a sandbox, as a user would on the command line; kill it at the end of the test."""
    started: list[subprocess.Popen[str]] = []

    def begin(*command: str, options: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*prefix, sys.executable, "-P", "-m", "harness.sandbox", *options, "--", *command],
            env=before.environment,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    leftovers.wait_until_gone(before)


@pytest.fixture
def run(start: Start) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a command in a sandbox to its end."""

    def complete(*command: str, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        process = start(*command, options=options)
        out, err = process.communicate(timeout=30)
        return subprocess.CompletedProcess(command, process.returncode, out, err)

    return complete
