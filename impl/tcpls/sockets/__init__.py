"""The edge of TCPLS: TCP sockets on asyncio's event loop, what the kernel knows about them, and this host's addresses.

    addresses = await resolve("example.org", 443)
    _, found = await connect_first(candidates, lambda way: connect_tcp(way.local, way.remote, 443))
    link = Link(found.sock, owner)          # owner.readable(link), owner.writable(link), owner.lost(link, error)
    link.send([header, payload])
    link.info(time.monotonic()).srtt

Nothing here knows of sessions, records or frames.
"""

from impl.tcpls.sockets.addresses import Endpoint
from impl.tcpls.sockets.connecting import Connected, connect_tcp
from impl.tcpls.sockets.errors import AllFailed, ConnectFailed, SocketError
from impl.tcpls.sockets.happy_eyeballs import HasRemote, connect_first, interleave
from impl.tcpls.sockets.link import UNSENT_LIMIT, Link, LinkOwner
from impl.tcpls.sockets.listening import accept_tcp, listen_tcp
from impl.tcpls.sockets.options import FastOpenSetting, congestion_of, fast_open_setting, set_congestion
from impl.tcpls.sockets.resolving import resolve
from impl.tcpls.sockets.route_events import AddressWatch
from impl.tcpls.sockets.tcp_info import fast_open_acked, parse_info, read_info

__all__ = [
    "UNSENT_LIMIT",
    "AddressWatch",
    "AllFailed",
    "ConnectFailed",
    "Connected",
    "Endpoint",
    "FastOpenSetting",
    "HasRemote",
    "Link",
    "LinkOwner",
    "SocketError",
    "accept_tcp",
    "congestion_of",
    "connect_first",
    "connect_tcp",
    "fast_open_acked",
    "fast_open_setting",
    "interleave",
    "listen_tcp",
    "parse_info",
    "read_info",
    "resolve",
    "set_congestion",
]
