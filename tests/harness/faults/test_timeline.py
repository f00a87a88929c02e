"""Tests of the timeline: moments, records, failures, and the undoing of what is in force."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from harness.faults.plan import plan
from harness.faults.timeline import Timeline
from harness.network.emulation import Emulation
from tests.harness.faults.network import (
    TOPOLOGY,
    FakeElements,
    FakeProcess,
    Pair,
    scenario,
    state,
    wait_for,
    wait_for_state,
)

pytestmark = pytest.mark.sandbox


@contextmanager
def timeline(
    network: Emulation, file: Path, *faults: Mapping[str, Any], elements: FakeElements | None = None
) -> Iterator[Timeline]:
    nodes = {name: network.nodes[name] for name in ("client", "server")}
    actions = plan(scenario(*faults))
    with Timeline(actions, TOPOLOGY, network.paths, nodes, elements or FakeElements(), file) as made:
        made.take_initial_state()
        try:
            yield made
        finally:
            made.restore_all()


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


class TestTimeline:
    def test_every_kind_happens_when_planned_and_is_recorded(self, network: Emulation, tmp_path: Path) -> None:
        file = tmp_path / "timeline.jsonl"
        client = FakeProcess()
        before = state(network.client_pid)
        faults: list[dict[str, Any]] = [
            {"kind": "drop", "path": "p", "at": "50ms", "duration": "40ms", "every": "100ms", "times": 3},
            {"kind": "rst", "path": "q", "at": "60ms", "duration": "100ms"},
            {"kind": "down", "path": "p", "at": "120ms", "duration": "100ms"},
            {"kind": "address_remove", "path": "q", "at": "200ms", "duration": "100ms"},
            {"kind": "rebind", "path": "n", "at": "210ms"},
            {"kind": "change", "path": "p", "at": "220ms", "duration": "50ms", "set": {"rate": "1mbit"}},
            {"kind": "ramp", "path": "q", "at": "230ms", "duration": "100ms", "key": "delay", "to": "10ms", "steps": 4},
            {"kind": "up", "path": "j", "at": "250ms"},
            {"kind": "pause", "process": "client", "at": "260ms", "duration": "20ms"},
        ]
        with timeline(network, file, *faults) as running:
            zero = time.monotonic_ns()
            running.start(zero, {"client": client})
            wait_for(lambda: len(running.records) == 22)
            running.stop()
            assert running.restore_all() == []
        found = lines(file)
        assert [line["id"] for line in found if not line["ok"]] == []
        assert [line["id"] for line in found] == [action.id for action in plan(scenario(*faults))]
        assert [line["planned_s"] for line in found] == sorted(line["planned_s"] for line in found)
        assert all(line["actual_s"] >= line["planned_s"] for line in found)
        lateness = sorted(line["late_ms"] for line in found)
        assert lateness[len(lateness) // 2] < 5.0  # most are in time even on a busy machine
        assert set(found[0]) == {"id", "kind", "path", "action", "planned_s", "actual_s", "late_ms", "ok", "result"}
        assert client.done == ["pause", "resume"]
        wait_for_state(network.client_pid, before)
        for name in ("p", "q", "n", "j"):
            with Pair(network.paths[name]) as pair:
                assert pair.works()

    def test_one_that_fails_does_not_stop_the_others(self, network: Emulation, tmp_path: Path) -> None:
        file = tmp_path / "timeline.jsonl"
        faults: list[dict[str, Any]] = [
            {"kind": "kill", "process": "server", "at": "10ms"},
            {"kind": "drop", "path": "p", "at": "20ms"},
        ]
        with timeline(network, file, *faults) as running:
            running.start(time.monotonic_ns(), {})
            wait_for(lambda: len(running.records) == 2)
        first, second = lines(file)[:2]
        assert (first["ok"], first["result"]) == (False, "the server is not running")
        assert second["ok"]

    def test_what_an_element_refuses_is_reported(self, network: Emulation, tmp_path: Path) -> None:
        class Refusing(FakeElements):
            def change(self, path: str, direction: str, link: object) -> int:
                raise ValueError("element netem cannot do this")

        file = tmp_path / "timeline.jsonl"
        change = {"kind": "change", "path": "p", "at": "10ms", "set": {"rate": "1mbit"}}
        with timeline(network, file, change, elements=Refusing()) as running:
            running.start(time.monotonic_ns(), {})
            wait_for(lambda: len(running.records) == 1)
        assert lines(file)[0]["result"] == "element netem cannot do this"

    def test_the_end_undoes_what_is_in_force_and_keeps_changes_for_good(
        self, network: Emulation, tmp_path: Path
    ) -> None:
        file = tmp_path / "timeline.jsonl"
        elements, client = FakeElements(), FakeProcess()
        before = state(network.client_pid)
        faults: list[dict[str, Any]] = [
            {"kind": "drop", "path": "q", "at": "10ms"},
            {"kind": "down", "path": "p", "at": "20ms", "duration": "20s"},
            {"kind": "change", "path": "p", "at": "30ms", "set": {"rate": "1mbit"}},
            {"kind": "change", "path": "q", "at": "40ms", "duration": "20s", "set": {"delay": "9ms"}},
            {"kind": "pause", "process": "client", "at": "50ms"},
        ]
        with timeline(network, file, *faults, elements=elements) as running:
            running.start(time.monotonic_ns(), {"client": client})
            wait_for(lambda: len(running.records) == 5)
            restored = running.restore_all()
            assert [record.id for record in restored] == [
                "pause_client/restore",
                "change_q/restore",
                "down_p/restore",
                "drop_q/restore",
                "j/initially/restore",
            ]
            assert all(record.ok and record.late_ms < 20 for record in restored)
            assert running.current_link("p", "forward").rate == 1e6
            assert running.current_link("q", "backward").delay == 0
        assert client.done == ["pause", "resume"]
        assert elements.changes[-1][2].delay == 0
        wait_for_state(network.client_pid, before)
        assert len(lines(file)) == 10

    def test_what_was_late_says_so(self, network: Emulation, tmp_path: Path) -> None:
        with timeline(network, tmp_path / "t", {"kind": "drop", "path": "p", "at": "10ms"}) as running:
            running.start(time.monotonic_ns() - 100_000_000, {})
            wait_for(lambda: len(running.records) == 1)
            assert running.records[0].late_ms >= 90

    def test_stop_is_prompt(self, network: Emulation, tmp_path: Path) -> None:
        with timeline(network, tmp_path / "t", {"kind": "drop", "path": "p", "at": "20s"}) as running:
            running.start(time.monotonic_ns(), {})
            start = time.monotonic()
            running.stop()
            assert time.monotonic() - start < 1.0
            assert running.records == ()
