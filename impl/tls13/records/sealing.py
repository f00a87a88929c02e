"""Seals records with one key (RFC 8446, sections 5.2 to 5.5)."""

from itertools import islice, repeat

from cryptography.utils import Buffer

from impl.tls13.alerts import TLSError
from impl.tls13.cipher_suites import TAG_SIZE, CipherSuite
from impl.tls13.key_schedule import TrafficKeys
from impl.tls13.records.batches import (
    BATCH,
    SMALLEST_BATCH,
    Batch,
    NonceConstruction,
    batch_of,
    every,
    exhaust,
    per_record_nonces,
    write_headers,
)
from impl.tls13.records.format import (
    HEADER_SIZE,
    MAX_PLAINTEXT,
    MAX_SEQUENCE,
    OVERHEAD,
    protected_header,
    view_of_bytes,
)
from impl.tls13.registries import AlertDescription, ContentType


class Sealer:
    """Seals the records of one direction with one key.

    Args:
        suite: the cipher suite.
        keys: the key and the write IV.
        nonces: how nonces are made of the IV and the sequence number, by default as in section 5.3.
        sequence: number of the first record.

    """

    __slots__ = ("_encrypt", "_encrypt_into", "_limit", "_nonces", "_sequence")

    def __init__(
        self, suite: CipherSuite, keys: TrafficKeys, *, nonces: NonceConstruction = per_record_nonces, sequence: int = 0
    ) -> None:
        aead = suite.aead(keys.key)
        self._encrypt = aead.encrypt
        self._encrypt_into = aead.encrypt_into
        self._nonces = nonces(keys.iv, sequence)
        self._sequence = sequence
        self._limit = min(suite.record_limit, MAX_SEQUENCE + 1)

    @property
    def sequence(self) -> int:
        """The sequence number of the next record."""
        return self._sequence

    @property
    def records_left(self) -> int:
        """How many more records this key may protect (section 5.5); keys must be updated before that is used up."""
        return self._limit - self._sequence

    @staticmethod
    def sealed_size(length: int, record_size: int = MAX_PLAINTEXT) -> int:
        """Bytes that `length` bytes of application data take as records of `record_size` bytes of content."""
        return length - (-length // record_size) * OVERHEAD

    def seal(self, content_type: int, content: Buffer, padding: int = 0) -> bytes:
        """Make one record of `content` and as many zeros as `padding` says, with its header.

        Raises:
            TLSError: internal_error, the key has protected all the records it may.
            ValueError: more than MAX_PLAINTEXT bytes, or no content where the type must have some (section 5.4).

        """
        size = len(content) + padding
        if size > MAX_PLAINTEXT or padding < 0:
            raise ValueError(f"{len(content)} bytes and {padding} of padding; a record takes {MAX_PLAINTEXT}")
        if not content and content_type != ContentType.APPLICATION_DATA:
            raise ValueError("only records of application data may be empty")
        self._use(1)
        header = protected_header(size + 1 + TAG_SIZE)
        inner = b"".join((content, content_type.to_bytes(padding + 1, "little")))
        return header + self._encrypt(next(self._nonces), inner, header)

    def seal_into(self, data: Buffer, out: bytearray | memoryview, record_size: int = MAX_PLAINTEXT) -> int:
        """Make records of application data, full ones as far as possible, and return how many bytes they take in `out`.

        The content type, which the AEAD wants to find behind the content, is written into `data` for a moment, and what
        was there is put back: nobody else may use `data` meanwhile, and it is unchanged when this returns. Data that is
        read-only, as bytes are, has to be copied, and so is the last record; with AES, that takes a quarter of the time
        more. Bytearrays are a little faster than views.

        Args:
            data: the content; none gives no record. Must not overlap with `out`.
            out: has room for sealed_size(len(data), record_size) bytes.
            record_size: bytes of content in a record, 1 to MAX_PLAINTEXT.

        Raises:
            TLSError: internal_error, the key may not protect so many records any more. None was made.
            ValueError: `out` is too small, or `record_size` is out of its range.

        """
        if not 1 <= record_size <= MAX_PLAINTEXT:
            raise ValueError(f"records of {record_size} bytes; allowed are 1 to {MAX_PLAINTEXT}")
        source = view_of_bytes(data)
        target = view_of_bytes(out)
        length = len(source)
        records = -(-length // record_size)
        size = length + records * OVERHEAD
        if len(target) < size:
            raise ValueError(f"the records take {size} bytes; there is room for {len(target)}")
        self._use(records)
        start = to = 0
        if not source.readonly:
            contents = data if isinstance(data, bytearray) else source
            place = out if isinstance(out, bytearray) else target
            # The last record is not among these: the byte behind it is not ours.
            while (left := (length - start - 1) // record_size) >= SMALLEST_BATCH:
                batch = batch_of(min(left, BATCH), record_size)
                write_headers(place, to, batch)
                self._seal_batch(batch, contents, start, source[start:], target[to:])
                start += batch.records * record_size
                to += batch.records * batch.stride
        while start < length:
            self._seal_one(source[start : start + record_size], target[to:size])
            start += record_size
            to += record_size + OVERHEAD
        return size

    def require(self, records: int) -> None:
        """Raise TLSError (internal_error) if the key may not protect so many more records."""
        if records > self._limit - self._sequence:
            raise TLSError(
                AlertDescription.INTERNAL_ERROR,
                f"{records} more records with a key that may protect {self._limit} and has protected {self._sequence}",
            )

    def _use(self, records: int) -> None:
        """Take sequence numbers: beforehand, so that no failure can lead to a nonce being used twice."""
        self.require(records)
        self._sequence += records

    def _seal_one(self, content: memoryview, target: memoryview) -> None:
        size = len(content)
        end = HEADER_SIZE + size
        header = protected_header(size + 1 + TAG_SIZE)
        target[:HEADER_SIZE] = header
        target[HEADER_SIZE:end] = content
        target[end] = ContentType.APPLICATION_DATA
        fragment = target[HEADER_SIZE : size + OVERHEAD]
        self._encrypt_into(next(self._nonces), fragment[: size + 1], header, fragment)

    def _seal_batch(
        self, batch: Batch, data: bytearray | memoryview, start: int, source: memoryview, target: memoryview
    ) -> None:
        nonces = list(islice(self._nonces, batch.records))
        step = 2 * batch.size
        end = start + batch.records * batch.size + 1
        header = repeat(batch.header)
        for half, turn, place in ((batch.first, 0, start + batch.size), (batch.second, 1, start + step)):
            saved = every(data, place, end, step)
            data[place:end:step] = batch.types[: len(saved)]
            try:
                exhaust(map(self._encrypt_into, nonces[turn::2], half.contents(source), header, half.fragments(target)))
            finally:
                data[place:end:step] = saved
