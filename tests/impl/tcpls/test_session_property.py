"""Nothing is lost and nothing is delivered twice, whatever is cut and when."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from impl.tcpls.joining import JoinMode
from impl.tcpls.padding import pad_to_block
from impl.tcpls.schedulers import SCHEDULERS
from impl.tcpls.session import Session
from impl.tcpls.settings import Settings
from impl.tcpls.streams.receiving import ReceiveState
from tests.support.tcpls import START, Net, Path, Wire

FAULTS = (
    "cut",
    "join",
    "join",
    "reset",
    "reset by an end",
    "reset by an end",
    "keys",
    "migrate",
    "ping",
    "pin",
    "flip",
)


@dataclass
class Story:
    """A session to which things happen, all drawn from one seed.

    One of the paths comes back whenever it is cut, and the client joins on it when no connection is usable, as a user
    would: so everything that is sent must arrive in the end.
    """

    seed: int
    sent: dict[tuple[int, int], bytes] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        rng = self.rng = random.Random(self.seed)
        self.paths = [
            Path(rate=rng.choice((2e5, 1e6, 4e6)), delay=rng.choice((0.001, 0.02, 0.08)))
            for _ in range(rng.randrange(1, 5))
        ]
        self.safe = rng.choice(self.paths)
        self.net = Net(settings=self.settings(), server_settings=self.settings())
        self.net.reading = True
        self.net.start(self.paths[0])
        self.begun = self.net.clock.now
        for _ in range(rng.randrange(1, 5)):
            self.at(rng.random(), self.transfer)
        for _ in range(rng.randrange(9)):
            self.at(1.6 * rng.random(), self.fault)
        self.keep_connected()

    def settings(self) -> Settings:
        return Settings(
            scheduler=self.rng.choice(list(SCHEDULERS)),
            record_size=self.rng.choice((256, 1500, 2**14)),
            padding=self.rng.choice((None, None, pad_to_block(200))),
            send_limit=self.rng.choice((50_000, 2**26)),
            connections=16,
        )

    def at(self, seconds: float, action: Callable[[], None]) -> None:
        self.net.clock.at(self.begun + seconds, action)

    def ends(self) -> tuple[Session, Session]:
        both = [self.net.client, self.net.server]
        self.rng.shuffle(both)
        return both[0], both[1]

    def transfer(self) -> None:
        """Begin to send something, in pieces."""
        rng, net = self.rng, self.net
        sender, receiver = self.ends()
        pinned = rng.choice(sorted(sender.connections)) if sender.connections and rng.random() < 0.3 else None
        stream = sender.open_stream(pinned=pinned)
        data = rng.randbytes(rng.choice((0, 1, 100, 5000, 100_000, 300_000)))
        self.sent[id(receiver), stream] = data
        cuts = sorted(rng.randrange(len(data) + 1) for _ in range(rng.randrange(3)))
        pieces = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]

        def go_on() -> None:
            if pieces:
                sender.write(stream, pieces.pop(0))
                net.clock.at(net.clock.now + rng.choice((0, 0.01, 0.1)), go_on)
            else:
                sender.finish(stream)
            net.work()

        go_on()

    def fault(self) -> None:
        """Something happens to a path, a connection or a session."""
        rng, net = self.rng, self.net
        kind, path = rng.choice(FAULTS), rng.choice(self.paths)
        self.log.append(f"{net.clock.now - self.begun:.4f} {kind}")
        session, _ = self.ends()
        connection_id = rng.choice(sorted(session.connections)) if session.connections else None
        if kind == "cut":
            for_good = path is not self.safe and rng.random() < 0.5
            net.cut(path, None if for_good else rng.choice((0.05, 0.3, 1.0, 3.0)))
        elif kind == "join" and net.client.tokens:
            net.join(path, rng.choice(list(JoinMode)))
        elif kind == "reset":
            rng.choice(net.wires).reset()
        elif connection_id is None:
            return
        elif kind == "reset by an end":
            session.lost(connection_id, "the test wants it", net.clock.now)
        elif kind == "keys":
            session.update_keys(connection_id)
        elif kind == "migrate":
            session.migrate(connection_id, net.clock.now)
        elif kind == "ping":
            session.ping(connection_id, net.clock.now)
        elif kind == "pin" and len(session.streams):
            session.pin(rng.choice(session.streams.all()).sending.stream_id, connection_id)
        elif kind == "flip" and len(session.connections) > 1:
            wire = rng.choice(net.wires)
            wire.tamper = self.flip_once(wire)
        net.work()

    def flip_once(self, wire: Wire) -> Callable[[bool, bytes], bytes]:
        def flip(_client: bool, data: bytes) -> bytes:
            wire.tamper = lambda _client, data: data
            if len(self.net.client.connections) < 2 or len(self.net.server.connections) < 2:
                return data  # on the only connection it would be the end of the session
            return data[:-1] + bytes((data[-1] ^ 1,))

        return flip

    def keep_connected(self) -> None:
        net = self.net
        if not any(c.usable for c in net.client.connections.values()) and net.client.tokens and not net.client.closing:
            self.log.append(f"{net.clock.now - self.begun:.4f} joined again")
            net.join(self.safe, self.rng.choice(list(JoinMode)))
        net.clock.at(net.clock.now + 0.2, self.keep_connected)

    def finished(self) -> bool:
        return self.net.clock.now > self.begun + 2 and self.net.finished >= set(self.sent)

    def run(self) -> None:
        net = self.net
        both = (net.client, net.server)
        net.run(60, self.finished)
        for session in both:
            assert session.ended is None, (session.ended, self.log)
        assert self.finished(), self.log
        assert {key: bytes(net.received[key]) for key in net.finished} == self.sent, self.log
        net.run(8, lambda: not any(session.unacknowledged for session in both))
        for session in both:
            assert session._incoming.buffered == session._incoming.unread == 0
            assert session.unacknowledged == session._outgoing.backlog == 0, self.log
            open_ones = [s for s in session.streams.all() if s.receiving.state is not ReceiveState.COMPLETE]
            assert session._incoming.incomplete == len(open_ones)
        self.ends()[0].close(net.clock.now)
        net.run(45, lambda: all(session.ended is not None for session in both))
        if not any(wire.path.dead for wire in net.wires):
            for session in both:
                assert session.ended is not None, (net.clock.now - START, self.log)


@settings(max_examples=80)
@given(st.integers(0, 2**64))
def test_everything_arrives_once(seed: int) -> None:
    Story(seed).run()


@settings(max_examples=25)
@given(st.integers(0, 2**64))
def test_no_two_tcp_connections_have_the_same_connection_id(seed: int) -> None:
    """Their records would have the same nonces, with the same keys."""
    story = Story(seed)
    story.run()
    for client in (True, False):
        ids = [wire.connection_id(client) for wire in story.net.wires if wire.session(client) is not None]
        assert len(ids) == len(set(ids))
