"""The key schedule: every secret and key of a connection (RFC 8446, sections 4.4.4, 4.6.1 and 7)."""

from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.hashes import HashAlgorithm
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

from impl.tls13.cipher_suites import CIPHER_SUITES, IV_SIZE, CipherSuite

_PREFIX: Final = b"tls13 "


def hkdf_extract(algorithm: HashAlgorithm, salt: bytes, input_key_material: bytes) -> bytes:
    """HKDF-Extract (RFC 5869, section 2.2): a secret of the hash's size."""
    return HKDF.extract(algorithm, salt, input_key_material)


def hkdf_expand_label(algorithm: HashAlgorithm, secret: bytes, label: str, context: bytes, length: int) -> bytes:
    """HKDF-Expand-Label (section 7.1): `length` bytes of keying material.

    `label` is ASCII without the "tls13 " of every label, 1 to 249 characters; `context` has at most 255 bytes.
    ValueError if a size is not one that HkdfLabel can hold, or that the hash can give (255 times its own size).
    """
    if len(context) > 255:
        raise ValueError(f"a context of {len(context)} bytes; allowed are up to 255")
    info = _label_header(label.encode("ascii"), length) + len(context).to_bytes(1, "big") + context
    return HKDFExpand(algorithm, length, info).derive(secret)


@lru_cache(maxsize=128)
def _label_header(label: bytes, length: int) -> bytes:
    """Encode the length and label of an HkdfLabel. Cached, as the schedule uses the same few all the time."""
    if not 1 <= len(label) <= 255 - len(_PREFIX):
        raise ValueError(f"a label of {len(label)} bytes; allowed are 1 to {255 - len(_PREFIX)}")
    if not 1 <= length <= 0xFFFF:
        raise ValueError(f"keying material of {length} bytes; allowed are 1 to {0xFFFF}")
    return length.to_bytes(2, "big") + (len(_PREFIX) + len(label)).to_bytes(1, "big") + _PREFIX + label


def derive_secret(algorithm: HashAlgorithm, secret: bytes, label: str, transcript_hash: bytes) -> bytes:
    """Derive-Secret (section 7.1) over messages that are hashed already.

    ValueError if `transcript_hash` has not the size of the hash: it comes from another one.
    """
    size = algorithm.digest_size
    if len(transcript_hash) != size:
        raise ValueError(f"a transcript hash of {len(transcript_hash)} bytes where {algorithm.name} gives {size}")
    return hkdf_expand_label(algorithm, secret, label, transcript_hash, size)


@dataclass(frozen=True, slots=True)
class _Constants:
    """What depends on the hash alone, and so holds nothing secret.

    That is Hash(""), the Early Secret without a PSK, and what is derived from it to salt the Handshake Secret.
    """

    zeros: bytes
    empty_hash: bytes
    early_secret: bytes
    derived: bytes


def _constants(algorithm: HashAlgorithm) -> _Constants:
    zeros = bytes(algorithm.digest_size)
    empty_hash = hashes.Hash(algorithm).finalize()
    early_secret = hkdf_extract(algorithm, zeros, zeros)
    return _Constants(zeros, empty_hash, early_secret, derive_secret(algorithm, early_secret, "derived", empty_hash))


_CONSTANTS: Final = {suite.hash.name: _constants(suite.hash) for suite in CIPHER_SUITES.values()}


class _Stage(IntEnum):
    """Which of the diagram's three secrets (section 7.1) the schedule stands at."""

    EARLY = 0
    HANDSHAKE = 1
    APPLICATION = 2


