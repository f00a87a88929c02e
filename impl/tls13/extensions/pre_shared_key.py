"""The extension pre_shared_key, in its two forms (RFC 8446, section 4.2.11)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from impl.tls13.alerts import illegal_parameter
from impl.tls13.wire import Reader, vector8, vector16


@dataclass(frozen=True, slots=True)
class PskIdentity:
    """The name of a pre-shared key.

    Attributes:
        identity: a ticket, or the label of an external key; at least a byte.
        obfuscated_ticket_age: milliseconds plus the ticket's age_add, modulo 2**32; 0 for an external key.

    """

    identity: bytes
    obfuscated_ticket_age: int


@dataclass(frozen=True, slots=True)
class OfferedPsks:
    """What a ClientHello offers.

    Attributes:
        identities: in the client's order.
        binders: one of 32 to 255 bytes for each identity.

    """

    identities: tuple[PskIdentity, ...]
    binders: tuple[bytes, ...]

    @property
    def binders_size(self) -> int:
        """How many bytes at the end of a ClientHello its truncated form leaves out (section 4.2.11.2)."""
        return 2 + sum([1 + len(binder) for binder in self.binders])

    def encode(self) -> bytes:
        """The extension's data."""
        identities = [
            vector16(identity.identity) + identity.obfuscated_ticket_age.to_bytes(4, "big")
            for identity in self.identities
        ]
        return vector16(b"".join(identities)) + encode_binders(self.binders)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read the extension's data; TLSError (illegal_parameter) unless there are as many binders as identities."""
        reader = Reader(data, "pre_shared_key")
        identity_list = Reader(reader.vector16(7), "pre_shared_key.identities")
        binder_list = Reader(reader.vector16(33), "pre_shared_key.binders")
        reader.finish()
        identities: list[PskIdentity] = []
        while identity_list.left:
            identities.append(PskIdentity(identity_list.vector16(1), identity_list.u32()))
        binders: list[bytes] = []
        while binder_list.left:
            binders.append(binder_list.vector8(32))
        if len(identities) != len(binders):
            raise illegal_parameter(f"pre_shared_key has {len(identities)} identities and {len(binders)} binders")
        return cls(tuple(identities), tuple(binders))


def encode_binders(binders: Sequence[bytes]) -> bytes:
    """Encode the list of binders alone, which goes behind Truncate(ClientHello) once they are computed."""
    return vector16(b"".join([vector8(binder) for binder in binders]))


def encode_selected_identity(index: int) -> bytes:
    """Encode a ServerHello's choice, counted from 0."""
    return index.to_bytes(2, "big")


def decode_selected_identity(data: bytes) -> int:
    """Read a ServerHello's choice, counted from 0."""
    reader = Reader(data, "pre_shared_key of ServerHello")
    index = reader.u16()
    reader.finish()
    return index
