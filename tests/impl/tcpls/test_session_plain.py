"""A peer that does not know TCPLS: plain TLS 1.3 with one stream, at both ends."""

import os

import pytest

from impl.tcpls.client import ClientSession
from impl.tcpls.errors import SessionOver, StreamError
from impl.tcpls.events import ConnectionClosed, Event, PeerClosing, SessionEnded, SessionStarted, StreamOpened
from impl.tcpls.server import Listener, ServerSession
from impl.tcpls.session import TRANSMIT_SIZE, Session
from impl.tcpls.settings import Settings
from impl.tls13 import ApplicationDataReceived, Client, Connection, PeerClosed, Server
from impl.tls13.registries import AlertDescription
from tests.support import tls

NOW = 50.0
WALL = tls.NOW - NOW


class Between:
    """A session of ours and a TLS peer, with nothing between them."""

    def __init__(self, session: Session, peer: Client | Server) -> None:
        self.session: Session = session
        self.peer: Connection = peer  # type: ignore[type-arg]
        self.events: list[Event] = []
        self.data = bytearray()
        self.peer_closed = False
        self.out = bytearray(TRANSMIT_SIZE)

    def run(self) -> None:
        """Hand over bytes until both sides are silent."""
        while True:
            size = self.session.transmit(0, self.out, NOW)
            to_peer = bytes(self.out[:size])
            for event in self.session.events():
                self.events.append(event)
                if isinstance(event, ConnectionClosed):
                    to_peer += event.farewell
            to_us = self.peer.data_to_send()
            if not to_peer and not to_us:
                return
            for told in self.peer.receive(to_peer, tls.NOW) if to_peer else []:
                if isinstance(told, ApplicationDataReceived):
                    self.data += told.data
                self.peer_closed |= isinstance(told, PeerClosed)
            if to_us:
                buffer = bytearray(to_us)
                taken = self.session.receive(0, buffer, len(buffer), bytearray(len(to_us) + 2**15), NOW)
                assert taken == len(buffer)

    def kinds(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]

    def read(self) -> bytes:
        return b"".join(chunk.data for chunk in self.session.read(0))


def our_client() -> Between:
    session = ClientSession(tls.client_config(), Settings(), NOW, wall=WALL)
    between = Between(session, Server(tls.server_config()))
    session.start(NOW)
    between.run()
    return between


def our_server() -> Between:
    listener = Listener(tls.server_config(), Settings(), wall=WALL)
    client = Client(tls.client_config())
    client.start(tls.NOW)
    arrived = listener.accept().receive(client.data_to_send(), NOW)
    assert arrived is not None
    between = Between(arrived.session, client)
    between.run()
    return between


@pytest.fixture(params=[our_client, our_server], ids=["client", "server"])
def between(request: pytest.FixtureRequest) -> Between:
    both: Between = request.param()
    if isinstance(both.session, ServerSession):
        both.peer.send(b"hello")
    else:
        both.session.open_stream()
        both.peer.send(b"hello")
    both.run()
    assert both.read() == b"hello"
    return both


class TestBeginning:
    @pytest.mark.parametrize("make", [our_client, our_server])
    def test_the_user_learns_it(self, make: object) -> None:
        both: Between = make()  # type: ignore[operator]
        (start,) = both.kinds(SessionStarted)
        assert isinstance(start, SessionStarted)
        assert not start.tcpls
        assert both.session.tcpls is False

    def test_there_is_one_stream_the_clients(self) -> None:
        client = our_client().session
        assert client.open_stream() == 0
        with pytest.raises(StreamError, match="plain TLS, which has one stream"):
            client.open_stream()
        with pytest.raises(StreamError, match="plain TLS"):
            our_server().session.open_stream()

    def test_servers_see_it_opened(self) -> None:
        both = our_server()
        both.peer.send(b"x")
        both.run()
        assert both.kinds(StreamOpened) == [StreamOpened(stream_id=0)]

    def test_nothing_can_be_joined(self) -> None:
        session = our_client().session
        assert isinstance(session, ClientSession)
        with pytest.raises(StreamError, match="once the peer has shown that it speaks TCPLS"):
            session.join(NOW)


class TestData:
    def test_both_ways(self, between: Between) -> None:
        data = os.urandom(300_000)
        between.session.write(0, data)
        between.peer.send(data[::-1][:50_000])
        between.run()
        assert between.data == data
        assert between.read() == data[::-1][:50_000]
        assert between.session.unacknowledged == 0

    def test_new_keys_of_the_peer_and_our_own(self, between: Between) -> None:
        between.peer.update_keys(request_peer=True)
        between.peer.send(b"one")
        between.run()
        between.session.update_keys(0)
        between.session.write(0, b"two")
        between.run()
        assert between.read() == b"one"
        assert between.data == b"two"


class TestEnding:
    def test_we_finish_first(self, between: Between) -> None:
        between.session.write(0, b"all of it")
        between.session.finish(0)
        between.run()
        assert between.data == b"all of it"
        assert between.peer_closed
        assert between.session.ended is None
        between.peer.send(b"the answer comes late")
        between.peer.close()
        between.run()
        assert between.read() == b"the answer comes late"
        assert between.session.ended == SessionEnded(reason="closed", clean=True)

    def test_the_peer_finishes_first(self, between: Between) -> None:
        between.peer.close()
        between.run()
        assert between.kinds(PeerClosing) == [PeerClosing()]
        assert between.session.streams[0].receiving.at_end
        between.session.eof(0, NOW)
        between.session.write(0, b"still something")
        between.session.finish(0)
        between.run()
        assert between.data == b"still something"
        assert between.session.ended == SessionEnded(reason="closed", clean=True)

    def test_by_close(self, between: Between) -> None:
        between.session.write(0, b"last words")
        between.session.close(NOW)
        with pytest.raises(SessionOver, match="being closed"):
            between.session.write(0, b"more")
        between.run()
        assert between.data == b"last words"
        assert between.peer_closed

    def test_without_close_notify(self, between: Between) -> None:
        between.session.eof(0, NOW)
        between.run()
        assert between.session.ended is not None
        assert not between.session.ended.clean
        assert "without close_notify" in between.session.ended.reason

    def test_with_an_alert(self, between: Between) -> None:
        between.peer.abort(AlertDescription.INTERNAL_ERROR, "the peer's own reasons")
        between.run()
        assert between.session.ended is not None
        assert "the peer says internal_error" in between.session.ended.reason
