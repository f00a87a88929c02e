"""The seeded payload: an AES-128-CTR key stream, every byte of it known from the seed alone."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

_BLOCK = 16
_CHUNK = 1 << 20


def _key(seed: int) -> bytes:
    return hashlib.sha256(f"harness payload {seed}".encode("ascii")).digest()[:_BLOCK]


def chunks(seed: int, size: int, *, offset: int = 0) -> Iterator[bytes]:
    """Yield ``size`` bytes of the payload of ``seed`` from ``offset`` on, in pieces of at most 1 MiB.

    Raises:
        ValueError: ``size`` or ``offset`` is negative.

    """
    if size < 0 or offset < 0:
        raise ValueError(f"size ({size}) and offset ({offset}) must not be negative")
    block, skip = divmod(offset, _BLOCK)
    stream = Cipher(AES(_key(seed)), CTR(block.to_bytes(_BLOCK, "big"))).encryptor()
    stream.update(bytes(skip))
    zeros = bytes(min(size, _CHUNK))
    while size > 0:
        yield stream.update(zeros if size >= len(zeros) else zeros[:size])
        size -= len(zeros)


def write_payload(path: Path, seed: int, size: int) -> str:
    """Write the payload of ``seed`` (``size`` bytes) to ``path`` and return its SHA-256 as hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for chunk in chunks(seed, size):
            file.write(chunk)
            digest.update(chunk)
    return digest.hexdigest()


def expected_sha256(seed: int, size: int, *, offset: int = 0) -> str:
    """Return the SHA-256 (hexadecimal) of ``size`` bytes of the payload of ``seed`` from ``offset`` on."""
    digest = hashlib.sha256()
    for chunk in chunks(seed, size, offset=offset):
        digest.update(chunk)
    return digest.hexdigest()
