"""TLS between one of asyncio's transports, whose protocol this is, and the protocol of a user (see transport.py)."""

import asyncio
import time
from collections.abc import Callable, Iterable

from impl.tls13.client import Client
from impl.tls13.events import (
    ApplicationDataReceived,
    EarlyDataRejected,
    Event,
    Failed,
    HandshakeCompleted,
    PeerClosed,
    SecretDerived,
    TicketReceived,
)
from impl.tls13.key_log import key_log_line
from impl.tls13.registries import AlertDescription
from impl.tls13.server import Server
from impl.tls13.streams.sending import Sender, Workspace
from impl.tls13.streams.settings import RECEIVED, ConnectionAborted, Hooks, Limits


class TLSProtocol(asyncio.BufferedProtocol):
    """One connection, from the transport below to the user's protocol.

    The user's protocol gets its transport at the end of the handshake, or before that when a server has early data. Its
    ``eof_received`` means the peer's close_notify, and nothing else.

    Attributes:
        core: the connection itself.
        user: the user's protocol.
        transport: what the user's protocol is given.
        handshake: how the handshake ended.
        handshake_seconds: how long it took from the moment the connection below was there.
        closing: no more data is taken from the user, nor given to it.

    """

    def __init__(
        self,
        core: Client | Server,
        user: asyncio.Protocol,
        transport: Callable[["TLSProtocol"], asyncio.Transport],
        *,
        hooks: Hooks,
        limits: Limits,
        workspace: Workspace,
    ) -> None:
        if core.config.hold:
            raise ValueError("a stream cannot hold its handshake: nobody sees the extensions and says proceed")
        self.core = core
        self.user = user
        self.handshake: HandshakeCompleted | None = None
        self.handshake_seconds: float | None = None
        self.closing = False
        self.transport = transport(self)
        self._hooks = hooks
        self._limits = limits
        self._workspace = workspace
        self._below: asyncio.Transport | None = None
        self._sender: Sender | None = None
        self._loop = asyncio.get_running_loop()
        self._over: asyncio.Future[None] | None = None
        self._opened = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._buffer = bytearray(RECEIVED[0])
        self._filled = 0
        self._early_data = b""
        self._early_data_taken = 0
        self._user_connected = False
        self._writing_paused = False
        self._unsent = 0
        self._error: Exception | None = None

    @property
    def below(self) -> asyncio.Transport:
        """The transport below."""
        if self._below is None:
            raise RuntimeError("there is no connection yet")
        return self._below

    @property
    def _sending(self) -> Sender:
        if self._sender is None:
            raise RuntimeError("there is no connection yet")
        return self._sender

    # What the user does

    async def start(self, early_data: bytes) -> None:
        """Send a client's ClientHello, with as much early data as the session allows, and wait for the handshake's end.

        Raises:
            ConnectionAborted: the handshake failed.
            ConnectionError: the connection below was lost.

        """
        core = self.core
        if not isinstance(core, Client):
            raise TypeError("a server waits for its client to start")
        self._over = self._loop.create_future()
        try:
            events = core.start(time.time())
            self._early_data = early_data
            self._early_data_taken = core.send_early(early_data)
            self._sending.flush()
            self._take(events)
            await self._over
        finally:
            if self.handshake is None:
                self.abort()

    def send(self, data: bytes | bytearray | memoryview) -> None:
        """Protect and send data; without any, see to what the user has done to the core itself."""
        if data:
            self._sending.send(data)
        else:
            self._take(self.core.receive(b"", time.time()))

    def close_writing(self) -> None:
        """Send close_notify."""
        if not self.closing:
            self.core.close()
            self._sending.flush()

    def close(self) -> None:
        """Send close_notify, wait for the peer's, and close the connection below."""
        if not self.closing:
            self.closing = True
            self.core.close()
            self._sending.flush()
            self._wind_up()

    def abort(self) -> None:
        """Close the connection below at once, whatever is left to send."""
        self.closing = True
        if self._below is not None:
            self._below.abort()

    # What the transport below tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection below is there: the handshake can begin."""
        if not isinstance(transport, asyncio.Transport):
            raise TypeError(f"TLS needs a transport that carries bytes, not {type(transport).__name__}")
        self._below = transport
        self._sender = Sender(self.core, transport, self._workspace)
        self._opened = time.monotonic()
        self._set_timer(self._limits.handshake, self._handshake_takes_too_long)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next bytes shall go."""
        return memoryview(self._buffer)[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes have come."""
        buffer, end = self._buffer, self._filled + nbytes
        work = self._workspace
        if len(work.opened) < len(buffer):
            work.opened = bytearray(len(buffer))
        taken, events = self.core.receive_from(buffer, end, work.opened, time.time())
        self._filled = end - taken
        if end == len(buffer) < RECEIVED[1]:
            self._buffer = bytearray(2 * end)
        self._buffer[: self._filled] = memoryview(buffer)[taken:end]
        self._take(events)

    def eof_received(self) -> bool:
        """The peer sends no more; the connection below stays open for our data if the peer has said close_notify."""
        self._take(self.core.receive_eof(time.time()))
        return not self.closing

    def pause_writing(self) -> None:
        """The transport below has enough for now."""
        self._writing_paused = True
        if self._user_connected:
            self.user.pause_writing()

    def resume_writing(self) -> None:
        """The transport below takes more."""
        self._writing_paused = False
        if self._user_connected:
            self.user.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection below is over."""
        self.closing = True
        self._set_timer(0.0, None)
        if exc is not None and self._error is None and not self.core.peer_closed:
            self._report(exc)
        if self._over is not None and not self._over.done():
            self._over.set_exception(self._error or ConnectionResetError("closed during the handshake"))
        if self._user_connected:
            self._user_connected = False
            self.user.connection_lost(self._error)

    # What happens

    def _take(self, events: Iterable[Event]) -> None:
        for event in events:
            if isinstance(event, ApplicationDataReceived):
                self._connect_user()
                if not self.closing:
                    self.user.data_received(bytes(event.data))
            elif isinstance(event, SecretDerived):
                if self._hooks.key_log is not None:
                    self._hooks.key_log(key_log_line(event.label, self.core.client_random, event.secret))
            elif isinstance(event, HandshakeCompleted):
                self._complete(event)
            elif isinstance(event, EarlyDataRejected):
                self._early_data_taken = 0
            elif isinstance(event, TicketReceived):
                if self._hooks.on_session is not None:
                    self._hooks.on_session(event.session)
            elif isinstance(event, PeerClosed):
                self._end_of_data()
        self._sending.flush()
        if self.core.failed is not None:
            self._fail(self.core.failed)

    def _complete(self, event: HandshakeCompleted) -> None:
        self.handshake = event
        self.handshake_seconds = time.monotonic() - self._opened
        if self.closing:
            return  # a server's user has answered early data, and wants no more
        self._set_timer(0.0, None)
        self._connect_user()
        if rest := self._early_data[self._early_data_taken :]:
            self.send(rest)
        self._early_data = b""
        if self._over is not None and not self._over.done():
            self._over.set_result(None)

    def _connect_user(self) -> None:
        if not self._user_connected and not self.closing:
            self._user_connected = True
            self.user.connection_made(self.transport)
            if self._writing_paused:
                self.user.pause_writing()

    def _end_of_data(self) -> None:
        if self.closing:
            self._wind_up()
        elif not self.user.eof_received():
            self.close()

    def _handshake_takes_too_long(self) -> None:
        reason = f"the handshake is not over after {self._limits.handshake:g} s"
        self._take(self.core.abort(AlertDescription.USER_CANCELED, reason))

    def _fail(self, failure: Failed) -> None:
        """The core has failed: tell the user, and see to it that an alert of ours reaches the peer."""
        if self._error is not None:
            return
        if self.closing and failure.by == "transport":
            self.below.close()  # the peer has left after our close_notify; it owes no more
            return
        self.closing = True
        self._report(ConnectionAborted(failure))
        if failure.by == "local":
            self._wind_up()
        else:
            self.below.abort()

    def _report(self, error: Exception) -> None:
        self._error = error
        if self._hooks.on_failure is not None:
            self._hooks.on_failure(error)

    def _wind_up(self) -> None:
        """Close the connection below once the peer has nothing more to say, or when it takes too long.

        A socket that is closed with unread bytes in it resets the connection, and the peer may lose what it has not yet
        read: our last data, or our alert. That is why bytes are taken, and ignored, until the peer's end.
        """
        raw = self.below
        if self._error is None and self.core.peer_closed:
            raw.close()
        else:
            if self._error is not None and raw.can_write_eof() and not raw.is_closing():
                raw.write_eof()
            raw.resume_reading()
        self._unsent = raw.get_write_buffer_size()
        self._set_timer(self._limits.close, self._close_takes_too_long)

    def _close_takes_too_long(self) -> None:
        unsent = self.below.get_write_buffer_size()
        if 0 < unsent < self._unsent:  # it is slow, and still reads
            self._unsent = unsent
            self._set_timer(self._limits.close, self._close_takes_too_long)
            return
        if unsent and self._error is None:
            self._report(TimeoutError(f"the peer reads no more: {unsent} bytes could not be sent"))
        self.below.abort()

    def _set_timer(self, seconds: float, callback: Callable[[], None] | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if callback is None else self._loop.call_later(seconds, callback)
