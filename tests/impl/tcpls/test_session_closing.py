"""How sessions end: in order (section 4.4), in the midst of things, by an alert, for idleness, and by force."""

import os

import pytest

from impl.tcpls.errors import SessionOver
from impl.tcpls.events import ConnectionClosed, PeerClosing, SessionEnded
from impl.tcpls.joining import JoinMode
from impl.tcpls.session import Session
from impl.tcpls.settings import Settings
from impl.tls13.registries import AlertDescription
from tests.support.tcpls import Net, Path

CLEAN = SessionEnded(reason="closed", clean=True)


def net_of(paths: list[Path], **settings: object) -> Net:
    net = Net(settings=Settings(**settings))  # type: ignore[arg-type]
    net.start(paths[0])
    net.reading = True
    for path in paths[1:]:
        net.join(path)
    net.run(1)
    assert len(net.client.connections) == len(net.server.connections) == len(paths)
    return net


def over(net: Net) -> bool:
    return net.client.ended is not None and net.server.ended is not None


def close(net: Net, session: Session, limit: float = 20.0) -> None:
    session.close(net.clock.now)
    net.run(limit, lambda: over(net))


BY = pytest.mark.parametrize("by_client", [True, False], ids=["client", "server"])


def pair(net: Net, by_client: bool) -> tuple[Session, Session]:
    return (net.client, net.server) if by_client else (net.server, net.client)


class TestInOrder:
    @BY
    @pytest.mark.parametrize("connections", [1, 3])
    def test_close_notify_goes_both_ways_on_all_connections(self, by_client: bool, connections: int) -> None:
        net = net_of([Path(delay=0.02 * (1 + number)) for number in range(connections)])
        one, other = pair(net, by_client)
        close(net, one)
        assert one.ended == other.ended == CLEAN
        for session in (one, other):
            closed = net.events(session, ConnectionClosed)
            assert sorted(event.connection_id for event in closed) == list(range(connections))
            assert not any(event.failed for event in closed)
        assert net.events(other, PeerClosing) == [PeerClosing()]

    @BY
    def test_all_that_was_written_comes_before(self, by_client: bool) -> None:
        net = net_of([Path(rate=1e6), Path(rate=2e5, delay=0.1)], scheduler="round-robin")
        one, other = pair(net, by_client)
        data = os.urandom(500_000)
        stream = one.open_stream()
        one.write(stream, data)
        close(net, one)
        assert net.got(other, stream) == data
        assert one.ended == other.ended == CLEAN

    def test_streams_that_were_not_finished_end(self) -> None:
        net = net_of([Path()])
        stream = net.client.open_stream()
        net.client.write(stream, b"x")
        close(net, net.client)
        assert (id(net.server), stream) in net.finished

    @BY
    def test_the_peer_may_still_send_what_it_has(self, by_client: bool) -> None:
        net = net_of([Path(rate=1e6), Path(rate=1e6)])
        one, other = pair(net, by_client)
        data = os.urandom(600_000)
        stream = other.open_stream()
        other.write(stream, data)
        other.finish(stream)
        net.run(0.05)
        close(net, one)
        assert net.got(one, stream) == data
        assert one.ended == other.ended == CLEAN

    def test_both_at_once(self) -> None:
        net = net_of([Path(), Path()])
        net.server.close(net.clock.now)
        close(net, net.client)
        assert net.client.ended == net.server.ended == CLEAN

    def test_takes_longer_than_the_limit_if_data_moves(self) -> None:
        net = net_of([Path(rate=1e5)], close_limit=1.0)
        data = os.urandom(400_000)
        stream = net.client.open_stream()
        net.client.write(stream, data)
        begun = net.clock.now
        close(net, net.client)
        assert net.clock.now - begun > 3
        assert net.got(net.server, stream) == data
        assert net.client.ended == net.server.ended == CLEAN

    def test_nothing_is_sent_behind_it(self) -> None:
        net = net_of([Path()])
        stream = net.client.open_stream()
        net.client.close(net.clock.now)
        for action in (net.client.open_stream, lambda: net.client.write(stream, b"x"), lambda: net.client.join(0.0)):
            with pytest.raises(SessionOver, match="being closed"):
                action()
        net.client.close(net.clock.now)
        net.run(5, lambda: over(net))
        with pytest.raises(SessionOver, match="closed"):
            net.client.open_stream()
        assert net.client.deadline(net.clock.now) is None

    @pytest.mark.parametrize("mode", list(JoinMode))
    def test_a_join_that_is_on_its_way_does_no_harm(self, mode: JoinMode) -> None:
        net = net_of([Path(delay=0.01)])
        net.join(Path(delay=0.2), mode)
        net.server.close(net.clock.now)
        net.run(10, lambda: over(net))
        assert net.client.ended is not None
        assert net.client.ended.clean
        assert net.server.ended is not None

    def test_a_connection_that_dies_in_the_midst_of_it_is_not_waited_for(self) -> None:
        path = Path()
        net = net_of([Path(), path])
        path.dead = True
        begun = net.clock.now
        close(net, net.client)
        assert net.clock.now - begun < 2
        assert net.client.ended == net.server.ended == CLEAN

    def test_a_closed_socket_after_close_notify_is_no_failure(self) -> None:
        """The peer may close its side of the connections right after the alert; what we have still goes to it."""
        net = net_of([Path(rate=1e6)])
        data = os.urandom(300_000)
        stream = net.server.open_stream()
        net.server.write(stream, data)
        net.server.finish(stream)
        net.client.close(net.clock.now)
        net.work()
        net.wires[0].close(client=True)
        net.run(5, lambda: over(net))
        assert net.got(net.client, stream) == data
        assert net.server.ended == CLEAN


