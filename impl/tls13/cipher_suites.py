"""The cipher suites: an AEAD, a hash, and how much one key may protect (RFC 8446, sections 5.5 and B.4)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Protocol

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.utils import Buffer

IV_SIZE: Final = 12
"""Bytes of an initialization vector, the same for every suite here (RFC 8446, section 5.3)."""

TAG_SIZE: Final = 16
"""Bytes by which every AEAD here makes its input longer (RFC 5116 and RFC 8439)."""


class AEAD(Protocol):
    """One key of an AEAD. Sizes are in bytes; opening raises cryptography.exceptions.InvalidTag."""

    def encrypt(self, nonce: Buffer, data: Buffer, associated_data: Buffer | None) -> bytes:
        """Seal `data`; the result is TAG_SIZE longer."""

    def decrypt(self, nonce: Buffer, data: Buffer, associated_data: Buffer | None) -> bytes:
        """Open `data`; the result is TAG_SIZE shorter."""

    def encrypt_into(self, nonce: Buffer, data: Buffer, associated_data: Buffer | None, buf: Buffer) -> int:
        """Seal `data` into `buf`, which has exactly the size of the result; the number of bytes written."""

    def decrypt_into(self, nonce: Buffer, data: Buffer, associated_data: Buffer | None, buf: Buffer) -> int:
        """Open `data` into `buf`, which has exactly the size of the result; the number of bytes written."""


@dataclass(frozen=True, slots=True)
class CipherSuite:
    """One cipher suite (RFC 8446, section B.4).

    Attributes:
        code: the two bytes on the wire as an integer.
        name: as in the registry, e.g. "TLS_AES_128_GCM_SHA256".
        hash: of the transcript and of HKDF.
        hash_size: bytes of its output, and of every secret.
        key_size: bytes of a key of the AEAD.
        aead: makes an AEAD of a key.
        record_limit: how many records of full size one key may protect (section 5.5).

    """

    code: int
    name: str
    hash: hashes.HashAlgorithm = field(
        compare=False
    )  # the library's algorithms cannot be hashed; `code` tells suites apart
    hash_size: int
    key_size: int
    aead: Callable[[bytes], AEAD] = field(compare=False)
    record_limit: int


# Section 5.5: "up to 2^24.5 full-size records", for a safety margin of 2^-57.
_AES_GCM_RECORDS: Final = 23_726_566
# Section 5.5 has no bound but the sequence number of 64 bits, which must not wrap: stay so far below it that there is
# always time for a KeyUpdate.
_CHACHA20_POLY1305_RECORDS: Final = 2**62

_SUITES: Final = (
    CipherSuite(0x1301, "TLS_AES_128_GCM_SHA256", hashes.SHA256(), 32, 16, AESGCM, _AES_GCM_RECORDS),
    CipherSuite(0x1302, "TLS_AES_256_GCM_SHA384", hashes.SHA384(), 48, 32, AESGCM, _AES_GCM_RECORDS),
    CipherSuite(
        0x1303, "TLS_CHACHA20_POLY1305_SHA256", hashes.SHA256(), 32, 32, ChaCha20Poly1305, _CHACHA20_POLY1305_RECORDS
    ),
)

CIPHER_SUITES: Final[Mapping[int, CipherSuite]] = MappingProxyType({suite.code: suite for suite in _SUITES})
"""The suites by code, in order of preference: AES-128 first, being mandatory (section 9.1) and the fastest where the
processor has AES instructions; ChaCha20 last, as it is for processors without them."""


def suite_by_name(name: str) -> CipherSuite:
    """Find a suite by its name in the registry; ValueError if there is none here, naming those there are."""
    for suite in _SUITES:
        if suite.name == name:
            return suite
    raise ValueError(f"no cipher suite {name!r}; allowed are {', '.join(suite.name for suite in _SUITES)}")
