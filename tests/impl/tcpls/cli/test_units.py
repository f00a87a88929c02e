"""Sizes, rates and times as people read and write them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impl.tcpls.cli import units

_FACTORS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15}


class TestShown:
    @pytest.mark.parametrize(
        ("count", "shown"),
        [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.00 kB"),
            (12_345_678, "12.3 MB"),
            (999_600, "1.00 MB"),
            (3e12, "3.00 TB"),
        ],
    )
    def test_sizes(self, count: int, shown: str) -> None:
        assert units.size(count) == shown

    @pytest.mark.parametrize(
        ("value", "shown"), [(0, "0 bit/s"), (125, "1.00 kbit/s"), (380e6, "3.04 Gbit/s"), (12.5e6, "100 Mbit/s")]
    )
    def test_rates(self, value: float, shown: str) -> None:
        assert units.rate(value) == shown

    @pytest.mark.parametrize(
        ("value", "shown"),
        [(0.0, "0 µs"), (178e-6, "178 µs"), (1e-3, "1.00 ms"), (0.0999, "99.9 ms"), (1.0, "1.00 s"), (67.12, "67.1 s")],
    )
    def test_times(self, value: float, shown: str) -> None:
        assert units.seconds(value) == shown

    @given(st.integers(1, 10**17))
    def test_three_digits_say_what_it_is(self, count: int) -> None:
        shown = re.fullmatch(r"([0-9.]+) ([kMGTP]?)B", units.size(count))
        assert shown is not None
        assert float(shown[1]) * _FACTORS[shown[2]] == pytest.approx(count, rel=0.006)
        assert len(shown[1].replace(".", "")) <= 3


class TestParseSize:
    @pytest.mark.parametrize(
        ("text", "count"),
        [
            ("0", 0),
            ("300", 300),
            ("300B", 300),
            ("64k", 64_000),
            ("64 kB", 64_000),
            ("1.5MB", 1_500_000),
            ("2K", 2000),
            ("1MiB", 2**20),
            ("1Ki", 1024),
            ("3G", 3 * 10**9),
            ("1T", 10**12),
        ],
    )
    def test_what_is_read(self, text: str, count: int) -> None:
        assert units.parse_size(text) == count

    @pytest.mark.parametrize("text", ["", "k", "-1", "1.", "1e3", "1iB", "1kk", "0x10", "١", "1 0", "9999999999T"])
    def test_what_is_none(self, text: str) -> None:
        with pytest.raises(ValueError, match="size"):
            units.parse_size(text)

    @given(st.integers(0, 10**9), st.sampled_from(["", "k", "M"]))
    def test_numbers_and_prefixes(self, number: int, prefix: str) -> None:
        assert units.parse_size(f"{number}{prefix}") == number * _FACTORS[prefix]