class TestByForce:
    @BY
    def test_a_peer_that_does_not_answer(self, by_client: bool) -> None:
        path = Path()
        net = net_of([path], close_limit=3.0)
        one, _ = pair(net, by_client)
        stream = one.open_stream()
        one.write(stream, b"x")
        path.dead = True
        one.close(net.clock.now)
        begun = net.clock.now
        net.run(10, lambda: one.ended is not None)
        assert one.ended == SessionEnded(reason="closed; the peer did not answer in time", clean=False)
        assert net.clock.now - begun == pytest.approx(3.0, abs=0.1)

    @BY
    def test_an_alert_of_the_users_choice(self, by_client: bool) -> None:
        net = net_of([Path(), Path()])
        one, other = pair(net, by_client)
        one.abort(AlertDescription.INTERNAL_ERROR, "changed my mind", net.clock.now)
        net.run(1, lambda: over(net))
        assert one.ended is not None
        assert not one.ended.clean
        assert "changed my mind" in one.ended.reason
        assert other.ended is not None
        assert not other.ended.clean

    def test_a_fatal_alert_reaches_the_peer_with_its_name(self) -> None:
        net = net_of([Path(), Path()])
        net.client.abort(AlertDescription.ACCESS_DENIED, "not you", net.clock.now)
        net.run(1, lambda: over(net))
        assert net.server.ended is not None
        assert "access_denied" in net.server.ended.reason

    def test_the_only_connection_without_close_notify(self) -> None:
        net = net_of([Path()], orphan_limit=2.0)
        net.wires[0].close(client=False)
        net.run(5, lambda: net.client.ended is not None)
        (event,) = net.events(net.client, ConnectionClosed)
        assert "without close_notify" in event.reason
        assert net.client.ended is not None
        assert not net.client.ended.clean

    def test_during_the_handshake(self) -> None:
        net = Net()
        net.client.start(net.clock.now)
        net.client.lost(0, "connection refused", net.clock.now)
        assert net.client.ended is not None
        assert net.client.ended.reason == "connection refused"

    def test_what_comes_afterwards_is_ignored(self) -> None:
        net = net_of([Path()])
        close(net, net.client)
        for session in (net.client, net.server):
            session.lost(0, "reset", net.clock.now)
            session.eof(0, net.clock.now)
            session.tick(net.clock.now + 100)
            session.abort(AlertDescription.INTERNAL_ERROR, "late", net.clock.now)
            assert session.receive(0, bytearray(10), 10, bytearray(20), net.clock.now) == 10
            assert session.transmit(0, net.out, net.clock.now) == 0
            assert not session.has_to_send(0, net.clock.now)
            assert session.events() == []


class TestIdleness:
    def test_ends_a_session_cleanly(self) -> None:
        net = net_of([Path(), Path()], idle_limit=20.0)
        stream = net.client.open_stream()
        net.client.write(stream, b"x")
        net.run(15)
        net.client.write(stream, b"x")
        net.run(19)
        assert net.client.ended is None
        net.run(3)
        assert net.client.ended == net.server.ended == CLEAN

    def test_pings_do_not_count(self) -> None:
        net = net_of([Path()], idle_limit=40.0)
        for _ in range(8):
            net.client.ping(0, net.clock.now)
            net.run(5)
        net.run(5)
        assert net.client.ended == net.server.ended == CLEAN

    def test_no_limit(self) -> None:
        net = net_of([Path()])
        net.run(1000)
        assert net.client.ended is None
        assert list(net.client.connections) == [0]
