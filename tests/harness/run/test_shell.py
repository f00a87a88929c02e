"""The program of ``harness shell``, driven by what a user types."""

import re
import subprocess

from tests.support import quick_runs


def typed(*lines: str, arguments: tuple[str, ...] = ("two_paths",)) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        quick_runs.harness("shell", *arguments),
        input="".join(f"{line}\n" for line in lines),
        cwd=quick_runs.ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


class TestNetwork:
    def test_delays_are_those_of_the_topology(self) -> None:
        arguments = ("two_paths", "--set", "path.upper.both.delay=60ms")
        done = typed("nodes", "client ping -c 2 10.1.3.1", "exit", arguments=arguments)
        assert done.returncode == 0
        said = done.stdout + done.stderr
        assert "  upper: client 10.1.1.1 — uppera — upperb — 10.1.3.1 server" in said
        times = [float(text) for text in re.findall(r"time=([\d.]+) ms", said)]
        assert len(times) == 2
        assert 119.5 <= min(times) < 160

    def test_a_path_that_is_down_at_first_is_down(self) -> None:
        done = typed(
            "client ping -c 1 -W 1 -I 10.2.1.1 10.2.3.1", "client ping -c 1 10.1.3.1", "exit",
            arguments=("two_paths", "--set", "path.lower.initially=down"),
        )  # fmt: skip
        said = done.stdout + done.stderr
        assert len(re.findall(r"time=[\d.]+ ms", said)) == 1


class TestEnd:
    def test_the_end_of_the_input_leaves_it(self) -> None:
        assert typed().returncode == 0

    def test_a_command_that_fails_does_not(self) -> None:
        done = typed("nonsense", "client false", "client echo still here", "exit")
        assert done.returncode == 0
        assert "still here" in done.stdout + done.stderr
        assert "Traceback" not in done.stdout + done.stderr
