"""Sessions that clients keep."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impl.tls13 import Session, TLSError
from impl.tls13.cipher_suites import CIPHER_SUITES

sessions = st.builds(
    Session,
    ticket=st.binary(min_size=1, max_size=300),
    psk=st.binary(min_size=32, max_size=48),
    suite=st.sampled_from(list(CIPHER_SUITES.values())),
    received=st.integers(0, 2**40).map(lambda milliseconds: milliseconds / 1000),
    lifetime=st.integers(0, 604800),
    age_add=st.integers(0, 2**32 - 1),
    max_early_data=st.integers(0, 2**32 - 1),
    server_name=st.none() | st.just("server.test"),
    alpn_protocol=st.none() | st.binary(min_size=1, max_size=255),
    verified=st.booleans(),
    chain=st.lists(st.binary(min_size=1, max_size=50), max_size=3).map(tuple),
)


def session(**changes: object) -> Session:
    fields: dict[str, object] = {
        "ticket": b"ticket",
        "psk": bytes(32),
        "suite": CIPHER_SUITES[0x1301],
        "received": 1000.0,
        "lifetime": 60,
        "age_add": 2**32 - 1,
    }
    return Session(**fields | changes)  # type: ignore[arg-type]  # the fields are the test's own


class TestAge:
    def test_usable_within_its_lifetime(self) -> None:
        assert session().usable(1000.0)
        assert session().usable(1060.0)
        assert not session().usable(1060.1)

    def test_not_usable_before_it_came(self) -> None:
        assert not session().usable(999.0)

    def test_obfuscated_age_wraps(self) -> None:
        assert session().obfuscated_age(1000.5) == 499


class TestStored:
    @given(sessions)
    def test_round_trip(self, kept: Session) -> None:
        assert Session.from_bytes(kept.to_bytes()) == kept

    @given(sessions, st.data())
    def test_cut_off(self, kept: Session, data: st.DataObject) -> None:
        stored = kept.to_bytes()
        with pytest.raises((TLSError, ValueError)):
            Session.from_bytes(stored[: data.draw(st.integers(0, len(stored) - 1))])

    @given(st.binary(max_size=200))
    def test_anything(self, stored: bytes) -> None:
        with pytest.raises((TLSError, ValueError)):
            Session.from_bytes(b"\x00" + stored)

    def test_unknown_suite(self) -> None:
        stored = bytearray(session().to_bytes())
        stored[2:4] = b"\x13\x09"
        with pytest.raises(ValueError, match="0x1309"):
            Session.from_bytes(bytes(stored))

    def test_key_is_not_shown(self) -> None:
        assert "psk" not in repr(session())
