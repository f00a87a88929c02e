"""The server: its states and the messages that lead from one to the next (RFC 8446, appendix A.2)."""

from collections.abc import Callable, Mapping, Sequence
from enum import Enum, auto
from functools import partial
from typing import Final

from impl.tls13.alerts import TLSError, illegal_parameter, unexpected_message
from impl.tls13.certificates import Credentials, verify_client
from impl.tls13.config import ClientAuthentication, ServerConfig
from impl.tls13.connection import WrongMoment
from impl.tls13.events import ApplicationDataReceived, ClientHelloReceived, Event, HandshakeCompleted
from impl.tls13.extensions import (
    KeyShareEntry,
    check_response,
    encode_cookie,
    encode_max_early_data_size,
    encode_selected_group,
    encode_selected_identity,
    encode_selected_version,
    encode_server_share,
)
from impl.tls13.handshake import Handshake, Step
from impl.tls13.handshake_messages import RawMessage
from impl.tls13.key_schedule import KeySchedule, resumption_psk
from impl.tls13.messages import (
    HELLO_RETRY_REQUEST_RANDOM,
    Certificate,
    CertificateRequest,
    ClientHello,
    EncryptedExtensions,
    EndOfEarlyData,
    Finished,
    NewSessionTicket,
    ServerHello,
)
from impl.tls13.negotiation import (
    PeerOffer,
    choose_alpn,
    choose_credentials,
    choose_group,
    require_suite,
)
from impl.tls13.psk_selection import SelectedPsk, select_psk
from impl.tls13.records.format import MAX_PLAINTEXT
from impl.tls13.registries import (
    TLS13,
    AlertDescription,
    ExtensionType,
    HandshakeType,
    NamedGroup,
    SignatureScheme,
)
from impl.tls13.server_parameters import encrypted_extensions, request_extensions
from impl.tls13.tickets import TicketState

_RANDOM_SIZE: Final = 32
_TICKET_NONCE_SIZE: Final = 2  # bytes, for the first 65,536 tickets of a connection
_LONGEST_CHAIN_IN_TICKET: Final = 2**14  # bytes: a client with more must show its certificates each time


class ServerState(Enum):
    """Where a server stands; the names are those of appendix A.2.

    WAIT_SECOND_CH is its START after a HelloRetryRequest. RECVD_CH, NEGOTIATED and WAIT_FLIGHT2 last no longer than a
    call.
    """

    START = auto()
    WAIT_SECOND_CH = auto()
    WAIT_EOED = auto()
    WAIT_CERT = auto()
    WAIT_CV = auto()
    WAIT_FINISHED = auto()
    CONNECTED = auto()


