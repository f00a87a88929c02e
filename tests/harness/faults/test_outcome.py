"""Tests of who holds what while faults overlap."""

from hypothesis import given
from hypothesis import strategies as st

from harness.faults.outcome import Holders


class TestHolders:
    def test_first_and_last(self) -> None:
        holders: Holders[str] = Holders()
        assert holders.add("link", "one")
        assert not holders.add("link", "two")
        assert holders.keys_of("two") == ["link"]
        assert holders.holders_of("link") == {"one", "two"}
        assert not holders.remove("link", "one")
        assert holders.remove("link", "two")
        assert holders.holders_of("link") == frozenset()

    def test_who_holds_nothing_frees_nothing(self) -> None:
        holders: Holders[str] = Holders()
        assert not holders.remove("link", "one")
        holders.add("link", "one")
        assert not holders.remove("link", "two")

    @given(st.lists(st.tuples(st.booleans(), st.sampled_from("abc")), max_size=30))
    def test_each_break_is_answered_by_one_repair(self, steps: list[tuple[bool, str]]) -> None:
        holders: Holders[str] = Holders()
        broken = False
        for adds, who in steps:
            if adds:
                if holders.add("x", who) and not broken:
                    broken = True
            elif holders.remove("x", who):
                assert broken
                broken = False
            assert broken == bool(holders.holders_of("x"))
