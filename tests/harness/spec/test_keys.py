"""Tests of harness.spec.keys."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.spec.errors import SpecificationError
from harness.spec.keys import exists, flat, lookup, parse_assignment, parse_value, resolve, with_value

DATA: dict[str, Any] = {
    "name": "n",
    "workload": {"bytes": "1MB"},
    "fault": [{"name": "outage", "kind": "drop"}],
    "path": [{"name": "upper", "both": {"rate": "1mbit"}}, {"name": "lower"}],
    "single": {"name": "only", "at": "1s"},
}


def message(key: str, data: dict[str, Any] = DATA) -> str:
    with pytest.raises(SpecificationError) as caught:
        with_value(data, key, 1, source="--set")
    return str(caught.value)


class TestParsing:
    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("3", 3),
            ("0.5", 0.5),
            ("true", True),
            ("25mbit", "25mbit"),
            ('"3"', "3"),
            ("[1, 2]", [1, 2]),
            ('{ a = "b" }', {"a": "b"}),
            ("", ""),
            ("a b", "a b"),
            ("drop\nx = 1", "drop\nx = 1"),
            ("9" * 5000, "9" * 5000),
            ("[" * 5000, "[" * 5000),
        ],
    )
    def test_values(self, text: str, value: Any) -> None:
        assert parse_value(text) == value

    def test_assignment(self) -> None:
        assert parse_assignment("fault.at = 3s") == ("fault.at", "3s")
        assert parse_assignment("a=b=c") == ("a", "b=c")

    @pytest.mark.parametrize("text", ["fault.at", "=3", " = 3", ""])
    def test_no_assignment(self, text: str) -> None:
        with pytest.raises(SpecificationError, match="write KEY=VALUE"):
            parse_assignment(text)


class TestSetting:
    @pytest.mark.parametrize(
        ("key", "way"),
        [
            ("name", ("name",)),
            ("workload.bytes", ("workload", "bytes")),
            ("new.table.key", ("new", "table", "key")),
            ("fault.kind", ("fault", 0, "kind")),
            ("fault.outage.kind", ("fault", 0, "kind")),
            ("fault.0.kind", ("fault", 0, "kind")),
            ("path.lower.both.rate", ("path", 1, "both", "rate")),
            ("path.1.mtu", ("path", 1, "mtu")),
            ("single.at", ("single", "at")),
            ("single.only.at", ("single", "at")),
            ("single.0.at", ("single", "at")),
        ],
    )
    def test_where_keys_lead(self, key: str, way: tuple[str | int, ...]) -> None:
        assert resolve(DATA, key, source="") == way
        changed = with_value(DATA, key, "new", source="")
        place: Any = changed
        for part in way:
            place = place[part]
        assert place == "new"

    def test_the_original_stays(self) -> None:
        before = copy.deepcopy(DATA)
        with_value(DATA, "path.upper.both.rate", "2mbit", source="")
        assert before == DATA

    def test_an_unknown_item_names_those_there_are(self) -> None:
        assert (
            message("path.middle.mtu")
            == "--set: path.middle.mtu: 'middle' is not in the list; allowed: upper, lower, 0, 1"
        )

    def test_a_value_has_no_keys(self) -> None:
        assert message("workload.bytes.x") == "--set: workload.bytes.x: 'workload.bytes' is a value and has no keys"

    @pytest.mark.parametrize("key", ["a..b", ".a", "a."])
    def test_an_empty_part(self, key: str) -> None:
        assert "is not a dotted key" in message(key)

    def test_an_index_beyond_the_end(self) -> None:
        assert "'2' is not in the list" in message("path.2.mtu")


keys = st.lists(st.sampled_from(["a", "b", "c", "d"]), min_size=1, max_size=4).map(".".join)


class TestProperties:
    @given(st.lists(st.tuples(keys, st.integers()), max_size=8))
    def test_what_was_set_last_is_found(self, assignments: list[tuple[str, int]]) -> None:
        data: dict[str, Any] = {}
        for key, value in assignments:
            try:
                data = with_value(data, key, value, source="")
            except SpecificationError:
                continue
            assert lookup(data, key) == value
            assert exists(data, key)

    @given(st.dictionaries(keys, st.integers(), max_size=4))
    def test_flat_keys_read_the_same_values(self, table: dict[str, int]) -> None:
        data: dict[str, Any] = {}
        for key, value in table.items():
            try:
                data = with_value(data, key, value, source="")
            except SpecificationError:
                continue
        for key, value in flat(data):
            assert lookup(data, key) == value


class TestLookup:
    @pytest.mark.parametrize(
        ("key", "value"),
        [("fault.kind", "drop"), ("path.upper.both.rate", "1mbit"), ("path.both.rate", None), ("no.such", None)],
    )
    def test_values(self, key: str, value: Any) -> None:
        assert lookup(DATA, key) == value
        assert exists(DATA, key) is (value is not None)

    def test_a_key_without_a_value_exists(self) -> None:
        assert exists({"a": {"b": None}}, "a.b")
        assert not exists({"a": {"b": None}}, "a.c")


class TestFlat:
    def test_unquoted_keys_are_put_together(self) -> None:
        assert dict(flat({"fault": {"at": "1s", "kind": "drop"}})) == {"fault.at": "1s", "fault.kind": "drop"}

    def test_a_quoted_dotted_key_keeps_its_table(self) -> None:
        assert dict(flat({"path.upper.queue": {"bytes": "3kB"}})) == {"path.upper.queue": {"bytes": "3kB"}}
