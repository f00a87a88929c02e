"""Tests of the plan: moments, repetitions, undoing, ramps, and the outages that they mean."""

import itertools
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from harness.faults.plan import availability, outages, plan
from tests.harness.faults.network import TOPOLOGY, scenario


def ids(*faults: dict[str, Any], **options: Any) -> list[tuple[str, float]]:
    return [(action.id, action.planned_s) for action in plan(scenario(*faults), **options)]


DROP = {"kind": "drop", "path": "p", "name": "outage"}


class TestMoments:
    def test_one_that_lasts(self) -> None:
        assert ids({**DROP, "at": "5s"}) == [("outage", 5.0)]

    def test_one_that_ends(self) -> None:
        assert ids({**DROP, "at": "5s", "duration": "1500ms"}) == [("outage", 5.0), ("outage/undo", 6.5)]

    def test_one_that_ends_after_the_limit_is_not_undone_by_the_plan(self) -> None:
        assert ids({**DROP, "at": "5s", "duration": "3s"}, limit=7.0) == [("outage", 5.0)]

    def test_repeated_so_many_times(self) -> None:
        found = ids({**DROP, "at": "1s", "every": "2s", "duration": "1s", "times": 2})
        assert found == [("outage", 1.0), ("outage/undo", 2.0), ("outage#2", 3.0), ("outage#2/undo", 4.0)]

    def test_repeated_until_the_limit(self) -> None:
        found = ids({"kind": "rebind", "path": "n", "at": "1s", "every": "2s"}, limit=6.0)
        assert found == [("rebind_n", 1.0), ("rebind_n#2", 3.0), ("rebind_n#3", 5.0)]

    def test_nothing_after_the_limit(self) -> None:
        assert ids({**DROP, "at": "31s"}) == []

    def test_an_end_comes_before_a_beginning_of_the_same_moment(self) -> None:
        found = ids({"kind": "drop", "path": "q", "name": "second", "at": "2s"}, {**DROP, "at": "1s", "duration": "1s"})
        assert [name for name, _ in found] == ["outage", "outage/undo", "second"]

    def test_a_ramp_is_its_steps(self) -> None:
        ramp = {"kind": "ramp", "path": "p", "name": "slow", "at": "1s", "key": "rate", "to": "5mbit", "duration": "2s"}
        actions = plan(scenario({**ramp, "steps": 4}))
        assert [(a.id, a.planned_s, a.step) for a in actions] == [
            ("slow", 1.5, (1, 4)),
            ("slow/2", 2.0, (2, 4)),
            ("slow/3", 2.5, (3, 4)),
            ("slow/4", 3.0, (4, 4)),
        ]


_MS = st.integers(1, 20_000).map(lambda ms: f"{ms}ms")


@st.composite
def _faults(draw: st.DrawFn) -> dict[str, Any]:
    fault: dict[str, Any] = {"kind": "drop", "path": draw(st.sampled_from("pqnj")), "at": draw(_MS)}
    fault["spread"] = draw(_MS)
    if draw(st.booleans()):
        duration = draw(st.integers(1, 3000))
        fault["duration"] = f"{duration}ms"
        if draw(st.booleans()):
            fault["every"] = f"{duration + draw(st.integers(100, 3000))}ms"
    return fault


class TestProperties:
    @given(st.lists(_faults(), max_size=5), st.integers(0, 10))
    def test_same_seed_same_plan_in_order_with_unique_ids(self, faults: list[dict[str, Any]], seed: int) -> None:
        first, second = (plan(scenario(*faults), seed=seed) for _ in range(2))
        assert first == second
        assert [a.planned_ns for a in first] == sorted(a.planned_ns for a in first)
        assert len({a.id for a in first}) == len(first)
        assert all(0 <= a.planned_s < 30 for a in first)
        places = {action.id: number for number, action in enumerate(first)}
        assert all(places[a.undoes] < places[a.id] for a in first if a.undoes is not None)

    @given(st.integers(0, 10_000))
    def test_the_spread_is_within_its_bounds_and_from_the_seed(self, seed: int) -> None:
        [(_, moment)] = ids({**DROP, "at": "5s", "spread": "2s"}, seed=seed)
        assert 5.0 <= moment <= 7.0

    def test_another_seed_gives_another_moment(self) -> None:
        moments = {ids({**DROP, "at": "5s", "spread": "2s"}, seed=seed)[0][1] for seed in range(10)}
        assert len(moments) == 10

    def test_a_fault_more_leaves_the_others_where_they_were(self) -> None:
        spread = {**DROP, "at": "5s", "spread": "2s"}
        other = {"kind": "drop", "path": "q", "at": "1s", "spread": "1s"}
        assert ids(spread)[0] in ids(other, spread)

    @given(st.lists(_faults(), max_size=5), st.integers(0, 10))
    def test_outages_and_availability_share_the_run(self, faults: list[dict[str, Any]], seed: int) -> None:
        run = scenario(*faults)
        for path, out in outages(run, TOPOLOGY, 20.0, seed=seed).items():
            usable = availability(path, run, TOPOLOGY, 20.0, seed=seed)
            pieces = sorted(out + usable)
            assert pieces[0][0] == 0.0
            assert pieces[-1][1] == 20.0
            assert all(left[1] == right[0] for left, right in itertools.pairwise(pieces))
            assert all(start < end for start, end in pieces)


class TestOutages:
    def test_each_kind_that_breaks_a_path(self) -> None:
        for kind in ("drop", "rst", "down", "address_remove"):
            found = outages(scenario({"kind": kind, "path": "p", "at": "1s", "duration": "2s"}), TOPOLOGY)
            assert found["p"] == [(1.0, 3.0)]
            assert found["q"] == []

    def test_what_changes_but_does_not_break(self) -> None:
        change = {"kind": "change", "path": "p", "at": "1s", "set": {"rate": "1mbit"}}
        assert outages(scenario(change, {"kind": "rebind", "path": "p", "at": "1s"}), TOPOLOGY)["p"] == []

    def test_initially_down_until_up(self) -> None:
        assert outages(scenario(), TOPOLOGY)["j"] == [(0.0, 30.0)]
        assert outages(scenario({"kind": "up", "path": "j", "at": "5s"}), TOPOLOGY)["j"] == [(0.0, 5.0)]

    def test_up_does_not_end_a_blackhole(self) -> None:
        run = scenario({"kind": "drop", "path": "j", "at": "1s"}, {"kind": "up", "path": "j", "at": "5s"})
        assert outages(run, TOPOLOGY)["j"] == [(0.0, 30.0)]

    def test_address_add_ends_address_remove_of_the_same_end(self) -> None:
        remove = {"kind": "address_remove", "path": "p", "at": "1s"}
        run = scenario(remove, {"kind": "address_add", "path": "p", "at": "3s"})
        assert outages(run, TOPOLOGY)["p"] == [(1.0, 3.0)]
        other = scenario(remove, {"kind": "address_add", "path": "p", "at": "3s", "end": "to"})
        assert outages(other, TOPOLOGY)["p"] == [(1.0, 30.0)]

    def test_overlapping_ones_are_one(self) -> None:
        run = scenario(
            {"kind": "drop", "path": "p", "at": "1s", "duration": "3s"},
            {"kind": "rst", "path": "p", "at": "2s", "duration": "4s"},
        )
        assert outages(run, TOPOLOGY)["p"] == [(1.0, 6.0)]
