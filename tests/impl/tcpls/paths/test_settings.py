"""The pace of attempts."""

import pytest

from impl.tcpls.paths import PathSettings


class TestLimits:
    @pytest.mark.parametrize("name", ["first", "retry", "slowest", "patience"])
    @pytest.mark.parametrize("value", [0.0, -1.0, float("inf"), float("nan")])
    def test_times_must_be_positive_and_finite(self, name: str, value: float) -> None:
        with pytest.raises(ValueError, match=rf"paths: {name} is .*; it must be above 0, and finite"):
            PathSettings(**{name: value})  # type: ignore[arg-type]

    def test_one_attempt_at_a_time_is_too_few(self) -> None:
        with pytest.raises(ValueError, match="parallel is 1; it must be 2 or more"):
            PathSettings(parallel=1)

    def test_pauses_must_not_shrink(self) -> None:
        with pytest.raises(ValueError, match=r"retry 3 is more than slowest 2\.0; lower it"):
            PathSettings(retry=3)
