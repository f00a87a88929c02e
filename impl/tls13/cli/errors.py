"""What goes wrong, in one line each: where, what, and what to do about it."""

import socket
from typing import Final

from impl.tls13.registries import AlertDescription
from impl.tls13.streams.settings import ConnectionAborted

EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2

_FOUND_HERE: Final = {
    AlertDescription.UNKNOWN_CA: "name the file of its authority with --cafile, or believe anybody with --insecure",
    AlertDescription.BAD_CERTIFICATE: "ask for a name that the certificate is for, or believe anybody with --insecure",
    AlertDescription.CERTIFICATE_EXPIRED: "check this machine's clock, or believe anybody with --insecure",
    AlertDescription.UNSUPPORTED_CERTIFICATE: "the server needs another certificate; --insecure believes anybody",
    AlertDescription.PROTOCOL_VERSION: "the server must learn TLS 1.3; nothing older is spoken here",
}
_FOUND_BY_PEER: Final = {
    AlertDescription.HANDSHAKE_FAILURE: "allow more with --suite and --group, or leave them out",
    AlertDescription.PROTOCOL_VERSION: "the server must learn TLS 1.3; nothing older is spoken here",
    AlertDescription.CERTIFICATE_REQUIRED: "show a certificate with --cert and --key",
    AlertDescription.UNKNOWN_CA: "show a certificate of an authority that the server knows, with --cert and --key",
    AlertDescription.NO_APPLICATION_PROTOCOL: "offer another protocol with --alpn, or none",
    AlertDescription.UNRECOGNIZED_NAME: "the server does not know the host name: check it",
}


class CommandFailed(Exception):
    """A command ends with a message and an exit code."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(" ".join(message.split()))
        self.code = code


class ReaderLeft(Exception):
    """Whoever reads our output wants no more of it."""


def usage(message: str) -> CommandFailed:
    """The command line asks for what cannot be."""
    return CommandFailed(EXIT_USAGE, message)


def failed(place: str, cause: str, remedy: str = "") -> CommandFailed:
    """Something went wrong with the other side."""
    return CommandFailed(EXIT_FAILED, f"{place}: {cause}" + (f"; {remedy}" if remedy else ""))


def connection_failed(place: str, error: OSError) -> CommandFailed:
    """The connection could not be made, or has broken."""
    if isinstance(error, ConnectionAborted):
        alert = error.failure.alert
        remedies = _FOUND_BY_PEER if error.failure.by == "peer" else _FOUND_HERE
        return failed(place, str(error), remedies.get(alert, "") if alert is not None else "")
    if isinstance(error, socket.gaierror):
        return failed(place, "the name has no address", "check it, or say where to connect with --connect HOST:PORT")
    if isinstance(error, ConnectionRefusedError):
        return failed(place, "nobody listens there", "check the port, and that the server runs")
    return failed(place, explain(error))


def explain(error: OSError) -> str:
    """An error of the operating system in its own words, without numbers."""
    return error.strerror or str(error) or type(error).__name__
