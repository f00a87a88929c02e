"""Raising resource limits: as far as wanted, else as far as allowed, never down."""

import resource
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.sandbox import limits

UNLIMITED = resource.RLIM_INFINITY
values = st.integers(0, 100) | st.just(UNLIMITED)


def _less(one: int, other: int) -> bool:
    return one != UNLIMITED and (other == UNLIMITED or one < other)


class TestCandidates:
    @pytest.mark.parametrize(
        ("soft", "hard", "expected"),
        [
            (0, 0, [(99, 99), (0, 0)]),
            (0, 50, [(99, 99), (50, 50)]),
            (0, 200, [(99, 200)]),
            (0, UNLIMITED, [(99, UNLIMITED)]),
            (99, 99, []),
            (UNLIMITED, UNLIMITED, []),
        ],
    )
    def test_examples(self, soft: int, hard: int, expected: list[tuple[int, int]]) -> None:
        assert limits.candidates(soft, hard, 99) == expected

    @given(soft=values, hard=values, wanted=st.integers(0, 100))
    def test_never_lowers_what_is_in_force(self, soft: int, hard: int, wanted: int) -> None:
        if _less(hard, soft):
            soft, hard = hard, soft
        for new_soft, new_hard in limits.candidates(soft, hard, wanted):
            assert not _less(new_soft, soft)
            assert not _less(new_hard, hard)
            assert not _less(new_hard, new_soft)


class TestRaiseLimits:
    def test_an_ordinary_process_reaches_its_hard_limit(self) -> None:
        program = (
            "import resource; from harness.sandbox.limits import raise_limits;"
            "resource.setrlimit(resource.RLIMIT_NOFILE, (64, 128)); print(raise_limits()['nofile'] >= 128)"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert done.stdout == "True\n"
