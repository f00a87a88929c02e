"""The element process: its configuration, its commands, and what it answers to wrong ones."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from harness.elements.counters import CounterReader, file_size
from harness.elements.nfqueue_process import parse_config
from tests.harness.elements.chain import chain

DIRECTION = {
    "key": "p/forward", "pid": 1, "queue": 2, "interface": "b1", "link": {"delay": "5ms"}, "seed": 7,
}  # fmt: skip


def config(**changes: Any) -> str:
    return json.dumps({"counters": "/c", "directions": [{**DIRECTION, **changes}]})


class TestConfiguration:
    def test_is_read(self) -> None:
        path, (direction,) = parse_config(config())
        assert path == "/c"
        assert (direction.key, direction.queue, direction.seed) == ("p/forward", 2, 7)
        assert direction.link.delay == 0.005

    @pytest.mark.parametrize("line", ["{}", '{"directions": []}', '{"counters": "/c"}', "[]", "1", config(more=1)])
    def test_malformed(self, line: str) -> None:
        with pytest.raises(ValueError, match="the element's configuration is malformed"):
            parse_config(line)

    @pytest.mark.parametrize("line", ["", "no json", config(link={"delay": "-5ms"})])
    def test_all_else_is_a_value_error_too(self, line: str) -> None:
        with pytest.raises((ValueError, ValidationError)):
            parse_config(line)


class Process:
    """The process with a direction of a real network, spoken with line by line."""

    def __init__(self, folder: Path, pid: int) -> None:
        self.counters = folder / "counters"
        self.counters.write_bytes(bytes(file_size(1)))
        self.popen = subprocess.Popen(
            [sys.executable, "-m", "harness.elements.nfqueue_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        self.ready = self.ask({"counters": str(self.counters), "directions": [{**DIRECTION, "pid": pid}]})

    def ask(self, command: object) -> dict[str, Any]:
        return self.say(json.dumps(command).encode() + b"\n")

    def say(self, data: bytes) -> dict[str, Any]:
        assert self.popen.stdin is not None
        assert self.popen.stdout is not None
        self.popen.stdin.write(data)
        answer: dict[str, Any] = json.loads(self.popen.stdout.readline())
        return answer

    def close(self) -> int:
        assert self.popen.stdin is not None
        assert self.popen.stdout is not None
        self.popen.stdin.close()
        code = self.popen.wait(10)
        self.popen.stdout.close()
        return code


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    with chain() as path:
        made = Process(tmp_path, path.forward.element.pid)
        yield made
        made.close()


@pytest.mark.sandbox
class TestCommands:
    def test_ready(self, process: Process) -> None:
        assert process.ready["ready"] is True
        assert process.ready["at"] > 0
        assert 0 <= process.ready["priority"] <= 99

    def test_each_is_answered(self, process: Process) -> None:
        changed = process.ask({"change": 0, "link": {"delay": "1ms", "loss": 0.5}})
        restarted = process.ask({"restart": True})
        assert process.ready["at"] <= changed["at"] <= restarted["at"]
        (counters,) = process.ask({"counters": True})["counters"]
        assert counters["packets_in"] == 0
        with CounterReader(str(process.counters)) as reader:
            assert reader.process().pid == process.popen.pid

    @pytest.mark.parametrize(
        ("command", "words"),
        [
            ({"dance": True}, "unknown command ['dance']"),
            ({"change": 7, "link": {}}, "IndexError"),
            ({"change": 0}, "KeyError"),
            ({"change": 0, "link": {"delay": "soon"}}, "delay"),
            ([], "ValueError"),
        ],
    )
    def test_wrong_ones_are_answered_and_change_nothing(self, process: Process, command: object, words: str) -> None:
        assert words in process.ask(command)["error"]
        assert "at" in process.ask({"restart": True})

    def test_lines_in_pieces_and_several_at_once(self, process: Process) -> None:
        assert process.popen.stdin is not None
        assert process.popen.stdout is not None
        process.popen.stdin.write(b'{"resta')
        assert "at" in process.say(b'rt": true}\n{"counters": true}\nno json\n')
        assert "counters" in json.loads(process.popen.stdout.readline())
        assert "error" in json.loads(process.popen.stdout.readline())

    def test_stop(self, process: Process) -> None:
        assert process.ask({"stop": True}) == {"stopped": True}
        assert process.popen.wait(10) == 0

    def test_the_end_of_its_input_ends_it(self, process: Process) -> None:
        assert process.close() == 0

    def test_a_queue_that_cannot_be_had_is_told(self, process: Process, tmp_path: Path) -> None:
        second = Process(tmp_path, os.getpid() + 100_000)
        assert "error" in second.ready
        assert second.close() == 1
