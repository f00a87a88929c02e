"""Addresses that come and go, told by the kernel (rtnetlink) the moment they do; needs no privileges."""

import asyncio
import errno
import socket
from collections.abc import Callable
from typing import Final

from impl.nfqueue.netlink import NETLINK_ROUTE
from impl.tcpls.sockets.address_table import AddressTable
from impl.tcpls.sockets.errors import SocketError
from impl.tcpls.sockets.route_messages import (
    GROUPS_ADDRESSES,
    GROUPS_ROUTES,
    RTM_GETADDR,
    RTM_GETLINK,
    DumpEnd,
    RouteRecord,
    encode_dump,
    iter_records,
)

RECEIVE_BUFFER: Final = 1 << 18
"""Size of the socket's buffer, bytes: room for some hundreds of events; more at once mean a new listing."""

_DATAGRAM: Final = 1 << 16
_DATAGRAMS_AT_ONCE: Final = 64
_PATIENCE: Final = 5.0
_RETRY: Final = 1.0
_DUMPS: Final = (RTM_GETLINK, RTM_GETADDR)

OnChange = Callable[[frozenset[str], frozenset[str], frozenset[str]], None]
"""Gets the addresses that are present now, those that have gone and those that have come."""


class AddressWatch:
    """Keeps the set of addresses that this host can use, in the network namespace of the thread that makes it.

    An address counts while it exists, duplicate address detection does not forbid it, and its interface is up and has a
    carrier. It is written as ``ipaddress`` writes it, a link-local IPv6 one with its interface: ``fe80::1%eth0``.

    Args:
        loop: the event loop that runs, or will.
        on_change: told of each change of the set, from the loop; several at once are one.
        on_routes: told, from the loop, when routes came or went, other than the host's own addresses; a server may be
            reachable then that was not. None: they are not watched.
        receive_buffer: size of the socket's buffer, bytes.

    Raises:
        SocketError: the kernel gives no rtnetlink socket, or no listing; the message says why.

    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        on_change: OnChange,
        *,
        on_routes: Callable[[], None] | None = None,
        receive_buffer: int = RECEIVE_BUFFER,
    ) -> None:
        self._loop = loop
        self._on_change: OnChange | None = on_change
        self._on_routes = on_routes
        self._sequence = 0
        # While a listing runs, it and the events that come between its parts go into a table of its own. The kernel
        # queues both in the order of their time, so that the last word on each address is right.
        self._listing: AddressTable | None = None
        self._dumps: list[int] = []
        self._again = False
        self._table = AddressTable()
        self._routes_changed = False
        self._retry: asyncio.TimerHandle | None = None
        try:
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_ROUTE)
        except OSError as error:
            raise SocketError(f"addresses cannot be watched: no rtnetlink socket: {error.strerror}") from None
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            self._socket.bind((0, GROUPS_ADDRESSES | (GROUPS_ROUTES if on_routes is not None else 0)))
            # The kernel answers within the calls themselves: this first listing waits for nobody.
            self._socket.settimeout(_PATIENCE)
            self._begin_listing()
            while self._listing is not None:
                self._take(self._receive())
            self._socket.setblocking(False)
            loop.add_reader(self._socket, self._on_readable)
        except OSError as error:
            self._socket.close()
            raise SocketError(f"addresses cannot be watched: rtnetlink: {error.strerror or error}") from None
        except BaseException:
            self._socket.close()
            raise
        self._routes_changed = False
        self._present = self._table.present()

    @property
    def present(self) -> frozenset[str]:
        """The addresses that can be used, as of the last event read."""
        return self._present

    def close(self) -> None:
        """Watch no more; once is enough, more does no harm."""
        if self._on_change is not None:
            self._on_change = self._on_routes = None
            if self._retry is not None:
                self._retry.cancel()
            self._loop.remove_reader(self._socket)
            self._socket.close()

    def _begin_listing(self) -> None:
        self._listing = AddressTable()
        self._dumps = list(_DUMPS)
        self._again = False
        self._request()

    def _request(self) -> None:
        self._sequence += 1
        self._socket.send(encode_dump(self._dumps[0], self._sequence))

    def _on_readable(self) -> None:
        try:
            for _ in range(_DATAGRAMS_AT_ONCE):
                self._take(self._receive())
        except BlockingIOError:
            pass
        except OSError:
            # The kernel is out of memory, say. What is known may be out of date, until a new listing has succeeded.
            if self._retry is None:
                self._retry = self._loop.call_later(_RETRY, self._try_again)
            return
        if self._listing is None:
            self._tell()

    def _try_again(self) -> None:
        self._retry = None
        try:
            self._begin_listing()
        except OSError:
            self._retry = self._loop.call_later(_RETRY, self._try_again)

    def _receive(self) -> bytes | None:
        """Return the next datagram of the kernel; None if events were lost.

        Raises:
            BlockingIOError: there is none.
            OSError: the first listing is not answered.

        """
        while True:
            try:
                data, sender = self._socket.recvfrom(_DATAGRAM)
            except OSError as error:
                if error.errno == errno.ENOBUFS:
                    return None
                raise
            if sender[0] == 0:  # and not another process
                return data

    def _take(self, datagram: bytes | None) -> None:
        if datagram is None:
            if self._listing is None:
                self._begin_listing()
            else:
                self._again = True  # one request at a time: the kernel refuses a second
            self._routes_changed = True  # for all that is known
            return
        table = self._listing if self._listing is not None else self._table
        for record in iter_records(datagram):
            if isinstance(record, DumpEnd):
                self._end_part(record)
            elif isinstance(record, RouteRecord):
                self._routes_changed = True
            else:
                table.apply(record)

    def _end_part(self, end: DumpEnd) -> None:
        if self._listing is None or end.sequence != self._sequence:
            return
        if end.error is not None and end.error.errno != errno.EINTR:
            raise end.error
        self._again |= end.interrupted or end.error is not None
        if self._again:
            self._begin_listing()
            return
        del self._dumps[0]
        if self._dumps:
            self._request()
        else:
            self._table, self._listing = self._listing, None

    def _tell(self) -> None:
        before, self._present = self._present, self._table.present()
        changed, self._routes_changed = self._routes_changed, False
        if before != self._present and self._on_change is not None:
            self._on_change(self._present, before - self._present, self._present - before)
        if changed and self._on_routes is not None:
            self._on_routes()
