"""What the handshakes of both ends share: states, the transcript, proofs, and the wait for the user (section 4)."""

from abc import abstractmethod
from collections.abc import Callable
from typing import TypeVar

from impl.tls13.alerts import illegal_parameter, unexpected_message
from impl.tls13.certificates import Credentials
from impl.tls13.config import Config
from impl.tls13.connection import Connection, WrongMoment
from impl.tls13.handshake_messages import RawMessage
from impl.tls13.key_schedule import KeySchedule, finished_verify_data
from impl.tls13.messages import Certificate, CertificateEntry, CertificateVerify, Finished
from impl.tls13.registries import SignatureScheme
from impl.tls13.signatures import SIGNATURE_SCHEMES, certificate_verify_content, verify
from impl.tls13.transcript import Transcript

ConfigT = TypeVar("ConfigT", bound=Config)
Step = Callable[[RawMessage], None]


class Handshake(Connection[ConfigT]):
    """A connection with the means of a handshake; see ``Client`` and ``Server``."""

    def __init__(self, config: ConfigT) -> None:
        super().__init__(config)
        self._transcript = Transcript()
        self._schedule: KeySchedule | None = None

    @abstractmethod
    def _step(self, message: RawMessage) -> Step | None:
        """What is to be done with this message in this state; None if it must not come."""

    @property
    @abstractmethod
    def _state_name(self) -> str: ...

    def _take_handshake_message(self, message: RawMessage) -> None:
        step = self._step(message)
        if step is None:
            raise unexpected_message(f"{message.type.name.lower()} in state {self._state_name}")
        step(message)

    def _queue(self, message: bytes) -> None:
        """Put a message into the flight and the transcript."""
        self._transcript.add(message)
        self._out.message(message)

    def _go_on(self, now: float) -> None:
        """The user has seen what the handshake was held for."""
        if not self._held:
            raise WrongMoment("the handshake is not held")
        self._now = now
        self._held = False

    def _show(self, credentials: Credentials, scheme: SignatureScheme, *, server: bool, context: bytes = b"") -> None:
        """Show certificates, and prove that we have the key of the first (sections 4.4.2 and 4.4.3)."""
        entries = tuple(CertificateEntry(data, {}) for data in credentials.chain)
        self._queue(Certificate(context, entries).encode())
        content = certificate_verify_content(server=server, transcript_hash=self._transcript.digest())
        self._queue(CertificateVerify(scheme, credentials.sign(scheme, content)).encode())

    def _early_secret(self, schedule: KeySchedule, digest: bytes) -> bytes:
        """The secret of early data, and that of their exporters (section 7.1); `digest` is of the ClientHello."""
        secret = schedule.client_early_traffic_secret(digest)
        self._early_exporter_secret = schedule.early_exporter_secret(digest)
        self._emit_secret("CLIENT_EARLY_TRAFFIC_SECRET", secret)
        self._emit_secret("EARLY_EXPORTER_SECRET", self._early_exporter_secret)
        return secret

    def _finished_data(self, base_secret: bytes) -> bytes:
        return finished_verify_data(self._suite, base_secret, self._transcript.digest())

    def _verify_finished(self, message: RawMessage, base_secret: bytes) -> None:
        Finished.decode(message.body).verify(self._finished_data(base_secret))
        self._transcript.add(message.encoded)

    def _verify_certificate(self, message: RawMessage, *, server: bool) -> None:
        """Verify CertificateVerify, with which the peer proves that it has the key of its certificate (4.4.3)."""
        proof = CertificateVerify.decode(message.body)
        if proof.scheme not in self.config.signature_schemes or proof.scheme not in SIGNATURE_SCHEMES:
            raise illegal_parameter(f"CertificateVerify has scheme {proof.scheme:#06x}, which was not offered")
        content = certificate_verify_content(server=server, transcript_hash=self._transcript.digest())
        verify(self.peer_chain[0], SignatureScheme(proof.scheme), proof.signature, content)
        self._transcript.add(message.encoded)

    @property
    def _key_schedule(self) -> KeySchedule:
        if self._schedule is None:
            raise WrongMoment("no keys have been agreed on")
        return self._schedule
