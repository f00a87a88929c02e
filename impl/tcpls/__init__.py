"""TCPLS (draft-piraux-tcpls-00): TLS 1.3 sessions with streams, over several TCP connections.

The core does no I/O: ``ClientSession``, and ``ServerSession`` from a ``Listener``, take bytes, facts and the time, and
give bytes, events and deadlines. ``impl.tcpls.api`` puts them on asyncio, ``sockets`` is the kernel's edge, ``cli``
the command ``tcpls``, ``endpoint`` the program for the harness. What implements which section of the draft, and what
was decided where it is silent, stands in docs/tcpls.md.
"""

from impl.tcpls.client import ClientSession
from impl.tcpls.errors import SessionOver, StreamError
from impl.tcpls.joining import JoinMode
from impl.tcpls.server import Arrival, Arrived, Listener, ServerSession
from impl.tcpls.session import TRANSMIT_SIZE, Session
from impl.tcpls.settings import Settings
from impl.tcpls.transport_info import TransportInfo

__all__ = [
    "TRANSMIT_SIZE",
    "Arrival",
    "Arrived",
    "ClientSession",
    "JoinMode",
    "Listener",
    "ServerSession",
    "Session",
    "SessionOver",
    "Settings",
    "StreamError",
    "TransportInfo",
]