class Server(Handshake[ServerConfig]):
    """A server's end of a connection.

    Attributes:
        state: where the handshake stands.
        server_name: the host name that the client asked for, once the ClientHello is there.
        alpn_protocol: the application protocol, once it is chosen.

    """

    _write_label = "SERVER"
    _read_label = "CLIENT"

    def __init__(self, config: ServerConfig) -> None:
        super().__init__(config)
        self.state = ServerState.START
        self.server_name: str | None = None
        self.alpn_protocol: bytes | None = None
        self._credentials: Sequence[Credentials] = config.credentials
        self._extensions = config.extensions
        self._shown: tuple[Credentials, SignatureScheme] | None = None
        self._offer: PeerOffer | None = None
        self._first: PeerOffer | None = None
        self._retry_group: NamedGroup | None = None
        self._cookie: bytes | None = None
        self._group: NamedGroup | None = None
        self._psk: SelectedPsk | None = None
        self._early_data_accepted = False
        self._early_data_left = 0
        self._client_secret = b""
        self._next_read_secret = b""
        self._client_chain: tuple[bytes, ...] = ()
        self._resumption_secret = b""
        self._tickets_sent = 0

    # What the user calls

    def proceed(
        self,
        now: float,
        *,
        extensions: Mapping[int, bytes] | None = None,
        credentials: Sequence[Credentials] | None = None,
    ) -> list[Event]:
        """Go on after ``ClientHelloReceived``; ``abort`` refuses instead.

        Args:
            now: POSIX seconds.
            extensions: for EncryptedExtensions, in place of the configured ones. The client must have offered them.
            credentials: in place of the configured ones.

        Raises:
            WrongMoment: the handshake is not held.

        """
        self._go_on(now)
        if extensions is not None:
            self._extensions = extensions
        if credentials is not None:
            self._credentials = credentials
        self._guard(self._negotiate_and_process)
        return self._take_events()

    def send_ticket(self, now: float) -> None:
        """Send another session ticket; the configured number goes out by itself after the handshake.

        Raises:
            WrongMoment: the handshake is not over, the connection is closed, or there is nothing to seal tickets with.

        """
        if not self.established or self.closed or self.config.tickets is None:
            raise WrongMoment("tickets can be sent between the handshake and close(), by a server that has ticket keys")
        self._now = now
        self._issue_ticket()
        self._out.flush()

    # The ClientHello and its answer

    def _step(self, message: RawMessage) -> Step | None:
        step = _STEPS.get((self.state, message.type))
        return None if step is None else partial(step, self)

    @property
    def _state_name(self) -> str:
        return self.state.name

    def _client_hello(self, message: RawMessage) -> None:
        hello = ClientHello.decode(message.body)
        self._require_record_boundary()
        self._client_random = hello.random
        self._change_cipher_spec_allowed = True
        self._offer = offer = PeerOffer.of(hello)
        self.server_name = offer.server_name
        if self._first is not None:
            self._check_second(offer, self._first)
        elif self.config.hold:
            self._held = True
            self._emit(
                ClientHelloReceived(hello=hello, server_name=offer.server_name, alpn_protocols=offer.alpn_protocols)
            )
            return
        self._negotiate()

    def _negotiate(self) -> None:
        offer = self._received
        group = choose_group(self.config, offer)
        if group not in offer.shares:
            self._retry(offer, group)
        else:
            self._group = group
            self._answer(offer)

    def _check_second(self, offer: PeerOffer, first: PeerOffer) -> None:
        offer.check_repeats(first, self._retry_group)
        if offer.cookie != self._cookie:
            raise illegal_parameter("the second ClientHello does not send back the cookie (section 4.2.2)")

    def _retry(self, offer: PeerOffer, group: NamedGroup) -> None:
        """Ask for a share of a group that both know (section 4.1.4)."""
        self._first = offer
        self.cipher_suite = require_suite(self.config, offer)
        self._retry_group = group
        extensions: dict[int, bytes] = {ExtensionType.KEY_SHARE: encode_selected_group(group)}
        if self.config.cookie is not None:
            self._cookie = self.config.cookie()
            extensions[ExtensionType.COOKIE] = encode_cookie(self._cookie)
        extensions[ExtensionType.SUPPORTED_VERSIONS] = encode_selected_version(TLS13)
        self._transcript.add(offer.hello.encode())
        self._transcript.choose(self._suite.hash)
        self._transcript.replace_with_message_hash()
        self._queue(
            ServerHello(
                HELLO_RETRY_REQUEST_RANDOM, offer.hello.legacy_session_id, self._suite.code, extensions
            ).encode()
        )
        self._out.flush()
        if offer.hello.legacy_session_id:
            self._out.change_cipher_spec()
        if offer.early_data:
            self._reader.skip_early_data_before_second_hello(self._early_data_budget())
        self.state = ServerState.WAIT_SECOND_CH

    def _negotiate_and_process(self) -> None:
        self._negotiate()
        self._process()

    def _answer(self, offer: PeerOffer) -> None:
        """Send all that the server has to say: ServerHello to Finished, and the keys change."""
        self._choose_key_and_suite(offer)
        self.alpn_protocol = choose_alpn(self.config, offer)
        if self._psk is None:
            if not offer.signature_schemes:
                raise TLSError(
                    AlertDescription.MISSING_EXTENSION, "ClientHello has no signature_algorithms (section 9.2)"
                )
            self._shown = choose_credentials(self._credentials, offer)
        self._early_data_accepted = self._may_take_early_data(offer)
        self._transcript.add(offer.hello.encode())
        self._transcript.choose(self._suite.hash)
        schedule = self._schedule = KeySchedule(self._suite, self._psk.key if self._psk else None)
        if self._early_data_accepted:
            self._start_early_data(schedule)
        shared_secret = self._send_server_hello(offer)
        schedule.enter_handshake(shared_secret)
        digest = self._transcript.digest()
        self._client_secret = schedule.client_handshake_traffic_secret(digest)
        server_secret = schedule.server_handshake_traffic_secret(digest)
        self._emit_secret("CLIENT_HANDSHAKE_TRAFFIC_SECRET", self._client_secret)
        self._emit_secret("SERVER_HANDSHAKE_TRAFFIC_SECRET", server_secret)
        if offer.hello.legacy_session_id and self._first is None:
            self._out.change_cipher_spec()
        self._out.change_keys(self._suite, server_secret)
        self._send_parameters(offer)
        self._queue(Finished(self._finished_data(server_secret)).encode())
        self._enter_application(schedule)
        self._expect_second_flight(offer)

    def _choose_key_and_suite(self, offer: PeerOffer) -> None:
        chosen = self.cipher_suite  # by HelloRetryRequest
        self._psk = select_psk(self.config, offer, self._transcript, chosen, self._now)
        if self._psk is not None:
            self.cipher_suite = self._psk.suite
            self.peer_chain = self._psk.peer_chain
            self._client_chain = self._psk.ticket.chain if self._psk.ticket else ()
        elif chosen is None:
            self.cipher_suite = require_suite(self.config, offer)

    def _send_server_hello(self, offer: PeerOffer) -> bytes:
        group = self._chosen_group
        share, shared_secret = self.config.respond(group, offer.shares[group])
        extensions: dict[int, bytes] = {}
        if self._psk is not None:
            extensions[ExtensionType.PRE_SHARED_KEY] = encode_selected_identity(self._psk.index)
        extensions[ExtensionType.KEY_SHARE] = encode_server_share(KeyShareEntry(group, share))
        extensions[ExtensionType.SUPPORTED_VERSIONS] = encode_selected_version(TLS13)
        random = self.config.random(_RANDOM_SIZE)
        self._queue(ServerHello(random, offer.hello.legacy_session_id, self._suite.code, extensions).encode())
        self._out.flush()
        return shared_secret

    def _send_parameters(self, offer: PeerOffer) -> None:
        """EncryptedExtensions and, without a pre-shared key, what proves who the server is (sections 4.3 and 4.4)."""
        limit = None
        if offer.record_size_limit is not None:
            limit = self.config.record_size_limit or MAX_PLAINTEXT + 1
            self._reader.max_content = limit - 1
            self._out.writer.max_content = min(offer.record_size_limit, MAX_PLAINTEXT + 1) - 1
        built_in = encrypted_extensions(
            # As in older versions, the name is not acknowledged again when a session is resumed (RFC 6066, section 3).
            named=offer.server_name is not None and self._psk is None,
            alpn_protocol=self.alpn_protocol,
            record_size_limit=limit,
            early_data=self._early_data_accepted,
        )
        self._queue(EncryptedExtensions(self.config.arranged(built_in, self._extensions)).encode())
        if self._shown is None:
            return
        if self.config.client_authentication is not ClientAuthentication.NONE:
            self._queue(CertificateRequest(b"", request_extensions(self.config)).encode())
        credentials, scheme = self._shown
        self._show(credentials, scheme, server=True)

    def _enter_application(self, schedule: KeySchedule) -> None:
        schedule.enter_application()
        digest = self._transcript.digest()
        self._next_read_secret = schedule.client_application_traffic_secret(digest)
        server_secret = schedule.server_application_traffic_secret(digest)
        self._exporter_secret = schedule.exporter_secret(digest)
        self._out.change_keys(self._suite, server_secret)
        self._emit_secret("CLIENT_TRAFFIC_SECRET_0", self._next_read_secret)
        self._emit_secret("SERVER_TRAFFIC_SECRET_0", server_secret)
        self._emit_secret("EXPORTER_SECRET", self._exporter_secret)
        self._writes_application_data = True

    def _expect_second_flight(self, offer: PeerOffer) -> None:
        if self._early_data_accepted:
            self.state = ServerState.WAIT_EOED
            return
        self._change_read_keys(self._client_secret)
        if offer.early_data:
            self._reader.skip_undecryptable_early_data(self._early_data_budget())
        self._wait_for_flight()

    def _wait_for_flight(self) -> None:
        asked = self._psk is None and self.config.client_authentication is not ClientAuthentication.NONE
        self.state = ServerState.WAIT_CERT if asked else ServerState.WAIT_FINISHED

    # Early data

    def _may_take_early_data(self, offer: PeerOffer) -> bool:
        """Whether all of section 4.2.10's and 8's conditions hold; if so the ClientHello is recorded."""
        psk, guard = self._psk, self.config.replay_guard
        if not offer.early_data or psk is None or psk.ticket is None or guard is None or self._first is not None:
            return False
        ticket = psk.ticket
        return (
            psk.index == 0
            and min(ticket.max_early_data, self.config.max_early_data) > 0
            and self._suite is ticket.suite
            and self.alpn_protocol == ticket.alpn_protocol
            and offer.server_name == ticket.server_name
            and guard.accept(
                psk.binder, age_by_client=psk.age_by_client, age_by_server=self._now - ticket.issued, now=self._now
            )
        )

    def _start_early_data(self, schedule: KeySchedule) -> None:
        self._change_read_keys(self._early_secret(schedule, self._transcript.digest()))
        self._early_data_left = self._early_data_budget()

    def _early_data_budget(self) -> int:
        return self.config.max_early_data or MAX_PLAINTEXT

    def _take_application_data(self, content: bytes | memoryview, ends: tuple[int, ...]) -> None:
        if self.state is not ServerState.WAIT_EOED:
            super()._take_application_data(content, ends)
            return
        allowed = sum(end <= self._early_data_left for end in ends)
        if allowed:
            size = ends[allowed - 1]
            self._early_data_left -= size
            self._emit(ApplicationDataReceived(data=bytes(content[:size]), ends=ends[:allowed], early=True))
        if allowed < len(ends):
            raise unexpected_message("more early data than the ticket allows (section 4.2.10)")

    def _end_of_early_data(self, message: RawMessage) -> None:
        EndOfEarlyData.decode(message.body)
        self._transcript.add(message.encoded)
        self._change_read_keys(self._client_secret)
        self._wait_for_flight()

    # The client's second flight

    def _certificate(self, message: RawMessage) -> None:
        certificate = Certificate.decode(message.body)
        if certificate.context:
            raise illegal_parameter("the client's Certificate has another context than the request (section 4.4.2)")
        requested = request_extensions(self.config)
        for entry in certificate.entries:
            check_response(HandshakeType.CERTIFICATE, entry.extensions, requested)
        self._transcript.add(message.encoded)
        if not certificate.entries:
            if self.config.client_authentication is ClientAuthentication.REQUIRED:
                raise TLSError(AlertDescription.CERTIFICATE_REQUIRED, "the client shows no certificate")
            self.state = ServerState.WAIT_FINISHED
            return
        self._client_chain = tuple(entry.data for entry in certificate.entries)
        self.peer_chain = verify_client(self._client_chain, trust=self.config.trust, now=self._now)
        self.state = ServerState.WAIT_CV

    def _certificate_verify(self, message: RawMessage) -> None:
        self._verify_certificate(message, server=False)
        self.state = ServerState.WAIT_FINISHED

    def _finished(self, message: RawMessage) -> None:
        self._verify_finished(message, self._client_secret)
        self._resumption_secret = self._key_schedule.resumption_secret(self._transcript.digest())
        self._change_read_keys(self._next_read_secret)
        self.state = ServerState.CONNECTED
        self._change_cipher_spec_allowed = False
        self.established = True
        self._emit(
            HandshakeCompleted(
                cipher_suite=self._suite.name,
                group=self._chosen_group,
                alpn_protocol=self.alpn_protocol,
                server_name=self.server_name,
                resumed=self._psk is not None,
                early_data_accepted=self._early_data_accepted,
                hello_retry_request=self._first is not None,
                peer_chain=self.peer_chain,
            )
        )
        if self.config.tickets is not None and self._received.psk_with_dhe and not self.closed:
            for _ in range(self.config.tickets_per_handshake):
                self._issue_ticket()
            self._out.flush()

    def _plaintext_alert_allowed(self) -> bool:
        # A client that cannot make sense of our answer has no keys to protect its alert with.
        return not self.established and not self._reader.opened_any

    # After the handshake

    def _issue_ticket(self) -> None:
        tickets = self.config.tickets
        if tickets is None or sum(map(len, self._client_chain)) > _LONGEST_CHAIN_IN_TICKET:
            return
        nonce = self._tickets_sent.to_bytes(max(_TICKET_NONCE_SIZE, -(-self._tickets_sent.bit_length() // 8)), "big")
        self._tickets_sent += 1
        age_add = int.from_bytes(self.config.random(4), "big")
        state = TicketState(
            psk=resumption_psk(self._suite, self._resumption_secret, nonce),
            suite=self._suite,
            issued=self._now,
            age_add=age_add,
            max_early_data=self.config.max_early_data,
            server_name=self.server_name,
            alpn_protocol=self.alpn_protocol,
            chain=self._client_chain,
        )
        size = self.config.max_early_data
        extensions: dict[int, bytes] = {ExtensionType.EARLY_DATA: encode_max_early_data_size(size)} if size else {}
        ticket = NewSessionTicket(tickets.lifetime, age_add, nonce, tickets.seal(state, self._now), extensions)
        self._out.message(ticket.encode())

    def _take_post_handshake_message(self, message: RawMessage) -> None:
        raise unexpected_message(f"{message.type.name.lower()} after the handshake")

    # What must be there by now

    @property
    def _received(self) -> PeerOffer:
        if self._offer is None:
            raise WrongMoment("no ClientHello has come yet")
        return self._offer

    @property
    def _chosen_group(self) -> NamedGroup:
        if self._group is None:
            raise WrongMoment("no group has been chosen yet")
        return self._group


_Step = Callable[[Server, RawMessage], None]

_STEPS: Final[Mapping[tuple[ServerState, HandshakeType], _Step]] = {
    (ServerState.START, HandshakeType.CLIENT_HELLO): Server._client_hello,
    (ServerState.WAIT_SECOND_CH, HandshakeType.CLIENT_HELLO): Server._client_hello,
    (ServerState.WAIT_EOED, HandshakeType.END_OF_EARLY_DATA): Server._end_of_early_data,
    (ServerState.WAIT_CERT, HandshakeType.CERTIFICATE): Server._certificate,
    (ServerState.WAIT_CV, HandshakeType.CERTIFICATE_VERIFY): Server._certificate_verify,
    (ServerState.WAIT_FINISHED, HandshakeType.FINISHED): Server._finished,
}
