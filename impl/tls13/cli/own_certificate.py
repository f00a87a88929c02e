"""The certificate that a serving command makes for itself when it is given none."""

import socket
import time
from collections.abc import Iterable
from hashlib import sha256

from impl.tls13.certificates.credentials import Credentials, self_signed
from impl.tls13.certificates.server_names import parse_server_name


def make_certificate(names: Iterable[str]) -> tuple[Credentials, str]:
    """Make a self-signed certificate for this machine and further names, and say what it is in one line."""
    wanted = ["localhost", "127.0.0.1", "::1", socket.gethostname(), *names]
    certified = [name for name in dict.fromkeys(wanted) if _can_be_certified(name)]
    credentials = self_signed(certified, now=time.time())
    digest = sha256(credentials.chain[0]).hexdigest().upper()
    fingerprint = ":".join(digest[i : i + 2] for i in range(0, len(digest), 2))
    return credentials, f"self-signed certificate for {', '.join(certified)}; SHA-256 fingerprint {fingerprint}"


def _can_be_certified(name: str) -> bool:
    try:
        parse_server_name(name)
    except ValueError:  # machines may have other names than the DNS knows
        return False
    return name not in {"0.0.0.0", "::"}
