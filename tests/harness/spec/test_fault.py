"""Tests of harness.spec.fault."""

from typing import Any

import pytest
from pydantic import ValidationError

from harness.spec.fault import FAULT

KINDS: dict[str, dict[str, Any]] = {
    "drop": {"path": "p", "direction": "forward"},
    "rst": {"path": "p"},
    "down": {"path": "p", "where": "middle"},
    "up": {"path": "p"},
    "address_remove": {"path": "p", "end": "to"},
    "address_add": {"path": "p"},
    "rebind": {"path": "p"},
    "change": {"path": "p", "set": {"delay": "80ms", "loss": "1%"}},
    "ramp": {"path": "p", "key": "rate", "to": "5mbit", "duration": "2s"},
    "pause": {"process": "client", "duration": "1s"},
    "resume": {"process": "client"},
    "kill": {"process": "server"},
}


def fault(kind: str, **keys: Any) -> Any:
    return FAULT.validate_python({"kind": kind, "at": "1s", **KINDS[kind], **keys})


def message(kind: str, **keys: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        fault(kind, **keys)
    text = str(caught.value.errors()[0]["msg"])
    assert "\n" not in text
    return text


class TestKinds:
    @pytest.mark.parametrize("kind", KINDS)
    def test_each_reads_back(self, kind: str) -> None:
        one = fault(kind)
        assert one.kind == kind
        assert FAULT.validate_python(FAULT.dump_python(one, mode="json")) == one


class TestRepetition:
    def test_flapping(self) -> None:
        assert fault("down", duration="1s", every="2s", times=3).times == 3

    def test_times_needs_every(self) -> None:
        assert "'times' needs 'every'" in message("drop", times=3)

    @pytest.mark.parametrize(
        "keys", [{"every": "2s"}, {"every": "2s", "duration": "2s"}, {"every": "2s", "duration": "3s"}]
    )
    def test_each_ends_before_the_next(self, keys: dict[str, str]) -> None:
        assert "a repeated fault has a 'duration' shorter than 'every'" in message("drop", **keys)

    def test_of_a_ramp(self) -> None:
        assert "a repeated ramp has a 'duration' shorter than 'every'" in message("ramp", every="2s")

    @pytest.mark.parametrize("keys", [{"times": 0}, {"times": 2.0}, {"every": "0s"}, {"duration": "0s"}])
    def test_of_nothing(self, keys: dict[str, Any]) -> None:
        assert message("drop", **({"every": "5s", "duration": "1s"} | keys))


class TestChange:
    def test_an_unknown_key_lists_the_allowed_ones(self) -> None:
        assert "is not a key of a link; allowed: rate, queue, delay" in message("change", set={"rat": "1mbit"})

    def test_a_wrong_unit(self) -> None:
        assert "'mbt' is not a unit of a rate" in message("change", set={"rate": "5mbt"})

    def test_nothing(self) -> None:
        assert message("change", set={})


class TestRamp:
    @pytest.mark.parametrize(
        ("key", "to", "target"),
        [("rate", "5mbit", 5e6), ("delay", "80ms", 0.08), ("loss", "2%", 0.02), ("loss", 0.5, 0.5)],
    )
    def test_target(self, key: str, to: Any, target: float) -> None:
        assert fault("ramp", key=key, to=to).target == pytest.approx(target)

    @pytest.mark.parametrize(("key", "to"), [("rate", "5ms"), ("delay", "5"), ("loss", "200%"), ("rate", 5.0)])
    def test_a_target_of_another_kind(self, key: str, to: Any) -> None:
        assert message("ramp", key=key, to=to)


class TestNames:
    @pytest.mark.parametrize("name", ["a", "outage_2", "Link-down"])
    def test_allowed(self, name: str) -> None:
        assert fault("drop", name=name).name == name

    @pytest.mark.parametrize("name", ["", "2", "a.b", "a/undo", "a#2", "a b"])
    def test_not_what_the_timeline_or_a_dotted_key_would_misread(self, name: str) -> None:
        assert message("drop", name=name)
