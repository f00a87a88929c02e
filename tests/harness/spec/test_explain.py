"""Tests of harness.spec.explain."""

from typing import Any, ClassVar

import pytest
from pydantic import ValidationError

from harness.spec.explain import allowed_keys, explain, real_key
from harness.spec.scenario import Scenario
from harness.spec.topology import Topology
from tests.support import synthetic


def explained(data: dict[str, Any]) -> list[tuple[Any, str]]:
    with pytest.raises(ValidationError) as caught:
        Scenario.model_validate(data)
    return explain(caught.value, Scenario, data, also=("matrix",))


class TestMessages:
    @pytest.mark.parametrize(
        ("keys", "key", "message"),
        [
            ({"seed": 1.5}, ("seed",), "1.5 is not a whole number"),
            ({"seed": -1}, ("seed",), "-1 is too small; allowed: 0 or more"),
            ({"seed": 2**63}, ("seed",), "9223372036854775808 is too large; allowed: less than 9223372036854775808"),
            ({"name": 3}, ("name",), "3 is not text in quotes"),
            ({"name": "A"}, ("name",), "'A' is not allowed here; allowed: a small letter, then small letters, digits"),
            ({"endpoints": "tcp"}, ("endpoints",), "'tcp' is not a list, in [ ]"),
            ({"endpoints": []}, ("endpoints",), "has 0 items; allowed: 1 or more"),
            ({"endpoints": ["a", "a"]}, ("endpoints", 1), "'a' is listed twice; use --repeat for more runs"),
            ({"workload": 3}, ("workload",), "3 is not a table"),
            ({"fault": [3]}, ("fault", 0), "3 is not a table"),
            ({"fault": {"kind": "dorp"}}, ("fault", "kind"), "'dorp' is not known; allowed: 'drop', 'rst', 'down',"),
            ({"fault": {"at": "1s"}}, ("fault", "kind"), "is missing; allowed: 'drop', 'rst', 'down',"),
            ({"probe": {"kind": "udp", "interval": "0s"}}, ("probe", "interval"), "'0s' is too small; allowed: more t"),
            ({"figur": {}}, ("figur",), "is not a key that is known here (is 'figure' meant?); allowed: description,"),
            ({"sysctl": {"net.ipv4.x": []}}, ("sysctl", "net.ipv4.x"), "[] is not a whole number or text in quotes"),
            ({"sysctl": {"kernel.x": 1}}, ("sysctl", "kernel.x"), "is not a network setting; allowed: net.*,"),
            ({"sysctl": {"net.ipv4..x": 1}}, ("sysctl", "net.ipv4..x"), "is not a network setting;"),
            ({"sysctl": {"net.ipv4.x": " "}}, ("sysctl", "net.ipv4.x"), "is empty;"),
            ({"multipath": {"mode": "both"}}, ("multipath", "mode"), "'both' is not known; allowed: 'active' or 'back"),
        ],
    )  # fmt: skip
    def test_say_what_is_wrong_and_what_is_allowed(self, keys: dict[str, Any], key: Any, message: str) -> None:
        found = explained(synthetic.scenario(**keys))
        assert len(found) == 1
        assert found[0][0] == key
        assert found[0][1].startswith(message)

    def test_keys_beside_the_models_own(self) -> None:
        assert "matrix" in explained(synthetic.scenario(matrx=1))[0][1]

    def test_alternatives_of_a_key_are_told_as_one(self) -> None:
        expect = [{"kind": "goodput", "at_least": "1mbit", "after": "soon"}]
        ((key, message),) = explained(synthetic.scenario(expect=expect))
        assert key == ("expect", 0, "after")
        assert message.startswith("'soon' is not a duration;")
        assert message.endswith("; or: 'all_paths_busy'")

    def test_a_key_of_the_name_of_its_kind(self) -> None:
        expect = [
            {"kind": "metric", "metric": "completion_s", "at_least": "3"},
            {"kind": "metric", "metric": "x", "at_least": 1},
        ]
        found = explained(synthetic.scenario(expect=expect))
        assert [key for key, _ in found] == [("expect", 0, "at_least"), ("expect", 1, "metric")]


class TestAllowedKeys:
    def test_of_a_path_include_both(self) -> None:
        assert {"from", "to", "both", "forward"} <= set(allowed_keys(Topology, ("path", 0)))

    def test_follow_the_tags_of_unions(self) -> None:
        assert "where" in allowed_keys(Scenario, ("fault", 0, "down"))
        assert "where" not in allowed_keys(Scenario, ("fault", 0, "drop"))
        assert allowed_keys(Topology, ("path", 0, "forward", "loss", "syn")) == ["first", "model", "probability"]


class TestRealKey:
    DATA: ClassVar[dict[str, Any]] = {
        "path": [{"both": {"rate": "1", "loss": {"model": "syn"}}, "forward": {"delay": "1ms"}}],
        "fault": {"kind": "drop", "path": "x"},
    }

    def test_directions_made_of_both(self) -> None:
        assert real_key(("path", 0, "forward", "rate"), self.DATA) == ("path", 0, "both", "rate")
        assert real_key(("path", 0, "forward", "delay"), self.DATA) == ("path", 0, "forward", "delay")
        assert real_key(("path", 0, "backward", "rate"), self.DATA) == ("path", 0, "both", "rate")

    def test_tags_and_indexes_of_a_single_table(self) -> None:
        assert real_key(("fault", 0, "drop", "path"), self.DATA, tagged=True) == ("fault", "path")
        loc = ("path", 0, "forward", "loss", "syn", "model")
        assert real_key(loc, self.DATA, tagged=True) == ("path", 0, "both", "loss", "model")

    def test_a_missing_key(self) -> None:
        assert real_key(("fault", 0, "drop", "at"), self.DATA, tagged=True, absent=True) == ("fault", "at")
        assert real_key(("fault", 0, "drop", "at"), self.DATA, tagged=True) == ("fault",)
