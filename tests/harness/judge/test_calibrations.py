"""Calibrations against the specification."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.judge.calibrations import binomial_chance, calibration_breaches
from harness.judge.thresholds import default_thresholds
from harness.judge.validity import during_run
from harness.results import RunData
from harness.results.record import Breach
from tests.support.synthetic import Synthetic, topology

Change = Callable[[dict[str, Any]], None]


def breaches(tmp_path: Path, change: Change, run: Synthetic | None = None, which: int | None = 0) -> list[Breach]:
    """Return the breaches of a run whose calibration entry (all with None) was changed."""
    folder, record = (run or Synthetic()).write(tmp_path)
    path = folder / "calibration.json"
    entries = json.loads(path.read_text())
    for entry in entries if which is None else [entries[which]]:
        change(entry)
    path.write_text(json.dumps([entry for entry in entries if entry]))
    data = RunData.read(folder)
    network = record.read_topology()
    return list(calibration_breaches(data, record, network, during_run(data), default_thresholds()))


def measured(**values: Any) -> Change:
    return lambda entry: entry["measured"].update(values)


class TestBreaches:
    def test_none(self, tmp_path: Path) -> None:
        assert breaches(tmp_path, lambda _: None) == []

    @pytest.mark.parametrize(
        ("values", "threshold"),
        [
            ({"delay_ms": 22.0}, "delay_error"),
            ({"delay_ms": 18.0}, "delay_error"),
            ({"rate_mbps": 23.5}, "rate_error"),
            ({"rate_mbps": 26.5}, "rate_error"),
            ({"rate_mbps": 26.5, "sender_limited": True}, "rate_error"),
            ({"loss": 0.02}, "loss_excess"),
            ({"in_order": False}, "order"),
        ],
    )
    def test_wrong_network(self, values: dict[str, Any], threshold: str, tmp_path: Path) -> None:
        (found,) = breaches(tmp_path, measured(**values))
        assert (found.threshold, found.cause) == (threshold, "network")
        assert "path upper forward before the run" in found.reason

    @pytest.mark.parametrize(
        "values",
        [
            {"delay_ms": 21.0}, {"rate_mbps": 24.5}, {"rate_mbps": 20.0, "sender_limited": True}, {"rate_mbps": None},
            {"loss": None}, {"delay_p99_ms": 90.0},
        ],
    )  # fmt: skip
    def test_forgiven(self, values: dict[str, Any], tmp_path: Path) -> None:
        assert breaches(tmp_path, measured(**values)) == []

    def test_late_timer_is_the_machines(self, tmp_path: Path) -> None:
        (found,) = breaches(tmp_path, measured(delay_ms=22.0), Synthetic(late_ms=8))
        assert found.cause == "machine"

    def test_spread_in_both_calibrations(self, tmp_path: Path) -> None:
        found = breaches(tmp_path, measured(delay_p99_ms=40.0), which=None)
        assert {breach.threshold for breach in found} == {"delay_spread"}
        assert len(found) == 4

    def test_missing_calibration(self, tmp_path: Path) -> None:
        (found,) = breaches(tmp_path, lambda entry: entry.clear())
        assert "was not calibrated before the run" in found.reason
        (found,) = breaches(tmp_path, lambda entry: entry.update(measured=None, reason="no answer"))
        assert found.reason.endswith("no answer")

    def test_path_that_comes_up_later_has_no_calibration_before(self, tmp_path: Path) -> None:
        network = topology()
        network["path"][0]["initially"] = "down"
        assert breaches(tmp_path, lambda entry: entry.clear(), Synthetic(topology=network)) == []

    def test_jitter_widens_the_limit(self, tmp_path: Path) -> None:
        jittery = {"both": {"rate": "25mbit", "delay": "20ms", "jitter": {"amount": "4ms"}}}
        run = Synthetic(topology=topology(upper=jittery))
        assert breaches(tmp_path, measured(delay_ms=22.5, delay_p99_ms=60.0), run, which=None) == []

    @pytest.mark.parametrize(("loss", "wrong"), [(0.02, False), (0.08, True), (0.0, False)])
    def test_configured_loss_has_an_interval(self, loss: float, wrong: bool, tmp_path: Path) -> None:
        run = Synthetic(topology=topology(upper={"both": {"rate": "25mbit", "delay": "20ms", "loss": "1%"}}))

        def change(entry: dict[str, Any]) -> None:
            entry["configured"]["loss"] = 0.01
            entry["measured"]["loss"] = loss

        assert bool(breaches(tmp_path, change, run)) is wrong


class TestBinomial:
    @given(st.integers(1, 300), st.floats(0.001, 0.999), st.data())
    def test_is_a_probability(self, total: int, share: float, data: st.DataObject) -> None:
        count = data.draw(st.integers(0, total))
        assert 0 <= binomial_chance(count, total, share) <= 1

    def test_by_hand(self) -> None:
        assert binomial_chance(0, 10, 0.5) == pytest.approx(2 / 1024)
        assert binomial_chance(5, 10, 0.5) == 1
        assert binomial_chance(0, 5, 0.0) == 1
        assert binomial_chance(5, 5, 1.0) == 1
        assert binomial_chance(1, 5, 0.0) == 0
