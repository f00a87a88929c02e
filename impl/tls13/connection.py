"""What both ends of a connection do: records, alerts, keys, application data, and what follows the handshake.

``Client`` and ``Server`` add their handshakes. Bytes and the time go in, bytes and events come out::

    events = connection.receive(data, now)
    transport.write(connection.data_to_send())
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from itertools import pairwise
from typing import Final, Generic, TypeVar

from cryptography import x509

from impl.tls13.alerts import TLSError, unexpected_message
from impl.tls13.cipher_suites import CipherSuite
from impl.tls13.config import Config
from impl.tls13.events import ApplicationDataReceived, Event, Failed, KeysUpdated, PeerClosed, SecretDerived
from impl.tls13.handshake_messages import HandshakeReassembly, RawMessage
from impl.tls13.key_schedule import (
    export_keying_material,
    next_traffic_secret,
    traffic_keys,
)
from impl.tls13.messages import KeyUpdate
from impl.tls13.outbound import Outbound
from impl.tls13.records import NonceConstruction, Record, RecordReader, per_record_nonces
from impl.tls13.records.format import MAX_PLAINTEXT
from impl.tls13.records.opening import Opened, Opener
from impl.tls13.registries import (
    AlertDescription,
    AlertLevel,
    ContentType,
    HandshakeType,
    KeyUpdateRequest,
)

ConfigT = TypeVar("ConfigT", bound=Config)

MAX_IDLE_RECORDS: Final = 32
"""How many records may come one after the other that bring nothing: empty data, change_cipher_spec, user_canceled."""
_KEY_UPDATE_MARGIN: Final = 2**16  # records; keys are changed when the sealer can protect no more than these


class WrongMoment(RuntimeError):
    """The user of a connection asks for something that its state does not allow."""


class Connection(ABC, Generic[ConfigT]):
    """One end of a TLS connection; see ``Client`` and ``Server``.

    Attributes:
        config: the settings.
        cipher_suite: the suite, once it is chosen.
        peer_chain: the peer's certificates, its own first, once they are verified.
        established: the handshake is over.
        failed: why the connection is over, if an error ended it.
        peer_closed: the peer has sent close_notify.
        closed: we have sent close_notify, or an error has ended the connection.
        data_sink: gets application data at once, in place of events, for which they would be copied: the bytes, which
            are another's after the call, and where each record ends.

    """

    _write_label: str
    _read_label: str

    def __init__(self, config: ConfigT, *, nonces: NonceConstruction = per_record_nonces) -> None:
        self.config = config
        self.cipher_suite: CipherSuite | None = None
        self.peer_chain: tuple[x509.Certificate, ...] = ()
        self.established = False
        self.failed: Failed | None = None
        self.peer_closed = False
        self.closed = False
        self.data_sink: Callable[[bytes | memoryview, tuple[int, ...]], None] | None = None
        self._now = 0.0
        self._reader = RecordReader()
        self._nonces = nonces
        self._out = Outbound(config.padding, nonces=nonces)
        self._messages = HandshakeReassembly()
        self._events: list[Event] = []
        self._held = False
        self._writes_application_data = False
        self._change_cipher_spec_allowed = False
        self._client_random = b""
        self._read_secret = b""
        self._read_generation = 0
        self._records_before = 0
        self._exporter_secret = b""
        self._early_exporter_secret = b""
        self._owes_key_update = False
        self._idle_records = 0

    # What the user calls

    def receive(self, data: bytes | bytearray | memoryview, now: float) -> list[Event]:
        """Take bytes from the peer, of any number of records or parts of them.

        Args:
            data: the bytes, in order.
            now: POSIX seconds.

        Returns:
            What happened. Errors of the peer are events (``Failed``), not exceptions. After a failure, and after the
            peer's close_notify, further bytes are ignored (section 6.1).

        """
        self._now = now
        if self.failed is None and not self.peer_closed:
            self._reader.receive(data)
            self._guard(self._process)
        return self._take_events()

    def receive_from(self, buffer: bytearray, end: int, scratch: bytearray, now: float) -> tuple[int, list[Event]]:
        """Take bytes from the peer as ``receive`` does, out of a buffer of the caller's: faster where they are many.

        Args:
            buffer: holds the bytes: those that were left the last time, and new ones behind them.
            end: where they end in it.
            scratch: more than 2**14 bytes, better as many as `buffer` has, for the time of this call.
            now: POSIX seconds.

        Returns:
            How many bytes are done with, and what happened. The others, part of a record, are for the caller to keep.

        """
        self._now = now
        taken = end
        if self.failed is None and not self.peer_closed:
            if self._held or self._reader.buffered:
                self._reader.receive(memoryview(buffer)[:end])
                self._guard(self._process)
            else:
                taken = self._process_from(buffer, end, scratch)
        return taken, self._take_events()

    def receive_eof(self, now: float) -> list[Event]:
        """The transport will bring no more bytes. Without close_notify before it, data may have been cut off."""
        self._now = now
        if self.failed is None and not self.peer_closed:
            self._end(
                Failed(
                    alert=None,
                    reason="the transport ended without close_notify: the peer is gone, or data was cut off",
                    by="transport",
                )
            )
        return self._take_events()

    def data_to_send(self) -> bytes:
        """The bytes for the peer that have come together since the last call."""
        return self._out.take()

    @property
    def has_data_to_send(self) -> bool:
        """Whether ``data_to_send`` would give something."""
        return self._out.pending

    def send(self, data: bytes | bytearray | memoryview) -> None:
        """Protect application data. A server may do so as soon as it has answered the ClientHello (section 4.4.4).

        Raises:
            WrongMoment: the keys are not there yet, or the connection is closed.

        """
        self._prepare_to_send(len(data))
        self._out.data(data)

    def send_into(
        self, data: bytes | bytearray | memoryview, out: bytearray | memoryview, record_size: int | None = None
    ) -> int:
        """Protect application data as ``send`` does, but put the records into a buffer: faster for much data.

        Args:
            data: what is sent; not to be used elsewhere during the call.
            out: has ``sealed_size(len(data), record_size)`` bytes or more.
            record_size: bytes of content in a record, at most and by default as many as the peer allows.

        Returns:
            How many bytes are in `out`. There are none if ``data_to_send`` has something that must go before: then it
            has the records, too.

        Raises:
            WrongMoment: as ``send``.

        """
        writer = self._out.writer
        size = writer.max_content if record_size is None else min(record_size, writer.max_content)
        self._prepare_to_send(len(data), size)
        if self._out.pending:
            self._out.data(data, size)
            return 0
        return writer.write_into(data, out, size)

    def sealed_size(self, length: int, record_size: int | None = None) -> int:
        """How many bytes the records of so much application data take at most."""
        return self._out.writer.sealed_size(length, record_size)

    @property
    def max_content(self) -> int:
        """The most bytes of application data in a record that we send: 2^14, or what the peer allows (RFC 8449)."""
        return self._out.writer.max_content

    @property
    def max_received(self) -> int:
        """The most bytes of content in a record of the peer: what we have announced (RFC 8449)."""
        return self._reader.max_content

    @property
    def records_sent(self) -> int:
        """How many records the application keys have protected, over all their generations.

        Sequence numbers begin anew with a KeyUpdate (section 5.3); this does not.
        """
        return self._out.records_sealed

    @property
    def records_received(self) -> int:
        """How many of the peer's records the application keys have opened, over all their generations."""
        opener = self._reader.opener
        return self._records_before + (opener.sequence if opener is not None else 0)

    @property
    def write_generation(self) -> int:
        """Of the keys we send with: how often they were updated."""
        return self._out.generation

    def take_unread(self) -> bytes:
        """Take the bytes that were received and not looked at: a held handshake has some, for whoever goes on."""
        return self._reader.take_buffered()

    def _prepare_to_send(self, size: int, record_size: int | None = None) -> None:
        if not self.can_send:
            raise WrongMoment("application data can be sent between the handshake and close()")
        self._refresh_write_keys(size // (record_size or self._out.writer.max_content))

    @property
    def client_random(self) -> bytes:
        """The random value of the ClientHello, by which key logs name a connection; empty before there is one."""
        return self._client_random

    @property
    def can_send(self) -> bool:
        """Whether application data may be sent now."""
        return self._writes_application_data and not self.closed

    def close(self) -> None:
        """Send close_notify: no more data will follow. The peer may go on sending (section 6.1)."""
        if not self.closed:
            self._out.alert(AlertLevel.WARNING, AlertDescription.CLOSE_NOTIFY)
            self.closed = True

    def abort(self, alert: AlertDescription, reason: str) -> list[Event]:
        """End the connection with an alert of the user's choice, at any moment; the last event says so."""
        if self.failed is None:
            self._fail(TLSError(alert, reason))
        return self._take_events()

    def update_keys(self, *, request_peer: bool = False) -> None:
        """Go on with new keys for what we send (section 4.6.3).

        Args:
            request_peer: ask the peer to do the same.

        Raises:
            WrongMoment: the handshake is not over, or the connection is closed.

        """
        if not self.established or self.closed:
            raise WrongMoment("keys can be updated between the end of the handshake and close()")
        if request_peer and self._owes_key_update:
            # The answer that the peer is owed has update_not_requested (section 4.6.3); GnuTLS refuses another one.
            self._write_new_keys(KeyUpdateRequest.UPDATE_NOT_REQUESTED)
        self._write_new_keys(KeyUpdateRequest(request_peer))

    def export(self, label: str | bytes, context: bytes, length: int, *, early: bool = False) -> bytes:
        """Keying material for the application (section 7.5).

        Args:
            label: names the use; registered with IANA or private.
            context: what the material is bound to; may be empty.
            length: in bytes.
            early: material of the early data's keys, which does not tell this connection from a replayed one.

        Raises:
            WrongMoment: the secret is not there (yet).

        """
        secret = self._early_exporter_secret if early else self._exporter_secret
        if not secret or self.cipher_suite is None:
            raise WrongMoment("exporters are there once the handshake is over; early ones only with early data")
        return export_keying_material(self.cipher_suite, secret, label, context, length)

    # Records

    def _process(self) -> None:
        reader = self._reader
        self._take_records(reader.open_into, bytearray(max(reader.buffered, MAX_PLAINTEXT + 1)))

    def _process_from(self, buffer: bytearray, end: int, scratch: bytearray) -> int:
        taken = 0

        def open_into(out: bytearray) -> Opened:
            nonlocal taken
            opened = self._reader.open_from(buffer, out, taken, end) if taken < end else Opened()
            taken += opened.consumed
            return opened

        self._guard(lambda: self._take_records(open_into, scratch))
        if self._held:
            self._reader.receive(memoryview(buffer)[taken:end])
        return end if self._held or self.peer_closed or self.failed is not None else taken

    def _take_records(self, open_into: Callable[[bytearray], Opened], scratch: bytearray) -> None:
        self._drain_messages()
        while self.failed is None and not self._held and not self.peer_closed:
            opened = open_into(scratch)
            if opened.ends:
                with memoryview(scratch)[: opened.produced] as content:
                    self._take_data(content if self.data_sink else bytes(content), tuple(opened.ends))
            if opened.failure is not None:
                raise opened.failure
            if opened.other is not None:
                self._take_record(opened.other)
            elif opened.starved or not opened.consumed:
                break

    def _take_record(self, record: Record) -> None:
        if record.content_type == ContentType.HANDSHAKE:
            self._messages.feed(record.content)
            self._drain_messages()
            return
        if record.content_type == ContentType.APPLICATION_DATA:
            self._take_data(record.content, (len(record.content),))
            return
        self._require_whole_messages()
        if record.content_type == ContentType.ALERT:
            self._take_alert(record)
        elif not self._change_cipher_spec_allowed:
            raise unexpected_message("change_cipher_spec at a moment when it must not come (section 5)")
        else:
            self._count_idle_records(1)

    def _require_whole_messages(self) -> None:
        if self._messages.pending:
            raise unexpected_message("another record comes between the pieces of a handshake message")

    def _take_data(self, content: bytes | memoryview, ends: tuple[int, ...]) -> None:
        self._require_whole_messages()
        if len({0, *ends}) > len(ends):
            self._idle_records = 0
        else:  # some of the records are empty
            for start, end in pairwise((0, *ends)):
                if start == end:
                    self._count_idle_records(1)
                else:
                    self._idle_records = 0
        self._take_application_data(content, ends)

    def _count_idle_records(self, count: int) -> None:
        """Records that bring nothing are allowed, but not without end: they would keep a connection busy for free."""
        self._idle_records += count
        if self._idle_records > MAX_IDLE_RECORDS:
            raise unexpected_message(f"more than {MAX_IDLE_RECORDS} records on end that bring nothing")

    def _drain_messages(self) -> None:
        while not self._held and (message := self._messages.next_message()) is not None:
            self._idle_records = 0
            self._take_message(message)

    def _take_message(self, message: RawMessage) -> None:
        if not self.established:
            self._take_handshake_message(message)
        elif message.type == HandshakeType.KEY_UPDATE:
            self._take_key_update(KeyUpdate.decode(message.body))
        else:
            self._take_post_handshake_message(message)

    @abstractmethod
    def _take_handshake_message(self, message: RawMessage) -> None: ...

    @abstractmethod
    def _take_post_handshake_message(self, message: RawMessage) -> None: ...

    def _take_application_data(self, content: bytes | memoryview, ends: tuple[int, ...]) -> None:
        if not self.established:
            raise unexpected_message("application data before the handshake is over")
        if self.data_sink is not None:
            self.data_sink(content, ends)
        else:
            self._emit(ApplicationDataReceived(data=bytes(content), ends=ends))

    def _take_alert(self, record: Record) -> None:
        if not record.protected and self._reader.opener is not None and not self._plaintext_alert_allowed():
            raise unexpected_message("an alert without protection, after keys were agreed")
        code = record.content[1]
        if code == AlertDescription.CLOSE_NOTIFY and self.established:
            self.peer_closed = True
            self._emit(PeerClosed())
        elif code == AlertDescription.CLOSE_NOTIFY:
            self._end(Failed(alert=AlertDescription.CLOSE_NOTIFY, reason="closed during the handshake", by="peer"))
        elif code == AlertDescription.USER_CANCELED:
            self._count_idle_records(1)
        else:
            # Every other alert is fatal, whatever its level says; so are unknown ones (section 6).
            try:
                alert = AlertDescription(code)
                reason = f"the peer says {alert.name.lower()}"
            except ValueError:
                alert, reason = AlertDescription.INTERNAL_ERROR, f"the peer sends the unknown alert {code}"
            self._end(Failed(alert=alert, reason=reason, by="peer"))

    def _plaintext_alert_allowed(self) -> bool:
        return False

    # Keys

    def _change_read_keys(self, secret: bytes) -> None:
        self._require_record_boundary()
        suite = self._suite
        self._read_secret = secret
        self._records_before = 0
        self._reader.opener = Opener(suite, traffic_keys(suite, secret), nonces=self._nonces)

    def _require_record_boundary(self) -> None:
        if self._messages.pending:
            raise unexpected_message("a message that changes keys does not end with its record (section 5.1)")

    def _take_key_update(self, message: KeyUpdate) -> None:
        records = self.records_received
        self._change_read_keys(next_traffic_secret(self._suite, self._read_secret))
        self._records_before = records
        self._read_generation += 1
        self._emit_secret(f"{self._read_label}_TRAFFIC_SECRET_{self._read_generation}", self._read_secret)
        requested = message.request == KeyUpdateRequest.UPDATE_REQUESTED
        self._emit(KeysUpdated(generation=self._read_generation, answer_requested=requested))
        self._owes_key_update |= requested

    def _write_new_keys(self, request: KeyUpdateRequest) -> None:
        self._owes_key_update = False
        secret = self._out.update_keys(self._suite, request)
        self._emit_secret(f"{self._write_label}_TRAFFIC_SECRET_{self._out.generation}", secret)

    def _refresh_write_keys(self, records: int) -> None:
        """Change keys before more data if the peer has asked for it, or their limit is near (sections 4.6.3, 5.5).

        Like this a connection that is silent answers many requests with a single KeyUpdate.
        """
        if self.established and (self._owes_key_update or self._out.records_left <= _KEY_UPDATE_MARGIN + records):
            self._write_new_keys(KeyUpdateRequest.UPDATE_NOT_REQUESTED)

    # Events and errors

    def _emit(self, event: Event) -> None:
        self._events.append(event)

    def _emit_secret(self, label: str, secret: bytes) -> None:
        self._events.append(SecretDerived(label=label, secret=secret))

    def _take_events(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def _guard(self, step: Callable[[], None]) -> None:
        try:
            step()
        except TLSError as error:
            self._fail(error)

    def _fail(self, error: TLSError) -> None:
        if not self.closed:
            self._out.alert(AlertLevel.FATAL, error.alert)
        self._end(Failed(alert=error.alert, reason=error.reason, by="local"))

    def _end(self, failure: Failed) -> None:
        self.failed = failure
        self.closed = True
        self._held = False
        self._emit(failure)

    @property
    def _suite(self) -> CipherSuite:
        if self.cipher_suite is None:
            raise WrongMoment("no cipher suite has been chosen yet")
        return self.cipher_suite
