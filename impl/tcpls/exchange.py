"""What goes over the connections of a session: records made and taken apart, frames, acknowledgements, plain TLS."""

from abc import abstractmethod
from typing import Final

from impl.tcpls.acknowledging import acknowledge, acks_for, tell_elsewhere
from impl.tcpls.connection import Connection, ConnectionState, Records
from impl.tcpls.errors import protocol_violation
from impl.tcpls.events import ConnectionJoined, KeyLogLine, PingAnswered, StreamAcknowledged, StreamOpened
from impl.tcpls.frames import Ack, ConnectionReset, Frame, NewToken
from impl.tcpls.lifecycle import Lifecycle
from impl.tcpls.outgoing import BATCH
from impl.tcpls.packing import Packer
from impl.tcpls.settings import Settings
from impl.tcpls.streams.sending import SendState, SendStream
from impl.tcpls.trace import NO_TRACE, Trace
from impl.tls13.alerts import TLSError
from impl.tls13.events import (
    ApplicationDataReceived,
    Failed,
    HandshakeCompleted,
    KeysUpdated,
    SecretDerived,
    TicketReceived,
)
from impl.tls13.events import Event as RecordEvent
from impl.tls13.events import PeerClosed as RecordsClosed
from impl.tls13.records.format import MAX_PLAINTEXT, OVERHEAD

TRANSMIT_SIZE: Final = BATCH * (MAX_PLAINTEXT + OVERHEAD) + 2**16
"""Bytes that a buffer for ``transmit`` must have."""
_FIRST_BATCH: Final = 2
"""Records for which a session has memory at first; when it has so much to send, it takes more."""
_MOST_OUTGOING: Final = 2**16


