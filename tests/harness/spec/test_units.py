"""Tests of harness.spec.units."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from harness.spec.units import (
    DURATION_UNITS,
    RATE_UNITS,
    SIZE_UNITS,
    Count,
    Duration,
    Flag,
    Fraction,
    Model,
    Number,
    Rate,
    Size,
    parse_quantity,
    same_value,
)


class Everything(Model):
    rate: Rate = 1.0
    duration: Duration = 0.0
    size: Size = 0
    fraction: Fraction = 0.0
    count: Count = 1
    number: Number = 1.0
    flag: Flag = False


def message(kind: Any, value: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(kind).validate_python(value)
    return str(caught.value.errors()[0]["msg"])


class TestReading:
    @pytest.mark.parametrize(
        ("text", "bits"),
        [("25mbit", 25e6), ("25 Mbps", 25e6), ("1.5kbit/s", 1500), ("1gbit", 1e9), (".5mbit", 5e5), ("8bit", 8)],
    )
    def test_rates(self, text: str, bits: float) -> None:
        assert TypeAdapter(Rate).validate_python(text) == bits

    @pytest.mark.parametrize(
        ("text", "seconds"),
        [
            ("20ms", 0.02),
            ("1.5s", 1.5),
            ("2min", 120),
            ("300us", 3e-4),
            ("300µs", 3e-4),
            ("300μs", 3e-4),
            ("0", 0),
            (0, 0),
        ],
    )
    def test_durations(self, text: Any, seconds: float) -> None:
        assert TypeAdapter(Duration).validate_python(text) == pytest.approx(seconds)

    @pytest.mark.parametrize(("text", "size"), [("60MiB", 60 * 1024**2), ("1kB", 1000), ("1.5KiB", 1536), ("7B", 7)])
    def test_sizes(self, text: str, size: int) -> None:
        assert TypeAdapter(Size).validate_python(text) == size

    @pytest.mark.parametrize(("value", "share"), [("1%", 0.01), (0.01, 0.01), ("100 %", 1), (1, 1), (0, 0), ("0", 0)])
    def test_fractions(self, value: Any, share: float) -> None:
        assert TypeAdapter(Fraction).validate_python(value) == pytest.approx(share)


class TestRefusal:
    @pytest.mark.parametrize("value", [20, 0.5, "20", math.nan, math.inf])
    def test_a_number_without_a_unit(self, value: Any) -> None:
        assert "has no unit" in message(Duration, value)

    def test_a_unit_of_something_else_names_those_allowed(self) -> None:
        assert message(Rate, "20ms").endswith(
            "'ms' is not a unit of a rate; allowed: bit/s, bit, bps, kbit/s, kbit, kbps, mbit/s, mbit, mbps, gbit/s, "
            "gbit, gbps, as in '25mbit'"
        )

    def test_negative(self) -> None:
        assert "'-5ms' is negative" in message(Duration, "-5ms")

    @pytest.mark.parametrize("value", ["1e400mbit", "nanmbit", "infmbit", "", "fast", "5 5mbit", "1,5mbit"])
    def test_text_that_is_no_quantity(self, value: str) -> None:
        assert "is not a rate; write a number and a unit" in message(Rate, value)

    @pytest.mark.parametrize("value", [True, None, [], {"a": 1}])
    def test_other_types(self, value: Any) -> None:
        assert "write it as text" in message(Duration, value)

    def test_too_many_digits_for_a_number(self) -> None:
        assert "is too large for a size" in message(Size, "9" * 400 + "MiB")

    @pytest.mark.parametrize("value", [1.5, "150%", -0.1, math.nan, "-1%"])
    def test_fractions_outside_of_0_to_1(self, value: Any) -> None:
        assert "is not a fraction" in message(Fraction, value) or "is negative" in message(Fraction, value)

    def test_less_than_a_byte(self) -> None:
        assert "less than a byte" in message(Size, "0.4B")

    @pytest.mark.parametrize(("kind", "value"), [(Count, "3"), (Count, 3.0), (Count, True), (Count, 0), (Number, "1")])
    def test_what_only_looks_like_a_number(self, kind: Any, value: Any) -> None:
        assert message(kind, value)

    @pytest.mark.parametrize("value", [1, "yes", 0.0])
    def test_what_only_looks_like_a_truth_value(self, value: Any) -> None:
        assert message(Flag, value)

    @pytest.mark.parametrize("value", [math.nan, math.inf])
    def test_numbers_are_finite(self, value: float) -> None:
        with pytest.raises(ValidationError):
            Everything(number=value)


class TestRoundTrip:
    @given(
        st.floats(min_value=1e-3, max_value=1e15),
        st.floats(min_value=0, max_value=1e9),
        st.integers(0, 2**50),
        st.floats(0, 1),
    )
    def test_what_is_written_reads_back_as_the_same(self, rate: float, time: float, size: int, share: float) -> None:
        one = Everything.model_construct(
            rate=rate, duration=time, size=size, fraction=share, count=3, number=0.1, flag=True
        )
        assert Everything.model_validate(one.model_dump(mode="json")) == one

    @given(st.integers(1, 10**6), st.sampled_from([*RATE_UNITS.items()]))
    def test_every_unit_of_rates_in_any_case(self, number: int, unit: tuple[str, float]) -> None:
        for name in (unit[0], unit[0].upper()):
            assert parse_quantity(f"{number}{name}", RATE_UNITS, "a rate", "1mbit") == number * unit[1]


class TestSameValue:
    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("20ms", "0.02s"),
            ("25mbit", "25000000bit"),
            ("1MiB", "1048576B"),
            ("1%", 0.01),
            (0.01, "1%"),
            (3, 3),
            ("a", "a"),
        ],
    )
    def test_equal(self, one: Any, other: Any) -> None:
        assert same_value(one, other)

    @pytest.mark.parametrize(("one", "other"), [("20ms", "20s"), ("20ms", "20mbit"), (1, True), ("x%", 0.1), ("3", 3)])
    def test_different(self, one: Any, other: Any) -> None:
        assert not same_value(one, other)

    @given(st.integers(1, 1000), st.sampled_from([*DURATION_UNITS, *SIZE_UNITS]))
    def test_itself(self, number: int, unit: str) -> None:
        assert same_value(f"{number}{unit}", f"{number} {unit}")
