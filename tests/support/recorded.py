"""Conversations that can be held again: both ends draw the same secrets each time, so the bytes are the same."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from impl.tls13 import (
    Client,
    ClientAuthentication,
    ClientConfig,
    ReplayGuard,
    Server,
    ServerConfig,
    Session,
    TicketProtection,
    TicketReceived,
)
from impl.tls13.key_exchange import EcdheKeyExchange, KeyExchange
from impl.tls13.registries import NamedGroup
from tests.support.tls import NOW, Pair, authority, client_config, credentials, server_config

Kind = Literal["full", "resumed", "retried"]
KINDS: tuple[Kind, ...] = ("full", "resumed", "retried")
EARLY = b"early data"


def counted(seed: int) -> Callable[[int], bytes]:
    """A source of bytes that are the same each time, and never the same twice in one connection."""
    count = 0

    def take(size: int) -> bytes:
        nonlocal count
        count += 1
        return bytes([seed]) + count.to_bytes(3, "big") + bytes(size - 4)

    return take


def fixed(group: NamedGroup, seed: int) -> KeyExchange:
    """A key exchange whose private key is always the same."""
    if group == NamedGroup.X25519:
        return EcdheKeyExchange(X25519PrivateKey.from_private_bytes(bytes([seed]) * 32))
    return EcdheKeyExchange(ec.derive_private_key(seed, ec.SECP256R1()))


def respond(group: NamedGroup, share: bytes) -> tuple[bytes, bytes]:
    """The server's half, with a private key that is always the same."""
    exchange = fixed(group, 2)
    return exchange.share, exchange.shared_secret(share)


@dataclass(frozen=True)
class Recorded:
    """A conversation: the settings that lead to it, and what each side sends in it, flight by flight.

    Attributes:
        client_config, server_config: for ``client()`` and ``server()``.
        to_server: the client's flights, in order; the first with its early data.
        to_client: the server's.

    """

    kind: Kind
    client_config: ClientConfig
    server_config: ServerConfig
    to_server: tuple[bytes, ...]
    to_client: tuple[bytes, ...]

    def client(self) -> Client:
        """A client that has sent the first flight."""
        client = Client(replace(self.client_config, random=counted(1)))
        client.start(NOW)
        if self.kind == "resumed":
            client.send_early(EARLY)
        assert client.data_to_send() == self.to_server[0]
        return client

    def server(self) -> Server:
        """A server that has seen nothing yet."""
        return Server(replace(self.server_config, random=counted(3), replay_guard=ReplayGuard()))


@cache
def recorded(kind: Kind) -> Recorded:
    """A conversation in which both sides show certificates, data goes both ways, and keys are updated."""
    client, server = _configs(kind)
    empty = Recorded(kind, client, server, (), ())
    ends = Pair(Client(replace(client, random=counted(1))), empty.server())
    to_server, to_client = [], []
    ends.client.start(NOW)
    if kind == "resumed":
        ends.client.send_early(EARLY)
    for turn in range(4):
        to_server.append(ends.client.data_to_send())
        ends.server.receive(to_server[-1], NOW)
        if ends.server.established and turn < 3:
            ends.server.send(b"from the server" * 10)
            ends.server.update_keys(request_peer=True)
            ends.server.send(b"with new keys")
        to_client.append(ends.server.data_to_send())
        ends.client.receive(to_client[-1], NOW)
        if ends.client.established and turn == 2:
            ends.client.send(b"from the client" * 10)
            ends.client.close()
    assert not ends.failures(), ends.failures()
    return Recorded(kind, client, server, tuple(filter(None, to_server)), tuple(filter(None, to_client)))


def _configs(kind: Kind) -> tuple[ClientConfig, ServerConfig]:
    client = client_config(
        credentials=credentials("ed25519", client=True),
        groups=(NamedGroup.X25519, NamedGroup.SECP256R1),
        generate=lambda group: fixed(group, 1),
        alpn_protocols=(b"echo",),
        record_size_limit=2**14,
        early_data=kind == "resumed",
    )
    server = server_config(
        # Ed25519 signatures are the same each time.
        credentials=(credentials("ed25519"),),
        client_authentication=ClientAuthentication.REQUIRED,
        trust=authority().trust,
        alpn_protocols=(b"echo",),
        tickets=TicketProtection(random=counted(4)),
        max_early_data=1000,
        replay_guard=ReplayGuard(),
        respond=respond,
        groups=(NamedGroup.SECP256R1,) if kind == "retried" else (NamedGroup.X25519, NamedGroup.SECP256R1),
        cookie=(lambda: b"cookie") if kind == "retried" else None,
    )
    if kind == "resumed":
        client = replace(client, session=_session(client, server))
    return client, server


def _session(client: ClientConfig, server: ServerConfig) -> Session:
    ends = Pair(Client(client), Server(server))
    ends.start()
    assert not ends.failures(), ends.failures()
    return next(event.session for event in ends.client_events if isinstance(event, TicketReceived))
