"""Tokens: random, used once, made up for, and kept apart."""

from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impl.tcpls.frames import NewToken
from impl.tcpls.tokens import TokenIssuer, TokenRegistry, TokenStore
from impl.tls13.alerts import TLSError


def numbered() -> Callable[[int], bytes]:
    return lambda sequence: sequence.to_bytes(32, "big")


class TestRegistry:
    def test_each_token_is_used_once(self) -> None:
        registry: TokenRegistry[str] = TokenRegistry()
        token = registry.issue("session", 4)
        assert registry.use(token) == ("session", 4)
        assert registry.use(token) is None

    def test_unknown_ones_are_not_valid(self) -> None:
        assert TokenRegistry[str]().use(bytes(32)) is None

    def test_no_two_are_the_same_even_if_chance_wants_it(self) -> None:
        draws = iter((b"a" * 32, b"a" * 32, b"b" * 32))
        registry: TokenRegistry[str] = TokenRegistry(lambda size: next(draws))
        assert registry.issue("one", 1) == b"a" * 32
        assert registry.issue("two", 1) == b"b" * 32

    def test_values_say_nothing(self) -> None:
        registry: TokenRegistry[str] = TokenRegistry()
        tokens = [registry.issue("session", 1 + i) for i in range(200)]
        assert len(set(tokens)) == 200
        counts = Counter(b"".join(tokens))  # 6400 bytes, 25 of each value on average
        assert max(counts.values()) < 75
        assert len(counts) == 256

    def test_those_of_a_session_that_is_over_are_not_valid(self) -> None:
        registry: TokenRegistry[str] = TokenRegistry()
        mine, other = registry.issue("mine", 1), registry.issue("other", 1)
        registry.withdraw([mine, b"used before" * 3])
        assert registry.use(mine) is None
        assert registry.use(other) == ("other", 1)
        assert len(registry) == 0


class TestIssuer:
    def test_fills_up_to_the_number_of_connections(self) -> None:
        issuer = TokenIssuer(4, numbered())
        assert [frame.sequence for frame in issuer.replenish(1)] == [1, 2, 3]
        assert issuer.replenish(1) == []

    def test_none_for_one_connection(self) -> None:
        assert TokenIssuer(1, numbered()).replenish(1) == []
        with pytest.raises(ValueError, match="at least 1"):
            TokenIssuer(0, numbered())

    def test_a_join_uses_one_and_its_end_brings_the_next(self) -> None:
        issuer = TokenIssuer(3, numbered())
        issuer.replenish(1)
        issuer.used()
        assert issuer.replenish(2) == []
        assert [frame.sequence for frame in issuer.replenish(1)] == [3]
        assert issuer.token(3) == numbered()(3)
        assert issuer.token(0) is issuer.token(4) is None

    def test_ends_at_255(self) -> None:
        issuer = TokenIssuer(300, numbered())
        assert [frame.sequence for frame in issuer.replenish(1)] == list(range(1, 256))
        assert issuer.exhausted
        issuer.used()
        assert issuer.replenish(1) == []

    @given(st.integers(1, 6), st.lists(st.sampled_from(("join", "leave", "waste")), max_size=60))
    def test_there_are_never_more_than_allowed(self, most: int, moves: list[str]) -> None:
        issuer = TokenIssuer(most, numbered())
        connections, unused = 1, len(issuer.replenish(1))
        for move in moves:
            if move == "leave" and connections:
                connections -= 1
            elif move != "leave" and unused:
                issuer.used()
                unused -= 1
                connections += move == "join"
            unused += len(issuer.replenish(connections))
            assert connections + unused == most
        assert [int.from_bytes(token, "big") for token in issuer.issued] == list(range(1, len(issuer.issued) + 1))


class TestStore:
    def test_gives_the_oldest_first_and_each_once(self) -> None:
        store = TokenStore()
        assert store.take() is None
        for sequence in (2, 1):
            assert store.add(NewToken(sequence, bytes(32)))
        assert [store.take(), store.take(), store.take()] == [NewToken(2, bytes(32)), NewToken(1, bytes(32)), None]

    def test_a_frame_that_was_sent_again_adds_nothing(self) -> None:
        store = TokenStore()
        store.add(NewToken(1, bytes(32)))
        assert not store.add(NewToken(1, bytes(32)))
        assert len(store) == 1
        store.take()
        assert not store.add(NewToken(1, bytes(32)))
        assert len(store) == 0

    def test_two_tokens_with_one_number(self) -> None:
        store = TokenStore()
        store.add(NewToken(1, bytes(32)))
        with pytest.raises(TLSError, match="two tokens have the sequence number 1"):
            store.add(NewToken(1, b"x" * 32))

    def test_the_first_connections_number(self) -> None:
        with pytest.raises(TLSError, match="sequence 0"):
            TokenStore().add(NewToken(0, bytes(32)))
