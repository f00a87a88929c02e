"""Connections that fail: nothing is lost, nothing comes twice, and little is sent again (section 4.2.2)."""

import os
from functools import partial

import pytest

from impl.tcpls.errors import SessionOver
from impl.tcpls.events import (
    ConnectionClosed,
    ConnectionRecovered,
    ConnectionSuspected,
    PingAnswered,
    SessionEnded,
)
from impl.tcpls.frames import Ack, Ping
from impl.tcpls.joining import JoinMode
from impl.tcpls.schedulers import SCHEDULERS
from impl.tcpls.session import Session
from impl.tcpls.settings import Settings
from tests.support.tcpls import Net, Path

DATA = os.urandom(400_000)


def net_of(paths: list[Path], **settings: object) -> Net:
    """A session with a connection on each path."""
    net = Net(settings=Settings(**settings))  # type: ignore[arg-type]
    net.start(paths[0])
    net.reading = True
    for path in paths[1:]:
        net.join(path)
    net.run(1)
    assert len(net.client.connections) == len(net.server.connections) == len(paths)
    return net


def send(net: Net, sender: Session, data: bytes = DATA, pinned: int | None = None) -> int:
    stream = sender.open_stream(pinned=pinned)
    sender.write(stream, data)
    sender.finish(stream)
    net.work()
    return stream


def finish(net: Net, receiver: Session, stream: int, limit: float = 10.0) -> bytes:
    """Run until the end of a stream was read, and return what came on it."""
    net.run(limit, lambda: (id(receiver), stream) in net.finished)
    assert (id(receiver), stream) in net.finished
    return net.got(receiver, stream)


def closed(net: Net, session: Session) -> list[int]:
    return [event.connection_id for event in net.events(session, ConnectionClosed)]


def has_all(net: Net, stream: int, size: int) -> bool:
    return len(net.got(net.server, stream)) == size


BOTH_WAYS = pytest.mark.parametrize("upload", [True, False], ids=["upload", "download"])


def ends(net: Net, upload: bool) -> tuple[Session, Session]:
    return (net.client, net.server) if upload else (net.server, net.client)


class TestMakeBeforeBreak:
    @BOTH_WAYS
    def test_the_other_connection_goes_on(self, upload: bool) -> None:
        net = net_of([Path(rate=1e6), Path(rate=1e6)], scheduler="primary-backup")
        sender, receiver = ends(net, upload)
        stream = send(net, sender)
        net.run(0.15)
        assert sender.connections[1].sent == 0
        net.wires[0].reset()
        assert finish(net, receiver, stream) == DATA
        assert closed(net, net.client) == closed(net, net.server) == [0]

    @BOTH_WAYS
    def test_silence_is_noticed(self, upload: bool) -> None:
        path = Path(rate=1e6)
        net = net_of([path, Path(rate=1e6)], scheduler="primary-backup")
        sender, receiver = ends(net, upload)
        stream = send(net, sender)
        net.run(0.15)
        net.cut(path)
        begun = net.clock.now
        assert finish(net, receiver, stream) == DATA
        assert net.clock.now - begun < 0.8
        suspected = net.events(sender, ConnectionSuspected)
        assert [event.connection_id for event in suspected] == [0]
        net.run(5)
        assert closed(net, sender) == [0]

    def test_only_what_was_not_acknowledged_is_sent_again(self) -> None:
        net = net_of([Path(rate=1e6), Path(rate=1e6)], scheduler="primary-backup")
        stream = send(net, net.client)
        net.run(0.2)
        under_way = net.client.connections[0].ledger.unacknowledged
        assert 0 < under_way < len(DATA) / 2
        before = net.client.connections[0].sent
        net.wires[0].reset()
        assert finish(net, net.server, stream) == DATA
        again = net.client.connections[1].sent + before - len(DATA)
        assert again < under_way + 0.02 * len(DATA)


class TestBreakBeforeMake:
    @pytest.mark.parametrize("mode", list(JoinMode))
    @BOTH_WAYS
    def test_a_new_connection_takes_over(self, upload: bool, mode: JoinMode) -> None:
        net = net_of([Path(rate=1e6)])
        sender, receiver = ends(net, upload)
        stream = send(net, sender)
        net.run(0.15)
        net.wires[0].reset()
        net.run(1)
        assert not net.client.connections
        assert not net.server.connections
        net.join(Path(rate=1e6), mode)
        assert finish(net, receiver, stream) == DATA

    def test_what_is_written_meanwhile_goes_later(self) -> None:
        net = net_of([Path()])
        net.wires[0].reset()
        net.run(1)
        stream = send(net, net.client)
        net.run(1)
        net.join(Path())
        assert finish(net, net.server, stream) == DATA

    def test_nobody_waits_for_ever(self) -> None:
        net = net_of([Path()], orphan_limit=7.0)
        net.wires[0].reset()
        net.run(6.9)
        assert net.client.ended is None
        net.run(0.2)
        assert net.client.ended == net.server.ended == SessionEnded(reason="no connection for 7 s", clean=False)
        with pytest.raises(SessionOver, match="no connection for 7 s"):
            net.client.open_stream()

    def test_the_last_connection_is_kept_though_it_seems_dead(self) -> None:
        path = Path()
        net = net_of([path])
        stream = send(net, net.client)
        net.run(0.05)
        net.cut(path, 20.0)
        net.run(19)
        assert list(net.client.connections) == [0]
        assert finish(net, net.server, stream) == DATA


