"""Errors of a session: what a peer did wrong, and what its user did wrong."""

from impl.tls13.alerts import TLSError
from impl.tls13.registries import AlertDescription


class SessionOver(ConnectionError):
    """The session has ended, with the reason in words."""


class StreamError(RuntimeError):
    """The user asks for something that a stream does not allow in its state."""


def protocol_violation(reason: str) -> TLSError:
    """A frame breaks a rule of the draft; the draft names no alert, and this is the one TLS has for such values."""
    return TLSError(AlertDescription.ILLEGAL_PARAMETER, reason)


def malformed(reason: str) -> TLSError:
    """A record cannot be taken apart into frames."""
    return TLSError(AlertDescription.DECODE_ERROR, reason)


def limit_exceeded(reason: str) -> TLSError:
    """The peer wants more memory or state than it is given; the draft has no flow control, so this ends a session."""
    return TLSError(AlertDescription.INTERNAL_ERROR, reason)
