"""Padding policies, and how commands name them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impl.tcpls.padding import no_padding, pad_to_block, parse_padding, random_padding

SIZES = st.integers(1, 2**14)


class TestPolicies:
    @given(SIZES, SIZES, st.integers(1, 5000))
    def test_blocks(self, size: int, room: int, block: int) -> None:
        added = pad_to_block(block)(size, room)
        assert 0 <= added <= room
        assert added == room or (size + added) % block == 0
        assert added < block

    @given(SIZES, SIZES, st.integers(0, 5000), st.binary(min_size=8, max_size=8))
    def test_random(self, size: int, room: int, most: int, drawn: bytes) -> None:
        assert 0 <= random_padding(most, lambda _: drawn)(size, room) <= min(most, room)

    def test_random_reaches_all_numbers(self) -> None:
        policy = random_padding(3)
        assert {policy(10, 100) for _ in range(500)} == {0, 1, 2, 3}
        assert {policy(10, 1) for _ in range(500)} == {0, 1}

    def test_none(self) -> None:
        assert no_padding(10, 100) == 0

    def test_impossible_ones(self) -> None:
        with pytest.raises(ValueError, match="multiples of 0 bytes"):
            pad_to_block(0)
        with pytest.raises(ValueError, match="up to -1 bytes"):
            random_padding(-1)


class TestNames:
    def test_none(self) -> None:
        assert parse_padding("none") is None

    @pytest.mark.parametrize(("text", "added"), [("block", 502), ("block:16", 6)])
    def test_block(self, text: str, added: int) -> None:
        policy = parse_padding(text)
        assert policy is not None
        assert policy(10, 2**14) == added

    @pytest.mark.parametrize(("text", "most"), [("random", 256), ("random:4", 4)])
    def test_random(self, text: str, most: int) -> None:
        policy = parse_padding(text)
        assert policy is not None
        assert {policy(10, 2**14) for _ in range(300)} <= set(range(most + 1))

    @pytest.mark.parametrize("text", ["", "blocks", "none:1", "block:0", "block:x", "random:-1", "block:1:2"])
    def test_others(self, text: str) -> None:
        with pytest.raises(ValueError, match=f"padding '{text}'"):
            parse_padding(text)
