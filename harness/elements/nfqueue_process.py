"""The process that serves the NFQUEUE elements of a whole network: ``python -m harness.elements.nfqueue_process``.

The first line on its standard input is the configuration, each later one a command; it answers each with one line of
JSON on standard output, and ends when its input does.

Configuration: ``{"counters": FILE, "directions": [{"key", "pid", "queue", "interface", "link", "seed"}, …]}``; answer
``{"ready": true, "at": ns, "priority": n}``. Commands: ``{"change": index, "link": {…}}``, ``{"restart": true}``,
``{"counters": true}``, ``{"stop": true}``; answers ``{"at": ns}`` (CLOCK_MONOTONIC, when it took hold), the same,
``{"counters": […]}``, ``{"stopped": true}``; or ``{"error": text}``.
"""

import contextlib
import ctypes
import gc
import json
import os
import signal
import struct
import sys
import time
from dataclasses import asdict
from typing import Any

from pydantic import ValidationError

from harness.elements.counters import CounterWriter
from harness.elements.nfqueue_loop import DirectionConfig, ElementDirection, ElementLoop
from harness.spec.link import Link

_PR_SET_TIMERSLACK = 29
_PRIORITY = 10
_SLICE_NS = 100_000


def parse_config(line: str) -> tuple[str, list[DirectionConfig]]:
    """Read the configuration.

    Raises:
        ValueError: it is malformed.

    """
    config = json.loads(line)
    try:
        directions = [
            DirectionConfig(**{**direction, "link": Link.model_validate(direction["link"])})
            for direction in config["directions"]
        ]
        return str(config["counters"]), directions
    except (KeyError, TypeError) as error:
        raise ValueError(f"the element's configuration is malformed: {error}") from error


def prepare_process() -> int:
    """Make this process wake on time, as far as the machine allows; return the real-time priority or 0."""
    ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, -20)
    _ask_for_short_slices()
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(_PRIORITY))
    except PermissionError:
        return 0
    return _PRIORITY


def _ask_for_short_slices() -> None:
    """Ask for slices of 0.1 ms: who asks for less at a time gets it sooner (Linux 6.12; needs no rights).

    Older kernels ignore the field, and machines on which the call has another number refuse it.
    """
    number = {"x86_64": 314, "aarch64": 274}.get(os.uname().machine)
    if number is None:
        return
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    # struct sched_attr: size, policy, flags, nice, priority, runtime, deadline, period.
    attributes = struct.pack("=IIQiIQQQ", 48, os.SCHED_OTHER, 0, nice, 0, _SLICE_NS, 0, 0)
    ctypes.CDLL(None).syscall(number, 0, attributes, 0)


class Server:
    """Commands on one descriptor, answers on another, the loop in between."""

    def __init__(self, source: int, target: int) -> None:
        self._source = source
        self._target = target
        self._pending = bytearray()
        self._loop: ElementLoop | None = None
        self._directions: list[ElementDirection] = []

    def run(self) -> int:
        """Serve until the input ends; return the exit status."""
        while b"\n" not in self._pending:
            data = os.read(self._source, 1 << 16)
            if not data:
                return 0
            self._pending += data
        line, _, rest = self._pending.partition(b"\n")
        self._pending = rest
        priority = prepare_process()
        try:
            path, configs = parse_config(line.decode())
            self._directions = [ElementDirection(config) for config in configs]
            writer = CounterWriter(path, len(configs), priority=priority)
        except (OSError, ValueError) as error:
            self._answer(error=str(error))
            return 1
        self._loop = ElementLoop(self._directions, self._source, self._on_control, writer.write)
        self._loop.update_counters(time.monotonic_ns())
        # The loop makes no reference cycles, so collections would find nothing and only make packets late.
        gc.collect()
        gc.freeze()
        gc.disable()
        self._answer(ready=True, at=time.monotonic_ns(), priority=priority)
        self._loop.run()
        self._loop.update_counters(time.monotonic_ns())
        for direction in self._directions:
            direction.close()
        return 0

    def _on_control(self) -> None:
        assert self._loop is not None
        data = os.read(self._source, 1 << 16)
        if not data:
            self._loop.stop()
        self._pending += data
        while b"\n" in self._pending:
            line, _, rest = self._pending.partition(b"\n")
            self._pending = rest
            try:
                self._obey(json.loads(line))
            except (ValidationError, ValueError, KeyError, IndexError, TypeError, OSError) as error:
                self._answer(error=f"{type(error).__name__}: {error}")

    def _obey(self, command: dict[str, Any]) -> None:
        assert self._loop is not None
        if "change" in command:
            link = Link.model_validate(command["link"])
            self._answer(at=self._loop.change(command["change"], link))
        elif "restart" in command:
            self._answer(at=self._loop.restart())
        elif "counters" in command:
            counters = [asdict(direction.line.counters) for direction in self._directions]
            self._answer(counters=counters)
        elif "stop" in command:
            self._loop.stop()
            self._answer(stopped=True)
        else:
            raise ValueError(f"unknown command {sorted(command)}")

    def _answer(self, **values: Any) -> None:
        with contextlib.suppress(BrokenPipeError):
            os.write(self._target, json.dumps(values).encode() + b"\n")


def main() -> int:
    """Run the process on standard input and output."""
    # An interrupt from the terminal is not for this process: the run ends it, by closing its input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return Server(sys.stdin.fileno(), sys.stdout.fileno()).run()


if __name__ == "__main__":
    sys.exit(main())
