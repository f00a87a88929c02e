"""How a connection's streams are set up, and the error that ends them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from impl.tls13.events import Failed
from impl.tls13.sessions import Session

HANDSHAKE_LIMIT: Final = 30.0
CLOSE_LIMIT: Final = 5.0
RECEIVED: Final = (2**15, 2**18)
"""The least and the most bytes that are received at a time; the most are many records, and yet fit into a cache."""


class ConnectionAborted(ConnectionError):
    """TLS has ended the connection because of an error.

    Attributes:
        failure: what was wrong, and who found it.

    """

    def __init__(self, failure: Failed) -> None:
        alert = failure.alert if failure.by == "local" else None  # other reasons say it themselves
        super().__init__(failure.reason if alert is None else f"{alert.name.lower()}: {failure.reason}")
        self.failure = failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """Whom a connection tells what its user's protocol does not learn.

    Attributes:
        key_log: gets every secret as a line of a key log, without the line's end.
        on_session: gets every session that the server offers to resume.
        on_failure: gets the error that ends the connection, in the handshake or after it, as soon as it is known.

    """

    key_log: Callable[[str], None] | None = None
    on_session: Callable[[Session], None] | None = None
    on_failure: Callable[[Exception], None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long a connection waits for its peer, seconds.

    Attributes:
        handshake: for the handshake's end, once the connection below is there.
        close: for the peer's close_notify once ours is sent, or for the peer to leave once it was sent a fatal alert.

    """

    handshake: float = HANDSHAKE_LIMIT
    close: float = CLOSE_LIMIT
