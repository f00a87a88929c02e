"""Tickets: what a server seals comes back whole, and nothing else does."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impl.tls13.cipher_suites import CIPHER_SUITES
from impl.tls13.tickets import TicketProtection, TicketState

NOW = 1_000_000.0

states = st.builds(
    TicketState,
    psk=st.binary(min_size=32, max_size=48),
    suite=st.sampled_from(list(CIPHER_SUITES.values())),
    issued=st.just(NOW),
    age_add=st.integers(0, 2**32 - 1),
    max_early_data=st.integers(0, 2**32 - 1),
    server_name=st.none() | st.just("server.test"),
    alpn_protocol=st.none() | st.binary(min_size=1, max_size=255),
    chain=st.lists(st.binary(min_size=1, max_size=50), max_size=3).map(tuple),
)
STATE = TicketState(
    psk=bytes(32),
    suite=CIPHER_SUITES[0x1301],
    issued=NOW,
    age_add=1,
    max_early_data=0,
    server_name=None,
    alpn_protocol=None,
)


class TestSealed:
    @given(states)
    def test_round_trip(self, state: TicketState) -> None:
        tickets = TicketProtection()
        assert tickets.open(tickets.seal(state, NOW), NOW) == state

    @given(st.data())
    def test_any_change_makes_it_worthless(self, data: st.DataObject) -> None:
        tickets = TicketProtection()
        ticket = bytearray(tickets.seal(STATE, NOW))
        ticket[data.draw(st.integers(0, len(ticket) - 1))] ^= data.draw(st.integers(1, 255))
        assert tickets.open(bytes(ticket), NOW) is None

    @given(st.binary(max_size=100))
    def test_anything(self, ticket: bytes) -> None:
        tickets = TicketProtection()
        tickets.seal(STATE, NOW)
        assert tickets.open(ticket, NOW) is None

    def test_cut_off_after_the_key_name(self) -> None:
        tickets = TicketProtection()
        assert tickets.open(tickets.seal(STATE, NOW)[:10], NOW) is None

    def test_of_another_server(self) -> None:
        assert TicketProtection().open(TicketProtection().seal(STATE, NOW), NOW) is None

    def test_tickets_of_one_state_differ(self) -> None:
        tickets = TicketProtection()
        assert tickets.seal(STATE, NOW) != tickets.seal(STATE, NOW)


class TestTime:
    def test_good_until_its_lifetime_is_over(self) -> None:
        tickets = TicketProtection(lifetime=60)
        ticket = tickets.seal(STATE, NOW)
        assert tickets.open(ticket, NOW + 60) == STATE
        assert tickets.open(ticket, NOW + 60.1) is None

    def test_not_from_the_future(self) -> None:
        tickets = TicketProtection()
        assert tickets.open(tickets.seal(replace(STATE, issued=NOW + 60), NOW), NOW) is None

    def test_keys_rotate_and_old_ones_still_open(self) -> None:
        tickets = TicketProtection(lifetime=100, rotation=10)
        first = tickets.seal(STATE, NOW)
        second = tickets.seal(replace(STATE, issued=NOW + 11), NOW + 11)
        assert first[:8] != second[:8]
        assert tickets.open(first, NOW + 12) is not None
        assert tickets.open(second, NOW + 12) is not None

    def test_a_key_is_forgotten_when_its_last_ticket_is_dead(self) -> None:
        tickets = TicketProtection(lifetime=10, rotation=10)
        first = tickets.seal(STATE, NOW)
        tickets.seal(STATE, NOW + 100)
        assert tickets.open(first, NOW) is None

    @pytest.mark.parametrize("lifetime", [0, -1, 7 * 24 * 3600 + 1])
    def test_lifetimes_that_are_not_allowed(self, lifetime: int) -> None:
        with pytest.raises(ValueError, match="604800"):
            TicketProtection(lifetime=lifetime)
