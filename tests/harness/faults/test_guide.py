"""Tests of the guide: every example in it is a fault that can be planned, and every kind has one."""

import tomllib
from pathlib import Path
from typing import get_args

from harness.faults.plan import plan
from harness.spec.fault import Fault
from tests.harness.faults.network import scenario

GUIDE = Path(__file__).parents[3] / "docs" / "faults.md"


def examples() -> list[str]:
    return [part.split("```")[0] for part in GUIDE.read_text(encoding="utf-8").split("```toml\n")[1:]]


class TestGuide:
    def test_every_example_can_be_planned(self) -> None:
        for example in examples():
            faults = tomllib.loads(example)["fault"]
            assert len(plan(scenario(*faults))) >= len(faults)

    def test_every_kind_has_an_example(self) -> None:
        shown = {fault["kind"] for example in examples() for fault in tomllib.loads(example)["fault"]}
        union = get_args(Fault)[0]
        assert shown == {get_args(model.model_fields["kind"].annotation)[0] for model in get_args(union)}
