"""Seeing from /proc whether a process's network namespace has a server socket on an address and port."""

import ipaddress
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_LISTEN = "0A"
_UNCONNECTED = "07"


def parse_table(text: str, state: str) -> Iterator[tuple[Address, int]]:
    """Yield local address and port of every socket in ``state`` from the text of ``/proc/net/tcp`` or its siblings."""
    for line in text.splitlines()[1:]:
        columns = line.split()
        if len(columns) > 3 and columns[3] == state:
            host, _, port = columns[1].partition(":")
            yield _address(host), int(port, 16)


def _address(digits: str) -> Address:
    # The kernel prints each 32-bit word as a number, so in the machine's byte order.
    raw = bytes.fromhex(digits)
    if sys.byteorder == "little":
        raw = b"".join(raw[i : i + 4][::-1] for i in range(0, len(raw), 4))
    return _plain(ipaddress.ip_address(raw))


def _plain(address: Address) -> Address:
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def covers(sockets: Iterable[tuple[Address, int]], addresses: Iterable[str], port: int) -> bool:
    """Tell whether every one of ``addresses`` has a socket on ``port``, bound to it or to all addresses."""
    bound = {_plain(address) for address, number in sockets if number == port}
    any4, any6 = ipaddress.IPv4Address(0), ipaddress.IPv6Address(0)
    for text in addresses:
        address = _plain(ipaddress.ip_address(text))
        # A socket on [::] also takes IPv4 unless its owner forbade that, which /proc does not tell.
        if not {address, any6, any4 if address.version == 4 else any6} & bound:
            return False
    return True


def listening(pid: int, addresses: Iterable[str], port: int, *, protocol: Literal["tcp", "udp"] = "tcp") -> bool:
    """Tell whether the network namespace of ``pid`` has server sockets for all ``addresses`` on ``port``.

    For UDP any socket bound to the port without a peer counts. False also when the process has ended.
    """
    state = _LISTEN if protocol == "tcp" else _UNCONNECTED
    sockets: list[tuple[Address, int]] = []
    for table in (protocol, f"{protocol}6"):
        try:
            text = Path(f"/proc/{pid}/net/{table}").read_text(encoding="ascii")
        except OSError:  # the process has ended, or the kernel has no IPv6
            continue
        sockets += parse_table(text, state)
    return covers(sockets, addresses, port)
