"""Runs a plan of faults on the monotonic clock, in a thread of its own, and records every action as it happens."""

import ctypes
import json
import os
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from harness.faults.actions import Faults
from harness.faults.interfaces import Announce
from harness.faults.links import Elements
from harness.faults.outcome import FaultFailed, Outcome
from harness.faults.plan import Action
from harness.faults.processes import Process
from harness.network.paths import DirectionName, PathInstance
from harness.spec.link import Link
from harness.spec.topology import Topology

_PREPARE_NS = 10_000_000
"""How long before its moment an action is prepared: several times what looking at a node takes on a busy machine."""
_PR_SET_TIMERSLACK = 29
_PRIORITY = 40
# Programs that the thread starts (the path manager's tool) are ordinary again.
_SCHED_RESET_ON_FORK = 0x40000000


@dataclass(frozen=True)
class Record:
    """One action as it happened: one line of the timeline's file.

    Attributes:
        planned_s: in seconds on the run's clock.
        actual_s: right after the effect; right after the attempt when it failed.
        late_ms: how much later than planned that is.
        ok: whether it was performed.
        result: what it did, or why it failed.

    """

    id: str
    kind: str
    path: str | None
    action: str
    planned_s: float
    actual_s: float
    late_ms: float
    ok: bool
    result: str


class Timeline:
    """The faults of one run and their moments.

    Order of use: :meth:`take_initial_state`, :meth:`start`, :meth:`stop`, :meth:`restore_all`. Arguments as for
    :class:`~harness.faults.actions.Faults`; ``file`` gets a line of JSON for each action as it happens.

    Raises:
        CommandFailed, FaultFailed, OSError: the network cannot be made ready; see there.

    """

    def __init__(
        self,
        actions: Sequence[Action],
        topology: Topology,
        paths: Mapping[str, PathInstance],
        nodes: Mapping[str, int],
        elements: Elements,
        file: Path,
        *,
        announce: Announce | None = None,
    ) -> None:
        self._actions = tuple(sorted(actions, key=lambda action: action.planned_ns))  # stable
        self._file = file
        self._processes: dict[str, Process] = {}
        self._faults = Faults(self._actions, topology, paths, nodes, elements, self._processes, announce)
        self._records: list[Record] = []
        self._zero_ns: int | None = None
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the thread and close all sockets; what is in force stays so."""
        self.stop()
        self._faults.close()

    @property
    def records(self) -> tuple[Record, ...]:
        """What has happened so far."""
        return tuple(self._records)

    def current_link(self, path: str, direction: DirectionName) -> Link:
        """Return what a direction of a path is now, after all changes so far.

        Raises:
            KeyError: there is no such path.

        """
        return self._faults.current_link(path, direction)

    def take_initial_state(self) -> None:
        """Set down the paths that are initially down.

        Raises:
            FaultFailed: the kernel refused.

        """
        self._faults.take_initial_state()

    def start(self, zero_ns: int, processes: Mapping[str, Process]) -> None:
        """Begin; ``zero_ns`` on CLOCK_MONOTONIC is the run's start, ``processes`` are the endpoints by role.

        Raises:
            RuntimeError: it was started before.

        """
        if self._thread is not None:
            raise RuntimeError("a timeline runs once")
        self._zero_ns = zero_ns
        self._processes.update(processes)
        self._file.touch()
        self._thread = threading.Thread(target=self._run, name="faults", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End: what has not happened by now never does. An action that is under way is finished.

        Raises:
            OSError: the timeline's file could not be written; it ended there.

        """
        self._ending.set()
        if self._thread is not None:
            self._thread.join()
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def restore_all(self) -> list[Record]:
        """Undo, after :meth:`stop`, all that is in force, the latest first; return what was done.

        Link parameters that were changed without a ``duration``, or ramped, stay: :meth:`current_link` tells them.
        """
        self.stop()
        restored = []
        for cause in reversed(self._faults.in_force):
            kind, path, text = self._faults.describe(cause)
            now = time.monotonic_ns()
            try:
                outcome, ok = self._faults.undo(cause), True
            except FaultFailed as error:
                outcome, ok = Outcome.now(str(error)), False
            # Nobody planned this moment, so it cannot be late.
            record = self._record(f"{cause}/restore", kind, path, text, now, outcome, ok=ok)
            restored.append(record)
        return restored

    def _run(self) -> None:
        try:
            _be_punctual()
            self._perform_all()
        except BaseException as error:
            self._failure = error

    def _perform_all(self) -> None:
        waiting = list(self._actions)
        while waiting:
            assert self._zero_ns is not None
            moment = self._zero_ns + waiting[0].planned_ns
            if self._ending.wait(max(0.0, (moment - _PREPARE_NS - time.monotonic_ns()) / 1e9)):
                return
            # Those that follow closely are prepared now as well: between two actions there may be no time for it.
            horizon = max(moment, time.monotonic_ns() + _PREPARE_NS)
            due = [action for action in waiting if self._zero_ns + action.planned_ns <= horizon]
            failures = {action.id: failure for action in due if (failure := self._prepare(action)) is not None}
            for action in due:
                remaining = self._zero_ns + action.planned_ns - time.monotonic_ns()
                if remaining > 0:
                    time.sleep(remaining / 1e9)
                if self._ending.is_set():
                    return
                self._perform(action, failures.get(action.id))
            del waiting[: len(due)]

    def _prepare(self, action: Action) -> str | None:
        try:
            self._faults.prepare(action)
        except FaultFailed as error:
            return str(error)
        return None

    def _perform(self, action: Action, failure: str | None) -> None:
        try:
            if failure is not None:
                raise FaultFailed(failure)
            outcome, ok = self._faults.perform(action), True
        except FaultFailed as error:
            outcome, ok = Outcome.now(str(error)), False
        assert self._zero_ns is not None
        planned = self._zero_ns + action.planned_ns
        self._record(action.id, action.kind, action.path, action.text, planned, outcome, ok=ok)

    def _record(
        self, identity: str, kind: str, path: str | None, text: str, planned_ns: int, outcome: Outcome, *, ok: bool
    ) -> Record:
        zero = self._zero_ns if self._zero_ns is not None else planned_ns
        record = Record(
            id=identity,
            kind=kind,
            path=path,
            action=text,
            planned_s=round((planned_ns - zero) / 1e9, 6),
            actual_s=round((outcome.applied_ns - zero) / 1e9, 6),
            late_ms=round((outcome.applied_ns - planned_ns) / 1e6, 3),
            ok=ok,
            result=outcome.result,
        )
        self._records.append(record)
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(record), ensure_ascii=False) + "\n")
        return record


def _be_punctual() -> None:
    """Let the calling thread's waits end when they should, as far as the machine allows it."""
    ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)
    with suppress(OSError):  # inside a user namespace real-time scheduling is for those with a resource limit for it
        os.sched_setscheduler(0, os.SCHED_FIFO | _SCHED_RESET_ON_FORK, os.sched_param(_PRIORITY))
