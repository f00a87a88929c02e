"""The guard against replayed early data."""

from hypothesis import given
from hypothesis import strategies as st

from impl.tls13 import ReplayGuard

NOW = 1000.0


def accept(guard: ReplayGuard, binder: bytes, now: float = NOW, skew: float = 0.0) -> bool:
    return guard.accept(binder, age_by_client=5.0 + skew, age_by_server=5.0, now=now)


class TestOnce:
    def test_a_client_hello_is_taken_once(self) -> None:
        guard = ReplayGuard()
        assert accept(guard, b"a")
        assert not accept(guard, b"a")
        assert accept(guard, b"b")

    @given(st.lists(st.tuples(st.binary(min_size=1, max_size=2), st.floats(0, 3)), max_size=30))
    def test_none_is_taken_twice_while_it_could_be_fresh(self, hellos: list[tuple[bytes, float]]) -> None:
        guard = ReplayGuard(window=5.0)
        now = NOW
        taken: dict[bytes, float] = {}
        for binder, pause in hellos:
            now += pause
            # The age that a ClientHello states stands in it: a copy states the age of the first one.
            first = taken.get(binder, now)
            if guard.accept(binder, age_by_client=first, age_by_server=now, now=now):
                assert binder not in taken
                taken[binder] = now


class TestFreshness:
    def test_age_that_differs_by_more_than_the_window_is_refused(self) -> None:
        guard = ReplayGuard(window=2.0)
        assert not accept(guard, b"a", skew=2.1)
        assert not accept(guard, b"b", skew=-2.1)
        assert accept(guard, b"c", skew=1.9)
        assert accept(guard, b"d", skew=-1.9)

    def test_a_copy_kept_back_is_refused_even_when_its_record_is_forgotten(self) -> None:
        guard = ReplayGuard(window=2.0)
        assert accept(guard, b"a")
        assert not guard.accept(b"a", age_by_client=5.0, age_by_server=105.0, now=NOW + 100)

    def test_nothing_before_the_start(self) -> None:
        guard = ReplayGuard(not_before=NOW + 10)
        assert not accept(guard, b"a")
        assert accept(guard, b"a", now=NOW + 10)


class TestMemory:
    def test_full_memory_refuses_and_recovers(self) -> None:
        guard = ReplayGuard(window=1.0, capacity=2)
        assert accept(guard, b"a")
        assert accept(guard, b"b")
        assert not accept(guard, b"c")
        assert accept(guard, b"c", now=NOW + 3)
