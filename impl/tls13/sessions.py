"""Sessions that a client can resume, and pre-shared keys from elsewhere (RFC 8446, sections 2.2, 4.2.11 and 4.6.1)."""

from dataclasses import dataclass, field
from typing import Final, Self

from cryptography.hazmat.primitives import hashes

from impl.tls13.cipher_suites import CIPHER_SUITES, CipherSuite
from impl.tls13.wire import Reader, vector8, vector16, vector24

_FORMAT: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What a client keeps of a connection to resume it: a ticket, its key, and what both sides had agreed upon.

    Attributes:
        ticket: what the server gave, sent back as it is.
        psk: the key that goes with the ticket.
        suite: the connection's suite; the key can be used with any suite of its hash, early data with this one alone.
        received: when the ticket came, POSIX seconds.
        lifetime: for how long it may be used, seconds.
        age_add: what hides the ticket's age, milliseconds modulo 2**32.
        max_early_data: how many bytes of early data the server takes; 0 for none.
        server_name: the host name of the connection.
        alpn_protocol: the application protocol of the connection.
        verified: the server's certificate had been verified for the host name.
        chain: the server's certificates (DER), its own first.

    """

    ticket: bytes
    psk: bytes = field(repr=False)
    suite: CipherSuite
    received: float
    lifetime: int
    age_add: int
    max_early_data: int = 0
    server_name: str | None = None
    alpn_protocol: bytes | None = None
    verified: bool = False
    chain: tuple[bytes, ...] = ()

    def usable(self, now: float) -> bool:
        """Whether the ticket may still be offered: clients use none past its lifetime, nor from the future."""
        return 0 <= now - self.received <= self.lifetime

    def obfuscated_age(self, now: float) -> int:
        """The ticket's age in milliseconds, hidden as section 4.2.11.1 says."""
        return (int((now - self.received) * 1000) + self.age_add) % 2**32

    def to_bytes(self) -> bytes:
        """The session as bytes that ``from_bytes`` reads; they hold a secret key."""
        return b"".join(
            (
                bytes([_FORMAT, self.verified]),
                self.suite.code.to_bytes(2, "big"),
                round(self.received * 1000).to_bytes(8, "big"),
                self.lifetime.to_bytes(4, "big"),
                self.age_add.to_bytes(4, "big"),
                self.max_early_data.to_bytes(4, "big"),
                vector16(self.ticket),
                vector8(self.psk),
                vector8((self.server_name or "").encode("ascii")),
                vector8(self.alpn_protocol or b""),
                vector24(b"".join(vector24(certificate) for certificate in self.chain)),
            )
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what ``to_bytes`` wrote; TLSError (decode_error) or ValueError if it is something else."""
        reader = Reader(data, "a stored session")
        if reader.u8() != _FORMAT:
            raise ValueError("not a stored session, or one of another version of this program")
        verified = bool(reader.u8())
        code = reader.u16()
        if code not in CIPHER_SUITES:
            raise ValueError(f"a stored session has the unknown cipher suite {code:#06x}")
        received = int.from_bytes(reader.take(8), "big") / 1000
        lifetime, age_add, max_early_data = reader.u32(), reader.u32(), reader.u32()
        ticket, psk = reader.vector16(), reader.vector8()
        server_name, alpn_protocol = reader.vector8(), reader.vector8()
        certificates = Reader(reader.vector24(), "a stored session's chain")
        reader.finish()
        chain = []
        while certificates.left:
            chain.append(certificates.vector24())
        return cls(
            ticket=ticket,
            psk=psk,
            suite=CIPHER_SUITES[code],
            received=received,
            lifetime=lifetime,
            age_add=age_add,
            max_early_data=max_early_data,
            server_name=server_name.decode("ascii") or None,
            alpn_protocol=alpn_protocol or None,
            verified=verified,
            chain=tuple(chain),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalPsk:
    """A key that both sides were given by other means (section 4.2.11).

    Attributes:
        identity: the name under which the server finds the key.
        key: at least 16 random bytes; a password is not a key (section 2.2).
        hash: of the suites that it can be used with.

    """

    identity: bytes
    key: bytes = field(repr=False)
    hash: hashes.HashAlgorithm = field(default_factory=hashes.SHA256)
