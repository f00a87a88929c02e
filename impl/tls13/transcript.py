"""The transcript: a running hash of the handshake messages (RFC 8446, section 4.4.1)."""

from cryptography.hazmat.primitives.hashes import Hash, HashAlgorithm

from impl.tls13.registries import HandshakeType


class Transcript:
    """The handshake messages up to now, with their headers of four bytes.

    Messages are kept as they are until the cipher suite, and so the hash, is known. RuntimeError where a method is
    called too early or too late.
    """

    __slots__ = ("_algorithm", "_buffer", "_hash", "_messages")

    def __init__(self) -> None:
        self._algorithm: HashAlgorithm | None = None
        self._hash: Hash | None = None
        self._buffer = b""
        self._messages = 0

    def add(self, message: bytes) -> None:
        """Append one message."""
        self._messages += 1
        if self._hash is None:
            self._buffer += message
        else:
            self._hash.update(message)

    def choose(self, algorithm: HashAlgorithm) -> None:
        """Settle the hash; to name the same one again, as after a HelloRetryRequest, does nothing."""
        if self._algorithm is not None:
            self._require_same(algorithm)
            return
        self._algorithm = algorithm
        self._hash = Hash(algorithm)
        self._hash.update(self._buffer)
        self._buffer = b""

    def replace_with_message_hash(self) -> None:
        """Put message_hash in the place of the first ClientHello, before the HelloRetryRequest is added."""
        if self._algorithm is None or self._hash is None or self._messages != 1:
            raise RuntimeError("message_hash takes the place of the first message alone, and after the hash is chosen")
        digest = self._hash.finalize()
        self._hash = Hash(self._algorithm)
        self._hash.update(bytes([HandshakeType.MESSAGE_HASH]) + len(digest).to_bytes(3, "big") + digest)

    def digest(self) -> bytes:
        """Transcript-Hash of the messages up to now."""
        if self._hash is None:
            raise RuntimeError("the hash of the transcript has not been chosen yet")
        return self._hash.copy().finalize()

    def digest_with(self, prefix: bytes, algorithm: HashAlgorithm | None = None) -> bytes:
        """Transcript-Hash as if `prefix` had been added, e.g. a truncated ClientHello (section 4.2.11.2).

        `algorithm` is that of the PSK whose binder is made; needed until a hash is chosen, and afterwards the same.
        """
        if self._hash is None:
            if algorithm is None:
                raise RuntimeError("the hash of the transcript has not been chosen yet")
            return self.hash_of(algorithm, self._buffer, prefix)
        if algorithm is not None:
            self._require_same(algorithm)
        context = self._hash.copy()
        context.update(prefix)
        return context.finalize()

    def _require_same(self, algorithm: HashAlgorithm) -> None:
        if self._algorithm is not None and algorithm.name != self._algorithm.name:
            raise RuntimeError(f"the hash of the transcript is {self._algorithm.name}, not {algorithm.name}")

    @staticmethod
    def hash_of(algorithm: HashAlgorithm, *messages: bytes) -> bytes:
        """Transcript-Hash of these messages."""
        context = Hash(algorithm)
        for message in messages:
            context.update(message)
        return context.finalize()
