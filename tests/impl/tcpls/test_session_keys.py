"""New keys: each connection has its own generation, and a key protects only so many records over all of them."""

import os

import pytest

from impl.tcpls import keys
from impl.tcpls.errors import StreamError
from impl.tcpls.events import KeyLogLine
from impl.tcpls.session import Session
from impl.tcpls.settings import Settings
from tests.support.tcpls import Net, Path

DATA = os.urandom(100_000)


def started(paths: int = 2, **options: object) -> Net:
    net = Net(settings=Settings(**options))  # type: ignore[arg-type]
    net.start(Path())
    net.reading = True
    for _ in range(paths - 1):
        net.join(Path())
    net.run(1)
    return net


def generations(session: Session) -> list[int]:
    return [connection.records.write_generation for connection in session.connections.values()]


def send(net: Net, sender: Session, receiver: Session, pinned: int) -> None:
    stream = sender.open_stream(pinned=pinned)
    sender.write(stream, DATA)
    sender.finish(stream)
    net.run(5, lambda: (id(receiver), stream) in net.finished)
    assert net.got(receiver, stream) == DATA


class TestByTheUser:
    @pytest.mark.parametrize("connection_id", [0, 1])
    def test_that_connection_alone_moves_on(self, connection_id: int) -> None:
        net = started()
        net.client.update_keys(connection_id)
        net.work()
        for _ in range(2):
            for number in (0, 1):
                send(net, net.client, net.server, number)
                send(net, net.server, net.client, number)
        assert generations(net.client) == [int(number == connection_id) for number in (0, 1)]
        assert generations(net.server) == [0, 0]

    def test_a_connection_that_joins_later_begins_at_the_beginning(self) -> None:
        net = started(1)
        net.client.update_keys(0)
        net.work()
        send(net, net.client, net.server, 0)
        net.join(Path())
        net.run(1)
        send(net, net.client, net.server, 1)
        assert generations(net.client) == [1, 0]

    def test_again_and_again_while_data_flow(self) -> None:
        net = started()
        stream = net.client.open_stream()
        for number in range(20):
            net.client.write(stream, DATA)
            net.run(0.003)
            net.client.update_keys(number % 2)
            net.server.update_keys((number + 1) % 2)
        net.client.finish(stream)
        net.run(5, lambda: (id(net.server), stream) in net.finished)
        assert net.got(net.server, stream) == DATA * 20
        net.run(1)
        assert net.client.unacknowledged == 0
        assert generations(net.client) == generations(net.server) == [10, 10]

    def test_acknowledgements_go_on_counting(self) -> None:
        net = started(1)
        for _ in range(3):
            net.client.update_keys(0)
            send(net, net.client, net.server, 0)
        net.run(1)
        connection = net.client.connections[0]
        assert not connection.ledger
        assert connection.confirmed >= connection.records.records_sent - 2

    def test_key_logs_follow(self) -> None:
        net = started()
        net.client.update_keys(1)
        send(net, net.client, net.server, 1)
        net.run(0.5)
        for session in (net.client, net.server):
            lines = [event.line for event in net.events(session, KeyLogLine)]
            (new,) = [line for line in lines if line.startswith("CLIENT_TRAFFIC_SECRET_1 ")]
            (join,) = [line for line in lines if line.startswith("TCPLS_CONNECTION ")]
            assert new.split()[1] == join.split()[1]

    def test_of_an_unknown_connection(self) -> None:
        with pytest.raises(StreamError, match="connection 5 is not part of the session"):
            started().client.update_keys(5)


class TestLimits:
    def test_records_of_all_connections_with_a_key_count_together(self, monkeypatch: pytest.MonkeyPatch) -> None:
        net = started(record_size=1000)
        suite = net.client.connections[0].records.cipher_suite
        assert suite is not None
        monkeypatch.setattr(keys, "_MARGIN", suite.record_limit - 300)
        used = sum(connection.records.records_sent for connection in net.client.connections.values())
        send(net, net.client, net.server, 0)
        assert generations(net.client) == [0, 0]
        for number in (1, 0, 1, 0, 1, 0):  # about 100 records each
            send(net, net.client, net.server, number)
        assert used < 50
        assert all(generation in (1, 2, 3) for generation in generations(net.client))
        by_key: dict[int, int] = net.client._keys._used
        assert max(by_key.values()) <= 300 + 2 * 16
        assert net.server.ended is None
