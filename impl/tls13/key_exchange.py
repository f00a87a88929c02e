"""The key exchange: (EC)DHE, and its hybrid with ML-KEM.

RFC 8446, sections 4.2.8 and 7.4; draft-ietf-tls-ecdhe-mlkem; FIPS 203.
"""

from functools import lru_cache
from typing import Final, Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from impl.tls13.alerts import illegal_parameter
from impl.tls13.registries import NamedGroup

EcdhePrivateKey = X25519PrivateKey | ec.EllipticCurvePrivateKey

_X25519_SIZE: Final = 32
_MLKEM_KEY_SIZE: Final = 1184
_MLKEM_CIPHERTEXT_SIZE: Final = 1088
_CURVES: Final[dict[NamedGroup, ec.EllipticCurve]] = {
    NamedGroup.SECP256R1: ec.SECP256R1(),
    NamedGroup.SECP384R1: ec.SECP384R1(),
}
_GROUPS: Final = {curve.name: group for group, curve in _CURVES.items()}
_UNCOMPRESSED: Final = 4  # legacy_form of UncompressedPointRepresentation (section 4.2.8.2)


class KeyExchange(Protocol):
    """The client's half of a key exchange: a private key and the share that is sent for it."""

    @property
    def group(self) -> NamedGroup:
        """The group of both shares."""

    @property
    def share(self) -> bytes:
        """key_exchange of the client's KeyShareEntry."""

    def shared_secret(self, server_share: bytes) -> bytes:
        """Compute the shared secret from the server's share; TLSError (illegal_parameter) if that is not valid."""


@lru_cache(maxsize=1)
def supported_groups() -> tuple[NamedGroup, ...]:
    """The groups that this machine's cryptography library has, in order of preference."""
    elliptic = (NamedGroup.X25519, NamedGroup.SECP256R1, NamedGroup.SECP384R1)
    try:
        MLKEM768PrivateKey.generate()
    except UnsupportedAlgorithm:
        return elliptic
    return (NamedGroup.X25519MLKEM768, *elliptic)


