"""Which addresses can be used, after any history."""

from hypothesis import given
from hypothesis import strategies as st

from impl.tcpls.sockets.address_table import AddressTable
from impl.tcpls.sockets.route_messages import AddressRecord, LinkRecord, Record, RouteRecord

small = st.integers(1, 3)
records: st.SearchStrategy[Record] = st.one_of(
    st.builds(LinkRecord, small, st.sampled_from(["a", "b"]), st.booleans(), st.booleans()),
    st.builds(AddressRecord, small, st.sampled_from(["10.0.0.1", "10.0.0.2", "fe80::1"]), st.booleans(), st.booleans()),
    st.builds(RouteRecord, st.sampled_from([4, 6]), st.integers(0, 32), st.booleans()),
)


def table(*history: Record) -> AddressTable:
    made = AddressTable()
    for record in history:
        made.apply(record)
    return made


def expected(history: list[Record]) -> set[str]:
    """By looking for the last word on each."""
    found = set()
    for index in range(1, 4):
        links = [(at, record) for at, record in enumerate(history) if isinstance(record, LinkRecord)]
        of_index = [(at, record) for at, record in links if record.index == index]
        if not of_index or of_index[-1][1].gone or not of_index[-1][1].up:
            continue
        since = max([at for at, record in of_index if record.gone], default=-1)
        last: dict[str, AddressRecord] = {}
        for record in history[since + 1 :]:
            if isinstance(record, AddressRecord) and record.index == index:
                last[record.address] = record
        name = of_index[-1][1].name
        for text, record in last.items():
            if record.valid and not record.gone:
                found.add(f"{text}%{name}" if text.startswith("fe80") else text)
    return found


UP, DOWN = LinkRecord(1, "eth0", True, False), LinkRecord(1, "eth0", False, False)
ADDRESS = AddressRecord(1, "10.0.0.1", True, False)


class TestPresence:
    @given(st.lists(records, max_size=30))
    def test_the_last_word_counts(self, history: list[Record]) -> None:
        assert table(*history).present() == expected(history)

    def test_an_address_without_a_known_interface_is_none(self) -> None:
        assert table(ADDRESS).present() == frozenset()
        assert table(ADDRESS, UP).present() == {"10.0.0.1"}

    def test_it_returns_with_its_interface(self) -> None:
        assert table(UP, ADDRESS, DOWN).present() == frozenset()
        assert table(UP, ADDRESS, DOWN, UP).present() == {"10.0.0.1"}

    def test_one_on_two_interfaces_stays_while_one_is_left(self) -> None:
        other = LinkRecord(2, "eth1", True, False)
        both = (UP, other, ADDRESS, AddressRecord(2, "10.0.0.1", True, False))
        assert table(*both, DOWN).present() == {"10.0.0.1"}

    def test_a_renamed_interface_renames_link_local_addresses(self) -> None:
        found = table(UP, AddressRecord(1, "fe80::1", True, False), LinkRecord(1, "lan", True, False)).present()
        assert found == {"fe80::1%lan"}
