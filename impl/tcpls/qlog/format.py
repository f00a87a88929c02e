"""What a trace is made of, and how what is wrong with one is reported."""

from typing import Final, TypeGuard

SUFFIX: Final = ".sqlog"
FILE_SCHEMA: Final = "urn:ietf:params:qlog:file:sequential"
SERIALIZATION: Final = "application/qlog+json-seq"
EVENT_SCHEMA: Final = "urn:multipath-lab:qlog:events:tcpls"
FAULT_SCHEMA: Final = "urn:multipath-lab:qlog:events:harness"
FAULT: Final = "harness:fault"
NAMESPACE: Final = "tcpls:"
SEPARATOR: Final = b"\x1e"
"""Before each record (RFC 7464, section 2.1); behind it there is a newline."""


class QlogError(ValueError):
    """A trace cannot be written, read or merged; the message says where, what is wrong, and what is expected."""


def is_time(value: object) -> TypeGuard[float]:
    """Whether a value of JSON is a number that can be a time: none of the infinities, and no NaN."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e18
