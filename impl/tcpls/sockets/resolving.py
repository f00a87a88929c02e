"""Names to addresses."""

import asyncio
import socket
from typing import Final

from impl.tcpls.sockets.addresses import endpoint, version_of
from impl.tcpls.sockets.errors import SocketError

TIMEOUT: Final = 20.0
"""How long the system's resolver may take, seconds."""


async def resolve(host: str, port: int, *, timeout: float = TIMEOUT) -> list[str]:
    """Return a host's numeric addresses in the system's order of preference (RFC 6724), each once.

    Args:
        host: a name, or a numeric address, which is returned as it is.
        port: the port that they are for, which the resolver wants to know.
        timeout: seconds.

    Raises:
        SocketError: there is no such host, or nobody who could tell.

    """
    try:
        version_of(host)
    except ValueError:
        pass
    else:
        return [host]
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeout):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except TimeoutError:
        raise SocketError(f"cannot resolve {host!r}: no answer within {timeout:g} s; give an address instead") from None
    except socket.gaierror as error:
        raise SocketError(f"cannot resolve {host!r}: {error.strerror}; check the name, or give an address") from None
    except (OSError, OverflowError, UnicodeError, ValueError) as error:
        raise SocketError(f"{host!r} port {port} is no name of a host with a port: {error}") from None
    addresses = (endpoint(raw).address for family, _, _, _, raw in found if family in (socket.AF_INET, socket.AF_INET6))
    unique = list(dict.fromkeys(addresses))
    if not unique:
        raise SocketError(f"cannot resolve {host!r}: it has neither an IPv4 nor an IPv6 address")
    return unique
