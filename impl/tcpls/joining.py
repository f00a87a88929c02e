"""How a connection is joined to a session, on both sides (draft-piraux-tcpls-00, sections 4.2.1, 4.3 and 5.1.2).

The draft says that endpoints do not complete the TLS handshake and SHOULD send messages "to form an apparent complete
TLS handshake to middleboxes", and leaves their form open. There are two ways here, and the client chooses:

- *apparent*: its ClientHello has a legacy_session_id, as clients have that look like TLS 1.2 (RFC 8446, appendix D.4).
  The server answers with a ServerHello, change_cipher_spec and one record of random bytes that looks like the encrypted
  rest of its flight; the client sends change_cipher_spec and one such record. TCPLS records follow on both sides.
- *direct*: there is no legacy_session_id, and records follow the ClientHello at once. The server sends no handshake at
  all. A join costs no round trip.

What a side does shows in its first record, so each can tell by itself. Every ClientHello is made afresh, with a random
value and key shares of its own, so that nobody can tell from them which connections belong together.
"""

import os
from collections.abc import Callable
from dataclasses import replace
from enum import Enum, auto
from typing import Final

from impl.tcpls.errors import protocol_violation
from impl.tcpls.extensions import decode_join, encode_join
from impl.tls13.alerts import unexpected_message
from impl.tls13.cipher_suites import CipherSuite
from impl.tls13.client import Client
from impl.tls13.config import ClientConfig, ServerConfig
from impl.tls13.extensions import KeyShareEntry, decode_key_shares, encode_selected_version, encode_server_share
from impl.tls13.messages import ClientHello, ServerHello
from impl.tls13.records.format import (
    ALERT_SIZE,
    HEADER_SIZE,
    MAX_CIPHERTEXT,
    OVERHEAD,
    protected_header,
    record_overflow,
)
from impl.tls13.records.writer import RecordWriter
from impl.tls13.registries import TLS13, AlertDescription, ContentType, ExtensionType, NamedGroup

_RANDOM_SIZE: Final = 32
_CLIENT_FINISHED: Final = 4 + 32
"""A Finished message with SHA-256, which the client's opaque record looks like."""
_SERVER_FLIGHT: Final = (800, 1800)
"""Bytes of EncryptedExtensions, Certificate, CertificateVerify and Finished together, usually."""


class JoinMode(Enum):
    """How a connection is joined; see the module."""

    APPARENT = "apparent"
    DIRECT = "direct"


def client_hello(config: ClientConfig, extension: int, token: bytes, mode: JoinMode, now: float) -> tuple[bytes, bytes]:
    """The ClientHello of a join, as a record, and its random value.

    Args:
        config: of the session's first connection; what is bound to that connection is left out.
        extension: type of tcpls_join.
        token: the server's.
        mode: how it is joined.
        now: POSIX seconds.

    """
    client = Client(
        replace(
            config,
            session=None,
            psk=None,
            early_data=False,
            hold=False,
            extensions={extension: encode_join(token)},
            compatibility_mode=mode is JoinMode.APPARENT,
        )
    )
    client.start(now)
    return client.data_to_send(), client.client_random


def token_of(hello: ClientHello, extension: int) -> bytes | None:
    """The token in a ClientHello, None if it joins nothing.

    Raises:
        TLSError: illegal_parameter, it cannot be a token.

    """
    body = hello.extensions.get(extension)
    return None if body is None else decode_join(body)


def mode_of(hello: ClientHello) -> JoinMode:
    """How a client joins."""
    return JoinMode.APPARENT if hello.legacy_session_id else JoinMode.DIRECT


