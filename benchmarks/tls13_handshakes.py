"""Handshakes in memory, impl.tls13 against Python's ssl: ``python -m benchmarks.tls13_handshakes`` (half a minute).

Both ends in one process, no sockets, X25519 and an ECDSA P-256 certificate that is verified. Both variants take turns
in rounds, so that other programs disturb them alike. What counts is the ratio within a round.
"""

import argparse
import json
import ssl
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from rich.console import Console
from rich.table import Table

from impl.tls13 import (
    Client,
    ClientConfig,
    Credentials,
    Server,
    ServerConfig,
    Session,
    TicketProtection,
    TicketReceived,
    TrustStore,
    self_signed,
)
from impl.tls13.registries import NamedGroup

NAME: Final = "server.test"
GROUPS: Final = (NamedGroup.X25519, NamedGroup.SECP256R1)


@dataclass(frozen=True)
class Comparison:
    """Handshakes a second, medians of the rounds; the ratio is the median of the rounds' ratios."""

    kind: str
    ours: float
    theirs: float
    ratio: float


class OpenSSL:
    """Python's ssl, both ends in memory."""

    def __init__(self, credentials: Credentials) -> None:
        with TemporaryDirectory() as folder:
            certificate, key = Path(folder, "certificate.pem"), Path(folder, "key.pem")
            certificate.write_bytes(_pem(credentials))
            key.write_bytes(_key_pem(credentials))
            self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.server.load_cert_chain(certificate, key)
            self.client = ssl.create_default_context(cafile=str(certificate))
        # The groups are the library's own: X25519 comes first.
        for context in (self.client, self.server):
            context.minimum_version = ssl.TLSVersion.TLSv1_3
        self.session: ssl.SSLSession | None = None

    def full(self) -> None:
        """A handshake with certificates; its tickets are read."""
        self.session = self._handshake(None)

    def resumed(self) -> None:
        """A handshake with a ticket of the last one."""
        self.session = self._handshake(self.session)

    def _handshake(self, session: ssl.SSLSession | None) -> ssl.SSLSession | None:
        to_client, from_client, to_server, from_server = (ssl.MemoryBIO() for _ in range(4))
        client = self.client.wrap_bio(to_client, from_client, server_hostname=NAME, session=session)
        server = self.server.wrap_bio(to_server, from_server, server_side=True)
        waiting = [client, server]
        while waiting:
            for end in tuple(waiting):
                try:
                    end.do_handshake()
                    waiting.remove(end)
                except ssl.SSLWantReadError:
                    pass
                to_server.write(from_client.read())
                to_client.write(from_server.read())
        # Tickets are read together with data.
        server.write(b"x")
        to_client.write(from_server.read())
        client.read(1)
        if session is not None and not client.session_reused:
            raise RuntimeError("the session was not resumed")
        return client.session


class Ours:
    """impl.tls13, both ends in memory."""

    def __init__(self, credentials: Credentials, now: float) -> None:
        self.now = now
        self.trust = TrustStore.from_pem(_pem(credentials))
        self.server = ServerConfig(
            credentials=(credentials,), groups=GROUPS, tickets=TicketProtection(), tickets_per_handshake=2
        )
        self.session: Session | None = None

    def full(self) -> None:
        """A handshake with certificates; its tickets are read."""
        self.session = self._handshake(None)

    def resumed(self) -> None:
        """A handshake with a ticket of the last one."""
        self.session = self._handshake(self.session)

    def _handshake(self, session: Session | None) -> Session | None:
        config = ClientConfig(server_name=NAME, trust=self.trust, groups=GROUPS, session=session)
        client, server = Client(config), Server(self.server)
        client.start(self.now)
        server.receive(client.data_to_send(), self.now)
        client.receive(server.data_to_send(), self.now)
        server.receive(client.data_to_send(), self.now)
        server.send(b"x")
        events = client.receive(server.data_to_send(), self.now)
        if not server.established or not client.established:
            raise RuntimeError(f"the handshake failed: {client.failed or server.failed}")
        return next(event.session for event in events if isinstance(event, TicketReceived))


def _pem(credentials: Credentials) -> bytes:
    return credentials.certificate.public_bytes(Encoding.PEM)


def _key_pem(credentials: Credentials) -> bytes:
    if credentials.private_key is None:
        raise ValueError("credentials without a key at hand")
    return credentials.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def per_second(handshake: Callable[[], None], count: int) -> float:
    """How many handshakes are done in a second, measured over so many."""
    started = time.perf_counter()
    for _ in range(count):
        handshake()
    return count / (time.perf_counter() - started)


def measure(count: int, rounds: int) -> list[Comparison]:
    """Measure full and resumed handshakes."""
    now = time.time()
    credentials = self_signed([NAME], now=now)
    ours, theirs = Ours(credentials, now), OpenSSL(credentials)
    results = []
    for kind in ("full", "resumed"):
        pairs = []
        for _ in range(rounds + 1):
            mine, other = getattr(ours, kind), getattr(theirs, kind)
            pairs.append((per_second(mine, count), per_second(other, count)))
        pairs = pairs[1:]  # the first round warms up
        results.append(
            Comparison(
                kind,
                statistics.median(pair[0] for pair in pairs),
                statistics.median(pair[1] for pair in pairs),
                statistics.median(pair[0] / pair[1] for pair in pairs),
            )
        )
    return results


def main() -> int:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=300, help="handshakes of each kind in a round")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    arguments = parser.parse_args()
    results = measure(arguments.count, arguments.rounds)
    if arguments.json:
        print(json.dumps([asdict(result) for result in results], indent=2))
        return 0
    table = Table(title="Handshakes per second, both ends in one process")
    for column in ("handshake", "impl.tls13", f"ssl ({ssl.OPENSSL_VERSION.split(' (', 1)[0]})", "ratio"):
        table.add_column(column, justify="left" if column == "handshake" else "right")
    for result in results:
        table.add_row(result.kind, f"{result.ours:,.0f}", f"{result.theirs:,.0f}", f"{result.ratio:.2f}")
    Console().print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
