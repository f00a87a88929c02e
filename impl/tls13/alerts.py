"""Errors that end a connection, each with the alert that tells the peer (RFC 8446, section 6)."""

from impl.tls13.registries import AlertDescription


class TLSError(Exception):
    """A connection cannot go on.

    Attributes:
        alert: what the peer is told, or what it told.
        reason: what is wrong and where, in words for a person.

    """

    def __init__(self, alert: AlertDescription, reason: str) -> None:
        super().__init__(f"{alert.name.lower()}: {reason}")
        self.alert = alert
        self.reason = reason


def decode_error(reason: str) -> TLSError:
    """A message cannot be parsed: a length is wrong, or something is missing or left over (section 6.2)."""
    return TLSError(AlertDescription.DECODE_ERROR, reason)


def illegal_parameter(reason: str) -> TLSError:
    """A field can be parsed and has a value that is wrong or contradicts another one (section 6.2)."""
    return TLSError(AlertDescription.ILLEGAL_PARAMETER, reason)


def unexpected_message(reason: str) -> TLSError:
    """A message or record has come at a moment when it must not (section 6.2)."""
    return TLSError(AlertDescription.UNEXPECTED_MESSAGE, reason)
