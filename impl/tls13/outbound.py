"""The bytes for the peer: handshake messages in flights, alerts and data, each with the keys of its moment."""

from typing import Final

from impl.tls13.cipher_suites import CipherSuite
from impl.tls13.key_schedule import next_traffic_secret, traffic_keys
from impl.tls13.messages import KeyUpdate
from impl.tls13.records import NonceConstruction, PaddingPolicy, RecordWriter, Sealer, per_record_nonces
from impl.tls13.registries import AlertDescription, AlertLevel, ContentType, KeyUpdateRequest

_CHANGE_CIPHER_SPEC: Final = b"\x01"


class Outbound:
    """One direction of a connection.

    Attributes:
        writer: makes the records.
        generation: of the application keys; 0 are those of the handshake's end.

    """

    def __init__(self, padding: PaddingPolicy | None, *, nonces: NonceConstruction = per_record_nonces) -> None:
        self.writer = RecordWriter()
        self.writer.padding = padding
        self.generation = 0
        self._nonces = nonces
        self._records_before = 0
        self._flight: list[bytes] = []
        self._records: list[bytes] = []
        self._secret = b""

    @property
    def pending(self) -> bool:
        """Whether something waits to be taken."""
        return bool(self._records)

    def take(self) -> bytes:
        """All records since the last call."""
        if not self._records:
            return b""
        data = self._records[0] if len(self._records) == 1 else b"".join(self._records)
        self._records.clear()
        return data

    def message(self, encoded: bytes) -> None:
        """Put a handshake message into the flight."""
        self._flight.append(encoded)

    def flush(self) -> None:
        """Make records of the flight's messages: as few as possible, all with the keys of this moment."""
        if self._flight:
            content = b"".join(self._flight)
            self._flight.clear()
            self._records.append(self.writer.write(ContentType.HANDSHAKE, content))

    def change_cipher_spec(self) -> None:
        """Add the record that makes the connection look like TLS 1.2 (appendix D.4)."""
        self.flush()
        self._records.append(self.writer.write(ContentType.CHANGE_CIPHER_SPEC, _CHANGE_CIPHER_SPEC))

    def alert(self, level: AlertLevel, alert: AlertDescription) -> None:
        """Add an alert; what is left of a flight after an error is dropped."""
        if level is AlertLevel.FATAL:
            self._flight.clear()
        self.flush()
        if self.protected and not self.records_left:
            return  # nothing more can be said with these keys
        self._records.append(self.writer.write(ContentType.ALERT, bytes((level, alert))))

    def data(self, content: bytes | bytearray | memoryview, record_size: int | None = None) -> None:
        """Add application data, with so many bytes in a record, by default as many as it takes."""
        self._records.append(self.writer.write(ContentType.APPLICATION_DATA, content, record_size))

    def change_keys(self, suite: CipherSuite, secret: bytes) -> None:
        """Protect all that follows with the keys of a secret (section 7.3)."""
        self.flush()
        self._secret = secret
        self._records_before = 0
        self.writer.sealer = Sealer(suite, traffic_keys(suite, secret), nonces=self._nonces)

    def drop_keys(self) -> None:
        """Protect no more: a HelloRetryRequest has put an end to early data."""
        self.flush()
        self.writer.sealer = None

    @property
    def protected(self) -> bool:
        """Whether there are keys."""
        return self.writer.sealer is not None

    @property
    def records_left(self) -> int:
        """How many records these keys may still protect (section 5.5)."""
        return self.writer.sealer.records_left if self.writer.sealer is not None else 0

    @property
    def records_sealed(self) -> int:
        """How many records have been protected since keys were agreed; a KeyUpdate does not begin anew."""
        return self._records_before + (self.writer.sealer.sequence if self.writer.sealer is not None else 0)

    def update_keys(self, suite: CipherSuite, request: KeyUpdateRequest) -> bytes:
        """Announce new keys and use them from there on (section 4.6.3); returns their secret."""
        self._flight.append(KeyUpdate(request).encode())
        self.flush()
        records = self.records_sealed
        self.change_keys(suite, next_traffic_secret(suite, self._secret))
        self._records_before = records
        self.generation += 1
        return self._secret
