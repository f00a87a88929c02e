"""The record layer: takes records from the bytes received (RFC 8446, sections 4.2.10, 5, 5.1 and D.4; RFC 8449)."""

from enum import Enum, auto
from typing import Final

from cryptography.utils import Buffer

from impl.tls13.alerts import TLSError, unexpected_message
from impl.tls13.records.format import (
    HEADER_SIZE,
    MAX_CIPHERTEXT,
    MAX_PLAINTEXT,
    OVERHEAD,
    Record,
    check_content_size,
    record_overflow,
)
from impl.tls13.records.opening import Opened, Opener
from impl.tls13.registries import AlertDescription, ContentType

_CHANGE_CIPHER_SPEC: Final = b"\x01"
_TYPES: Final = frozenset(ContentType) - {ContentType.INVALID}
_MAJOR_VERSION: Final = 3


class _Skip(Enum):
    """How early data is told from what follows it, once it was rejected (section 4.2.10)."""

    NOTHING = auto()
    UNDECRYPTABLE = auto()
    BEFORE_SECOND_HELLO = auto()


class RecordReader:
    """Takes the bytes of one direction of a connection and gives its records.

    A record that breaks a rule raises TLSError, as soon as enough of it is there to tell; every call after that raises
    the same error. Besides those of Opener.open(), these are: unexpected_message for a content type that TLS 1.3 does
    not have or that must not come with or without protection, and for empty messages; record_overflow for too long
    records; decode_error for alerts of another size than two bytes; protocol_version for a first record not of TLS.

    Whether this is the moment for a change_cipher_spec record, or for an alert without protection, is for the user to
    decide: if their form is right, they are returned like all others.

    Attributes:
        opened_any: a protected record has been opened.

    """

    def __init__(self) -> None:
        self.opened_any = False
        self._buffer = bytearray()
        self._start = 0
        self._opener: Opener | None = None
        self._max_content = MAX_PLAINTEXT
        self._failure: TLSError | None = None
        self._first = True
        self._skip = _Skip.NOTHING
        self._skip_budget = 0

    @property
    def opener(self) -> Opener | None:
        """What opens records, None before there are keys. Set, it opens all records that have not been taken yet."""
        return self._opener

    @opener.setter
    def opener(self, opener: Opener | None) -> None:
        self._opener = opener
        if opener is not None:
            opener.max_content = self._max_content

    @property
    def max_content(self) -> int:
        """The most bytes of content and padding in a protected record: what record_size_limit announced, less 1."""
        return self._max_content

    @max_content.setter
    def max_content(self, size: int) -> None:
        self._max_content = size
        if self._opener is not None:
            self._opener.max_content = size

    @property
    def buffered(self) -> int:
        """How many of the received bytes have not been taken as records."""
        return len(self._buffer) - self._start

    def skip_undecryptable_early_data(self, budget: int) -> None:
        """Early data was rejected, and the handshake goes on: drop protected records until one can be opened.

        Args:
            budget: how many bytes of early data may come; more is an unexpected_message (section 4.6.1). Each record
                counts with its content and padding, or with 1 if there is none.

        """
        self._skip, self._skip_budget = _Skip.UNDECRYPTABLE, budget

    def skip_early_data_before_second_hello(self, budget: int) -> None:
        """Early data was rejected by a HelloRetryRequest: drop protected records until a handshake message comes.

        Args:
            budget: as for skip_undecryptable_early_data.

        """
        self._skip, self._skip_budget = _Skip.BEFORE_SECOND_HELLO, budget

    def receive(self, data: Buffer) -> None:
        """Take bytes; those of a connection that has failed are dropped."""
        if self._failure is None:
            self._drop_taken()
            self._buffer += data

    def next_record(self) -> Record | None:
        """Take the next record; None if more bytes are needed for that."""
        self._raise_failure()
        try:
            record, self._start = self._take(self._buffer, self._start, len(self._buffer))
        except TLSError as error:
            self._fail(error)
            raise
        if record is None:
            self._drop_taken()
        return record

    def open_into(self, out: bytearray | memoryview) -> Opened:
        """Take the application data records that come next, all at once, with their content in `out` without gaps.

        This is Opener.open_into with the bytes received: `out` has room for max_content + 1 bytes or more. A record of
        another type that comes first is taken as `other`. When nothing is consumed, more bytes are needed.
        """
        opened = self._open(self._buffer, out, self._start, len(self._buffer))
        self._start += opened.consumed
        if not self.buffered:
            self._drop_taken()
        return opened

    def open_from(
        self, received: bytearray | memoryview, out: bytearray | memoryview, start: int = 0, end: int | None = None
    ) -> Opened:
        """Do as open_into, with bytes in a buffer of the caller's, where they stay as far as they are not consumed.

        Args:
            received: the buffer. A bytearray is a little faster than a view.
            out: gets the application data; other memory than `received`.
            start: where the first byte that was not consumed yet lies in `received`.
            end: where the bytes received end in it, by default with it.

        Raises:
            RuntimeError: bytes given to receive() wait to be taken; take_buffered() returns them.

        """
        if self.buffered:
            raise RuntimeError("bytes of receive() come before these: take them first, by next_record or take_buffered")
        return self._open(received, out, start, len(received) if end is None else end)

    def take_buffered(self) -> bytes:
        """Give back the bytes that were received and not taken, which may be a part of a record."""
        rest = bytes(self._buffer[self._start :])
        self._start = 0
        self._buffer = bytearray()
        return rest

    def _drop_taken(self) -> None:
        if self._start:
            del self._buffer[: self._start]
            self._start = 0

    def _open(self, received: bytearray | memoryview, out: bytearray | memoryview, start: int, end: int) -> Opened:
        self._raise_failure()
        try:
            if self._opener is not None and self._skip is _Skip.NOTHING:
                opened = self._opener.open_into(received, out, start, end)
                if opened.consumed:
                    self._first = False
                    self.opened_any = True
                    self._failure = opened.failure
                    return opened
            record, taken = self._take(received, start, end)
        except TLSError as error:
            self._fail(error)
            raise
        return Opened(consumed=taken - start, other=record)

    def _fail(self, error: TLSError) -> None:
        # A copy: the error itself leads to stack frames with views of buffers, which could not be resized meanwhile.
        self._failure = TLSError(error.alert, error.reason)

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise TLSError(self._failure.alert, self._failure.reason)

    def _take(self, received: bytearray | memoryview, start: int, end: int) -> tuple[Record | None, int]:
        """Take the record that begins at `start`; also returns where the next one begins."""
        while (header := self._header(received, start, end)) is not None:
            content_type, size = header
            body = start + HEADER_SIZE
            if body + size > end:
                break
            self._first = False
            with memoryview(received)[body : body + size] as fragment:
                if content_type == ContentType.APPLICATION_DATA:
                    record = self._open_or_skip(bytes(received[start:body]), fragment)
                else:
                    record = Record(content_type, fragment.tobytes(), protected=False)
            start = body + size
            if record is None:
                continue
            if content_type == ContentType.CHANGE_CIPHER_SPEC and record.content != _CHANGE_CIPHER_SPEC:
                raise unexpected_message("a change_cipher_spec record must hold the byte 1 (section 5)")
            if content_type == ContentType.HANDSHAKE:
                self._skip = _Skip.NOTHING
            return record, start
        return None, start

    def _header(self, received: bytearray | memoryview, start: int, end: int) -> tuple[int, int] | None:
        """Check as much as there is of a header; content type and size once all of it is there."""
        if start == end:
            return None
        content_type = received[start]
        if content_type not in _TYPES:
            if self._first:
                raise unexpected_message(
                    f"this is not TLS: it begins with {bytes(received[start : min(end, start + 8)])!r}"
                )
            raise unexpected_message(f"a record of type {content_type} (section 5)")
        self._check_type(content_type)
        # legacy_record_version means nothing (section 5.1). Yet a connection that does not begin with 3 here is of
        # another protocol, whose "length" would have us wait for bytes that may never come. Others send this alert too.
        if self._first and end - start > 1 and received[start + 1] != _MAJOR_VERSION:
            raise TLSError(
                AlertDescription.PROTOCOL_VERSION,
                f"this is not TLS: its first record is of version {received[start + 1]}",
            )
        if end - start < HEADER_SIZE:
            return None
        size = received[start + 3] << 8 | received[start + 4]
        self._check_size(content_type, size)
        return content_type, size

    def _check_type(self, content_type: int) -> None:
        if content_type == ContentType.APPLICATION_DATA:
            if self._opener is None and self._skip is not _Skip.BEFORE_SECOND_HELLO:
                raise unexpected_message("a protected record before there are keys")
        elif content_type == ContentType.HANDSHAKE and self._opener is not None:
            raise unexpected_message("a handshake record without protection, after keys were agreed")

    @staticmethod
    def _check_size(content_type: int, size: int) -> None:
        limit = MAX_CIPHERTEXT if content_type == ContentType.APPLICATION_DATA else MAX_PLAINTEXT
        if size > limit:
            raise record_overflow(f"a record of {size} bytes; the limit is {limit} (sections 5.1 and 5.2)")
        check_content_size(content_type, size)
        if content_type == ContentType.CHANGE_CIPHER_SPEC and size != len(_CHANGE_CIPHER_SPEC):
            raise unexpected_message(f"a change_cipher_spec record of {size} bytes; it must have 1 (section 5)")

    def _open_or_skip(self, header: bytes, fragment: memoryview) -> Record | None:
        if self._opener is not None:
            try:
                record = self._opener.open(header, fragment)
            except TLSError as error:
                if self._skip is not _Skip.UNDECRYPTABLE or error.alert is not AlertDescription.BAD_RECORD_MAC:
                    raise
            else:
                self._skip = _Skip.NOTHING
                self.opened_any = True
                return record
        self._skip_budget -= max(len(fragment) - (OVERHEAD - HEADER_SIZE), 1)
        if self._skip_budget < 0:
            raise unexpected_message("more early data than was allowed, all of it rejected (section 4.6.1)")
        return None
