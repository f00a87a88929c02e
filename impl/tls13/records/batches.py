"""Many records at once: nonces, headers and views of a run of equal records, made by loops inside of the interpreter.

Where the processor helps it, an AEAD takes 2 µs for a record of 16 KiB; a few statements of Python take a quarter of
that. benchmarks/tls13_records.py compares.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, count, islice
from operator import itemgetter
from struct import Struct
from typing import Final

from impl.tls13.cipher_suites import TAG_SIZE
from impl.tls13.records.format import HEADER_SIZE, OVERHEAD, protected_header
from impl.tls13.registries import ContentType

BATCH: Final = 64
"""The most records of one batch: enough that its fixed cost, some microseconds, does not count."""
SMALLEST_BATCH: Final = 4
"""Fewer records are as fast one by one; itemgetter needs two of each half, too."""

NonceConstruction = Callable[[bytes, int], Iterator[bytes]]
"""Write IV and sequence number → the nonces of that record and of those after it, 12 bytes each, without end."""

_Views = Callable[[memoryview], Sequence[memoryview]]
_ALL_BYTES: Final = int.from_bytes(bytes(range(256)), "big")
_SPLIT: Final = Struct("256c").unpack

exhaust: Final = deque[object](maxlen=0).extend
"""Run an iterator to its end. The deque that does it never holds anything."""


def per_record_nonces(iv: bytes, first: int) -> Iterator[bytes]:
    """XOR the IV with sequence numbers of 64 bits from `first` on (RFC 8446, section 5.3).

    256 records have all bytes but the last in common, so that a nonce costs one concatenation.
    """
    start = int.from_bytes(iv[:-1], "big")
    size = len(iv) - 1
    endings = _endings(iv[-1])

    def block(high: int) -> Iterator[bytes]:
        return map((start ^ high).to_bytes(size, "big").__add__, endings)

    return islice(chain.from_iterable(map(block, count(first >> 8))), first & 0xFF, None)


@lru_cache(maxsize=256)
def _endings(last: int) -> tuple[bytes, ...]:
    """XOR a byte with 0 to 255."""
    endings: tuple[bytes, ...] = _SPLIT((_ALL_BYTES ^ int.from_bytes(bytes((last,)) * 256, "big")).to_bytes(256, "big"))
    return endings


@dataclass(frozen=True, slots=True)
class Half:
    """The views of every second record of a batch: content with the byte after it, for the type; and fragment."""

    contents: _Views
    fragments: _Views


@dataclass(frozen=True, slots=True)
class Batch:
    """Where equal records of application data lie, relative to the first byte of the first one.

    Contents follow one another without gaps, so the inner content type of a record lies where the content of the next
    one begins. That is why a batch is worked through in halves, first the records 0, 2, 4… and then 1, 3, 5…: while the
    types of one half are in memory, the contents of the other one wait, and their first bytes, which give way, are put
    aside. All types of a half are written or read at once, as a slice with a step.

    Attributes:
        records: their number, SMALLEST_BATCH to BATCH.
        size: bytes of content in a record.
        stride: bytes from the beginning of a record to the next one's.
        header: of every record.
        columns: its first byte as often as there are records, its second one, and so on.
        types: the inner content type as often as there are records.
        first: the half that begins with record 0.
        second: the half that begins with record 1.

    """

    records: int
    size: int
    stride: int
    header: bytes
    columns: tuple[bytes, ...]
    types: bytes
    first: Half
    second: Half


@lru_cache(maxsize=256)
def batch_of(records: int, size: int) -> Batch:
    """Lay out `records` records with `size` bytes of content, at least 1."""
    contents, fragments = _slices(size)

    def half(start: int) -> Half:
        return Half(itemgetter(*contents[start:records:2]), itemgetter(*fragments[start:records:2]))

    header = protected_header(size + 1 + TAG_SIZE)
    columns = tuple(bytes((byte,)) * records for byte in header)
    types = bytes((ContentType.APPLICATION_DATA,)) * records
    return Batch(records, size, size + OVERHEAD, header, columns, types, half(0), half(1))


@lru_cache(maxsize=16)
def _slices(size: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    stride = size + OVERHEAD
    contents = tuple(slice(i * size, (i + 1) * size + 1) for i in range(BATCH))
    return contents, tuple(slice(i * stride + HEADER_SIZE, (i + 1) * stride) for i in range(BATCH))


def every(data: bytes | bytearray | memoryview, start: int, end: int, step: int) -> bytes | bytearray:
    """Copy every `step`-th byte. This is slow with a memoryview: give the bytes themselves where they are there."""
    part = data[start:end:step]
    return part.tobytes() if isinstance(part, memoryview) else part


def write_headers(out: bytearray | memoryview, start: int, batch: Batch) -> None:
    """Write the headers of all records of a batch, whose first one begins at `start`."""
    end = start + batch.records * batch.stride
    stride = batch.stride
    content_type, major, minor, high, low = batch.columns
    out[start:end:stride] = content_type
    out[start + 1 : end : stride] = major
    out[start + 2 : end : stride] = minor
    out[start + 3 : end : stride] = high
    out[start + 4 : end : stride] = low


def equal_headers(records: bytes | bytearray | memoryview, start: int, batch: Batch) -> int:
    """Count how many records of a batch, whose first one begins at `start`, have its header, up to one that has not."""
    most = batch.records
    for i, wanted in enumerate(batch.columns):
        column = every(records, start + i, start + most * batch.stride, batch.stride)
        if column != wanted:
            most -= len(column.lstrip(wanted[:1]))
    return most
