"""Nonces of records: the Connection ID and the record sequence number in the write IV (section 4.3, figure 8)."""

from collections.abc import Iterator
from functools import partial
from typing import Final

from impl.tls13.records import NonceConstruction, per_record_nonces

_ID_SIZE: Final = 4


def connection_nonces(connection_id: int) -> NonceConstruction:
    """How the nonces of a connection are made: ``write_iv XOR (connection_id as u32 || sequence as u64)``.

    Connection 0 has those of TLS 1.3.
    """
    return partial(_nonces, connection_id)


def _nonces(connection_id: int, iv: bytes, first: int) -> Iterator[bytes]:
    top = int.from_bytes(iv[:_ID_SIZE], "big") ^ connection_id
    return per_record_nonces(top.to_bytes(_ID_SIZE, "big") + iv[_ID_SIZE:], first)
