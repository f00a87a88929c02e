"""The extension oid_filters, which only servers send (RFC 8446, section 4.2.5)."""

from dataclasses import dataclass

from impl.tls13.alerts import illegal_parameter
from impl.tls13.wire import Reader


@dataclass(frozen=True, slots=True)
class OIDFilter:
    """What a certificate's extension should hold.

    Attributes:
        oid: the extension's object identifier in DER, at least a byte.
        values: the values in DER, which may be empty.

    """

    oid: bytes
    values: bytes


def decode_oid_filters(data: bytes) -> tuple[OIDFilter, ...]:
    """Read the filters, of which there may be none; TLSError (illegal_parameter) if an identifier comes twice."""
    reader = Reader(data, "oid_filters")
    entries = Reader(reader.vector16(), "oid_filters")
    reader.finish()
    filters: dict[bytes, OIDFilter] = {}
    while entries.left:
        oid = entries.vector8(1)
        if oid in filters:
            raise illegal_parameter(f"oid_filters has the object identifier {oid.hex()} twice")
        filters[oid] = OIDFilter(oid, entries.vector16())
    return tuple(filters.values())
