"""Tickets that hold a server's whole memory of a session, sealed with keys that rotate (RFC 8446, section 4.6.1)."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from impl.tls13.alerts import TLSError
from impl.tls13.cipher_suites import CIPHER_SUITES, CipherSuite
from impl.tls13.messages import MAX_TICKET_LIFETIME
from impl.tls13.wire import Reader, vector8, vector16, vector24

_FORMAT: Final = 1
_KEY_NAME_SIZE: Final = 8
_NONCE_SIZE: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketState:
    """What a server must know to resume a session.

    Attributes:
        psk: the key of the resumption.
        suite: the connection's suite.
        issued: when the ticket was made, POSIX seconds.
        age_add: what the client adds to the ticket's age, milliseconds modulo 2**32.
        max_early_data: how many bytes of early data were promised.
        server_name: the host name of the connection.
        alpn_protocol: the application protocol of the connection.
        chain: the client's certificates (DER), if it showed any.

    """

    psk: bytes = field(repr=False)
    suite: CipherSuite
    issued: float
    age_add: int
    max_early_data: int
    server_name: str | None
    alpn_protocol: bytes | None
    chain: tuple[bytes, ...] = ()

    def to_bytes(self) -> bytes:
        """The state as bytes, to be sealed."""
        return b"".join(
            (
                bytes([_FORMAT]),
                self.suite.code.to_bytes(2, "big"),
                round(self.issued * 1000).to_bytes(8, "big"),
                self.age_add.to_bytes(4, "big"),
                self.max_early_data.to_bytes(4, "big"),
                vector8(self.psk),
                vector16((self.server_name or "").encode("ascii")),
                vector8(self.alpn_protocol or b""),
                vector16(b"".join(vector24(certificate) for certificate in self.chain)),
            )
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what ``to_bytes`` wrote; TLSError (decode_error) or KeyError if it is something else."""
        reader = Reader(data, "a ticket")
        if reader.u8() != _FORMAT:
            raise KeyError("a ticket of another version of this program")
        suite = CIPHER_SUITES[reader.u16()]
        issued = int.from_bytes(reader.take(8), "big") / 1000
        age_add, max_early_data = reader.u32(), reader.u32()
        psk, server_name, alpn_protocol = reader.vector8(), reader.vector16(), reader.vector8()
        certificates = Reader(reader.vector16(), "a ticket's chain")
        reader.finish()
        chain = []
        while certificates.left:
            chain.append(certificates.vector24())
        return cls(
            psk=psk,
            suite=suite,
            issued=issued,
            age_add=age_add,
            max_early_data=max_early_data,
            server_name=server_name.decode("ascii") or None,
            alpn_protocol=alpn_protocol or None,
            chain=tuple(chain),
        )


@dataclass(slots=True)
class _Key:
    name: bytes
    aead: AESGCM
    made: float


class TicketProtection:
    """Seals and opens tickets. A key seals for `rotation` seconds, and opens for as long as its tickets live.

    Args:
        lifetime: for how long a ticket is good, seconds; at most seven days (section 4.6.1).
        rotation: how long one key seals, seconds. Whoever steals a key can read what was sent early under its tickets.
        random: source of keys and nonces.

    Raises:
        ValueError: a lifetime of more than seven days.

    """

    def __init__(
        self, *, lifetime: int = 24 * 3600, rotation: float = 3600.0, random: Callable[[int], bytes] = os.urandom
    ) -> None:
        if not 0 < lifetime <= MAX_TICKET_LIFETIME:
            raise ValueError(f"tickets live from 1 to {MAX_TICKET_LIFETIME} seconds, not {lifetime} (section 4.6.1)")
        self.lifetime = lifetime
        self._rotation = rotation
        self._random = random
        self._keys: list[_Key] = []

    def seal(self, state: TicketState, now: float) -> bytes:
        """A ticket for the state."""
        key = self._sealing_key(now)
        nonce = self._random(_NONCE_SIZE)
        return key.name + nonce + key.aead.encrypt(nonce, state.to_bytes(), key.name)

    def open(self, ticket: bytes, now: float) -> TicketState | None:
        """What was sealed, or None for a ticket that is not one of ours, or too old: then a full handshake follows."""
        name, nonce = ticket[:_KEY_NAME_SIZE], ticket[_KEY_NAME_SIZE : _KEY_NAME_SIZE + _NONCE_SIZE]
        key = next((key for key in self._keys if key.name == name), None)
        if key is None or len(nonce) < _NONCE_SIZE:
            return None
        try:
            state = TicketState.from_bytes(key.aead.decrypt(nonce, ticket[_KEY_NAME_SIZE + _NONCE_SIZE :], name))
        except (InvalidTag, TLSError, KeyError):
            return None
        return state if 0 <= now - state.issued <= self.lifetime else None

    def _sealing_key(self, now: float) -> _Key:
        if not self._keys or now - self._keys[0].made > self._rotation:
            self._keys = [key for key in self._keys if now - key.made <= self._rotation + self.lifetime]
            self._keys.insert(0, _Key(self._random(_KEY_NAME_SIZE), AESGCM(self._random(32)), now))
        return self._keys[0]
