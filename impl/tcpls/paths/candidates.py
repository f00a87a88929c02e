"""Pairs of addresses between which a connection may be opened."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address


def parse_address(text: str) -> IPv4Address | IPv6Address:
    """Read a numeric address.

    Raises:
        ValueError: it is something else.

    """
    try:
        return ip_address(text)
    except ValueError:
        raise ValueError(f"{text!r} is no IP address; give a numeric IPv4 or IPv6 address") from None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A pair of addresses of one family, in canonical form.

    Attributes:
        local: the client's address; None leaves the choice to the kernel.
        remote: the server's.

    Raises:
        ValueError: an address is not numeric, or the families differ.

    """

    local: str | None
    remote: str

    def __post_init__(self) -> None:
        remote = parse_address(self.remote)
        object.__setattr__(self, "remote", str(remote))
        if self.local is None:
            return
        local = parse_address(self.local)
        object.__setattr__(self, "local", str(local))
        if local.version != remote.version:
            raise ValueError(
                f"there is no path from {local} (IPv{local.version}) to {remote} (IPv{remote.version}); "
                "pair addresses of one family"
            )

    def __str__(self) -> str:
        return f"{self.local or 'any address'} to {self.remote}"


def without_crossing(pairs: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """Of pairs, in their order, those that bring an address which is in none before: each address has its path."""
    used: set[str | None] = set()
    chosen = []
    for pair in pairs:
        if not {pair.local, pair.remote} <= used:
            used |= {pair.local, pair.remote}
            chosen.append(pair)
    return tuple(chosen)


def pair_up(local: Sequence[str], remote: Sequence[str]) -> tuple[Candidate, ...]:
    """All pairs of one family, those that share no address first.

    So two local and two remote addresses give two disjoint paths, and then the two that cross.

    Args:
        local: addresses of the client in order of preference; none leaves the choice to the kernel.
        remote: addresses of the server in order of preference.

    Raises:
        ValueError: an address is not numeric, or no pair is of one family.

    """
    if not local:
        pairs = [Candidate(None, address) for address in remote]
    else:
        pairs = []
        families: dict[int, list[str]] = {4: [], 6: []}
        for address in remote:
            families[parse_address(address).version].append(address)
        for shift in range(max(map(len, families.values()))):
            seen = {4: 0, 6: 0}
            for address in local:
                version = parse_address(address).version
                there = families[version]
                if shift < len(there):
                    pairs.append(Candidate(address, there[(seen[version] + shift) % len(there)]))
                seen[version] += 1
    if not pairs:
        raise ValueError(
            f"no path from {', '.join(local) or 'any address'} to {', '.join(remote) or 'no address'}: "
            "give at least one local and one remote address of the same family"
        )
    return tuple(dict.fromkeys(pairs))
