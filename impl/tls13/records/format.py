"""What a record is made of: sizes, header, content (RFC 8446, sections 5.1, 5.2 and 5.4)."""

from dataclasses import dataclass
from typing import Final

from cryptography.utils import Buffer

from impl.tls13.alerts import TLSError, decode_error, unexpected_message
from impl.tls13.cipher_suites import TAG_SIZE
from impl.tls13.registries import LEGACY_VERSION, AlertDescription, ContentType

HEADER_SIZE: Final = 5
OVERHEAD: Final = HEADER_SIZE + 1 + TAG_SIZE
"""Bytes by which a protected record is longer than its content: header, inner content type, tag."""
MAX_PLAINTEXT: Final = 2**14
"""The most bytes of content in a record (section 5.1)."""
MAX_CIPHERTEXT: Final = 2**14 + 256
"""The most bytes that follow the header of a protected record (section 5.2)."""
MAX_SEQUENCE: Final = 2**64 - 1
ALERT_SIZE: Final = 2

_PROTECTED: Final = bytes((ContentType.APPLICATION_DATA,)) + LEGACY_VERSION.to_bytes(2, "big")
_INNER_TYPES: Final = frozenset((ContentType.ALERT, ContentType.HANDSHAKE, ContentType.APPLICATION_DATA))


@dataclass(frozen=True, slots=True)
class Record:
    """A record that was received: its (inner) content type, its content, and whether it came protected."""

    content_type: int
    content: bytes
    protected: bool


def protected_header(fragment_size: int) -> bytes:
    """The header of a protected record, which is also its additional data (section 5.2)."""
    return _PROTECTED + fragment_size.to_bytes(2, "big")


def parse_inner_plaintext(inner: bytes, max_content: int) -> Record:
    """Take a TLSInnerPlaintext apart (section 5.4); `max_content` is the most bytes of content and padding.

    Raises:
        TLSError: record_overflow, it is too long; unexpected_message, its content type is missing, unknown or
            change_cipher_spec, or a message is empty; decode_error, an alert has not two bytes.

    """
    if len(inner) > max_content + 1:
        raise record_overflow(f"a protected record with {len(inner)} bytes in it; the limit is {max_content + 1}")
    content = inner.rstrip(b"\0")
    if not content:
        raise unexpected_message("a protected record without a content type (section 5.4)")
    content_type = content[-1]
    if content_type not in _INNER_TYPES:
        raise unexpected_message(f"a protected record with content of type {content_type} (section 5)")
    check_content_size(content_type, len(content) - 1)
    return Record(content_type, content[:-1], protected=True)


def check_content_size(content_type: int, size: int) -> None:
    """Raise TLSError if a record cannot have so much content: only application data may be empty, alerts come whole."""
    if not size and content_type != ContentType.APPLICATION_DATA:
        raise unexpected_message(f"an empty record of type {content_type} (section 5.1)")
    if content_type == ContentType.ALERT and size != ALERT_SIZE:
        raise decode_error(f"a record with an alert has {size} bytes; allowed are {ALERT_SIZE} (section 5.1)")


def record_overflow(reason: str) -> TLSError:
    """A record is longer than it may be (section 6.2)."""
    return TLSError(AlertDescription.RECORD_OVERFLOW, reason)


def view_of_bytes(buffer: Buffer) -> memoryview:
    """A view of any contiguous buffer as single bytes."""
    view = memoryview(buffer)
    return view if view.format == "B" and view.ndim == 1 else view.cast("B")
