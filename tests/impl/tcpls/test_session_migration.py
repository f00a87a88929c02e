"""Moving from one connection to another at the application's word (section 4.2.3)."""

import os

import pytest

from impl.tcpls.errors import StreamError
from impl.tcpls.events import ConnectionSuspected, PathPreferred
from impl.tcpls.session import Session
from impl.tcpls.settings import Settings
from tests.support.tcpls import Net, Path

DATA = os.urandom(1_500_000)


def two_paths(delays: tuple[float, float] = (0.02, 0.02)) -> Net:
    net = Net(settings=Settings(scheduler="primary-backup"))
    net.start(Path(rate=1e6, delay=delays[0]))
    net.reading = True
    net.join(Path(rate=1e6, delay=delays[1]))
    net.run(1)
    return net


def begin(net: Net, sender: Session, data: bytes = DATA) -> int:
    stream = sender.open_stream()
    sender.write(stream, data)
    sender.finish(stream)
    net.run(0.15)
    return stream


def finish(net: Net, receiver: Session, stream: int) -> None:
    net.run(10, lambda: (id(receiver), stream) in net.finished)
    assert net.got(receiver, stream) == DATA


def migrate(net: Net, session: Session, connection_id: int) -> None:
    session.migrate(connection_id, net.clock.now)
    net.work()


def turned(net: Net, session: Session, left: int) -> int:
    """Run until the connection that was left helps out no more; what was sent on it in all."""
    net.run(0.7)
    return session.connections[left].sent


class TestUpload:
    def test_new_data_goes_over_the_other_connection(self) -> None:
        net = two_paths()
        stream = begin(net, net.client)
        migrate(net, net.client, 1)
        before = turned(net, net.client, 0)
        finish(net, net.server, stream)
        assert net.client.connections[0].sent == before
        assert net.client.connections[1].sent > len(DATA) - before
        assert net.events(net.client, PathPreferred) == [PathPreferred(connection_id=1)]

    def test_there_and_back(self) -> None:
        net = two_paths((0.02, 0.04))
        stream = begin(net, net.client)
        migrate(net, net.client, 1)
        net.run(0.15)
        first = net.client.connections[0].sent
        migrate(net, net.client, 0)
        second = turned(net, net.client, 1)
        assert second > 50_000
        finish(net, net.server, stream)
        assert net.client.connections[0].sent > first
        assert net.client.connections[1].sent == second
        assert not net.events(net.client, ConnectionSuspected)

    def test_what_is_under_way_is_not_sent_again(self) -> None:
        net = two_paths()
        stream = begin(net, net.client)
        migrate(net, net.client, 1)
        finish(net, net.server, stream)
        assert sum(c.duplicate for c in net.server.connections.values()) == 0


class TestTheServerFollows:
    def test_with_a_download(self) -> None:
        net = two_paths()
        net.client.write(net.client.open_stream(), b"request")
        stream = begin(net, net.server)
        before = net.server.connections[0].sent
        assert before > 100_000
        migrate(net, net.client, 1)
        net.run(0.021)
        assert net.events(net.server, PathPreferred) == [PathPreferred(connection_id=1)]
        carried = turned(net, net.server, 0)
        finish(net, net.client, stream)
        assert net.server.connections[0].sent == carried
        assert net.server.connections[1].sent > len(DATA) - carried

    @pytest.mark.parametrize("delays", [(0.02, 0.005), (0.005, 0.04), (0.1, 0.005)])
    def test_with_data_both_ways_and_older_data_still_to_come(self, delays: tuple[float, float]) -> None:
        net = two_paths(delays)
        up = begin(net, net.client)
        down = begin(net, net.server)
        migrate(net, net.client, 1)
        carried = turned(net, net.server, 0)
        finish(net, net.server, up)
        finish(net, net.client, down)
        assert net.events(net.server, PathPreferred) == [PathPreferred(connection_id=1)]
        assert net.server.connections[0].sent == carried

    def test_back_again(self) -> None:
        net = two_paths()
        net.client.write(net.client.open_stream(), b"request")
        stream = begin(net, net.server)
        for connection_id in (1, 0, 1):
            migrate(net, net.client, connection_id)
            net.run(0.1)
        finish(net, net.client, stream)
        assert net.events(net.server, PathPreferred) == [PathPreferred(connection_id=n) for n in (1, 0, 1)]

    def test_not_if_it_spreads_data_anyway(self) -> None:
        net = Net(settings=Settings(scheduler="primary-backup"), server_settings=Settings(scheduler="round-robin"))
        net.start(Path())
        net.reading = True
        net.join(Path())
        net.run(1)
        net.client.write(net.client.open_stream(), b"request")
        migrate(net, net.client, 1)
        net.run(1)
        assert not net.events(net.server, PathPreferred)


class TestByTheServer:
    def test_its_own_data_move(self) -> None:
        net = two_paths()
        stream = begin(net, net.server)
        migrate(net, net.server, 1)
        before = turned(net, net.server, 0)
        finish(net, net.client, stream)
        assert net.server.connections[0].sent == before
        assert not net.events(net.client, PathPreferred)


class TestHandOver:
    def test_the_old_connection_helps_out_until_the_new_one_has_gathered_speed(self) -> None:
        net = two_paths()
        begin(net, net.client)
        before = net.client.connections[0].sent
        migrate(net, net.client, 1)
        assert turned(net, net.client, 0) > before


class TestToTheUnknown:
    def test_a_connection_that_is_not_there(self) -> None:
        net = two_paths()
        with pytest.raises(StreamError, match=r"connection 7 is not part of the session; there are \[0, 1\]"):
            net.client.migrate(7, net.clock.now)

    def test_before_anything_was_sent(self) -> None:
        net = two_paths()
        migrate(net, net.client, 1)
        assert turned(net, net.client, 0) == 0
        stream = net.client.open_stream()
        net.client.write(stream, DATA)
        net.client.finish(stream)
        finish(net, net.server, stream)
        assert net.client.connections[0].sent == 0
