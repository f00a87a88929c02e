"""Bounds of memory and state, and the limits that the peer announces."""

import pytest

from impl.tcpls.events import SessionEnded, SessionStarted
from impl.tcpls.frames import Stream
from impl.tcpls.joining import JoinMode
from impl.tcpls.settings import Settings
from tests.support import tls
from tests.support.tcpls import Net, Path


def started(paths: int = 1, client: Settings | None = None, server: Settings | None = None) -> Net:
    net = Net(settings=client, server_settings=server or client)
    net.start(Path())
    for _ in range(paths - 1):
        net.join(Path())
    net.run(1)
    return net


def ended(net: Net) -> SessionEnded:
    assert net.server.ended is not None
    return net.server.ended


class TestReceiving:
    def test_pauses_while_too_much_is_unread(self) -> None:
        net = started(server=Settings(receive_buffer=100_000))
        stream = net.client.open_stream()
        net.client.write(stream, bytes(99_999))
        net.run(1)
        assert not net.server.reading_paused
        net.client.write(stream, b"x")
        net.run(1)
        assert net.server.reading_paused
        net.server.read(stream, 1)
        assert not net.server.reading_paused

    def test_goes_on_for_a_user_who_waits(self) -> None:
        net = started(server=Settings(receive_buffer=1000))
        stream = net.client.open_stream()
        net.client.write(stream, bytes(5000))
        net.run(1)
        assert net.server.reading_paused
        net.server.await_data(1)
        assert not net.server.reading_paused
        net.server.await_data(-1)
        assert net.server.reading_paused

    def test_data_out_of_order_pause_nothing(self) -> None:
        net = started(server=Settings(receive_buffer=1000))
        net.inject(net.client, 0, Stream(0, 1, bytes(5000)).encode())
        net.run(1)
        assert not net.server.reading_paused

    @pytest.mark.parametrize("offset", [0, 1], ids=["unread", "out of order"])
    def test_beyond_the_limit_the_session_ends(self, offset: int) -> None:
        net = started(server=Settings(receive_buffer=50_000, receive_limit=51_000))
        for number in range(5):
            net.inject(net.client, 0, Stream(0, offset + number * 10_000, bytes(10_000)).encode())
        net.run(1)
        assert net.server.ended is None
        net.inject(net.client, 0, Stream(0, offset + 50_000, bytes(1000)).encode())
        net.run(1)
        assert not ended(net).clean
        assert "51000 bytes wait to be read" in ended(net).reason
        assert "receive_limit" in ended(net).reason
        assert net.client.ended is not None
        assert "internal_error" in net.client.ended.reason


class TestSending:
    def test_stops_while_too_much_is_unacknowledged(self) -> None:
        net = Net(settings=Settings(send_limit=200_000))
        net.start(Path(delay=0.5))
        net.run(2)
        net.reading = True
        stream = net.client.open_stream()
        net.client.write(stream, bytes(1_000_000))
        net.run(0.9)
        sent = 1_000_000 - net.client.unsent(stream)
        assert 200_000 <= sent < 200_000 + 2 * 2**16
        net.run(10, lambda: len(net.got(net.server, stream)) == 1_000_000)
        assert len(net.got(net.server, stream)) == 1_000_000

    def test_at_the_limit_what_is_lost_is_sent_again(self) -> None:
        net = started(2, client=Settings(send_limit=100_000, scheduler="primary-backup"))
        net.reading = True
        stream = net.client.open_stream()
        net.client.write(stream, bytes(500_000))
        net.wires[0].path.dead = True
        net.run(10, lambda: len(net.got(net.server, stream)) == 500_000)
        assert len(net.got(net.server, stream)) == 500_000


class TestStreams:
    def test_no_more_than_allowed_may_be_open(self) -> None:
        net = started(server=Settings(max_streams=3))
        for _ in range(3):
            net.client.write(net.client.open_stream(), b"x")
        net.run(1)
        assert net.server.ended is None
        net.client.write(net.client.open_stream(), b"x")
        net.run(1)
        assert "opens stream 6 and has 3 open; 3 are allowed" in ended(net).reason

    def test_those_that_are_over_do_not_count(self) -> None:
        net = started(server=Settings(max_streams=2))
        net.reading = True
        for _ in range(6):
            stream = net.client.open_stream()
            net.client.finish(stream)
            net.run(0.1)
            net.server.finish(stream)
            net.run(0.3)
        assert net.server.ended is None
        assert len(net.client.streams) == 0


class TestRecordSizes:
    @pytest.mark.parametrize("mode", list(JoinMode))
    def test_a_record_size_limit_holds_on_all_connections(self, mode: JoinMode) -> None:
        net = Net(
            client_config=tls.client_config(record_size_limit=600),
            server_config=tls.server_config(record_size_limit=900),
        )
        net.start(Path())
        net.reading = True
        net.join(Path(), mode)
        net.run(1)
        for session, peer in ((net.client, net.server), (net.server, net.client)):
            stream = session.open_stream(pinned=1)
            session.write(stream, bytes(20_000))
            session.finish(stream)
            net.run(2)
            assert len(net.got(peer, stream)) == 20_000
        records = net.wires[1].log
        for client, limit in ((True, 899), (False, 599)):
            sizes = sizes_in(bytes(records[client]))[3:]  # behind what looks like a handshake
            assert max(sizes) == limit + 17

    @pytest.mark.parametrize("size", [64, 500, 2**14])
    def test_of_our_own_choice(self, size: int) -> None:
        net = started(client=Settings(record_size=size))
        net.reading = True
        stream = net.client.open_stream()
        before = len(net.wires[0].log[True])
        net.client.write(stream, bytes(100_000))
        net.run(5, lambda: len(net.got(net.server, stream)) == 100_000)
        assert max(sizes_in(bytes(net.wires[0].log[True])[before:])) <= size + 17
        assert len(net.got(net.server, stream)) == 100_000


def sizes_in(log: bytes) -> list[int]:
    sizes = []
    while log:
        sizes.append(int.from_bytes(log[3:5], "big"))
        log = log[5 + sizes[-1] :]
    return sizes


class TestHandshake:
    def test_the_user_hears_of_its_end_once(self) -> None:
        net = started()
        assert len(net.events(net.client, SessionStarted)) == len(net.events(net.server, SessionStarted)) == 1
