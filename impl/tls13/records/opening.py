"""Opens records with one key (RFC 8446, sections 5.2 to 5.4)."""

from dataclasses import dataclass, field
from itertools import islice, repeat
from typing import Final

from cryptography.exceptions import InvalidTag
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
    equal_headers,
    every,
    exhaust,
    per_record_nonces,
)
from impl.tls13.records.format import (
    HEADER_SIZE,
    MAX_CIPHERTEXT,
    MAX_PLAINTEXT,
    MAX_SEQUENCE,
    OVERHEAD,
    Record,
    parse_inner_plaintext,
    record_overflow,
    view_of_bytes,
)
from impl.tls13.registries import AlertDescription, ContentType

_TYPE: Final = ContentType.APPLICATION_DATA.value


@dataclass(slots=True)
class Opened:
    """What open_into has done with the records that it was given.

    Attributes:
        consumed: bytes of the records that are done with.
        produced: bytes of application data that are in `out` now.
        ends: where each record of application data ends in `out`.
        other: a record of another type that was met and consumed; it ended the run.
        failure: why the record that follows the consumed ones cannot be opened; it ended the run.
        starved: more bytes are needed to go on; that ended the run.

    """

    consumed: int = 0
    produced: int = 0
    ends: list[int] = field(default_factory=list)
    other: Record | None = None
    failure: TLSError | None = None
    starved: bool = False


