"""The extension server_name in a ClientHello, SNI (RFC 6066, section 3); from a server it is an indication."""

import string
from typing import Final

from impl.tls13.alerts import illegal_parameter
from impl.tls13.wire import Reader, vector16

_HOST_NAME: Final = 0

# With the underscore, which is in use though no host may have it.
_NAME_BYTES: Final = (string.ascii_letters + string.digits + "-._").encode()


def encode_server_name(host_name: str) -> bytes:
    """Encode a DNS name: ASCII (A-labels where the name is international), no dot at its end, no IP address.

    UnicodeEncodeError, which is a ValueError, if it is not ASCII.
    """
    return vector16(bytes((_HOST_NAME,)) + vector16(host_name.encode("ascii")))


def decode_server_name(data: bytes) -> str | None:
    """Read the host name that a client asks for, as it wrote it; None if it has only names of types that nobody knows.

    TLSError: illegal_parameter if a type has two names, or the host name has bytes that no DNS name has.
    """
    reader = Reader(data, "server_name")
    entries = Reader(reader.vector16(1), "server_name")
    reader.finish()
    names: dict[int, bytes] = {}
    while entries.left:
        name_type = entries.u8()
        # All types of names begin with such a length, so that unknown ones can be passed over.
        name = entries.vector16(1 if name_type == _HOST_NAME else 0)
        if name_type in names:
            raise illegal_parameter(f"server_name has two names of type {name_type}")
        names[name_type] = name
    host_name = names.get(_HOST_NAME)
    if host_name is None:
        return None
    if host_name.translate(None, _NAME_BYTES):
        raise illegal_parameter(f"server_name has {host_name!r}, which is not a DNS name")
    return host_name.decode("ascii")
