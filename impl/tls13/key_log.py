"""Lines of a key log, with which network analysers decrypt what was captured (SSLKEYLOGFILE; RFC 9850)."""

import re
from typing import Final

RANDOM_SIZE: Final = 32

_LABELS: Final = re.compile(
    r"CLIENT_EARLY_TRAFFIC_SECRET|EARLY_EXPORTER_SECRET|EXPORTER_SECRET"
    r"|(CLIENT|SERVER)_HANDSHAKE_TRAFFIC_SECRET|(CLIENT|SERVER)_TRAFFIC_SECRET_(0|[1-9][0-9]*)"
)


def key_log_line(label: str, client_random: bytes, secret: bytes) -> str:
    """Write one secret as a line, without the end of line.

    Args:
        label: a label of TLS 1.3, e.g. CLIENT_HANDSHAKE_TRAFFIC_SECRET, or SERVER_TRAFFIC_SECRET_N with N from 0 on,
            where N counts the KeyUpdates of that direction.
        client_random: the 32 random bytes of the ClientHello, by which the connection is found.
        secret: the secret itself; whoever reads the line can read the connection.

    Raises:
        ValueError: the label is not one of TLS 1.3, or the random value has not 32 bytes.

    """
    if not _LABELS.fullmatch(label):
        raise ValueError(f"no secret of TLS 1.3 has the label {label!r} in a key log")
    if len(client_random) != RANDOM_SIZE:
        raise ValueError(f"a client random of {len(client_random)} bytes; it has {RANDOM_SIZE}")
    return f"{label} {client_random.hex()} {secret.hex()}"
