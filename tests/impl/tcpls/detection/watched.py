"""A connection under watch on virtual time: what its kernel knows, and a user who reads that before each tick."""

from dataclasses import dataclass, field, replace

from impl.tcpls.detection import DetectionEvent, DetectionSettings, FailureDetector
from impl.tcpls.transport_info import TransportInfo

INFO = TransportInfo(
    srtt=0.04,
    rttvar=0.002,
    min_rtt=0.04,
    cwnd=200_000,
    mss=1448,
    unacked=0,
    unsent=0,
    delivery_rate=3e6,
    app_limited=False,
    last_ack=0.0,
    retransmits=0,
    send_window=1 << 20,
    established=True,
)


@dataclass
class Watched:
    """A detector, the kernel's state that it is shown (None: nothing is known), and what it has said when."""

    info: TransportInfo | None = INFO
    settings: DetectionSettings = field(default_factory=DetectionSettings)
    now: float = 0.0
    said: list[tuple[float, DetectionEvent]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.detector = FailureDetector(self.settings, self.now)

    @property
    def events(self) -> list[DetectionEvent]:
        return [event for _, event in self.said]

    def when(self, kind: type[DetectionEvent]) -> float:
        """When an event of this kind was said first."""
        return next(moment for moment, event in self.said if isinstance(event, kind))

    def kernel(self, **changes: float) -> None:
        """Change what the kernel knows."""
        assert self.info is not None
        self.info = replace(self.info, **changes)  # type: ignore[arg-type]

    def look(self) -> None:
        if self.info is not None:
            self.detector.observed(self.info, self.now)

    def send(self, *, elicits_ack: bool = True, unsent: int = 0) -> None:
        """A record is sent; the kernel has it in flight."""
        self.look()
        self.detector.sent(self.now, elicits_ack)
        if self.info is not None:
            self.kernel(unacked=self.info.unacked + 1448, unsent=unsent)

    def kernel_ack(self, *, everything: bool = False) -> None:
        """The peer's kernel acknowledges."""
        self.kernel(last_ack=self.now, retransmits=0)
        if everything:
            self.kernel(unacked=0, unsent=0)

    def run(self, until: float) -> None:
        """Let time pass: what is due is done at its moment."""
        looks = 0
        while (due := self.detector.deadline()) is not None and due <= until:
            looks = looks + 1 if due <= self.now else 0
            assert looks < 5, "the deadline stands still"
            self.now = max(self.now, due)
            self.look()
            self.said += [(self.now, event) for event in self.detector.tick(self.now)]
        self.now = max(self.now, until)
