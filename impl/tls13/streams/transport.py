"""What a user's protocol holds of a TLS connection: a transport as asyncio defines it, in front of a TLSProtocol."""

import asyncio
from collections.abc import Iterable
from typing import Any

from impl.tls13.streams.protocol import TLSProtocol


class TLSTransport(asyncio.Transport):
    """The user's side of a connection."""

    def __init__(self, connection: TLSProtocol) -> None:
        super().__init__()
        self._connection = connection
        self._eof_written = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send data, which may be changed again once this returns.

        Without data this sees to what was done to the core ("tls" of ``get_extra_info``) itself by ``update_keys`` or
        ``abort``.
        """
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(f"data must be bytes, bytearray or memoryview, not {type(data).__name__}")
        if self._eof_written:
            raise RuntimeError("write() after write_eof()")
        if not self._connection.closing:  # otherwise it is dropped, as by asyncio's own transports: drain() says why
            self._connection.send(data)

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        """Send several pieces of data, as few records as possible."""
        self.write(b"".join(list_of_data))

    def write_eof(self) -> None:
        """Send close_notify; the peer may go on sending (RFC 8446, section 6.1)."""
        self._eof_written = True
        self._connection.close_writing()

    def can_write_eof(self) -> bool:
        """Each direction is closed by itself."""
        return True

    def close(self) -> None:
        """Send what is left and close_notify, wait for the peer's for a while, and close the connection below."""
        self._connection.close()

    def abort(self) -> None:
        """Close the connection below at once, whatever is left to send."""
        self._connection.abort()

    def is_closing(self) -> bool:
        """Whether the connection is closed or being closed."""
        return self._connection.closing

    def pause_reading(self) -> None:
        """Take no more data from the peer."""
        if not self._connection.closing:
            self._connection.below.pause_reading()

    def resume_reading(self) -> None:
        """Take data from the peer again."""
        if not self._connection.closing:
            self._connection.below.resume_reading()

    def is_reading(self) -> bool:
        """Whether data is taken from the peer."""
        return not self._connection.closing and self._connection.below.is_reading()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """How many bytes may wait for the socket before the protocol is told to pause, and to go on."""
        self._connection.below.set_write_buffer_limits(high, low)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """The limits, low and high."""
        return self._connection.below.get_write_buffer_limits()

    def get_write_buffer_size(self) -> int:
        """How many bytes wait for the socket, protected."""
        return self._connection.below.get_write_buffer_size()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Have another protocol use the connection."""
        if not isinstance(protocol, asyncio.Protocol):
            raise TypeError(f"{type(protocol).__name__} is no asyncio.Protocol")
        self._connection.user = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Who uses the connection."""
        return self._connection.user

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What the transport below knows ("peername", "sockname", "socket" and more), and besides that:

        "tls", the ``Client`` or ``Server``; "handshake", its ``HandshakeCompleted``, and "handshake_seconds", the time
        that it took; both are missing as long as a server reads early data.
        """
        connection = self._connection
        own = {
            "tls": connection.core,
            "handshake": connection.handshake,
            "handshake_seconds": connection.handshake_seconds,
        }
        if name in own:
            return default if own[name] is None else own[name]
        return connection.below.get_extra_info(name, default)
