"""Tests of impl.tls13.extensions.pre_shared_key, in its two forms."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impl.tls13.extensions import (
    OfferedPsks,
    PskIdentity,
    decode_selected_identity,
    encode_binders,
    encode_selected_identity,
)
from impl.tls13.messages import ClientHello
from impl.tls13.registries import ExtensionType
from tests.support import rfc8448
from tests.support.tls13_codecs import (
    DECODE_ERROR,
    ILLEGAL_PARAMETER,
    alert_of,
    check_any_bytes,
    check_round_trip,
    damaged,
    u16,
)

identities = st.builds(
    PskIdentity, identity=st.binary(min_size=1, max_size=20), obfuscated_ticket_age=st.integers(0, 2**32 - 1)
)
offers = st.lists(st.tuples(identities, st.binary(min_size=32, max_size=64)), min_size=1, max_size=3).map(
    lambda pairs: OfferedPsks(tuple(pair[0] for pair in pairs), tuple(pair[1] for pair in pairs))
)

ONE = PskIdentity(b"one", 1)
BINDER = bytes(range(32))


class TestOfferedPsks:
    @given(offers)
    def test_they_survive(self, psks: OfferedPsks) -> None:
        check_round_trip(psks, OfferedPsks.encode, OfferedPsks.decode)

    @given(damaged(offers.map(OfferedPsks.encode)))
    def test_any_bytes_are_refused_or_mean_what_they_say(self, data: bytes) -> None:
        check_any_bytes(data, OfferedPsks.decode, OfferedPsks.encode)

    @given(offers)
    def test_the_binders_are_the_end(self, psks: OfferedPsks) -> None:
        assert psks.encode()[-psks.binders_size :] == encode_binders(psks.binders)

    def test_that_of_rfc_8448_section_4(self) -> None:
        trace = rfc8448.trace("resumed_0rtt")
        first = rfc8448.trace("simple_1rtt").ticket
        assert first is not None
        assert trace.ticket_age is not None
        hello = ClientHello.decode(trace.message("ClientHello")[4:])
        psks = OfferedPsks.decode(hello.extensions[ExtensionType.PRE_SHARED_KEY])
        age = (trace.ticket_age + first.age_add) % 2**32
        assert psks.identities == (PskIdentity(first.ticket, age),)
        assert psks.binders == (trace.binder,)

    @pytest.mark.parametrize(
        "psks",
        [
            OfferedPsks((PskIdentity(b"", 0),), (BINDER,)),  # an empty identity: less than the list's least length
            OfferedPsks((ONE, PskIdentity(b"", 0)), (BINDER, BINDER)),
            OfferedPsks((), (BINDER,)),  # no identity
            OfferedPsks((ONE,), ()),  # no binder
            OfferedPsks((ONE,), (BINDER[:31],)),  # short binders
            OfferedPsks((ONE, ONE), (BINDER, BINDER[:31])),
            OfferedPsks((ONE, ONE), (BINDER, b"")),
        ],
    )
    def test_what_is_shorter_than_allowed_is_a_decode_error(self, psks: OfferedPsks) -> None:
        assert alert_of(OfferedPsks.decode, psks.encode()) is DECODE_ERROR

    @pytest.mark.parametrize(
        "data",
        [
            "0007 0001 78 000000 00 0001",  # half a list of binders
            "0008 0002 78 000000 00" + "0021 20" + BINDER.hex(),  # lists that do not end where their entries do
            "0006 0001 78 000000" + "0021 20" + BINDER.hex(),
            "0007 0001 78 00000000" + "0022 20" + BINDER.hex() + "00",
            "0007 0001 78 00000000" + "0021 21" + BINDER.hex(),
        ],
    )
    def test_wrong_lengths_are_decode_errors(self, data: str) -> None:
        assert alert_of(OfferedPsks.decode, bytes.fromhex(data)) is DECODE_ERROR

    @pytest.mark.parametrize(
        "psks",
        [OfferedPsks((ONE,), (BINDER, BINDER)), OfferedPsks((ONE, ONE), (BINDER,)), OfferedPsks((ONE,), 3 * (BINDER,))],
    )
    def test_another_number_of_binders_than_of_identities_is_illegal(self, psks: OfferedPsks) -> None:
        assert alert_of(OfferedPsks.decode, psks.encode()) is ILLEGAL_PARAMETER


class TestSelectedIdentity:
    @given(u16)
    def test_it_survives(self, index: int) -> None:
        check_round_trip(index, encode_selected_identity, decode_selected_identity)

    def test_the_form(self) -> None:
        assert encode_selected_identity(1) == b"\x00\x01"