class KeySchedule:
    """The diagram of section 7.1, from the Early Secret to the Master Secret, for one side of one connection.

    Each secret is forgotten as soon as the next stage begins. A method called at another stage than its own raises
    RuntimeError, and so does one of the early stage without a PSK, on which all of that stage rests. A client that
    offers several PSKs makes one schedule for each, and one without a PSK if the server selects none.
    """

    __slots__ = ("_algorithm", "_constants", "_derived", "_has_psk", "_secret", "_stage")

    def __init__(self, suite: CipherSuite, psk: bytes | None = None) -> None:
        """Begin with the PSK, or with none; ValueError if it is empty, which no PSK can be."""
        if psk is not None and not psk:
            raise ValueError("the pre-shared key is empty")
        self._algorithm = suite.hash
        self._constants = _CONSTANTS[suite.hash.name]
        self._stage = _Stage.EARLY
        self._has_psk = psk is not None
        self._secret = (
            self._constants.early_secret if psk is None else hkdf_extract(suite.hash, self._constants.zeros, psk)
        )

    def binder_key(self, *, external: bool) -> bytes:
        """Derive the base key of the binder of this PSK, which came from outside of TLS or from a ticket."""
        return self._early("ext binder" if external else "res binder", self._constants.empty_hash)

    def client_early_traffic_secret(self, transcript_hash: bytes) -> bytes:
        """Derive the secret of 0-RTT data; the transcript is ClientHello."""
        return self._early("c e traffic", transcript_hash)

    def early_exporter_secret(self, transcript_hash: bytes) -> bytes:
        """Derive early_exporter_master_secret; the transcript is ClientHello."""
        return self._early("e exp master", transcript_hash)

    def enter_handshake(self, shared_secret: bytes | None) -> None:
        """Go from the Early to the Handshake Secret with the (EC)DHE shared secret; None if the mode is psk_ke."""
        derived = self._constants.derived if not self._has_psk else self._salt(_Stage.EARLY)
        self._advance(_Stage.EARLY, derived, self._constants.zeros if shared_secret is None else shared_secret)

    def client_handshake_traffic_secret(self, transcript_hash: bytes) -> bytes:
        """Derive the secret of the client's handshake messages; the transcript is ClientHello...ServerHello."""
        return self._derive(_Stage.HANDSHAKE, "c hs traffic", transcript_hash)

    def server_handshake_traffic_secret(self, transcript_hash: bytes) -> bytes:
        """Derive the secret of the server's handshake messages; the transcript is ClientHello...ServerHello."""
        return self._derive(_Stage.HANDSHAKE, "s hs traffic", transcript_hash)

    def enter_application(self) -> None:
        """Go from the Handshake to the Master Secret."""
        self._advance(_Stage.HANDSHAKE, self._salt(_Stage.HANDSHAKE), self._constants.zeros)

    def client_application_traffic_secret(self, transcript_hash: bytes) -> bytes:
        """Derive client_application_traffic_secret_0; the transcript is ClientHello...server Finished."""
        return self._derive(_Stage.APPLICATION, "c ap traffic", transcript_hash)

    def server_application_traffic_secret(self, transcript_hash: bytes) -> bytes:
        """Derive server_application_traffic_secret_0; the transcript is ClientHello...server Finished."""
        return self._derive(_Stage.APPLICATION, "s ap traffic", transcript_hash)

    def exporter_secret(self, transcript_hash: bytes) -> bytes:
        """Derive exporter_master_secret; the transcript is ClientHello...server Finished."""
        return self._derive(_Stage.APPLICATION, "exp master", transcript_hash)

    def resumption_secret(self, transcript_hash: bytes) -> bytes:
        """Derive resumption_master_secret; the transcript is ClientHello...client Finished."""
        return self._derive(_Stage.APPLICATION, "res master", transcript_hash)

    def _early(self, label: str, transcript_hash: bytes) -> bytes:
        if not self._has_psk:
            raise RuntimeError(f"{label!r} needs a pre-shared key, and there is none")
        return self._derive(_Stage.EARLY, label, transcript_hash)

    def _derive(self, stage: _Stage, label: str, transcript_hash: bytes) -> bytes:
        if self._stage is not stage:
            raise RuntimeError(
                f"{label!r} belongs to the stage {stage.name}; the key schedule is at {self._stage.name}"
            )
        return derive_secret(self._algorithm, self._secret, label, transcript_hash)

    def _salt(self, stage: _Stage) -> bytes:
        return self._derive(stage, "derived", self._constants.empty_hash)

    def _advance(self, stage: _Stage, salt: bytes, input_key_material: bytes) -> None:
        if self._stage is not stage:
            raise RuntimeError(f"the stage after {stage.name} cannot be entered from {self._stage.name}")
        self._secret = hkdf_extract(self._algorithm, salt, input_key_material)
        self._stage = _Stage(stage + 1)


@dataclass(frozen=True, slots=True)
class TrafficKeys:
    """The write key and write IV of one direction (section 7.3); never shown by repr."""

    key: bytes
    iv: bytes

    def __repr__(self) -> str:
        return f"TrafficKeys(key of {len(self.key)} bytes, iv of {len(self.iv)} bytes)"


def traffic_keys(suite: CipherSuite, secret: bytes) -> TrafficKeys:
    """Expand a traffic secret into the key and IV that protect records (section 7.3)."""
    return TrafficKeys(
        hkdf_expand_label(suite.hash, secret, "key", b"", suite.key_size),
        hkdf_expand_label(suite.hash, secret, "iv", b"", IV_SIZE),
    )


def next_traffic_secret(suite: CipherSuite, secret: bytes) -> bytes:
    """Derive application_traffic_secret_N+1 from number N, for a KeyUpdate (section 7.2)."""
    return hkdf_expand_label(suite.hash, secret, "traffic upd", b"", suite.hash_size)


def finished_verify_data(suite: CipherSuite, base_key: bytes, transcript_hash: bytes) -> bytes:
    """Compute verify_data of a Finished (section 4.4.4), or the binder of a PSK (section 4.2.11.2).

    Compare with what the peer sent in constant time, e.g. by hmac.compare_digest.
    """
    mac = HMAC(hkdf_expand_label(suite.hash, base_key, "finished", b"", suite.hash_size), suite.hash)
    mac.update(transcript_hash)
    return mac.finalize()


def psk_binder(suite: CipherSuite, psk: bytes, transcript_hash: bytes, *, external: bool) -> bytes:
    """Compute the proof that a client has a pre-shared key, over its truncated ClientHello (section 4.2.11.2)."""
    return finished_verify_data(suite, KeySchedule(suite, psk).binder_key(external=external), transcript_hash)


def resumption_psk(suite: CipherSuite, resumption_secret: bytes, ticket_nonce: bytes) -> bytes:
    """Derive the PSK of one ticket (section 4.6.1); ValueError if the nonce has more than 255 bytes."""
    return hkdf_expand_label(suite.hash, resumption_secret, "resumption", ticket_nonce, suite.hash_size)


def export_keying_material(
    suite: CipherSuite, exporter_secret: bytes, label: str | bytes, context: bytes, length: int
) -> bytes:
    """Compute TLS-Exporter (section 7.5) from exporter_master_secret or early_exporter_master_secret.

    No context is the same as an empty one. ValueError if the label is not ASCII or not 1 to 249 bytes long, or if
    `length` is not 1 to 255 times the size of the hash.
    """
    text = label if isinstance(label, str) else label.decode("ascii")
    secret = derive_secret(suite.hash, exporter_secret, text, _CONSTANTS[suite.hash.name].empty_hash)
    digest = hashes.Hash(suite.hash)
    digest.update(context)
    return hkdf_expand_label(suite.hash, secret, "exporter", digest.finalize(), length)
