"""The numbers by which a path is judged."""

import pytest

from impl.tcpls.detection import DetectionSettings


class TestLimits:
    @pytest.mark.parametrize("name", ["floor", "ceiling", "patience", "keepalive", "ping_floor", "timeouts"])
    @pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan")])
    def test_numbers_must_be_positive_and_finite(self, name: str, value: float) -> None:
        with pytest.raises(ValueError, match=rf"detection: {name} is .*; it must be above 0"):
            DetectionSettings(**{name: value})  # type: ignore[arg-type]

    def test_allowances_may_be_none(self) -> None:
        assert DetectionSettings(ack_allowance=0, tail_probe=0, verdict_after=0).tail_probe == 0
        with pytest.raises(ValueError, match="tail_probe is -1; it must be 0 or more"):
            DetectionSettings(tail_probe=-1)

    def test_a_floor_must_be_below_its_ceiling(self) -> None:
        with pytest.raises(ValueError, match=r"floor 4 is more than ceiling 3\.0; lower it"):
            DetectionSettings(floor=4)
