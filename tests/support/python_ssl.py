"""Python's ssl module as a peer of our clients and servers, in memory."""

import random
import ssl
import time
from pathlib import Path

from impl.tls13 import ApplicationDataReceived, Client, Server
from tests.support.openssl import Identity
from tests.support.tls import NAME


class Peer:
    """One end of Python's ssl; what it has to say is in `read`, and why it failed in `error`."""

    def __init__(self, context: ssl.SSLContext, *, server: bool, session: ssl.SSLSession | None = None) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        name = None if server else NAME
        self.tls = context.wrap_bio(
            self.incoming, self.outgoing, server_side=server, server_hostname=name, session=session
        )
        self.done = False
        self.closed = False
        self.read = bytearray()
        self.error: ssl.SSLError | None = None

    def step(self) -> None:
        """Do what can be done with the bytes that are there."""
        if self.error is not None:
            return
        try:
            if not self.done:
                self.tls.do_handshake()
                self.done = True
            while data := self.tls.read(2**16):
                self.read += data
            self.closed = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.closed = True
        except ssl.SSLError as error:
            self.error = error


def exchange(ours: Client | Server, peer: Peer, pieces: random.Random | None = None) -> list[object]:
    """Carry bytes until both are silent; with `pieces`, cut them at random."""
    events: list[object] = []
    silent = 0
    while silent < 2:
        peer.step()
        for data, give in ((ours.data_to_send(), None), (peer.outgoing.read(), ours)):
            silent = 0 if data else silent + 1
            while data:
                size = pieces.randint(1, 40_000) if pieces else len(data)
                piece, data = data[:size], data[size:]
                if give is None:
                    peer.incoming.write(piece)
                    peer.step()
                else:
                    events += give.receive(piece, time.time())
    return events


def server_context(identity: Identity, root: Path | None = None) -> ssl.SSLContext:
    context = _strict(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    context.load_cert_chain(identity.certificate, identity.key)
    if root is not None:
        context.load_verify_locations(root)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def client_context(root: Path) -> ssl.SSLContext:
    return _strict(ssl.create_default_context(cafile=str(root)))


def _strict(context: ssl.SSLContext) -> ssl.SSLContext:
    """Take TLS 1.3 alone, and no end of the transport for a close_notify, as Python does when it is not told."""
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    return context


def data_in(events: list[object]) -> bytes:
    return b"".join(event.data for event in events if isinstance(event, ApplicationDataReceived))
