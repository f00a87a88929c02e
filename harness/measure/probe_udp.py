"""UDP latency probes of one path: single packets each way, and one answer to each forward packet."""

import socket
import struct
import time
from collections.abc import Iterator

from harness.measure.datagrams import Address, Datagram, Receiver, open_socket, unpack_address
from harness.measure.probe_book import ProbeBook, Result, Series
from harness.network.namespaces import enter
from harness.network.paths import Family

# Which path (token), what, sequence number, and how long the answering end held the packet.
_HEADER = struct.Struct("!4sBxIQ")
_FORWARD, _BACKWARD, _ANSWER = range(3)


class UdpEnd:
    """A socket at one end, opened again whenever the network took away what it needs."""

    def __init__(self, pid: int, family: Family, address: str) -> None:
        self._pid = pid
        self._family = family
        self._address = address
        self.port = 0
        self.socket: socket.socket | None = None
        self._receiver: Receiver | None = None

    def ready(self) -> bool:
        """Open the socket if it is not; return whether it is open (the address may be gone for now)."""
        if self.socket is None:
            try:
                with enter(self._pid):
                    # The same port again, so that the other end need not learn a new one.
                    self.socket = open_socket(self._family, self._address, self.port)
            except OSError:
                return False
            self.port = self.socket.getsockname()[1]
            self._receiver = Receiver(self.socket)
        return True

    def send(self, packet: bytes, peer: Address) -> bool:
        """Send; return False if that is not possible now (no route, no address, filtered, full)."""
        if not self.ready():
            return False
        assert self.socket is not None
        try:
            self.socket.sendto(packet, peer)
        except OSError:
            return False
        return True

    def receive(self) -> list[Datagram]:
        """Return what has arrived."""
        return [] if self._receiver is None else self._receiver.receive()

    def close(self) -> None:
        """Close the socket."""
        if self.socket is not None:
            self.socket.close()
            self.socket = None
            self._receiver = None


class UdpProbe:
    """Sends one packet each way at every ``probe`` and takes what arrives.

    The packet in each direction does not depend on the other one: with one direction dead, the other is still measured.
    The round trip is that of a forward packet and its answer, without the time for which the answering end held it.
    """

    def __init__(self, path: str, token: bytes, client: UdpEnd, server: UdpEnd, addresses: tuple[str, str]) -> None:
        assert len(token) == 4
        self._token = token
        self.client = client
        self.server = server
        self._client_address, self._server_address = addresses
        # Learned from forward packets: behind address translation, and after it was bound anew, it is another one.
        self._learned: Address | None = None
        self._sequence = 0
        self._sent_ns: dict[tuple[int, int], int] = {}
        self._forward = Series("udp", path, "forward")
        self._backward = Series("udp", path, "backward")
        self._round_trip = Series("udp", path, "round_trip")

    def probe(self, book: ProbeBook, now_ns: int) -> Iterator[Result]:
        """Send one packet each way; yield those that could not be sent, as lost."""
        sequence = self._sequence
        self._sequence += 1
        # Stamps of more than the last probes are of no use: the book has given them up.
        for kind in (_FORWARD, _BACKWARD):
            self._sent_ns.pop((kind, sequence - 10_000), None)
        server_open, client_open = self.server.ready(), self.client.ready()
        for series in (self._forward, self._backward, self._round_trip):
            book.sent(series, sequence, now_ns)
        went = server_open and self._send(self.client, _FORWARD, sequence, (self._server_address, self.server.port))
        if not went:
            yield from _found(book.failed(self._forward, sequence), book.failed(self._round_trip, sequence))
        to_client = self._learned or (self._client_address, self.client.port)
        if not (client_open and self._send(self.server, _BACKWARD, sequence, to_client)):
            yield from _found(book.failed(self._backward, sequence))

    def _send(self, end: UdpEnd, kind: int, sequence: int, peer: Address) -> bool:
        packet = _HEADER.pack(self._token, kind, sequence, 0)
        self._sent_ns[kind, sequence] = time.time_ns()
        return end.send(packet, peer)

    def receive(self, book: ProbeBook) -> Iterator[Result]:
        """Take what has arrived at both ends, answer forward packets, and yield results."""
        for datagram in self.server.receive():
            header = self._header(datagram)
            if header is not None and header[0] == _FORWARD:
                _, sequence, _ = header
                self._learned = unpack_address(datagram.sender)
                held = max(0, time.time_ns() - datagram.arrived_ns)
                self.server.send(_HEADER.pack(self._token, _ANSWER, sequence, held), self._learned)
                yield from self._took(book, self._forward, (_FORWARD, sequence), datagram.arrived_ns)
        for datagram in self.client.receive():
            header = self._header(datagram)
            if header is None:
                continue
            kind, sequence, held = header
            if kind == _BACKWARD:
                yield from self._took(book, self._backward, (_BACKWARD, sequence), datagram.arrived_ns)
            elif kind == _ANSWER:
                yield from self._took(book, self._round_trip, (_FORWARD, sequence), datagram.arrived_ns - held)

    def _header(self, datagram: Datagram) -> tuple[int, int, int] | None:
        if len(datagram.head) < _HEADER.size:
            return None
        token, kind, sequence, held = _HEADER.unpack(datagram.head)
        return (kind, sequence, held) if token == self._token else None

    def _took(self, book: ProbeBook, series: Series, sent: tuple[int, int], arrived_ns: int) -> Iterator[Result]:
        if sent in self._sent_ns:
            yield from _found(book.arrived(series, sent[1], max(0, arrived_ns - self._sent_ns[sent])))

    def close(self) -> None:
        """Close both sockets."""
        self.client.close()
        self.server.close()


def _found(*results: Result | None) -> list[Result]:
    return [result for result in results if result is not None]
