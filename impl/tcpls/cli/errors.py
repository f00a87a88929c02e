"""What goes wrong with sessions, in one line each, and how a command runs so that Ctrl-C ends it cleanly."""

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from impl.tls13.cli.errors import CommandFailed, explain, failed
from impl.tls13.events import Failed
from impl.tls13.registries import AlertDescription

T = TypeVar("T")

EXIT_INTERRUPTED: Final = 130

_FOUND_HERE: Final = {
    AlertDescription.UNKNOWN_CA: "name the file of its authority with --ca, or believe anybody with --insecure",
    AlertDescription.BAD_CERTIFICATE: "ask for a name that the certificate is for, or believe anybody with --insecure",
    AlertDescription.CERTIFICATE_EXPIRED: "check this machine's clock, or believe anybody with --insecure",
    AlertDescription.UNSUPPORTED_CERTIFICATE: "the server needs another certificate; --insecure believes anybody",
    AlertDescription.PROTOCOL_VERSION: "the server must learn TLS 1.3; nothing older is spoken here",
}
_FOUND_BY_PEER: Final = {
    AlertDescription.PROTOCOL_VERSION: "the server must learn TLS 1.3; nothing older is spoken here",
    AlertDescription.CERTIFICATE_REQUIRED: "the server wants a certificate of its clients; none can be shown here",
    AlertDescription.NO_APPLICATION_PROTOCOL: "the server does not speak http/1.1",
    AlertDescription.UNRECOGNIZED_NAME: "the server does not know the host name: check it",
}


def say(line: str) -> None:
    """Tell something on standard error."""
    print(f"tcpls: {line}", file=sys.stderr, flush=True)


def session_failed(place: str, error: Exception, failure: Failed | None = None) -> CommandFailed:
    """No session could be begun, or it has ended early.

    Args:
        place: the server, for the message.
        error: what was raised.
        failure: what TLS found wrong, if it did.

    """
    if failure is not None and failure.alert is not None:
        remedies = _FOUND_BY_PEER if failure.by == "peer" else _FOUND_HERE
        name = f"{failure.alert.name.lower()}: " if failure.by == "local" else ""
        return failed(place, name + failure.reason, remedies.get(failure.alert, ""))
    if isinstance(error, TimeoutError) and not error.strerror:
        return failed(place, "the handshake takes too long", "check that a TLS server listens there")
    return failed(place, explain(error) if isinstance(error, OSError) else str(error) or type(error).__name__)


def run(task: Coroutine[Any, Any, T]) -> T:
    """Run a command's coroutine; an interruption (Ctrl-C) cancels it, and is told once it has ended."""
    try:
        return asyncio.run(task)
    except KeyboardInterrupt:
        raise CommandFailed(EXIT_INTERRUPTED, "interrupted") from None
