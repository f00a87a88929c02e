"""One connection as schedulers see it."""

from dataclasses import replace

import pytest

from impl.tcpls.connection import Connection
from impl.tcpls.transport_info import TransportInfo
from tests.support.tcpls import Net, Path

INFO = TransportInfo(
    srtt=0.05,
    rttvar=0.01,
    min_rtt=0.04,
    cwnd=100_000,
    mss=1448,
    unacked=3000,
    unsent=2000,
    delivery_rate=1e6,
    app_limited=False,
    last_ack=1000.0,
    retransmits=0,
    send_window=2**20,
    established=True,
)


@pytest.fixture
def connection() -> Connection:
    net = Net()
    net.start(Path())
    connection = net.client.connections[0]
    connection.info, connection.handed = None, 0
    return connection


class TestEstimates:
    def test_before_the_kernel_has_said_anything(self, connection: Connection) -> None:
        assert connection.rate == 0.0
        assert connection.srtt == 0.1
        connection.handed = 500
        assert connection.queued == 500

    def test_of_what_the_kernel_says(self, connection: Connection) -> None:
        connection.info, connection.handed = INFO, 100
        assert connection.queued == 5100
        assert connection.srtt == 0.05
        assert connection.rate == 1e6

    def test_of_a_rate_that_the_application_has_limited(self, connection: Connection) -> None:
        connection.info = replace(INFO, app_limited=True)
        assert connection.rate == 2e6

    def test_of_no_rate(self, connection: Connection) -> None:
        connection.info = replace(INFO, delivery_rate=0.0)
        assert connection.rate == 2e6
        connection.info = replace(INFO, srtt=0.0)
        assert connection.rate == 0.0

    def test_a_new_reading_counts_what_was_handed_over(self, connection: Connection) -> None:
        connection.handed = 700
        connection.observe(INFO, 1001.0)
        assert connection.handed == 0
        assert connection.info is INFO


class TestUsability:
    def test_ends_with_close_notify(self, connection: Connection) -> None:
        assert connection.usable
        connection.records.close()
        assert not connection.usable

    def test_not_before_an_apparent_handshake_is_over(self, connection: Connection) -> None:
        connection.awaits_preamble = True
        assert not connection.usable
        connection.records.update_keys()
        assert not connection.records_waiting
        connection.awaits_preamble = False
        assert connection.records_waiting
