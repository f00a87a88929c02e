"""Groups of runs: what they differ in, which numbers are compared, and where each is drawn."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.figures.groups import COLUMNS, Group, grouped, layout, measures
from harness.figures.series import Series
from tests.support.synthetic import Synthetic, scenario, store

OBJECTS = {"kind": "objects", "bytes": "20MB", "limit": "40s"}
PLAIN: dict[str, Any] = {"fault": [], "expect": {"kind": "hash_equal"}}


def group(endpoint: str, **point: Any) -> Group:
    return Group(endpoint, point, [])


def of_scenario(folder: Path, **keys: Any) -> list[Group]:
    return grouped([Series.read(store(folder, scenario=scenario(**keys), probes=False))])


class TestGroups:
    def test_keys_that_some_endpoints_do_not_have(self, tmp_path: Path) -> None:
        points = [("mptcp", {"a.kind": "x", "b.mode": "p"}), ("mptcp", {"a.kind": "y", "b.mode": "q"})]
        points += [("tcp", {"a.kind": "x"}), ("tcp", {"a.kind": "y"})]
        runs = [Series.read(store(tmp_path, endpoint=name, values=values, probes=False)) for name, values in points]
        assert [each.name for each in grouped(runs)] == [
            "mptcp  kind x, mode p",
            "mptcp  kind y, mode q",
            "tcp  kind x",
            "tcp  kind y",
        ]

    def test_typical_is_the_lower_median(self, tmp_path: Path) -> None:
        for seed, outage in ((1, 3.4), (2, 3.3), (3, 3.6), (4, 3.9)):
            shares: list[tuple[float, dict[str, float]]] = [(0.1, {"upper": 23}), (3.02, {}), (outage, {"lower": 23})]
            store(tmp_path, seed=seed, shares=shares, probes=False)
        folders = sorted(path.parent for path in tmp_path.rglob("run.json"))
        (one,) = grouped([Series.read(folder) for folder in folders])
        typical = one.typical("longest_gap_s")
        assert typical is not None
        assert typical.record.seed == 1
        assert one.typical("no_such_metric") is not None, "a valid run is drawn in any case"

    def test_nested_metrics(self, tmp_path: Path) -> None:
        run = Synthetic(scenario=scenario(workload=OBJECTS), objects=[(1.0, 40.0), (2.0, 60.0)])
        (one,) = grouped([Series.read(store(tmp_path, **vars(run)))])
        assert one.numbers("object_ms.median") == [50.0]
        assert one.numbers("object_ms") == one.numbers("object_ms.none") == one.numbers("sha256_ok") == []


class TestMeasures:
    @pytest.mark.parametrize(
        ("keys", "metrics"),
        [
            ({}, ("longest_gap_s", "completion_s")),
            ({"workload": OBJECTS}, ("object_ms.median", "object_ms.p95")),
            (PLAIN, ("goodput_steady_mbps", "goodput_steady_stdev_mbps")),
            (
                {**PLAIN, "multipath": {"mode": "backup", "migrate_at": ["1MB"]}},
                ("longest_gap_s", "completion_s"),
            ),
        ],
    )
    def test_follow_from_what_the_scenario_does(
        self, keys: dict[str, Any], metrics: tuple[str, str], tmp_path: Path
    ) -> None:
        found = measures(of_scenario(tmp_path, **keys))
        assert tuple(measure.metric for measure in found) == metrics


class TestLayout:
    def test_a_column_for_each_value_and_a_row_for_each_endpoint(self) -> None:
        groups = [group(name, **{"fault.kind": kind}) for name in ("a", "b") for kind in ("drop", "rst", "down")]
        found = layout(groups)
        assert (found.rows, found.columns) == (2, 3)
        assert found.places == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]

    def test_the_key_that_most_groups_have_makes_the_columns(self) -> None:
        groups = [group("a", mode=mode, kind=kind) for mode in ("x", "y") for kind in ("drop", "rst", "down")]
        groups += [group("b", kind=kind) for kind in ("drop", "rst", "down")]
        found = layout(groups)
        assert (found.rows, found.columns) == (3, 3)
        assert found.places[-3:] == [(2, 0), (2, 1), (2, 2)]

    def test_nothing_varies(self) -> None:
        found = layout([group("a"), group("b"), group("c")])
        assert (found.rows, found.places) == (1, [(0, 0), (0, 1), (0, 2)])

    def test_more_values_than_fit(self) -> None:
        found = layout([group(name, size=size) for name in ("a", "b") for size in range(6)])
        assert found.columns == 3
        assert found.places[6] == (2, 0), "each endpoint begins a row"

    @given(
        st.lists(
            st.tuples(
                st.sampled_from("abc"),
                st.dictionaries(st.sampled_from(["k", "l", "m"]), st.integers(0, 5), max_size=3),
            ),
            min_size=1,
            max_size=12,
            unique_by=lambda item: (item[0], tuple(sorted(item[1].items()))),
        )
    )
    def test_every_group_has_a_place_of_its_own(self, drawn: list[tuple[str, dict[str, int]]]) -> None:
        groups = [group(name, **point) for name, point in drawn]
        found = layout(groups)
        assert len(set(found.places)) == len(groups)
        assert found.columns <= COLUMNS
        assert all(row < found.rows and column < found.columns for row, column in found.places)
