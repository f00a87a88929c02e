"""Makes records of what is to be sent (RFC 8446, sections 5.1 and 5.4; RFC 8449)."""

from collections.abc import Callable
from typing import Final

from cryptography.utils import Buffer

from impl.tls13.records.format import ALERT_SIZE, MAX_PLAINTEXT, OVERHEAD, view_of_bytes
from impl.tls13.records.sealing import Sealer
from impl.tls13.registries import LEGACY_VERSION, ContentType

PaddingPolicy = Callable[[int, int], int]
"""Bytes of content in a record, room that is left in it → zeros to add. What is more than the room is cut off."""

_NO_KEYS: Final = "application data is never sent without protection: there are no keys yet"


class RecordWriter:
    """Makes the records of one direction of a connection.

    Attributes:
        sealer: what protects records, None before there are keys.
        max_content: the most bytes of content and padding in a protected record: 2^14, or what the peer's
            record_size_limit allows, less 1 for the content type (RFC 8449, section 4).
        padding: how much padding protected records get (section 5.4); None for none.
        record_version: legacy_record_version of records without protection: 0x0303; 0x0301 is for a first ClientHello.

    """

    __slots__ = ("max_content", "padding", "record_version", "sealer")

    def __init__(self) -> None:
        self.sealer: Sealer | None = None
        self.max_content = MAX_PLAINTEXT
        self.padding: PaddingPolicy | None = None
        self.record_version = LEGACY_VERSION

    def write(self, content_type: int, content: Buffer, record_size: int | None = None) -> bytes:
        """Make the records of `content`, full ones as far as possible; of empty application data, an empty one.

        Writable application data is used as by Sealer.seal_into. A change_cipher_spec record is never protected. Full
        are protected records with max_content bytes, or with `record_size` if that is less.

        Raises:
            TLSError: internal_error, the key may not protect so many records any more. None was made.
            ValueError: content that no record may have: an empty message, an alert that is not of two bytes.
            RuntimeError: application data before there are keys.

        """
        size = len(content)
        if not size and content_type != ContentType.APPLICATION_DATA:
            raise ValueError("only records of application data may be empty")
        if content_type == ContentType.ALERT and size != ALERT_SIZE:
            raise ValueError(f"an alert of {size} bytes; it has {ALERT_SIZE}")
        sealer = self.sealer
        if sealer is None or content_type == ContentType.CHANGE_CIPHER_SPEC:
            return self._unprotected(content_type, content)
        full = self._full(record_size)
        if size <= full:
            return self._protected(sealer, content_type, content)
        if content_type == ContentType.APPLICATION_DATA and self.padding is None:
            out = bytearray(sealer.sealed_size(size, full))
            sealer.seal_into(content, out, full)
            return bytes(out)
        pieces = _pieces(content, full)
        sealer.require(len(pieces))
        return b"".join([self._protected(sealer, content_type, piece) for piece in pieces])

    def write_into(self, data: Buffer, out: bytearray | memoryview, record_size: int | None = None) -> int:
        """Make records of application data in `out`, as Sealer.seal_into does, and return how many bytes they take.

        No data gives no record. With a padding policy this is as slow as write().

        Raises:
            TLSError: internal_error, the key may not protect so many records any more. None was made.
            ValueError: `out` has less room than sealed_size(len(data), record_size) bytes.
            RuntimeError: there are no keys yet.

        """
        sealer = self.sealer
        if sealer is None:
            raise RuntimeError(_NO_KEYS)
        if self.padding is None:
            return sealer.seal_into(data, out, self._full(record_size))
        most = self.sealed_size(len(data), record_size)
        if len(out) < most:
            raise ValueError(f"the records may take {most} bytes; there is room for {len(out)}")
        records = self.write(ContentType.APPLICATION_DATA, data, record_size) if data else b""
        out[: len(records)] = records
        return len(records)

    def sealed_size(self, length: int, record_size: int | None = None) -> int:
        """Bytes that `length` bytes of application data take at most."""
        full = self._full(record_size)
        if self.padding is None:
            return Sealer.sealed_size(length, full)
        return -(-length // full) * (self.max_content + OVERHEAD)

    def _full(self, record_size: int | None) -> int:
        return self.max_content if record_size is None else min(record_size, self.max_content)

    def _protected(self, sealer: Sealer, content_type: int, content: Buffer) -> bytes:
        if self.padding is None:
            return sealer.seal(content_type, content)
        room = self.max_content - len(content)
        return sealer.seal(content_type, content, min(self.padding(len(content), room), room))

    def _unprotected(self, content_type: int, content: Buffer) -> bytes:
        if content_type == ContentType.APPLICATION_DATA:
            raise RuntimeError(_NO_KEYS)
        # The limit of RFC 8449 is one of protected records alone.
        start = content_type.to_bytes(1, "big") + self.record_version.to_bytes(2, "big")
        pieces = _pieces(content, MAX_PLAINTEXT)
        return b"".join([part for piece in pieces for part in (start, len(piece).to_bytes(2, "big"), piece)])


def _pieces(content: Buffer, size: int) -> list[memoryview]:
    view = view_of_bytes(content)
    return [view[start : start + size] for start in range(0, len(view), size)]
