"""Endpoint processes that are paused, go on, or are killed."""

from collections.abc import Mapping
from typing import Protocol

from harness.faults.outcome import FaultFailed, Holders, Outcome
from harness.faults.plan import Action
from harness.spec.fault import PROCESS_FAULTS, Kill, Pause


class Process(Protocol):
    """A running endpoint program with all its children."""

    def pause(self) -> None:
        """Stop it (SIGSTOP)."""

    def resume(self) -> None:
        """Let it go on (SIGCONT)."""

    def kill(self) -> None:
        """End it (SIGKILL)."""


class ProcessFaults:
    """The kinds ``pause``, ``resume`` and ``kill``."""

    def __init__(self, processes: Mapping[str, Process]) -> None:
        """``processes`` by role (``client``, ``server``); looked into at each action's moment, so it may fill later."""
        self._processes = processes
        self._paused: Holders[str] = Holders()

    def begin(self, action: Action) -> tuple[Outcome, list[str]]:
        """Perform a beginning; return the outcome and the ids of actions whose effect it ended.

        Raises:
            FaultFailed: the process is not running.

        """
        spec = action.spec
        assert isinstance(spec, PROCESS_FAULTS)
        if isinstance(spec, Kill):
            self._process(spec.process).kill()
            return Outcome.now(f"{spec.process} killed"), []
        if isinstance(spec, Pause):
            self._process(spec.process).pause()
            outcome = Outcome.now(f"{spec.process} stopped")
            self._paused.add(spec.process, action.id)
            return outcome, []
        causes = list(self._paused.holders_of(spec.process))
        self._process(spec.process).resume()
        outcome = Outcome.now(f"{spec.process} goes on" if causes else f"{spec.process} was not paused")
        for cause in causes:
            self._paused.remove(spec.process, cause)
        return outcome, causes

    def end(self, cause: str) -> Outcome:
        """End what the action ``cause`` began; nothing happens if it was ended before.

        Raises:
            FaultFailed: the process is not running any more.

        """
        roles = self._paused.keys_of(cause)
        if not roles:
            return Outcome.now("ended before")
        if not self._paused.remove(roles[0], cause):
            return Outcome.now("another fault keeps it so")
        self._process(roles[0]).resume()
        return Outcome.now(f"{roles[0]} goes on")

    def _process(self, role: str) -> Process:
        process = self._processes.get(role)
        if process is None:
            raise FaultFailed(f"the {role} is not running")
        return process
