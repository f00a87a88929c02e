"""A connection whose keys were agreed elsewhere: records, alerts, KeyUpdate and data, without a handshake."""

from impl.tls13.alerts import unexpected_message
from impl.tls13.cipher_suites import CipherSuite
from impl.tls13.config import Config
from impl.tls13.connection import Connection
from impl.tls13.handshake_messages import RawMessage
from impl.tls13.records import NonceConstruction


class Keyed(Connection[Config]):
    """One end of such a connection, established from the start.

    Both ends of several connections may have the same secrets if the nonces of each are its own.

    Args:
        config: of both sides; what concerns handshakes has no meaning here.
        suite: the cipher suite.
        write_secret: the traffic secret of what we send.
        read_secret: the traffic secret of what the peer sends.
        client: whether we are the client.
        nonces: how the nonces of this connection are made.
        max_content: the most bytes of content in a record that we send.
        max_received: the most bytes of content in a record of the peer.

    """

    def __init__(
        self,
        config: Config,
        suite: CipherSuite,
        *,
        write_secret: bytes,
        read_secret: bytes,
        client: bool,
        nonces: NonceConstruction,
        max_content: int,
        max_received: int,
    ) -> None:
        super().__init__(config, nonces=nonces)
        self._write_label, self._read_label = ("CLIENT", "SERVER") if client else ("SERVER", "CLIENT")
        self.cipher_suite = suite
        self._out.writer.max_content = max_content
        self._reader.max_content = max_received
        self._out.change_keys(suite, write_secret)
        self._change_read_keys(read_secret)
        self.established = True
        self._writes_application_data = True

    def _take_handshake_message(self, message: RawMessage) -> None:
        raise unexpected_message(f"{message.type.name.lower()} on a connection that has no handshake")

    def _take_post_handshake_message(self, message: RawMessage) -> None:
        raise unexpected_message(f"{message.type.name.lower()} on a connection that has no handshake")
