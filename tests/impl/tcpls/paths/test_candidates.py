"""Pairs of addresses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impl.tcpls.paths import Candidate, pair_up, without_crossing


class TestCandidate:
    def test_addresses_are_canonical(self) -> None:
        assert Candidate("FD00:0:0::1", "fd00::0002") == Candidate("fd00::1", "fd00::2")

    def test_the_local_address_may_be_left_open(self) -> None:
        assert str(Candidate(None, "10.0.0.1")) == "any address to 10.0.0.1"

    def test_a_scope_is_kept(self) -> None:
        assert Candidate("fe80::1%eth0", "fe80::2%eth0").local == "fe80::1%eth0"

    def test_families_must_agree(self) -> None:
        with pytest.raises(ValueError, match=r"no path from 10\.0\.0\.1 \(IPv4\) to fd00::1 \(IPv6\); pair"):
            Candidate("10.0.0.1", "fd00::1")

    @pytest.mark.parametrize("address", ["example.org", "", "10.0.0.256", "10.0.0.1:443"])
    def test_only_numeric_addresses_are_taken(self, address: str) -> None:
        with pytest.raises(ValueError, match="is no IP address; give a numeric"):
            Candidate(None, address)


class TestPairs:
    def test_disjoint_pairs_come_first(self) -> None:
        assert pair_up(["10.0.0.1", "10.0.0.2"], ["10.0.1.1", "10.0.1.2"]) == (
            Candidate("10.0.0.1", "10.0.1.1"),
            Candidate("10.0.0.2", "10.0.1.2"),
            Candidate("10.0.0.1", "10.0.1.2"),
            Candidate("10.0.0.2", "10.0.1.1"),
        )

    def test_families_stay_apart(self) -> None:
        assert pair_up(["10.0.0.1", "fd00::1"], ["fd00:1::1", "10.0.1.1"]) == (
            Candidate("10.0.0.1", "10.0.1.1"),
            Candidate("fd00::1", "fd00:1::1"),
        )

    def test_one_server_address_serves_all(self) -> None:
        assert pair_up(["10.0.0.1", "10.0.0.2"], ["10.0.1.1"]) == (
            Candidate("10.0.0.1", "10.0.1.1"),
            Candidate("10.0.0.2", "10.0.1.1"),
        )

    def test_without_local_addresses_there_is_one_for_each_server_address(self) -> None:
        assert pair_up([], ["10.0.1.1", "fd00::1"]) == (Candidate(None, "10.0.1.1"), Candidate(None, "fd00::1"))

    def test_no_pair_is_an_error(self) -> None:
        with pytest.raises(ValueError, match=r"no path from 10\.0\.0\.1 to fd00::1: give at least one"):
            pair_up(["10.0.0.1"], ["fd00::1"])

    def test_without_crossing_each_address_has_a_path(self) -> None:
        pairs = pair_up(["10.0.0.1", "10.0.0.2"], ["10.0.1.1", "10.0.1.2", "10.0.1.3"])
        assert without_crossing(pairs) == (
            Candidate("10.0.0.1", "10.0.1.1"),
            Candidate("10.0.0.2", "10.0.1.2"),
            Candidate("10.0.0.2", "10.0.1.3"),
        )
        assert without_crossing(pair_up([], ["10.0.1.1", "fd00::1"])) == pair_up([], ["10.0.1.1", "fd00::1"])

    @given(
        st.lists(st.ip_addresses(v=4), min_size=1, max_size=4, unique=True),
        st.lists(st.ip_addresses(v=4), min_size=1, max_size=4, unique=True),
    )
    def test_all_pairs_are_there_once(self, local: list[object], remote: list[object]) -> None:
        pairs = pair_up([str(address) for address in local], [str(address) for address in remote])
        assert len(set(pairs)) == len(pairs) == len(local) * len(remote)
        alike = min(len(local), len(remote))
        assert len({pair.local for pair in pairs[:alike]}) == len({pair.remote for pair in pairs[:alike]}) == alike
