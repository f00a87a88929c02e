"""When acknowledgements are due, and who carries them."""

import pytest

from impl.tcpls.acknowledging import ack_deadline, ack_is_due, acknowledge, acks_for, quiet_deadline, tell_elsewhere
from impl.tcpls.connection import Connection
from impl.tcpls.frames import Ack
from impl.tcpls.settings import Settings
from tests.support.tcpls import Net, Path

SETTINGS = Settings()


@pytest.fixture
def connections() -> dict[int, Connection]:
    """Two connections of a client, on which something has come and was acknowledged."""
    net = Net()
    net.start(Path())
    net.join(Path())
    net.client.write(net.client.open_stream(), b"x")
    net.run(5)
    return net.client.connections


def records_came(connection: Connection, count: int, now: float) -> None:
    connection.reported = connection.highest_received - count
    acknowledge(connection, count, SETTINGS, now)


class TestMoment:
    def test_soon_for_a_few_records(self, connections: dict[int, Connection]) -> None:
        records_came(connections[0], 1, 10.0)
        due = ack_deadline(connections[0], connections)
        assert due is not None
        assert 10.005 <= due <= 10.025
        acknowledge(connections[0], 1, SETTINGS, 10.004)
        assert ack_deadline(connections[0], connections) == due
        assert not ack_is_due(connections[0], connections, due - 0.001)
        assert ack_is_due(connections[0], connections, due)

    def test_at_once_for_many(self, connections: dict[int, Connection]) -> None:
        connections[0].last_ack = 0.0
        records_came(connections[0], 1, 10.0)
        acknowledge(connections[0], 15, SETTINGS, 10.001)
        assert ack_deadline(connections[0], connections) == 10.001

    def test_none_without_news(self, connections: dict[int, Connection]) -> None:
        connections[0].ack_due = 5.0
        assert ack_deadline(connections[0], connections) is None
        assert not ack_is_due(connections[0], connections, 10.0)
        assert acks_for(connections[0], connections, 10.0) == []

    def test_none_while_nobody_can_send(self, connections: dict[int, Connection]) -> None:
        records_came(connections[0], 1, 10.0)
        connections[0].blocked = True
        assert ack_deadline(connections[0], connections) is None
        connections[0].blocked = False
        assert ack_deadline(connections[0], connections) is not None


class TestCarrier:
    def test_is_the_connection_itself(self, connections: dict[int, Connection]) -> None:
        records_came(connections[0], 1, 10.0)
        assert acks_for(connections[1], connections, 11.0) == []
        assert acks_for(connections[0], connections, 11.0) == [Ack(0, connections[0].highest_received)]
        assert acks_for(connections[0], connections, 11.0) == []

    def test_is_another_one_if_it_cannot(self, connections: dict[int, Connection]) -> None:
        records_came(connections[0], 1, 10.0)
        connections[0].records.close()
        assert acks_for(connections[0], connections, 11.0) == []
        assert acks_for(connections[1], connections, 10.001) == []
        assert acks_for(connections[1], connections, 11.0) == [Ack(0, connections[0].highest_received)]


class TestElsewhere:
    def test_is_told_once(self, connections: dict[int, Connection]) -> None:
        connections[1].control.clear()
        connections[0].told_elsewhere = -1
        tell_elsewhere(connections.values(), connections[1])
        tell_elsewhere(connections.values(), connections[1])
        assert list(connections[1].control) == [(Ack(0, connections[0].highest_received).encode(), False)]

    def test_when_data_has_stopped(self, connections: dict[int, Connection]) -> None:
        connections[0].last_data = None
        assert quiet_deadline(connections[0]) is None
        connections[0].told_elsewhere = -1
        acknowledge(connections[0], 1, SETTINGS, 10.0)
        assert quiet_deadline(connections[0]) == pytest.approx(10.05)
