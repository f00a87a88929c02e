"""What the client's lines tell beside arrivals."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.judge.arrivals import Arrivals
from harness.judge.reported import (
    Migration,
    SmallObject,
    credible,
    migration_metrics,
    migrations_of,
    object_metrics,
    objects_of,
)
from harness.results import RunData
from tests.support.synthetic import Synthetic


class TestReading:
    def test_moves_are_named_by_path_and_on_the_runs_clock(self, tmp_path: Path) -> None:
        folder, record = Synthetic(moves=[(2.5, "lower"), (3.5, "upper")]).write(tmp_path)
        assert migrations_of(RunData.read(folder), record) == [Migration("lower", 2.5), Migration("upper", 3.5)]

    def test_an_address_of_no_path_stays_one(self, tmp_path: Path) -> None:
        folder, record = Synthetic(moves=[(2.5, "lower")]).write(tmp_path)
        record = record.model_copy(update={"environment": {}})
        assert migrations_of(RunData.read(folder), record) == [Migration("address of lower", 2.5)]

    def test_objects(self, tmp_path: Path) -> None:
        folder, record = Synthetic(objects=[(1.5, 44.5)]).write(tmp_path)
        assert objects_of(RunData.read(folder), record) == [SmallObject(1.5, 44.5)]

    @pytest.mark.parametrize(
        "event",
        [
            {"event": "object"},
            {"event": "object", "ms": "9"},
            {"event": "object", "ms": True},
            {"event": "received"},
            {"event": "received", "bytes": 1.5},
            {"event": "connected", "connect_ms": None},
            {"event": "note", "time": "now"},
        ],
    )
    def test_lines_that_cannot_be_computed_with(self, event: dict[str, Any]) -> None:
        assert credible([{"time": 1, **event}]) == []


class TestMigrations:
    def test_no_arrivals(self) -> None:
        found = migration_metrics(Arrivals([], 0.01), [Migration("a", 1.0)], 0.1)
        assert found == {"migrations": 1, "migration_gap_s": None}

    @given(
        times=st.lists(st.floats(0, 10), min_size=2, max_size=30, unique=True),
        moves=st.lists(st.floats(0, 10), max_size=4),
        round_trip=st.floats(0, 1),
    )
    def test_no_longer_than_the_longest_gap(self, times: list[float], moves: list[float], round_trip: float) -> None:
        arrivals = Arrivals([(time, 1) for time in times], 0.01)
        found = migration_metrics(arrivals, [Migration("a", time) for time in moves], round_trip)
        longest = arrivals.longest_gap()
        assert longest is not None
        assert found["migrations"] == len(moves)
        assert (found["migration_gap_s"] or 0) <= longest[1] - longest[0] + 1e-6
        if any(longest[0] <= time < longest[1] for time in moves):
            assert found["migration_gap_s"] == pytest.approx(longest[1] - longest[0], abs=1e-6)


class TestObjects:
    @given(st.lists(st.floats(0, 1e4), min_size=1))
    def test_in_order(self, times: list[float]) -> None:
        found = object_metrics([SmallObject(0.0, ms) for ms in times])
        assert found["p95"] <= found["p99"] <= found["max"] == round(max(times), 3)
        assert min(times) - 1e-3 <= found["median"] <= found["max"]
        assert found["count"] == len(times)
