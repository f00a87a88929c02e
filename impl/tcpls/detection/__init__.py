"""Finds dead paths: says of one connection whether it is alive, from acknowledgements, records and the kernel's word.

The draft has Ping "to check that its peer can receive TLS records over a particular TCP connection" (section 5.2.2) and
ACK (section 5.2.4), and leaves the judgement to the endpoint. Resets and errors of a socket need no judgement; this
module finds the paths that drop everything silently.

**How long silence may last.** While bytes are in flight, the peer's kernel acknowledges them whatever its programs do.
Silence is counted from the last sign of life, or from the moment at which bytes were first in flight, and may last

    srtt + 4 rttvar + ack_allowance        but at least `floor`, and at most `ceiling`,

that is, a round trip as long as RFC 6298 would expect, and what a lone segment's delayed acknowledgement (40 ms on
Linux) and timers add. Everything that only slows a path down keeps acknowledgements coming: queues that fill, segments
that are sent again after duplicate acknowledgements. With nothing left to send behind what is in flight, a lost last
segment has no duplicate acknowledgements to tell of it; the kernel probes after 2 srtt (RFC 8985, section 7), so
`tail_probe` × srtt are added when hardly anything is in flight. If the peer says on another connection what it has
received, it misses what should come here, and less silence is enough. On a path of 25 Mbit/s and 40 ms with 48 ms of
queue that makes 0.15 s under load, and 0.1 s when the peer speaks.

**What else raises doubt.** `timeouts` retransmission timeouts in a row: the peer is heard, and does not hear us. And
records without a TCPLS acknowledgement for `patience` while TCP is well: the peer's program does not read. That is no
fault of the path, so it never leads to a verdict.

**What follows.** A suspected connection is alive again with any sign of life later than the suspicion. Without one the
verdict comes after `verdict_after`, or two of the kernel's retransmission timeouts if they are longer, and after
`verdict_limit` at the latest: a retransmission of the kernel has then been tried. If the user keeps a connection in
spite of the verdict, a sign of life still brings it back.

Where the kernel says nothing about its connections, TCPLS acknowledgements alone are judged, with more patience.
"""

from impl.tcpls.detection.detector import FailureDetector
from impl.tcpls.detection.events import Declared, DetectionEvent, PathState, PingWanted, Recovered, Suspected
from impl.tcpls.detection.settings import DetectionSettings

__all__ = [
    "Declared",
    "DetectionEvent",
    "DetectionSettings",
    "FailureDetector",
    "PathState",
    "PingWanted",
    "Recovered",
    "Suspected",
]
