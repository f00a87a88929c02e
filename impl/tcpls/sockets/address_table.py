"""Which addresses this host can use now, from what rtnetlink tells; no I/O."""

import ipaddress

from impl.tcpls.sockets.route_messages import AddressRecord, LinkRecord, Record


class AddressTable:
    """Interfaces and addresses, kept up to date record by record."""

    def __init__(self) -> None:
        self._links: dict[int, LinkRecord] = {}
        self._addresses: dict[tuple[int, str], bool] = {}

    def apply(self, record: Record) -> None:
        """Take a record into account; one of another kind changes nothing."""
        if isinstance(record, LinkRecord):
            self._apply_link(record)
        elif isinstance(record, AddressRecord):
            place = (record.index, record.address)
            if record.gone:
                self._addresses.pop(place, None)
            else:
                self._addresses[place] = record.valid

    def present(self) -> frozenset[str]:
        """Return the addresses that are valid and whose interface is up; link-local IPv6 ones with ``%interface``."""
        found = set()
        for (index, address), valid in self._addresses.items():
            link = self._links.get(index)
            if valid and link is not None and link.up:
                parsed = ipaddress.ip_address(address)
                scoped = parsed.version == 6 and parsed.is_link_local
                found.add(f"{address}%{link.name or index}" if scoped else address)
        return frozenset(found)

    def _apply_link(self, record: LinkRecord) -> None:
        if not record.gone:
            self._links[record.index] = record
            return
        self._links.pop(record.index, None)
        for place in [place for place in self._addresses if place[0] == record.index]:
            del self._addresses[place]
