"""Element ``nfqueue``: the rules that hand packets over, and the client of the process that delays them."""

import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import Any

from harness.elements.counters import CounterReader, ProcessState, file_size
from harness.elements.errors import ElementDied
from harness.elements.line import Counters
from harness.network.namespaces import run_in
from harness.network.paths import Direction, DirectionName, Family
from harness.spec.link import Link

_ANSWER_S = 5.0
_START_S = 20.0
_LOG_END = 2000


def rule(direction: Direction, family: Family, action: str = "-A") -> list[str]:
    """Return the command, for the element's node, that hands the direction's packets to its queue.

    Only forwarded packets are taken: neighbour discovery, and what the node itself sends, pass.
    """
    program = "iptables" if family == "ipv4" else "ip6tables"
    match = ["-i", direction.element_ingress, "-j", "NFQUEUE", "--queue-num", str(direction.queue_number)]
    return [program, "-w", "-t", "mangle", action, "FORWARD", *match]


class ElementProcess:
    """The process that serves all directions of a network.

    Args:
        directions: with each, the family of its packets and its link.
        seed: the run's.

    Raises:
        ElementDied: it does not start; the message says why.
        CommandFailed: a rule cannot be set.

    """

    def __init__(self, directions: Sequence[tuple[Direction, Family, Link]], seed: int) -> None:
        self._keys = [direction.key for direction, _, _ in directions]
        self._buffer = b""
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the process
        # A file in memory without a name: it goes with its last user, whatever happens.
        self._memory = os.memfd_create("element-counters")
        os.truncate(self._memory, file_size(len(directions)))
        self.counters_path = f"/proc/{os.getpid()}/fd/{self._memory}"
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "harness.elements.nfqueue_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            bufsize=0,
            start_new_session=True,  # an interrupt from the terminal is not for it
        )
        self._reader: CounterReader | None = None
        try:
            answer = self._ask(
                {
                    "counters": self.counters_path,
                    "directions": [
                        {
                            "key": f"{direction.path}/{direction.name}",
                            "pid": direction.element.pid,
                            "queue": direction.queue_number,
                            "interface": direction.element.interface,
                            "link": link.model_dump(mode="json", exclude_none=True),
                            "seed": seed,
                        }
                        for direction, _, link in directions
                    ],
                },
                _START_S,
            )
            self.priority: int = answer["priority"]
            self._reader = CounterReader(self.counters_path)
            # Only now: a rule without a listener drops.
            for direction, family, _ in directions:
                run_in(direction.element.pid, rule(direction, family))
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """Process id, for its share of the processor."""
        return self._process.pid

    def change(self, key: tuple[str, DirectionName], link: Link) -> int:
        """Change a direction's link; return when it took hold, CLOCK_MONOTONIC in ns.

        Raises:
            ElementDied: the process does not answer.

        """
        command = {"change": self._keys.index(key), "link": link.model_dump(mode="json", exclude_none=True)}
        at: int = self._ask(command, _ANSWER_S)["at"]
        return at

    def restart(self) -> int:
        """Start all random choices anew; return when, CLOCK_MONOTONIC in ns.

        Raises:
            ElementDied: the process does not answer.

        """
        at: int = self._ask({"restart": True}, _ANSWER_S)["at"]
        return at

    def counters(self) -> Mapping[tuple[str, DirectionName], Counters]:
        """Return each direction's counters, at most 10 ms old; costs some microseconds."""
        assert self._reader is not None
        return dict(zip(self._keys, self._reader.read(), strict=True))

    def state(self) -> ProcessState:
        """Return what the process says of itself."""
        assert self._reader is not None
        return self._reader.process()

    def check(self) -> None:
        """Make sure that the process lives.

        Raises:
            ElementDied: it does not.

        """
        status = self._process.poll()
        if status is not None:
            how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
            raise ElementDied(f"the element process {how}; every packet that waited in it is lost{self._log_end()}")

    def close(self) -> None:
        """End the process; its queues drop what waits."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        if self._reader is not None:
            self._reader.close()
            self._reader = None
        if self._memory >= 0:
            os.close(self._memory)
            self._memory = -1
        self._log.close()

    def _ask(self, command: dict[str, Any], timeout: float) -> dict[str, Any]:
        stdin = self._process.stdin
        assert stdin is not None
        try:
            stdin.write(json.dumps(command).encode() + b"\n")
        except BrokenPipeError:
            self._process.wait(_ANSWER_S)
            self.check()
        answer: dict[str, Any] = json.loads(self._line(time.monotonic() + timeout))
        if "error" in answer:
            raise ElementDied(f"the element process refuses: {answer['error']}{self._log_end()}")
        return answer

    def _line(self, deadline: float) -> bytes:
        stdout = self._process.stdout
        assert stdout is not None
        while b"\n" not in self._buffer:
            if not select.select([stdout], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise ElementDied(f"the element process does not answer{self._log_end()}")
            data = os.read(stdout.fileno(), 1 << 16)
            if not data:
                self._process.wait(_ANSWER_S)
                self.check()
                raise ElementDied(f"the element process closed its output{self._log_end()}")
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def _log_end(self) -> str:
        size = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, size - _LOG_END))
        text = self._log.read().decode(errors="replace").strip()
        return f"; the end of its log:\n{text}" if text else ""
