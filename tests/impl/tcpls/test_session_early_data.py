"""Tests of early data: frames before the handshake, taken, refused, replayed to a peer without TCPLS."""

from dataclasses import replace
from itertools import count

from impl.tcpls.settings import Settings
from impl.tls13 import ReplayGuard, ServerConfig, TicketProtection
from impl.tls13.events import TicketReceived
from impl.tls13.sessions import Session as Resumption
from tests.support import tls
from tests.support.tcpls import Net, Path, Wire

TICKETS = TicketProtection()


def server_config(limit: int = 2**14) -> ServerConfig:
    return tls.server_config(
        tickets=TICKETS, max_early_data=limit, replay_guard=ReplayGuard(not_before=0.0) if limit else None
    )


def net_with(session: Resumption | None, *, limit: int = 2**14, settings: Settings | None = None) -> Net:
    net = Net(settings=settings, client_config=tls.client_config(session=session, early_data=True))
    net.listener.config = replace(server_config(limit), hold=True)
    if session is not None:
        net.clock.now += 60  # the ticket is of before
    return net


def ticket(limit: int = 2**14) -> Resumption:
    """Begin a session, and return what the server offers to resume."""
    net = net_with(None, limit=limit)
    net.start(Path())
    net.run(1)
    return next(event.session for event in net.client_events if isinstance(event, TicketReceived))


def begin(net: Net, *datas: bytes) -> Wire:
    """Write to streams, and begin the handshake."""
    for data in datas:
        stream = net.client.open_stream()
        net.client.write(stream, data)
        net.client.finish(stream)
    wire = Wire(net, Path(), 0)
    net.wires.append(wire)
    net.client.start(net.clock.now)
    net.work()
    return wire


class TestTaken:
    def test_they_arrive_with_the_client_hello(self) -> None:
        net = net_with(ticket())
        begin(net, b"early")
        net.run(0.03)  # half a round trip
        assert not net.server.started
        assert b"".join(chunk.data for chunk in net.server.read(0)) == b"early"

    def test_they_are_acknowledged_with_the_first_record(self) -> None:
        net = net_with(ticket())
        begin(net, b"early", b"bird")
        net.run(1)
        assert net.client.unacknowledged == 0
        assert net.collect(net.server, 0) == b"early"
        assert net.collect(net.server, 2) == b"bird"
        assert net.server.connections[0].duplicate == 0

    def test_what_is_beyond_the_limit_follows_the_handshake(self) -> None:
        net = net_with(ticket(limit=3000), limit=3000)
        data = bytes(range(256)) * 100
        begin(net, data)
        net.run(0.03)
        early = b"".join(bytes(chunk.data) for chunk in net.server.read(0))
        assert 2900 < len(early) < 3000
        assert early + net.collect(net.server, 0) == data

    def test_in_small_records(self) -> None:
        net = net_with(ticket(), settings=Settings(record_size=100))
        data = bytes(range(256)) * 4
        begin(net, data)
        net.run(0.03)
        assert b"".join(bytes(chunk.data) for chunk in net.server.read(0)) == data

    def test_the_session_goes_on_with_further_connections(self) -> None:
        net = net_with(ticket())
        begin(net, b"early")
        net.run(1)
        net.join(Path())
        data = bytes(500_000)
        assert net.transfer(net.server, net.client, data) == data


class TestRefused:
    def test_they_are_sent_again(self) -> None:
        session = ticket()
        net = net_with(session, limit=0)
        begin(net, b"early")
        net.run(1)
        assert net.collect(net.server, 0) == b"early"
        assert net.client.unacknowledged == 0

    def test_without_a_session_they_wait_for_the_handshake(self) -> None:
        net = net_with(None)
        begin(net, b"not so early")
        net.run(1)
        assert net.collect(net.server, 0) == b"not so early"

    def test_a_peer_that_takes_them_and_has_no_tcpls_ends_the_session(self) -> None:
        net = net_with(ticket())
        # Another number for the extension: the server does not see it.
        net.listener.settings = Settings(tcpls_extension=0xFFAA)
        begin(net, b"early")
        net.run(1)
        assert net.client.ended is not None
        assert not net.client.ended.clean
        assert "plain TLS" in net.client.ended.reason


def test_streams_beyond_the_first_need_a_peer_with_tcpls() -> None:
    net = Net()
    net.listener.settings = Settings(tcpls_extension=0xFFAA)
    numbers = count()
    begin(net, *(bytes((next(numbers),)) for _ in range(3)))
    net.run(1)
    assert net.client.ended is not None
    assert "one stream, and 3 were opened" in net.client.ended.reason
