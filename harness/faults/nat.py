"""A NAT on the middle node next to a path's first end: set up, and rebound by forgetting all it knows."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from harness.faults.nft_netlink import NftNetlink, Switch
from harness.faults.outcome import FaultFailed, Outcome
from harness.faults.plan import Action
from harness.faults.route_netlink import RouteNetlink
from harness.network.namespaces import enter
from harness.network.paths import PathInstance
from harness.spec.fault import Rebind

TABLE = "faults_nat"
PORTS = ((1024, 16383), (16384, 31999))
"""Ranges of which each rebinding takes the other one. Both are below the kernel's ephemeral ports, so that the NAT
always changes the port: one that it could keep it would keep, and a rebinding would change nothing."""


def script(path: PathInstance, address: str) -> str:
    """Return the NAT's table: translation to ``address`` with ports of the range whose set has the interface."""
    outside, own = path.forward.shaper.interface, path.from_address
    translations = "\n".join(
        f"        oifname @range{number} ip protocol {protocol} snat ip to {address}:{low}-{high}"
        for number, (low, high) in enumerate(PORTS)
        for protocol in ("tcp", "udp")
    )
    return f"""
    set range0 {{ type ifname; elements = {{ {outside} }}; }}
    set range1 {{ type ifname; }}
    chain translate {{
        type nat hook postrouting priority 100; policy accept;
        ip saddr != {own} accept
{translations}
        oifname {outside} snat ip to {address}
    }}
    chain outgoing {{
        type filter hook forward priority 0; policy accept;
        oifname {outside} ip saddr {own} ct state invalid drop
    }}
    chain incoming {{
        type filter hook input priority 0; policy accept;
        iifname {outside} ip daddr {address} ip protocol tcp drop
        iifname {outside} ip daddr {address} ip protocol udp drop
    }}"""


class Nat:
    """The NAT of one path.

    What comes in for a mapping that it does not know vanishes, as in most home routers: the node itself, which has the
    outer address, must not answer it by RST or ICMP.

    Raises:
        CommandFailed: ``nft`` is missing or the kernel lacks NAT.
        OSError: the node is gone.

    """

    def __init__(self, path: PathInstance) -> None:
        node = path.forward.shaper
        routes = RouteNetlink(node.pid)
        try:
            self.address = routes.own_address(routes.link(node.interface)[0])
        finally:
            routes.close()
        with enter(node.pid):
            # A connection found in its middle, as after a rebinding, is tracked; so is what lies beyond the window
            # that a tracker, which sees less than the ends do, would expect.
            for name, value in (("nf_conntrack_tcp_loose", "1"), ("nf_conntrack_tcp_be_liberal", "1")):
                file = Path("/proc/sys/net/netfilter") / name
                if file.exists():
                    file.write_text(value)
        self._netlink = NftNetlink(node.pid, TABLE, script(path, self.address))
        self._interface = node.interface
        self._range = 0

    def rebind(self) -> Outcome:
        """Forget all mappings, and give ports of the other range from now on.

        Raises:
            OSError: the kernel refused.

        """
        tracked = self._netlink.tracked()
        old, self._range = self._range, 1 - self._range
        self._netlink.switch(
            Switch(f"range{old}", self._interface, on=False), Switch(f"range{self._range}", self._interface, on=True)
        )
        self._netlink.forget_connections()
        low, high = PORTS[self._range]
        return Outcome.now(f"{tracked} mappings forgotten; new ports are {low} to {high}")

    def close(self) -> None:
        """Close the sockets; the translation goes on."""
        self._netlink.close()


class NatFaults:
    """The kind ``rebind``."""

    def __init__(self, nats: Mapping[str, Nat]) -> None:
        """``nats`` are those of the paths that have one, by path."""
        self._nats = nats

    def open(self, actions: Iterable[Action]) -> None:
        """Check that every path that is rebound has a NAT.

        Raises:
            FaultFailed: one has none.

        """
        for action in actions:
            if isinstance(action.spec, Rebind) and action.path not in self._nats:
                raise FaultFailed(f"path {action.path!r} has no NAT to rebind")

    def begin(self, action: Action) -> Outcome:
        """Rebind."""
        return self._nats[action.path or ""].rebind()


def install(path: PathInstance) -> Nat:
    """Set up the NAT of a path; to be called once, after the path has its addresses.

    Raises:
        CommandFailed: ``nft`` is missing or the kernel lacks NAT.

    """
    return Nat(path)
