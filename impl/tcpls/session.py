"""A TCPLS session at one end: streams over several connections (draft-piraux-tcpls-00). It does no I/O.

Whoever owns the sockets tells it what happens (``receive``, ``lost``, ``observe``, ``tick``), and asks it what to send
on which connection (``transmit``). Times are seconds of the monotonic clock, given as ``now``. ``ClientSession`` and
``ServerSession`` add what the two ends do differently.
"""

from impl.tcpls.acknowledging import ack_deadline, ack_is_due, quiet_deadline
from impl.tcpls.connection import ConnectionState
from impl.tcpls.errors import StreamError
from impl.tcpls.events import Event
from impl.tcpls.exchange import TRANSMIT_SIZE, Exchange
from impl.tcpls.frames import Ping
from impl.tcpls.joining import PeerAlert
from impl.tcpls.outgoing import BATCH
from impl.tcpls.streams.receiving import Chunk, ReceiveStream
from impl.tcpls.transport_info import TransportInfo
from impl.tls13.alerts import TLSError
from impl.tls13.records.format import MAX_PLAINTEXT
from impl.tls13.registries import AlertDescription

__all__ = ["TRANSMIT_SIZE", "Session"]


class Session(Exchange):
    """One end of a session.

    Args:
        records: of the first connection, with its handshake before it.
        settings: limits and policies.
        now: monotonic seconds.
        wall: what to add to `now` for POSIX seconds, which certificates and tickets need.
        trace: is told what happens.

    Attributes:
        connections: those that belong to the session, by Connection ID.
        streams: those that are not over.
        tcpls: whether the peer speaks TCPLS; None before that is known. If not, stream 0 is a plain TLS connection.
        started: the handshake is over.
        closing: close() was called, or the peer has sent close_notify.
        ended: the session is over.

    """

    # What the user does

    def open_stream(self, *, pinned: int | None = None) -> int:
        """Open the next stream of this side, and return its number.

        Args:
            pinned: Connection ID of the only connection that shall carry what we send on it, as long as that one works.

        Raises:
            StreamError: there are no more, the connection is not there, or the peer speaks plain TLS and has one.
            SessionOver: no more can be sent.

        """
        self._require_open()
        if pinned is not None and pinned not in self.connections:
            raise StreamError(f"connection {pinned} is not part of the session; there are {sorted(self.connections)}")
        if self.tcpls is False and (not self.is_client or self._newest is not None):
            raise StreamError("the peer speaks plain TLS, which has one stream: stream 0, the client's")
        stream = self.streams.open(pinned)
        self._incoming.opened()
        self._newest = stream.sending
        self.trace.event(self._now, "stream_opened", {"stream_id": stream.sending.stream_id, "by": "local"})
        return stream.sending.stream_id

    def write(self, stream_id: int, data: bytes | bytearray | memoryview) -> None:
        """Send data on a stream. How much waits already, `unsent` tells.

        Raises:
            StreamError: the stream is not open, or was finished.
            SessionOver: no more can be sent.

        """
        self._require_open()
        sending = self.streams[stream_id].sending
        sending.write(data)
        self._newest = sending
        self._outgoing.written(sending, len(data))

    def pin(self, stream_id: int, connection_id: int) -> None:
        """Have what we send on a stream from now on carried by one connection alone, as long as that one works.

        Raises:
            StreamError: the stream or the connection is not there.

        """
        self._outgoing.pin(self.streams[stream_id].sending, self._connection(connection_id).id)

    def finish(self, stream_id: int) -> None:
        """Mark the end of what we send on a stream (section 4.1); nothing if that was done.

        Raises:
            StreamError: the stream is not open.

        """
        stream = self.streams.get(stream_id)
        if stream is not None and not stream.sending.finished and self.ended is None:
            stream.sending.finish()
            self._outgoing.written(stream.sending, 0)
            self.trace.event(self._now, "stream_finished", {"stream_id": stream_id})

    def read_piece(self, stream_id: int, most: int) -> bytes:
        """Take some bytes that came in order on a stream, up to `most`, as fits best; empty if there are none.

        Raises:
            StreamError: the stream is not open.

        """
        receiving = self.streams[stream_id].receiving
        pieces = receiving.pieces
        piece = receiving.read_piece(most)
        self._taken(receiving, len(piece), pieces)
        return piece

    def read(self, stream_id: int, most: int = -1) -> list[Chunk]:
        """Take up to `most` bytes that came in order on a stream, by default all that are there.

        Raises:
            StreamError: the stream is not open.

        """
        receiving = self.streams[stream_id].receiving
        pieces = receiving.pieces
        chunks = receiving.read(most)
        self._taken(receiving, sum(len(chunk.data) for chunk in chunks), pieces)
        return chunks

    def _taken(self, receiving: ReceiveStream, size: int, pieces_before: int) -> None:
        self._incoming.taken(size, pieces_before - receiving.pieces)
        if receiving.at_end:
            self.streams.drop_if_over(receiving.stream_id)

    def stop_reading(self, stream_id: int) -> None:
        """Drop whatever is there and still comes on a stream."""
        stream = self.streams.get(stream_id)
        if stream is not None:
            stream.receiving.dropped = True
            self.read(stream_id)

    def await_data(self, change: int) -> None:
        """So many more (or fewer) streams are waited for, with nothing to read on them: then reading never pauses."""
        self._incoming.awaited += change

    @property
    def reading_paused(self) -> bool:
        """Whether the sockets should not be read for now, so that memory stays bounded."""
        return self._incoming.paused

    def unsent(self, stream_id: int) -> int:
        """How many bytes of a stream wait to be sent for the first time."""
        stream = self.streams.get(stream_id)
        return stream.sending.unsent if stream is not None else 0

    def take_progressed(self) -> set[int]:
        """The streams of which something was sent for the first time since the last call: their users may go on."""
        return self._outgoing.take_progressed()

    @property
    def unacknowledged(self) -> int:
        """How many bytes, over all streams, are kept because the peer has not acknowledged them in order."""
        return self._outgoing.unacknowledged

    def ping(self, connection_id: int, now: float) -> None:
        """Ask the peer for a sign of life on a connection (section 5.2.2); ``PingAnswered`` tells of its answer.

        Raises:
            StreamError: the connection is not there.

        """
        connection = self._connection(connection_id)
        connection.control.append((Ping().encode(), False))
        connection.wanted_pings += 1

    def migrate(self, connection_id: int, now: float) -> None:
        """Send everything on another connection from now on (section 4.2.3), if the scheduler is "primary-backup".

        Both ends prefer the connection: a Stream frame without data is sent on it, which a server whose scheduler is
        the same follows. It does not follow data, since the newest may come on the old connection for a while. What is
        under way there is left to it, as long as it works.

        Raises:
            StreamError: the connection is not there.

        """
        connection = self._connection(connection_id)
        self._prefer(connection, now)
        if self._newest is not None and self.tcpls:
            connection.control.append((self._newest.empty_frame(), False))

    def set_weight(self, connection_id: int, weight: float) -> None:
        """Set a connection's share, for the scheduler "weighted".

        Raises:
            StreamError: the connection is not there.
            ValueError: the weight is not positive.

        """
        if not weight > 0:
            raise ValueError(f"a weight of {weight}; it must be positive")
        self._connection(connection_id).weight = weight

    def update_keys(self, connection_id: int) -> None:
        """Go on with new keys for what we send on a connection (RFC 8446, section 4.6.3), and on no other one.

        Raises:
            StreamError: the connection is not there.

        """
        self._connection(connection_id).records.update_keys()
        self.trace.event(self._now, "key_update", {"connection_id": connection_id, "direction": "send"})

    def close(self, now: float) -> None:
        """End the session: send what was written, wait until it is acknowledged, and exchange close_notify (4.4)."""
        if not self.closing and self.ended is None:
            self.closing = True
            self._close_deadline = now + self.settings.close_limit
            for stream in self.streams.all():
                if not stream.sending.finished:
                    stream.sending.finish()
                    self._outgoing.written(stream.sending, 0)
            self._close_if_done(now)

    def abort(self, alert: AlertDescription, reason: str, now: float) -> None:
        """End the session at once, with a fatal alert on each of its connections; what was not sent is lost."""
        if self.ended is None:
            self._fail(TLSError(alert, reason), now)

    # What the owner of the sockets does

    def receive(self, connection_id: int, buffer: bytearray, end: int, scratch: bytearray, now: float) -> int:
        """Take bytes that came on a connection.

        Args:
            connection_id: which one.
            buffer: holds what was left the last time, and the new bytes behind it.
            end: where they end.
            scratch: as long as `buffer` at least, and more than 2^14 bytes; for the time of the call.
            now: monotonic seconds.

        Returns:
            How many bytes are done with; the others are for the caller to keep.

        """
        connection = self.connections.get(connection_id)
        if connection is None or self.ended is not None:
            return end
        self._now = now
        suspected = connection.suspect
        connection.detector.received(now)
        self._take_back(connection, suspected=suspected)
        brought = connection.received + connection.duplicate
        try:
            taken = self._take_preamble(connection, buffer, end)
            if connection.preamble is None:
                taken = self._take_records(connection, buffer, taken, end, scratch)
        except PeerAlert as error:
            self._drop(connection, str(error), now, failed=True)
            return end
        except TLSError as error:
            self._fail_on(connection, error)
            return end
        finally:
            self._incoming.flush()
        if taken == end and connection.received + connection.duplicate == brought:
            connection.detector.without_data(now)
        return taken

    def eof(self, connection_id: int, now: float) -> None:
        """The peer sends no more on a connection."""
        connection = self.connections.get(connection_id)
        if connection is None or self.ended is not None:
            return
        self._now = now
        if connection.records.peer_closed or (self.tcpls and self.peer_closing):
            # It may close its side as soon as it has sent close_notify (section 4.4), and take what we still send.
            if self._said_close:
                self._drop(connection, "closed by the peer", now, failed=False)
        elif self.tcpls is not True:
            self._take_events(connection, connection.records.receive_eof(now + self._wall))
            self._incoming.flush()
        else:
            self._drop(connection, "the peer has closed the connection without close_notify", now, failed=True)

    def lost(self, connection_id: int, reason: str, now: float) -> None:
        """A connection is gone: its socket has an error, or its local address or link is down."""
        connection = self.connections.get(connection_id)
        if connection is not None and self.ended is None:
            self._now = now
            self._drop(connection, reason, now, failed=True)

    def observe(self, connection_id: int, info: TransportInfo, now: float) -> None:
        """Take what the kernel says about a connection: before ``tick``, and whenever it is asked for data."""
        connection = self.connections.get(connection_id)
        if connection is not None:
            connection.observe(info, now)
            suspected = connection.suspect
            connection.detector.observed(info, now)
            self._take_back(connection, suspected=suspected)

    def transmit(self, connection_id: int, out: bytearray, now: float, most: int = BATCH * MAX_PLAINTEXT) -> int:
        """Make what goes to the peer on a connection now; it must be written to its socket, in this order.

        Args:
            connection_id: which one.
            out: has ``TRANSMIT_SIZE`` bytes.
            now: monotonic seconds.
            most: how many bytes of content are wanted, about; a record at least is made.

        Returns:
            How many bytes are in `out`; 0 if there is nothing to send.

        """
        connection = self.connections.get(connection_id)
        if connection is None:
            return 0
        self._now = now
        size = self._transmit(connection, out, now, most)
        connection.handed += size
        if self.closing:
            self._close_if_done(now)
        return size

    def has_to_send(self, connection_id: int, now: float) -> bool:
        """Whether ``transmit`` would give something."""
        connection = self.connections.get(connection_id)
        if connection is None:
            return False
        if connection.outgoing or connection.records_waiting:
            return True
        if connection.awaits_preamble or not connection.records.can_send:
            return False
        if self.tcpls is not True:
            return self.started and self._plain_waits()
        return ack_is_due(connection, self.connections, now) or self._outgoing.offers(connection, now)

    def deadline(self, now: float) -> float | None:
        """When ``tick`` must be called next, if nothing else happens before; None if never."""
        if self.ended is not None:
            return None
        moments = [self._close_deadline, self._orphan_deadline, self._idle_deadline, self._outgoing.held_until]
        moments += self._losses.values()
        for connection in self.connections.values():
            moments.append(ack_deadline(connection, self.connections))
            if self._incoming.incomplete and len(self.connections) > 1:
                moments.append(quiet_deadline(connection))
            if self.tcpls and connection.state is not ConnectionState.HANDSHAKE:
                moments.append(connection.watch_deadline(now))
        return min((moment for moment in moments if moment is not None), default=None)

    def tick(self, now: float) -> None:
        """Do what is due."""
        if self.ended is not None:
            return
        self._now = now
        if self._outgoing.held_until is not None and now >= self._outgoing.held_until:
            self._outgoing.held_until = None
        if self._close_deadline is not None and now >= self._close_deadline:
            self._close_now(now)
        elif self._orphan_deadline is not None and now >= self._orphan_deadline:
            self._end(f"no connection for {self.settings.orphan_limit:g} s", clean=False)
        elif self._idle_deadline is not None and now >= self._idle_deadline:
            self.close(now)
        if self.tcpls and self.ended is None:
            self._close_if_done(now)
            self._watch(now)

    def events(self) -> list[Event]:
        """What has happened since the last call."""
        events = self._events[:]
        self._events.clear()
        return events
