"""Handshakes and joins of TCPLS in memory, against Python's ssl: ``python -m benchmarks.tcpls_handshakes``.

Both ends in one process, no sockets, X25519 and an ECDSA P-256 certificate that is verified. All variants take turns in
rounds, so that other programs disturb them alike. What counts is the ratio within a round.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from typing import Final

from rich.console import Console
from rich.table import Table

from benchmarks.tls13_handshakes import GROUPS, NAME, Comparison, OpenSSL
from impl.tcpls import TRANSMIT_SIZE, ClientSession, JoinMode, Listener, ServerSession, Session, Settings
from impl.tcpls.events import ConnectionJoined
from impl.tls13 import ClientConfig, Credentials, ServerConfig, TrustStore, self_signed

NOW: Final = 1000.0
JOINS: Final = 100


class Memory:
    """A client and a server of TCPLS, whose bytes go from one to the other at once."""

    def __init__(self, credentials: Credentials, wall: float, settings: Settings) -> None:
        self._wall = wall
        trust = TrustStore([credentials.certificate])
        self._client_config = ClientConfig(server_name=NAME, trust=trust, groups=GROUPS)
        self._server_config = ServerConfig(credentials=(credentials,), groups=GROUPS)
        self._settings = settings
        self._out = bytearray(TRANSMIT_SIZE)
        self._buffer = bytearray(TRANSMIT_SIZE)
        self._scratch = bytearray(TRANSMIT_SIZE)
        self.client: ClientSession | None = None
        self.server: ServerSession | None = None
        self._listener = Listener(self._server_config, self._settings, wall=wall)

    def handshake(self) -> None:
        """Begin a session, up to the client's first tokens."""
        client = ClientSession(self._client_config, self._settings, NOW, wall=self._wall)
        client.start(NOW)
        self._arrive(client, 0)
        server = self.server
        assert server is not None
        while self._move(client, server, 0) or self._move(server, client, 0):
            pass
        if not (client.started and server.started and client.tokens):
            raise RuntimeError("the handshake came to nothing")
        client.events()
        server.events()
        self.client = client

    def join(self, mode: JoinMode) -> None:
        """Join a connection, up to the moment at which both ends know that it has worked."""
        client, server = self.client, self.server
        assert client is not None
        assert server is not None
        number = client.join(NOW, mode)
        self._arrive(client, number)
        while self._move(server, client, number) or self._move(client, server, number):
            pass
        if not any(isinstance(event, ConnectionJoined) for event in client.events()):
            raise RuntimeError("the join came to nothing")
        server.events()

    def _arrive(self, client: ClientSession, number: int) -> None:
        """Bring the first bytes of a connection to the listener."""
        arrival = self._listener.accept()
        size = client.transmit(number, self._out, NOW)
        arrived = arrival.receive(memoryview(self._out)[:size], NOW)
        if arrived is None:
            raise RuntimeError(f"the ClientHello was not understood: {arrival.failed}")
        self.server = arrived.session
        rest = arrival.unread()
        if rest:
            self._buffer[: len(rest)] = rest
            arrived.session.receive(number, self._buffer, len(rest), self._scratch, NOW)

    def _move(self, sender: Session, receiver: Session, number: int) -> bool:
        if not sender.has_to_send(number, NOW):
            return False
        size = sender.transmit(number, self._out, NOW)
        self._buffer[:size] = self._out[:size]
        receiver.receive(number, self._buffer, size, self._scratch, NOW)
        return size > 0


def measure(*, count: int, rounds: int) -> list[Comparison]:
    """Compare handshakes with ssl's full ones, and joins with them too: what a further connection costs."""
    now = time.time()
    credentials = self_signed([NAME], now=now)
    theirs, ours = OpenSSL(credentials), Memory(credentials, now - NOW, Settings())
    joined = Memory(credentials, now - NOW, Settings(connections=1 + JOINS))
    kinds: dict[str, Callable[[], None]] = {
        "session": ours.handshake,
        "join, apparent": lambda: joined.join(JoinMode.APPARENT),
        "join, direct": lambda: joined.join(JoinMode.DIRECT),
    }
    speeds: dict[str, list[float]] = {kind: [] for kind in kinds}
    reference: list[float] = []
    for _ in range(rounds):
        reference.append(_speed(theirs.full, count))
        for kind, action in kinds.items():
            joined.handshake()
            speeds[kind].append(_speed(action, count if kind == "session" else JOINS))
    return [
        Comparison(
            kind=kind,
            ours=statistics.median(found),
            theirs=statistics.median(reference),
            ratio=statistics.median(own / other for own, other in zip(found, reference, strict=True)),
        )
        for kind, found in speeds.items()
    ]


def _speed(action: Callable[[], None], count: int) -> float:
    """How often it can be done in a second of processor time."""
    began = time.process_time()
    for _ in range(count):
        action()
    return count / (time.process_time() - began)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200, help="handshakes in a round")
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    table = Table(title="handshakes a second of processor time, both ends")
    for column in ("what", "impl.tcpls", "a full handshake of ssl", "ratio"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for one in measure(count=arguments.count, rounds=arguments.rounds):
        table.add_row(one.kind, f"{one.ours:,.0f}", f"{one.theirs:,.0f}", f"{one.ratio:.2f}")
    Console().print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
