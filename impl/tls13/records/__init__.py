"""The record protocol: framing, protection and many records at once (RFC 8446, section 5; RFC 8449)."""

from impl.tls13.records.batches import NonceConstruction, per_record_nonces
from impl.tls13.records.format import HEADER_SIZE, MAX_CIPHERTEXT, MAX_PLAINTEXT, OVERHEAD, Record
from impl.tls13.records.opening import Opened, Opener
from impl.tls13.records.reader import RecordReader
from impl.tls13.records.sealing import Sealer
from impl.tls13.records.writer import PaddingPolicy, RecordWriter

__all__ = [
    "HEADER_SIZE",
    "MAX_CIPHERTEXT",
    "MAX_PLAINTEXT",
    "OVERHEAD",
    "NonceConstruction",
    "Opened",
    "Opener",
    "PaddingPolicy",
    "Record",
    "RecordReader",
    "RecordWriter",
    "Sealer",
    "per_record_nonces",
]
