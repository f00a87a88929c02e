"""What happens to packets on the way: rates (tbf), and delay and impairments by netem or by our own element nfqueue.

A run makes one ``Elements`` object; validation asks ``refuse``; everything else here serves these two.
"""

from harness.elements.choose import Availability, available_elements, refuse, refuse_change, resolve
from harness.elements.counters import CounterReader, ProcessState
from harness.elements.elements import Elements
from harness.elements.errors import ElementDied, ElementError, ElementUnsupported
from harness.elements.line import Counters
from harness.elements.qdisc import QdiscStats, read_qdiscs

__all__ = [
    "Availability",
    "CounterReader",
    "Counters",
    "ElementDied",
    "ElementError",
    "ElementUnsupported",
    "Elements",
    "ProcessState",
    "QdiscStats",
    "available_elements",
    "read_qdiscs",
    "refuse",
    "refuse_change",
    "resolve",
]