class Exchange(Lifecycle):
    """The bytes of a session, in both directions; see ``Session``."""

    def __init__(
        self, records: Records, settings: Settings, now: float, *, wall: float, trace: Trace = NO_TRACE
    ) -> None:
        super().__init__(records, settings, now, wall=wall, trace=trace)
        self._violation: TLSError | None = None
        self._plain = bytearray(_FIRST_BATCH * settings.record_size)

    # Sending

    def _transmit(self, connection: Connection, out: bytearray, now: float, most: int) -> int:
        records = connection.records
        size = 0
        if connection.outgoing or connection.records_waiting:
            if connection.records_waiting:
                connection.outgoing += records.data_to_send()
            size = min(len(connection.outgoing), _MOST_OUTGOING)
            out[:size] = connection.outgoing[:size]
            del connection.outgoing[:size]
            if connection.outgoing:
                return size
        if connection.awaits_preamble or not records.can_send:
            return size
        if self.tcpls is not True:
            return size + self._transmit_plain(connection, out, size) if self.started else size
        record_size = min(self.settings.record_size, records.max_content, connection.record_size)
        packer = Packer(self._plain, record_size, max(1, min(BATCH, most // record_size)))
        for ack in acks_for(connection, self.connections, now):
            packer.frame(ack.encode(), resend=False)
        self._outgoing.fill(connection, packer, now)
        if not packer.used:
            return size
        full = packer.used == len(self._plain)
        if self.settings.padding is not None:
            packer.pad(self.settings.padding)
        size += self._seal(connection, packer, record_size, out, size, now)
        if full and len(self._plain) < BATCH * self.settings.record_size:
            self._plain = bytearray(min(4 * len(self._plain), BATCH * self.settings.record_size))
        return size

    def _seal(
        self, connection: Connection, packer: Packer, record_size: int, out: bytearray, start: int, now: float
    ) -> int:
        records = connection.records
        self._keys.count(records, packer.records)
        whole = packer.used == len(self._plain)
        content = self._plain if whole else memoryview(self._plain)[: packer.used]
        target = memoryview(out)[start:]
        size = records.send_into(content, target if start else out, record_size)
        if not size:  # new keys go before
            sealed = records.data_to_send()
            size = len(sealed)
            target[:size] = sealed
        first = records.records_sent - packer.records
        for run in packer.runs:
            run.first += first
            run.last += first
            connection.ledger.add(run)
        for index in packer.pings:
            connection.pings.append((first + index, now, connection.wanted_pings > 0))
            connection.wanted_pings = max(connection.wanted_pings - 1, 0)
        connection.detector.sent(now, packer.elicits_ack)
        if self.trace.enabled:
            self.trace.records_sent(now, connection.id, first, packer)
        if any(run.stream is not None for run in packer.runs):
            self._moved(now)
        return size

    # Receiving

    def _take_preamble(self, connection: Connection, buffer: bytearray, end: int) -> int:
        preamble = connection.preamble
        if preamble is None:
            return 0
        taken = preamble.take(buffer, end)
        if preamble.over:
            connection.preamble = None
            self._preamble_over(connection)
        return taken

    def _take_records(self, connection: Connection, buffer: bytearray, start: int, end: int, scratch: bytearray) -> int:
        if start:
            rest = buffer[start:end]
            buffer[: len(rest)] = rest
        before = connection.highest_received
        taken, events = connection.records.receive_from(buffer, end - start, scratch, self._now + self._wall)
        if start:
            buffer[start + taken : end] = rest[taken:]
        self._take_events(connection, events)
        if self._violation is not None:
            violation, self._violation = self._violation, None
            raise violation
        if connection.highest_received > before:
            self._join_if_joining(connection)
        return start + taken

    def _join_if_joining(self, connection: Connection) -> None:
        """The peer shows that a connection is part of the session."""
        if connection.state is ConnectionState.JOINING:
            connection.state = ConnectionState.OPEN
            self._events.append(ConnectionJoined(connection_id=connection.id))

    def _take_events(self, connection: Connection, events: list[RecordEvent]) -> None:
        for event in events:
            if isinstance(event, ApplicationDataReceived):
                self._take_data(connection, event.data, event.ends)
            elif isinstance(event, SecretDerived):
                self._keys.add(event.label, event.secret)
                random = connection.client_random or connection.records.client_random
                self._events.append(KeyLogLine(line=self._keys.log_line(event.label, random)))
            elif isinstance(event, HandshakeCompleted):
                self._start(connection, event)
            elif isinstance(event, RecordsClosed):
                self._peer_closes(connection)
            elif isinstance(event, Failed):
                self._records_failed(connection, event)
            elif isinstance(event, TicketReceived):
                self._events.append(event)
            elif isinstance(event, KeysUpdated):
                self.trace.event(self._now, "key_update", {"connection_id": connection.id, "direction": "receive"})
            else:
                self._take_handshake_event(connection, event)

    def _listen(self, connection: Connection) -> None:
        """Take the contents of records from where they were decrypted; what breaks a rule is told after the call."""

        def take(content: bytes | memoryview, ends: tuple[int, ...]) -> None:
            if self._violation is None:
                try:
                    self._take_data(connection, content, ends)
                except TLSError as error:
                    self._violation = error

        connection.records.data_sink = take

    def _take_data(self, connection: Connection, content: bytes | memoryview, ends: tuple[int, ...]) -> None:
        if self.tcpls is not True:
            connection.received += len(content)
            self._take_plain(bytes(content))
            return
        if self.trace.enabled:
            self.trace.records_received(self._now, connection.id, connection.highest_received, content, ends)
        duplicate, received = connection.duplicate, connection.received
        eliciting = self._incoming.records(connection, memoryview(content), ends)
        if connection.received > received:
            self._moved(self._now)
        if connection.duplicate > duplicate:
            # The peer sends again what came on another connection: it does not know yet.
            tell_elsewhere([*self.connections.values(), *self._closed.values()], connection)
        if eliciting:
            acknowledge(connection, eliciting, self.settings, self._now)
        self._follow()

    def _take_frame(self, connection: Connection, frame: Frame) -> None:
        if isinstance(frame, Ack):
            self._take_ack(connection, frame)
        elif isinstance(frame, ConnectionReset):
            self._take_reset(frame)
        elif isinstance(frame, NewToken):
            self._take_token(frame)

    def _take_ack(self, via: Connection, ack: Ack) -> None:
        connection = self.connections.get(ack.connection_id) or self._closed.get(ack.connection_id)
        if connection is None:
            self._require_seen(ack.connection_id, "ACK")
            return
        if ack.highest >= connection.records.records_sent:
            raise protocol_violation(
                f"ACK of record {ack.highest} on connection {ack.connection_id}, where "
                f"{connection.records.records_sent} were sent (section 5.2.4)"
            )
        now = self._now
        connection.confirmed = max(connection.confirmed, ack.highest)
        # An acknowledgement may come on another connection that is busy, and be all that comes for a long time.
        self._join_if_joining(connection)
        connection.ledger.acknowledge(ack.highest, self._acknowledged)
        self.trace.event(now, "ack_received", {"connection_id": connection.id, "sequence": ack.highest, "via": via.id})
        self._settle(connection.id)
        while connection.pings and connection.pings[0][0] <= ack.highest:
            _, sent, wanted = connection.pings.popleft()
            if not wanted:
                continue
            self._events.append(PingAnswered(connection_id=connection.id, seconds=now - sent))
        suspected = connection.suspect
        connection.detector.acknowledged(now, bool(connection.ledger))
        self._take_back(connection, suspected=suspected)
        if via is not connection:
            connection.detector.missed(now)
        self._close_if_done(now)

    def _acknowledged(self, stream: SendStream, size: int) -> None:
        self._outgoing.acknowledged(size)
        if size:
            self._moved(self._now)
        if stream.state is SendState.ACKNOWLEDGED and not stream.announced:
            stream.announced = True
            self._events.append(StreamAcknowledged(stream_id=stream.stream_id))
            self.streams.drop_if_over(stream.stream_id)

    def _take_reset(self, frame: ConnectionReset) -> None:
        connection = self.connections.get(frame.connection_id)
        if connection is None:
            if not self._never_came(frame.connection_id):
                self._require_seen(frame.connection_id, "Connection Reset")
        else:
            self._drop(connection, "the peer says that it was reset", self._now, failed=True, tell=False)

    def _require_seen(self, connection_id: int, name: str) -> None:
        if connection_id not in self._seen_connections:
            raise protocol_violation(f"{name} for connection {connection_id}, which the session never had")

    def _never_came(self, connection_id: int) -> bool:
        """The peer gives up a connection that we have not: whether it is one that it might have joined."""
        return False

    @abstractmethod
    def _take_token(self, frame: NewToken) -> None: ...

    @abstractmethod
    def _take_handshake_event(self, connection: Connection, event: RecordEvent) -> None: ...

    @abstractmethod
    def _preamble_over(self, connection: Connection) -> None: ...

    def _follow(self) -> None:
        """A server sends where its client does, if only one connection is used at a time (section 4.2.3)."""
        newest, self._incoming.newest = self._incoming.newest, None
        if (
            newest is None
            or newest.id not in self.connections
            or self.is_client
            or self._outgoing.scheduler.name != "primary-backup"
        ):
            return
        if newest.rank > min(connection.rank for connection in self.connections.values()):
            self._prefer(newest, self._now)

    # Plain TLS, with a peer that does not know TCPLS

    def _plain_waits(self) -> bool:
        stream = self.streams.get(0)
        return stream is not None and stream.sending.has_new

    def _transmit_plain(self, connection: Connection, out: bytearray, start: int) -> int:
        """Send stream 0 as the data of a plain connection; TCP's acknowledgements are all there are."""
        stream = self.streams.get(0)
        if stream is None:
            return 0
        sending = stream.sending
        begin, end, fin = sending.take_new(len(self._plain))
        self._outgoing.backlog -= end - begin
        self._outgoing.progressed(sending)
        connection.sent += end - begin
        data = b"".join(sending.view(begin, end))
        size = 0
        if data:
            target = memoryview(out)[start:]
            records = connection.records
            size = records.send_into(data, target, self.settings.record_size)
            if not size:
                sealed = records.data_to_send()
                size = len(sealed)
                target[:size] = sealed
            self._moved(self._now)
        self._acknowledged(sending, sending.acknowledge(begin, end, fin=fin))
        if fin:
            sending.waiting = False
            self._say_close()
        return size

    def _take_plain(self, data: bytes) -> None:
        stream = self.streams.get(0)
        if stream is None:
            for number in self.streams.opened_by_peer(0):
                self._incoming.opened()
                self._events.append(StreamOpened(stream_id=number))
            stream = self.streams[0]
        receiving = stream.receiving
        self._moved(self._now)
        receiving.receive(receiving.received, memoryview(data), 0, fin=False)
        self._incoming.received(stream.receiving, len(data))