class TestByEitherEnd:
    @BOTH_WAYS
    def test_the_peer_is_told_of_a_reset(self, upload: bool) -> None:
        """Its socket has noticed nothing: the path is dead for it, and Connection Reset comes another way."""
        path = Path()
        net = net_of([path, Path()])
        one, other = ends(net, upload)
        path.dead = True
        one.lost(0, "interface is down", net.clock.now)
        net.run(0.1)
        (event,) = net.events(other, ConnectionClosed)
        assert (event.connection_id, event.reason) == (0, "the peer says that it was reset")
        assert closed(net, one) == [0]

    def test_acknowledgements_of_a_dead_connection_come_over_another(self) -> None:
        path = Path(delay=0.05)
        net = net_of([path, Path(delay=0.05)])
        stream = net.client.open_stream(pinned=0)
        net.client.write(stream, b"x" * 1000)
        net.run(0.051)
        assert net.got(net.server, stream)
        assert net.client.unacknowledged == 1000
        path.dead = True
        net.server.lost(0, "interface is down", net.clock.now)
        sent = net.client.connections[1].sent
        net.run(0.2)
        assert net.client.unacknowledged == 0
        assert net.client.connections[1].sent == sent


class TestCleanReturn:
    def test_nothing_is_sent_again_in_vain(self) -> None:
        """A path that stalls and comes back with everything: what has not been repeated yet is not repeated."""
        slow = Path(rate=100_000)
        path = Path(rate=1e6)
        net = net_of([path, slow], scheduler="primary-backup")
        stream = send(net, net.client)
        net.run(0.15)
        net.cut(path, 0.35)
        net.run(1, lambda: bool(net.events(net.client, ConnectionRecovered)))
        assert [e.connection_id for e in net.events(net.client, ConnectionSuspected)] == [0]
        repeated = net.client.connections[1].sent
        assert finish(net, net.server, stream) == DATA
        assert [e.connection_id for e in net.events(net.client, ConnectionRecovered)] == [0]
        assert closed(net, net.client) == []
        assert 0 < repeated < 100_000
        assert net.client.connections[1].sent == repeated
        assert sum(c.duplicate for c in net.server.connections.values()) <= repeated

    def test_the_connection_is_used_again(self) -> None:
        path = Path(rate=1e6)
        net = net_of([path, Path(rate=1e6)], scheduler="primary-backup")
        stream = send(net, net.client)
        net.run(0.1)
        net.cut(path, 0.4)
        finish(net, net.server, stream)
        net.run(0.5)
        before = net.client.connections[0].sent
        finish(net, net.server, send(net, net.client))
        assert net.client.connections[0].sent - before > len(DATA) * 0.9


class TestPinnedStreams:
    def test_stay_on_their_connection(self) -> None:
        net = net_of([Path(), Path()])
        finish(net, net.server, send(net, net.client, pinned=1))
        assert net.client.connections[0].sent == 0
        assert net.client.connections[1].sent >= len(DATA)

    @pytest.mark.parametrize("silent", [True, False])
    def test_go_elsewhere_when_it_dies(self, silent: bool) -> None:
        path = Path(rate=1e6)
        net = net_of([Path(rate=1e6), path])
        stream = send(net, net.client, pinned=1)
        net.run(0.1)
        if silent:
            net.cut(path)
        else:
            net.wires[1].reset()
        assert finish(net, net.server, stream) == DATA
        assert net.client.connections[0].sent > 0

    def test_can_be_pinned_later(self) -> None:
        net = net_of([Path(rate=1e6), Path(rate=1e6)], scheduler="primary-backup")
        stream = send(net, net.client)
        net.run(0.1)
        net.client.pin(stream, 1)
        before = net.client.connections[0].sent
        assert finish(net, net.server, stream) == DATA
        assert net.client.connections[0].sent - before < 40_000