class EcdheKeyExchange:
    """ECDHE with one private key, which names the group: X25519, P-256 or P-384. The client's half or the server's.

    ValueError if the key is of another curve.
    """

    __slots__ = ("_private_key", "group", "share")

    def __init__(self, private_key: EcdhePrivateKey) -> None:
        self._private_key = private_key
        self.group: NamedGroup
        self.share: bytes
        if isinstance(private_key, X25519PrivateKey):
            self.group = NamedGroup.X25519
            self.share = private_key.public_key().public_bytes_raw()
        else:
            if private_key.curve.name not in _GROUPS:
                raise ValueError(f"no group for keys of {private_key.curve.name}; allowed are {', '.join(_GROUPS)}")
            self.group = _GROUPS[private_key.curve.name]
            self.share = private_key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

    def shared_secret(self, server_share: bytes) -> bytes:
        """Compute the shared secret (section 7.4.2).

        Raises:
            TLSError: illegal_parameter if the peer's share has a wrong length or is not an uncompressed point on the
                curve (section 4.2.8.2), or if X25519 gives all zeros for it.

        """
        if isinstance(self._private_key, X25519PrivateKey):
            return _x25519(self._private_key, server_share)
        curve = _CURVES[self.group]
        size = 1 + 2 * ((curve.key_size + 7) // 8)
        if len(server_share) != size or server_share[0] != _UNCOMPRESSED:
            raise illegal_parameter(
                f"a {self.group.name} share is an uncompressed point of {size} bytes (section 4.2.8.2)"
            )
        try:
            point = ec.EllipticCurvePublicKey.from_encoded_point(curve, server_share)
        except ValueError as error:
            raise illegal_parameter(f"a {self.group.name} share is not a point on the curve") from error
        return self._private_key.exchange(ec.ECDH(), point)


class HybridKeyExchange:
    """X25519MLKEM768, the client's half: an ML-KEM-768 key and an X25519 key, each made for this exchange alone."""

    __slots__ = ("_mlkem", "_x25519", "group", "share")

    def __init__(self, mlkem: MLKEM768PrivateKey, x25519: X25519PrivateKey) -> None:
        self._mlkem = mlkem
        self._x25519 = x25519
        self.group = NamedGroup.X25519MLKEM768
        self.share = mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()

    def shared_secret(self, server_share: bytes) -> bytes:
        """Compute the ML-KEM secret followed by the X25519 secret.

        An ML-KEM ciphertext that has been tampered with gives another secret (implicit rejection), so that the
        handshake fails at the first record.

        Raises:
            TLSError: illegal_parameter if the share has a wrong length, or if X25519 gives all zeros for it.

        """
        size = _MLKEM_CIPHERTEXT_SIZE + _X25519_SIZE
        if len(server_share) != size:
            raise illegal_parameter(f"a server's X25519MLKEM768 share has {size} bytes, not {len(server_share)}")
        x25519_secret = _x25519(self._x25519, server_share[_MLKEM_CIPHERTEXT_SIZE:])
        return self._mlkem.decapsulate(server_share[:_MLKEM_CIPHERTEXT_SIZE]) + x25519_secret


def generate(group: NamedGroup) -> KeyExchange:
    """Make a new private key for the client's half; ValueError if this machine has not got the group."""
    if group is NamedGroup.X25519:
        return EcdheKeyExchange(X25519PrivateKey.generate())
    if group in _CURVES:
        return EcdheKeyExchange(ec.generate_private_key(_CURVES[group]))
    if group in supported_groups():
        return HybridKeyExchange(MLKEM768PrivateKey.generate(), X25519PrivateKey.generate())
    raise ValueError(f"no group {group!r}; allowed are {', '.join(known.name for known in supported_groups())}")


def respond(group: NamedGroup, client_share: bytes) -> tuple[bytes, bytes]:
    """Do the server's half with a new private key: the server's share, and the shared secret.

    Raises:
        TLSError: illegal_parameter if the client's share is not valid; for ML-KEM that includes the check of the
            encapsulation key (FIPS 203, section 7.2).
        ValueError: this machine has not got the group.

    """
    if group is NamedGroup.X25519MLKEM768 and group in supported_groups():
        return _respond_hybrid(X25519PrivateKey.generate(), client_share)
    exchange = generate(group)
    return exchange.share, exchange.shared_secret(client_share)


def respond_with(private_key: EcdhePrivateKey, client_share: bytes) -> tuple[bytes, bytes]:
    """Do the server's half of ECDHE with a given private key, as to replay a known handshake; see ``respond``."""
    exchange = EcdheKeyExchange(private_key)
    return exchange.share, exchange.shared_secret(client_share)


def _respond_hybrid(private_key: X25519PrivateKey, client_share: bytes) -> tuple[bytes, bytes]:
    size = _MLKEM_KEY_SIZE + _X25519_SIZE
    if len(client_share) != size:
        raise illegal_parameter(f"a client's X25519MLKEM768 share has {size} bytes, not {len(client_share)}")
    x25519_secret = _x25519(private_key, client_share[_MLKEM_KEY_SIZE:])
    try:
        # The library checks that every coefficient is below the modulus, which FIPS 203, section 7.2, demands.
        mlkem_secret, ciphertext = MLKEM768PublicKey.from_public_bytes(client_share[:_MLKEM_KEY_SIZE]).encapsulate()
    except ValueError as error:
        raise illegal_parameter("the ML-KEM key of an X25519MLKEM768 share is not valid (FIPS 203, 7.2)") from error
    return ciphertext + private_key.public_key().public_bytes_raw(), mlkem_secret + x25519_secret


def _x25519(private_key: X25519PrivateKey, share: bytes) -> bytes:
    if len(share) != _X25519_SIZE:
        raise illegal_parameter(f"an X25519 share has {_X25519_SIZE} bytes, not {len(share)}")
    try:
        # The library raises where the result is all zeros, which section 7.4.2 demands to check.
        return private_key.exchange(X25519PublicKey.from_public_bytes(share))
    except ValueError as error:
        raise illegal_parameter("an X25519 share is a point of small order: the secret would be all zeros") from error