def server_flight(hello: ClientHello, config: ServerConfig, suite: CipherSuite) -> bytes:
    """What a server answers to an apparent join; its ServerHello fits the client's, as far as an observer can tell.

    Raises:
        TLSError: illegal_parameter, the ClientHello has no key share of a group that the server allows.

    """
    shares = decode_key_shares(hello.extensions.get(ExtensionType.KEY_SHARE, b"\0\0"))
    offered = next((share for share in shares if share.group in tuple(config.groups)), None)
    if offered is None:
        raise protocol_violation("the ClientHello of a join has no key share that a ServerHello could answer")
    group = NamedGroup(offered.group)
    share, _ = config.respond(group, offered.key_exchange)
    answer = ServerHello(
        config.random(_RANDOM_SIZE),
        hello.legacy_session_id,
        suite.code,
        {
            ExtensionType.KEY_SHARE: encode_server_share(KeyShareEntry(group, share)),
            ExtensionType.SUPPORTED_VERSIONS: encode_selected_version(TLS13),
        },
    ).encode()
    low, high = _SERVER_FLIGHT
    size = low + int.from_bytes(config.random(4), "big") % (high - low)
    return RecordWriter().write(ContentType.HANDSHAKE, answer) + _opaque_flight(size, config.random)


def client_flight(random: Callable[[int], bytes] = os.urandom) -> bytes:
    """What a client sends after the server's answer to an apparent join."""
    return _opaque_flight(_CLIENT_FINISHED, random)


def _opaque_flight(size: int, random: Callable[[int], bytes]) -> bytes:
    size += OVERHEAD - HEADER_SIZE
    change_cipher_spec = RecordWriter().write(ContentType.CHANGE_CIPHER_SPEC, b"\x01")
    return change_cipher_spec + protected_header(size) + random(size)


class Step(Enum):
    """What a preamble waits for."""

    FIRST = auto()
    CHANGE_CIPHER_SPEC = auto()
    OPAQUE = auto()
    OVER = auto()


class Preamble:
    """Takes what the peer sends on a joined connection before its TCPLS records, and drops it.

    Args:
        client: whether we are the client; a server has taken the ClientHello already.

    Attributes:
        mode: how the peer joins or answers, once its first record shows it.

    """

    def __init__(self, *, client: bool) -> None:
        self.mode: JoinMode | None = None
        self._client = client
        self._step = Step.FIRST

    @property
    def over(self) -> bool:
        """Whether TCPLS records follow."""
        return self._step is Step.OVER

    def take(self, buffer: bytearray, end: int) -> int:
        """Take the records of the preamble from the front of what was received, and return how many bytes they have.

        Raises:
            PeerAlert: the peer refuses the join.
            TLSError: unexpected_message, this is no answer to a join; record_overflow, it is not TLS.

        """
        taken = 0
        while not self.over and end - taken >= HEADER_SIZE:
            kind = buffer[taken]
            body = taken + HEADER_SIZE
            size = int.from_bytes(buffer[taken + 3 : body], "big")
            if self._step is Step.FIRST and kind == ContentType.APPLICATION_DATA:
                self.mode = JoinMode.DIRECT
                self._step = Step.OVER
                break
            if size > MAX_CIPHERTEXT:
                raise record_overflow(f"a record of {size} bytes; the limit is {MAX_CIPHERTEXT}")
            if body + size > end:
                break
            self._take(kind, bytes(buffer[body : body + size]))
            taken = body + size
        return taken

    def _take(self, kind: int, content: bytes) -> None:
        if kind == ContentType.ALERT:
            raise PeerAlert(content)
        first = ContentType.HANDSHAKE if self._client else ContentType.CHANGE_CIPHER_SPEC
        if self._step is Step.FIRST and kind == first:
            self.mode = JoinMode.APPARENT
            self._step = Step.CHANGE_CIPHER_SPEC if self._client else Step.OPAQUE
        elif self._step is Step.CHANGE_CIPHER_SPEC and kind == ContentType.CHANGE_CIPHER_SPEC:
            self._step = Step.OPAQUE
        elif self._step is Step.OPAQUE and kind == ContentType.APPLICATION_DATA:
            self._step = Step.OVER
        else:
            raise unexpected_message(f"a record of type {kind} while a join waits for {self._step.name.lower()}")


class PeerAlert(Exception):
    """The peer refuses a join with an alert."""

    def __init__(self, content: bytes) -> None:
        try:
            self.alert = AlertDescription(content[1]) if len(content) == ALERT_SIZE else None
        except ValueError:
            self.alert = None
        name = f"an alert with the bytes {content.hex()}" if self.alert is None else self.alert.name.lower()
        super().__init__(f"the peer refuses the join: {name}")
