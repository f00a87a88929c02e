"""TLS 1.3 (RFC 8446) as a state machine: bytes and the time in; bytes, events and secrets out.

    client = Client(ClientConfig(server_name="example.org", trust=TrustStore.system()))
    client.start(now)
    transport.write(client.data_to_send())
    for event in client.receive(transport.read(), now): ...

``Client`` and ``Server`` are the two ends, ``events`` is what they tell, ``streams`` puts them on asyncio. The modules
are named after the sections of the RFC: see docs/tls13.md.
"""

from impl.tls13.alerts import TLSError
from impl.tls13.anti_replay import ReplayGuard
from impl.tls13.certificates import TrustStore
from impl.tls13.certificates.credentials import Credentials, self_signed
from impl.tls13.client import Client, ClientState
from impl.tls13.config import ClientAuthentication, ClientConfig, ServerConfig
from impl.tls13.connection import Connection, WrongMoment
from impl.tls13.events import (
    ApplicationDataReceived,
    ClientHelloReceived,
    EarlyDataRejected,
    EncryptedExtensionsReceived,
    Event,
    Failed,
    HandshakeCompleted,
    KeysUpdated,
    PeerClosed,
    SecretDerived,
    TicketReceived,
)
from impl.tls13.registries import AlertDescription
from impl.tls13.server import Server, ServerState
from impl.tls13.sessions import ExternalPsk, Session
from impl.tls13.tickets import TicketProtection

__all__ = [
    "AlertDescription",
    "ApplicationDataReceived",
    "Client",
    "ClientAuthentication",
    "ClientConfig",
    "ClientHelloReceived",
    "ClientState",
    "Connection",
    "Credentials",
    "EarlyDataRejected",
    "EncryptedExtensionsReceived",
    "Event",
    "ExternalPsk",
    "Failed",
    "HandshakeCompleted",
    "KeysUpdated",
    "PeerClosed",
    "ReplayGuard",
    "SecretDerived",
    "Server",
    "ServerConfig",
    "ServerState",
    "Session",
    "TLSError",
    "TicketProtection",
    "TicketReceived",
    "TrustStore",
    "WrongMoment",
    "self_signed",
]
