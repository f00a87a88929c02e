"""One TCP connection of a session: its records, what it owes, what is under way on it, and how it fares."""

from collections import deque
from enum import Enum, auto
from typing import Any, Final

from impl.tcpls.detection import FailureDetector
from impl.tcpls.joining import Preamble
from impl.tcpls.ledger import Ledger
from impl.tcpls.queueing import QueueGuard
from impl.tcpls.settings import Settings
from impl.tcpls.streams.sending import SendStream
from impl.tcpls.transport_info import TransportInfo
from impl.tls13.connection import Connection as TLSConnection
from impl.tls13.records import MAX_PLAINTEXT

Records = TLSConnection[Any]
"""What protects and opens the records of a connection: a TLS client or server, or keys alone (``Keyed``)."""

_SMALLEST_RECORD: Final = 1400
_WATCH_AGAIN: Final = 0.005
_UNKNOWN_RTT: Final = 0.1  # s; for comparisons before the kernel has measured one


class ConnectionState(Enum):
    """Where a connection stands."""

    HANDSHAKE = auto()
    """The first connection, before the end of the TLS handshake."""
    JOINING = auto()
    """Our ClientHello is sent, and nothing has come back yet."""
    OPEN = auto()
    CLOSED = auto()


class Connection:
    """One TCP connection; it does no I/O. For schedulers it is a ``Path``.

    Attributes:
        id: its Connection ID (section 4.2.1).
        records: protects and opens its records.
        state: where it stands.
        preamble: what comes before the peer's first record on a connection that was joined; None once that is over.
        outgoing: bytes that go before everything else: handshake messages.
        control: frames to send on it, each with whether it must be sent again if it is lost.
        pinned: streams that only this connection carries and that have new data.
        copies: ranges that another connection has sent and that this one repeats (scheduler "redundant").
        ledger: what is sent and not acknowledged.
        detector: whether its path is alive.
        blocked: its socket takes no more now.
        info: the kernel's last word on it.
        guard: keeps the queue on its path short.
        handed: bytes that were given to its socket since then.
        weight: its share, for the scheduler "weighted".
        rank: 0 is preferred, for the scheduler "primary-backup".
        sent: bytes of stream data sent on it, repetitions included.
        received: bytes of stream data that came on it and were new.
        duplicate: bytes of stream data that came on it and were here already.
        ack_due: when an acknowledgement must be sent; None if none is owed.
        owed: records that elicit an acknowledgement and have had none.
        reported: the highest record sequence number that we have acknowledged, -1 for none.
        last_ack: when one was sent last.
        told_elsewhere: the highest one that we have acknowledged on another connection, -1 for none.
        last_data: when a record last came on it that elicits an acknowledgement.
        confirmed: the highest one that the peer has acknowledged, -1 for none.
        pings: record sequence numbers of Pings that are not answered, with the time of each, and whether the user
            has asked for it.
        wanted_pings: how many Pings the user has asked for that were not sent.

    """

    __slots__ = (
        "_watch_asked", "_watch_due", "ack_due", "awaits_preamble", "blocked", "client_random", "confirmed", "control",
        "copies", "detector", "duplicate", "guard", "handed", "id", "info", "last_ack", "last_data", "ledger",
        "outgoing", "owed", "pings", "pinned", "preamble", "rank", "received", "records", "reported", "sent", "state",
        "told_elsewhere", "wanted_pings", "weight",
    )  # fmt: skip

    def __init__(
        self, connection_id: int, records: Records, state: ConnectionState, settings: Settings, now: float
    ) -> None:
        self.id = connection_id
        self.records = records
        self.state = state
        self.preamble: Preamble | None = None
        self.client_random = b""
        self.awaits_preamble = False
        self.outgoing = bytearray()
        self.control: deque[tuple[bytes, bool]] = deque()
        self.pinned: deque[SendStream] = deque()
        self.copies: deque[tuple[SendStream, int, int, bool]] = deque()
        self.ledger = Ledger()
        self.detector = FailureDetector(settings.detection, now)
        self.blocked = False
        self.info: TransportInfo | None = None
        self.guard = QueueGuard(settings.queue_target)
        self.handed = 0
        self.weight = 1.0
        self.rank = connection_id
        self.sent = self.received = self.duplicate = 0
        self.ack_due: float | None = None
        self.owed = 0
        self.reported = -1
        self.told_elsewhere = -1
        self._watch_due: float | None = None
        self._watch_asked = now
        self.last_ack = 0.0
        self.last_data: float | None = None
        self.confirmed = -1
        self.pings: deque[tuple[int, float, bool]] = deque()
        self.wanted_pings = 0

    @property
    def usable(self) -> bool:
        """Whether stream data may be sent on it: it is open, as far as we know alive, and we have not closed it."""
        return (
            self.state is not ConnectionState.CLOSED
            and not self.awaits_preamble
            and self.records.can_send
            and not self.suspect
        )

    @property
    def records_waiting(self) -> bool:
        """Whether there are records to send; they come behind the messages that the join is to begin with."""
        return self.records.has_data_to_send and not self.awaits_preamble

    def farewell(self) -> bytes:
        """What is still to be written to its socket, now that it is no longer part of the session."""
        return bytes(self.outgoing) + self.records.data_to_send()

    @property
    def suspect(self) -> bool:
        """Whether its path seems to be dead."""
        return not self.detector.alive

    @property
    def out_of_reach(self) -> bool:
        """Whether nobody should wait for an answer on it: its path seems to be dead, or nothing has come on it ever."""
        return self.suspect or self.state is ConnectionState.JOINING

    @property
    def highest_received(self) -> int:
        """The highest record sequence number received on it, -1 for none."""
        # Early data and the handshake have keys and numbers of their own, which no ACK can name.
        return self.records.records_received - 1 if self.records.established else -1

    @property
    def srtt(self) -> float:
        """Smoothed round-trip time, s."""
        return self.info.srtt if self.info is not None and self.info.srtt > 0 else _UNKNOWN_RTT

    @property
    def rate(self) -> float:
        """What it carries, bytes/s, as an estimate; 0 if nothing is known."""
        info = self.info
        if info is None or info.srtt <= 0:
            return 0.0
        window = info.cwnd / info.srtt
        # What an application has limited says only that the path carries at least that much.
        return max(window, info.delivery_rate) if info.app_limited else info.delivery_rate or window

    @property
    def full(self) -> bool:
        """Whether what it was given fills its path, and more would only wait there (see queueing.py)."""
        return self.guard.limit is not None and self.queued >= self.guard.limit

    @property
    def record_size(self) -> int:
        """How large records should be at most: of a small congestion window each should take only a part.

        Nothing of a record can be read before all of it is there.
        """
        return MAX_PLAINTEXT if self.info is None else min(max(self.info.cwnd // 4, _SMALLEST_RECORD), MAX_PLAINTEXT)

    @property
    def queued(self) -> int:
        """Bytes that its socket was given and the peer's kernel has not acknowledged."""
        return self.handed if self.info is None else self.info.unacked + self.info.unsent + self.handed

    def watch_deadline(self, now: float) -> float | None:
        """When the detector must look at the path; good for some milliseconds, since it is asked all the time."""
        if self._watch_due is None or now >= self._watch_due or now - self._watch_asked > _WATCH_AGAIN:
            self._watch_due = self.detector.deadline()
            self._watch_asked = now
        return self._watch_due

    def observe(self, info: TransportInfo, now: float) -> None:
        """Take what the kernel says."""
        self.info = info
        self.handed = 0
        self.guard.observe(info, now)
