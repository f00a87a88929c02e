"""A peer whose messages can be sent one by one, left out, repeated and replaced: real keys, no will of its own."""

from collections.abc import Sequence

from impl.tls13 import Event, SecretDerived
from impl.tls13.cipher_suites import CIPHER_SUITES, CipherSuite
from impl.tls13.handshake_messages import HandshakeReassembly, RawMessage
from impl.tls13.key_schedule import traffic_keys
from impl.tls13.records.format import HEADER_SIZE
from impl.tls13.records.opening import Opener
from impl.tls13.records.sealing import Sealer
from impl.tls13.registries import ContentType, HandshakeType

SUITE = CIPHER_SUITES[0x1301]


def plain(content: bytes, content_type: int = ContentType.HANDSHAKE) -> bytes:
    """A record without protection."""
    return bytes([content_type, 3, 3]) + len(content).to_bytes(2, "big") + content


def message(kind: int, body: bytes = b"") -> bytes:
    """A handshake message."""
    return bytes([kind]) + len(body).to_bytes(3, "big") + body


def secret_of(events: Sequence[Event], label: str) -> bytes:
    """A secret that a connection has told."""
    return next(event.secret for event in events if isinstance(event, SecretDerived) and event.label == label)


def messages_in(flight: bytes, secrets: Sequence[bytes] = (), suite: CipherSuite = SUITE) -> list[RawMessage]:
    """The handshake messages of a flight.

    Its protected records are opened with these secrets, one after the other; without any more, the rest is left out.
    """
    reassembly = HandshakeReassembly()
    found: list[RawMessage] = []
    keys = iter(secrets)
    opener: Opener | None = None
    position = 0
    while position < len(flight):
        header = flight[position : position + HEADER_SIZE]
        content = flight[position + HEADER_SIZE :][: int.from_bytes(header[3:], "big")]
        position += HEADER_SIZE + len(content)
        content_type = header[0]
        if content_type == ContentType.APPLICATION_DATA:
            if opener is None:
                secret = next(keys, None)
                if secret is None:
                    return found
                opener = Opener(suite, traffic_keys(suite, secret))
            record = opener.open(header, content)
            content_type, content = record.content_type, record.content
        if content_type != ContentType.HANDSHAKE:
            continue
        reassembly.feed(content)
        while (raw := reassembly.next_message()) is not None:
            found.append(raw)
            if raw.type == HandshakeType.END_OF_EARLY_DATA:
                opener = None
    return found


class Puppet:
    """Seals what the test says with a connection's own secrets."""

    def __init__(self, secret: bytes, suite: CipherSuite = SUITE) -> None:
        self._sealer = Sealer(suite, traffic_keys(suite, secret))

    def record(self, content: bytes, content_type: int = ContentType.HANDSHAKE, padding: int = 0) -> bytes:
        """A protected record."""
        return self._sealer.seal(content_type, content, padding)