class Opener:
    """Opens the records of one direction with one key.

    Args:
        suite: the cipher suite.
        keys: the key and the write IV of the peer.
        nonces: how nonces are made of the IV and the sequence number, by default as in section 5.3.
        sequence: number of the first record.

    Attributes:
        max_content: the most bytes of content and padding in a record: what we announced by record_size_limit, less the
            byte of the content type (RFC 8449, section 4).

    """

    __slots__ = (
        "_construction", "_decrypt", "_decrypt_into", "_iv", "_nonce", "_nonces", "_sequence", "_singly", "max_content",
    )  # fmt: skip

    def __init__(
        self,
        suite: CipherSuite,
        keys: TrafficKeys,
        *,
        nonces: NonceConstruction = per_record_nonces,
        sequence: int = 0,
        max_content: int = MAX_PLAINTEXT,
    ) -> None:
        aead = suite.aead(keys.key)
        self.max_content = max_content
        self._decrypt = aead.decrypt
        self._decrypt_into = aead.decrypt_into
        self._construction = nonces
        self._iv = keys.iv
        self._singly = 0  # so many records are opened one by one before a batch is tried
        self._go_to(sequence)

    def _go_to(self, sequence: int) -> None:
        self._sequence = sequence
        self._nonces = self._construction(self._iv, sequence)
        self._nonce = next(self._nonces)

    @property
    def sequence(self) -> int:
        """The sequence number of the next record."""
        return self._sequence

    def open(self, header: Buffer, fragment: Buffer) -> Record:
        """Open one record, given the 5 bytes of its header and what follows them.

        A record that does not authenticate takes no sequence number: another one can be tried.

        Raises:
            TLSError: bad_record_mac, it does not authenticate; record_overflow, the fragment or what was in it is too
                long; internal_error, sequence numbers are used up; and as parse_inner_plaintext().

        """
        self._check(len(fragment))
        try:
            inner = self._decrypt(self._nonce, fragment, header)
        except InvalidTag:
            raise self._bad_record_mac() from None
        self._advance()
        return parse_inner_plaintext(inner, self.max_content)

    def open_into(self, records: Buffer, out: bytearray | memoryview, start: int = 0, end: int | None = None) -> Opened:
        """Open as many records as follow one another; the application data in them goes to `out` without gaps.

        The run ends after a record of another content type, since the next one may have another key, and before one
        that is not whole, has another outer type, finds no room in `out`, or cannot be opened: then the `failure` comes
        with what was before it. Beyond `produced`, `out` holds anything.

        Args:
            records: bytes as received. Bytes and bytearrays are a little faster than views.
            out: has room for max_content + 1 bytes or more: each record needs one more than its content, for its type.
                Must not overlap with `records`.
            start: where a record begins in `records`.
            end: where the received bytes end in `records`, by default with it.

        Raises:
            TLSError: as open(), and nothing was before it.
            ValueError: `out` is too small.

        """
        source = view_of_bytes(records)[:end]
        target = view_of_bytes(out)
        if len(target) <= self.max_content:
            raise ValueError(f"out has room for {len(target)} bytes; {self.max_content + 1} are needed")
        received = source if isinstance(records, memoryview) else records
        place = out if isinstance(out, bytearray) else target
        opened = Opened()
        try:
            self._open_run(opened, received, source, start, place, target)
        except TLSError as error:
            if not opened.consumed:
                raise
            # A copy: the error itself leads to stack frames with views of the caller's buffers.
            opened.failure = TLSError(error.alert, error.reason)
        return opened

    def _open_run(
        self,
        opened: Opened,
        received: Buffer,
        source: memoryview,
        start: int,
        place: bytearray | memoryview,
        target: memoryview,
    ) -> None:
        end = len(source)
        while opened.other is None:
            position = start + opened.consumed
            fragment = position + HEADER_SIZE
            if fragment > end:
                opened.starved = True
                return
            if source[position] != _TYPE:
                return
            header = source[position:fragment].tobytes()
            size = header[3] << 8 | header[4]
            self._check(size)
            if fragment + size > end:
                opened.starved = True
                return
            room = len(target) - opened.produced
            # A run of four records is where it begins to pay, so look at the header of the fourth one.
            fourth = position + (SMALLEST_BATCH - 1) * (HEADER_SIZE + size)
            if not self._singly and source[fourth : fourth + HEADER_SIZE] == header:
                batch = self._batch_at(received, position, end, size - TAG_SIZE - 1, room)
                if batch is not None:
                    self._open_batch(opened, batch, source[position:], place, target[opened.produced :])
                    continue
            if room < size - TAG_SIZE <= self.max_content + 1:
                return
            self._open_one(opened, header, source[fragment : fragment + size], target[opened.produced :])

    def _batch_at(self, received: Buffer, position: int, end: int, size: int, room: int) -> Batch | None:
        """Find records of the same `size` that can be opened together."""
        if not 0 < size <= self.max_content:
            return None
        most = min((end - position) // (size + OVERHEAD), (room - 1) // size, MAX_SEQUENCE + 1 - self._sequence, BATCH)
        if most < SMALLEST_BATCH:
            return None
        batch = batch_of(most, size)
        equal = equal_headers(received, position, batch)
        if equal == most:
            return batch
        return batch_of(equal, size) if equal >= SMALLEST_BATCH else None

    def _open_one(self, opened: Opened, header: bytes, fragment: memoryview, target: memoryview) -> None:
        size = len(fragment) - TAG_SIZE
        fits = size <= self.max_content + 1
        inner = target[:size] if fits else memoryview(bytearray(size))  # too long, if the peer has sent it at all
        try:
            self._decrypt_into(self._nonce, fragment, header, inner)
        except InvalidTag:
            raise self._bad_record_mac() from None
        self._advance()
        if fits and size and inner[-1] == _TYPE:
            self._singly = max(self._singly - 1, 0)
            size -= 1
        else:
            self._singly = BATCH  # padding does not come alone
            record = parse_inner_plaintext(bytes(inner), self.max_content)
            if record.content_type != _TYPE:
                opened.other = record
                opened.consumed += HEADER_SIZE + len(fragment)
                return
            size = len(record.content)
        opened.consumed += HEADER_SIZE + len(fragment)
        opened.produced += size
        opened.ends.append(opened.produced)

    def _open_batch(
        self, opened: Opened, batch: Batch, source: memoryview, place: bytearray | memoryview, target: memoryview
    ) -> None:
        """Open all of the records; or none, if one of them holds anything but application data without padding."""
        nonces = [self._nonce, *islice(self._nonces, batch.records)]
        header = repeat(batch.header)
        step = 2 * batch.size
        first = opened.produced + batch.size
        second = opened.produced + step
        end = opened.produced + batch.records * batch.size
        for_first, for_second = batch.first, batch.second
        try:
            exhaust(
                map(self._decrypt_into, nonces[:-1:2], for_first.fragments(source), header, for_first.contents(target))
            )
            types = every(place, first, end + 1, step)
            saved = every(place, second, end, step)
            exhaust(
                map(
                    self._decrypt_into,
                    nonces[1:-1:2],
                    for_second.fragments(source),
                    header,
                    for_second.contents(target),
                )
            )
            types += every(place, second, end + 1, step)
            place[second:end:step] = saved
            usual = types == batch.types
        except InvalidTag:
            usual = False
        if not usual:
            self._singly = batch.records
            self._go_to(self._sequence)
            return
        self._sequence += batch.records
        self._nonce = nonces[-1]
        opened.consumed += batch.records * batch.stride
        opened.produced = end
        opened.ends.extend(range(first, end + 1, batch.size))

    def _check(self, fragment_size: int) -> None:
        if fragment_size > MAX_CIPHERTEXT:
            raise record_overflow(f"a protected record of {fragment_size} bytes; the limit is {MAX_CIPHERTEXT}")
        if fragment_size < TAG_SIZE:
            raise TLSError(
                AlertDescription.BAD_RECORD_MAC, f"a protected record of {fragment_size} bytes has no room for its tag"
            )
        if self._sequence > MAX_SEQUENCE:
            raise TLSError(AlertDescription.INTERNAL_ERROR, "the sequence numbers of this key are used up")

    def _bad_record_mac(self) -> TLSError:
        return TLSError(AlertDescription.BAD_RECORD_MAC, f"record {self._sequence} of this key does not authenticate")

    def _advance(self) -> None:
        self._sequence += 1
        self._nonce = next(self._nonces)
