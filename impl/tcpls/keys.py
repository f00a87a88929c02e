"""The secrets of a session, which all its connections share (draft-piraux-tcpls-00, section 4.3)."""

from typing import Final

from impl.tcpls.connection import Records
from impl.tls13.key_log import key_log_line

CLIENT: Final = "CLIENT_TRAFFIC_SECRET_0"
SERVER: Final = "SERVER_TRAFFIC_SECRET_0"
_MARGIN: Final = 2**16  # records that may still go before new keys are there


class SessionKeys:
    """Keeps the secrets, and counts what each key has protected."""

    def __init__(self) -> None:
        self._secrets: dict[str, bytes] = {}
        self._used: dict[int, int] = {}

    def add(self, label: str, secret: bytes) -> None:
        """The handshake has derived a secret; `label` is that of the key log."""
        self._secrets[label] = secret

    def secret(self, *, client: bool) -> bytes:
        """The secret of what one end sends, as it is at the end of the handshake: every connection begins with it."""
        return self._secrets[CLIENT if client else SERVER]

    def count(self, records: Records, number: int) -> None:
        """A connection is about to protect so many records: give it new keys if its own are nearly used up.

        The limits of RFC 8446, section 5.5, hold for all that is protected with a key. Connections that were updated as
        often as one another have the same, so their records are counted together.
        """
        generation = records.write_generation
        used = self._used[generation] = self._used.get(generation, 0) + number
        suite = records.cipher_suite
        if suite is not None and used > suite.record_limit - _MARGIN:
            records.update_keys()

    def log_line(self, label: str, client_random: bytes) -> str:
        """A line of the key log, without its end."""
        return key_log_line(label, client_random, self._secrets[label])

    def log_join(self, client_random: bytes, connection_id: int) -> list[str]:
        """The lines for a connection that was joined; see ``events.KeyLogLine``."""
        lines = [self.log_line(label, client_random) for label in (CLIENT, SERVER)]
        return [*lines, f"TCPLS_CONNECTION {client_random.hex()} {connection_id:08x}"]
