"""What calibration says, as data."""

import json

import pytest

from harness.measure.calibration import Calibration, Measured, configured, expected_loss, with_round_trips
from harness.network.paths import DirectionName
from harness.spec.link import GilbertElliott, IndexedLoss, Link, SynLoss, UniformLoss


def _result(path: str, direction: DirectionName, delay: float | None) -> Calibration:
    measured = None
    if delay is not None:
        measured = Measured(25.0, delay, delay, delay, 0.0, True, 400, 400, 0, False)
    return Calibration(path, direction, "before", configured(Link(rate="25mbit", delay="20ms")), measured, None, None)


class TestConfigured:
    def test_units(self) -> None:
        found = configured(Link(rate="25mbit", delay="20ms", loss="1%"))
        assert (found.rate_mbps, found.delay_ms, found.loss) == (25, 20, 0.01)

    def test_nothing(self) -> None:
        found = configured(Link())
        assert (found.rate_mbps, found.delay_ms, found.loss) == (None, 0, 0)

    @pytest.mark.parametrize(
        ("loss", "share"),
        [
            (None, 0.0),
            (UniformLoss(probability=0.02), 0.02),
            (GilbertElliott(model="gilbert_elliott", to_bad=0.01, to_good=0.3, loss_bad=0.5), 0.01 / 0.31 * 0.5),
            (GilbertElliott(model="gilbert_elliott", to_bad=0.0, to_good=0.0, loss_good=0.1), 0.1),
            (IndexedLoss(model="indexes", packets=[3]), None),
            (SynLoss(model="syn"), None),
        ],
    )
    def test_expected_loss(self, loss: object, share: float | None) -> None:
        found = expected_loss(Link.model_validate({"loss": loss}))
        assert found == (None if share is None else pytest.approx(share))


class TestRoundTrip:
    def test_sum_of_both_directions(self) -> None:
        both = with_round_trips([_result("p1", "forward", 20.1), _result("p1", "backward", 10.2)])
        assert [each.rtt_ms for each in both] == [pytest.approx(30.3)] * 2

    def test_not_with_one_direction_dead(self) -> None:
        results = [_result("p1", "forward", 20.1), _result("p1", "backward", None), _result("p2", "forward", 5)]
        assert [each.rtt_ms for each in with_round_trips(results)] == [None] * 3

    def test_json(self) -> None:
        data = json.loads(json.dumps(_result("p1", "forward", 20.0).to_json()))
        assert data["configured"] == {"rate_mbps": 25.0, "delay_ms": 20.0, "loss": 0.0}
        assert data["measured"]["in_order"] is True
        assert data["when"] == "before"
