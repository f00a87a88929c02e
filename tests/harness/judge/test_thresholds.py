"""The thresholds as data."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from harness.judge.thresholds import Threshold, Thresholds, default_thresholds


class TestData:
    def test_every_threshold_has_a_reason_and_a_unit(self) -> None:
        for name in Thresholds.model_fields:
            threshold = getattr(default_thresholds(), name)
            assert len(threshold.reason) > 20, name
            assert threshold.unit, name
            assert (threshold.share == 0) == (threshold.of is None), name

    def test_unknown_keys_are_refused(self) -> None:
        with pytest.raises(ValidationError):
            Threshold.model_validate({"unit": "ms", "floor": 1, "reason": "x", "ceiling": 2})


class TestLimits:
    def test_scale(self) -> None:
        late = default_thresholds().timer_late_p99
        assert late.limit(20) < late.limit(40) < late.limit(400)

    def test_sides(self) -> None:
        upper = Threshold(unit="ms", floor=1, reason="x")
        lower = Threshold(unit="ms", floor=1, at_least=True, reason="x")
        assert (upper.breaks(2), upper.breaks(1), lower.breaks(1), lower.breaks(0.5)) == (True, False, False, True)

    def test_forgiven_seconds(self) -> None:
        some = Threshold(unit="ms", floor=1, seconds=0.1, reason="x")
        assert [some.allowed_seconds(count) for count in (1, 20, 60)] == [2, 2, 6]
        assert Threshold(unit="ms", floor=1, reason="x").allowed_seconds(60) == 0


class TestDocumentation:
    def test_the_page_names_every_threshold_with_its_reason_and_every_metric(self) -> None:
        from harness.spec.expectation import METRICS

        page = (Path(__file__).parents[3] / "docs" / "results.md").read_text()
        for name in Thresholds.model_fields:
            assert f"| `{name}` |" in page
            assert getattr(default_thresholds(), name).reason in page
        for name in METRICS:
            assert f"`{name}`" in page
