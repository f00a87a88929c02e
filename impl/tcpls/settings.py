"""What the user of a session decides: limits, timers, sizes and policies, of both ends."""

from dataclasses import dataclass, field

from impl.tcpls.detection import DetectionSettings
from impl.tcpls.padding import PaddingPolicy
from impl.tcpls.registries import DEFAULT_JOIN_EXTENSION, DEFAULT_TCPLS_EXTENSION
from impl.tls13.records import MAX_PLAINTEXT


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings of a session. Times are in seconds, sizes in bytes.

    Attributes:
        scheduler: which connection carries what; a name of ``schedulers.SCHEDULERS``.
        record_size: content of a record, at most; less smooths deliveries on slow paths, more costs less.
        padding: how many Padding frames records get (section 5.2.1); None for none.
        connections: on a server, how many connections a session may have at a time, unused tokens included.
        max_streams: how many streams the peer may have open at a time.
        receive_buffer: reading pauses while so much in order is unread, unless the user waits for a stream.
        receive_limit: a peer that fills so much memory with unread data, in order or not, ends the session.
        queue_target: how much may wait in the queue of a path, in seconds (see queueing.py); None leaves that to the
            congestion control.
        send_limit: nothing new is sent while so much is under way without acknowledgement.
        ack_records: so many records are acknowledged at once,
        ack_delay: and fewer after this time.
        detection: when a connection is held to be dead.
        idle_limit: a session on which no stream data moves for so long is closed; None for no limit.
        orphan_limit: how long a session without any connection waits for one.
        close_limit: how long closing waits for acknowledgements, while none come, and for the peer's close_notify.
        tcpls_extension: type of the extension tcpls; both ends must have the same.
        join_extension: type of the extension tcpls_join.

    """

    scheduler: str = "earliest-completion"
    record_size: int = MAX_PLAINTEXT
    padding: PaddingPolicy | None = None
    connections: int = 8
    max_streams: int = 2**16
    receive_buffer: int = 2**22
    receive_limit: int = 2**26
    queue_target: float | None = 0.015
    send_limit: int = 2**26
    ack_records: int = 16
    ack_delay: float = 0.025
    detection: DetectionSettings = field(default_factory=DetectionSettings)
    idle_limit: float | None = None
    orphan_limit: float = 30.0
    close_limit: float = 5.0
    tcpls_extension: int = DEFAULT_TCPLS_EXTENSION
    join_extension: int = DEFAULT_JOIN_EXTENSION

    def __post_init__(self) -> None:
        if not 64 <= self.record_size <= MAX_PLAINTEXT:
            raise ValueError(f"records of {self.record_size} bytes; allowed are 64 to {MAX_PLAINTEXT}")
        if self.receive_limit < self.receive_buffer:
            raise ValueError(f"receive_limit {self.receive_limit} is less than receive_buffer {self.receive_buffer}")
        if self.tcpls_extension == self.join_extension:
            raise ValueError(f"both extensions have the type {self.tcpls_extension:#06x}; give them different ones")
        for name in ("connections", "max_streams", "ack_records"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be 1 or more")