class TestSchedulers:
    @pytest.mark.parametrize("scheduler", list(SCHEDULERS))
    def test_survive_the_loss_of_all_connections_but_one(self, scheduler: str) -> None:
        net = net_of([Path(rate=1e6), Path(rate=5e5, delay=0.05), Path(rate=2e6, delay=0.01)], scheduler=scheduler)
        up, down = send(net, net.client), send(net, net.server)
        net.clock.at(net.clock.now + 0.08, net.wires[2].reset)
        net.clock.at(net.clock.now + 0.16, net.wires[0].reset)
        assert finish(net, net.server, up) == DATA
        assert finish(net, net.client, down) == DATA

    @pytest.mark.parametrize("scheduler", ["round-robin", "weighted", "earliest-completion"])
    def test_use_both_paths(self, scheduler: str) -> None:
        net = net_of([Path(rate=1e6), Path(rate=1e6)], scheduler=scheduler)
        begun = net.clock.now
        assert finish(net, net.server, send(net, net.client)) == DATA
        assert net.clock.now - begun < 0.35
        assert min(c.sent for c in net.client.connections.values()) > len(DATA) / 3

    def test_shares_follow_weights(self) -> None:
        net = net_of([Path(rate=1e6), Path(rate=1e6)], scheduler="weighted")
        net.client.set_weight(1, 3.0)
        stream = net.client.open_stream()
        net.client.write(stream, bytes(4_000_000))
        net.run(1.0)
        assert net.client.connections[1].sent > 1.3 * net.client.connections[0].sent
        with pytest.raises(ValueError, match="must be positive"):
            net.client.set_weight(1, 0)

    def test_redundant_sends_everything_twice_and_loses_no_time(self) -> None:
        paths = [Path(rate=1e6), Path(rate=1e6)]
        net = net_of(paths, scheduler="redundant")
        stream = net.client.open_stream()
        arrivals = []
        for number in range(40):
            if number == 20:
                net.cut(paths[0])
            net.client.write(stream, bytes(500))
            begun = net.clock.now
            net.run(0.5, partial(has_all, net, stream, 500 * (number + 1)))
            arrivals.append(net.clock.now - begun)
        assert max(arrivals) < 0.03
        net.run(0.3)
        assert net.server.connections[0].duplicate + net.server.connections[1].duplicate >= 9_000


class TestPing:
    def test_is_answered_at_once(self) -> None:
        net = net_of([Path(delay=0.02), Path(delay=0.1)])
        net.client.ping(1, net.clock.now)
        before = len(net.events(net.client, PingAnswered))
        net.run(1, lambda: len(net.events(net.client, PingAnswered)) > before)
        answer = net.events(net.client, PingAnswered)[-1]
        assert answer.connection_id == 1
        assert answer.seconds == pytest.approx(0.2, abs=0.01)


class TestAcknowledgements:
    def test_are_not_acknowledged(self) -> None:
        net = net_of([Path()], ack_delay=0.025)
        before = len(net.wires[0].log[True]), len(net.wires[0].log[False])
        net.inject(net.client, 0, Ping().encode())
        net.run(0.6)
        assert (len(net.wires[0].log[True]) - before[0], len(net.wires[0].log[False]) - before[1]) == (23, 35)

    def test_padding_and_ack_elicit_none(self) -> None:
        net = net_of([Path()])
        before = len(net.wires[0].log[False])
        net.inject(net.client, 0, bytes(100) + Ack(0, 0).encode())
        net.run(0.6)
        assert len(net.wires[0].log[False]) == before

    def test_come_for_every_16_records_or_soon(self) -> None:
        net = net_of([Path(rate=4e6)], record_size=1000)
        stream = net.client.open_stream()
        before = len(net.wires[0].log[False])
        net.client.write(stream, bytes(985 * 160))
        net.run(1, lambda: net.client.unacknowledged == 0)
        acks = (len(net.wires[0].log[False]) - before) / 35
        assert 8 <= acks <= 14
        net.client.write(stream, b"x")
        begun = net.clock.now
        net.run(1, lambda: net.client.unacknowledged == 0)
        assert net.clock.now - begun < 0.04 + 0.026

    def test_do_not_go_back_and_forth(self) -> None:
        """Both ends wait for data on open streams, over several connections: after a while it is quiet."""
        net = net_of([Path(), Path(), Path()])
        finish(net, net.server, send(net, net.client))
        net.client.open_stream()
        net.client.write(2, b"x")
        net.run(8)
        before = sum(len(wire.log[client]) for wire in net.wires for client in (True, False))
        net.run(10)
        assert sum(len(wire.log[client]) for wire in net.wires for client in (True, False)) - before < 1000


class TestPadding:
    def test_makes_small_records_alike(self) -> None:
        net = net_of([Path()], padding=lambda size, room: min(-size % 256, room))
        stream = net.client.open_stream()
        before = len(net.wires[0].log[True])
        for size in (1, 50, 200):
            net.client.write(stream, bytes(size))
            net.run(0.5)
        log, sizes = bytes(net.wires[0].log[True])[before:], set()
        while log:
            size = int.from_bytes(log[3:5], "big")
            sizes.add(size)
            log = log[5 + size :]
        assert sizes == {256 + 17}
        assert len(net.got(net.server, stream)) == 251
