"""The extension key_share, in its three forms (RFC 8446, section 4.2.8)."""

from collections.abc import Sequence
from dataclasses import dataclass

from impl.tls13.alerts import illegal_parameter
from impl.tls13.wire import Reader, vector16


@dataclass(frozen=True, slots=True)
class KeyShareEntry:
    """One end's public value.

    Attributes:
        group: the NamedGroup, also one that nobody knows.
        key_exchange: the value in the group's form, at least a byte.

    """

    group: int
    key_exchange: bytes


def _encode_entry(entry: KeyShareEntry) -> bytes:
    return entry.group.to_bytes(2, "big") + vector16(entry.key_exchange)


def _decode_entry(reader: Reader) -> KeyShareEntry:
    return KeyShareEntry(reader.u16(), reader.vector16(1))


def encode_key_shares(shares: Sequence[KeyShareEntry]) -> bytes:
    """Encode the shares of a ClientHello, of which there may be none."""
    return vector16(b"".join([_encode_entry(share) for share in shares]))


def decode_key_shares(data: bytes) -> tuple[KeyShareEntry, ...]:
    """Read the shares of a ClientHello, of which there may be none; for repeated groups see check_key_shares."""
    reader = Reader(data, "key_share")
    entries = Reader(reader.vector16(), "key_share")
    reader.finish()
    shares: list[KeyShareEntry] = []
    while entries.left:
        shares.append(_decode_entry(entries))
    return tuple(shares)


def check_key_shares(shares: Sequence[KeyShareEntry], groups: Sequence[int]) -> None:
    """Hold the shares of a ClientHello against its supported_groups.

    TLSError: illegal_parameter if a group has two shares or is none of `groups`. The order is not judged: the RFC lets
    a server check these two rules, and no harm comes from another order.
    """
    seen: set[int] = set()
    for share in shares:
        group = share.group
        if group in seen:
            raise illegal_parameter(f"key_share has two shares for group {group:#06x}")
        if group not in groups:
            raise illegal_parameter(
                f"key_share has a share for group {group:#06x}, which supported_groups does not have"
            )
        seen.add(group)


def encode_selected_group(group: int) -> bytes:
    """Encode the group that a HelloRetryRequest asks for."""
    return group.to_bytes(2, "big")


def decode_selected_group(data: bytes) -> int:
    """Read the group that a HelloRetryRequest asks for."""
    reader = Reader(data, "key_share of HelloRetryRequest")
    group = reader.u16()
    reader.finish()
    return group


def encode_server_share(share: KeyShareEntry) -> bytes:
    """Encode the share of a ServerHello."""
    return _encode_entry(share)


def decode_server_share(data: bytes) -> KeyShareEntry:
    """Read the share of a ServerHello."""
    reader = Reader(data, "key_share of ServerHello")
    share = _decode_entry(reader)
    reader.finish()
    return share
