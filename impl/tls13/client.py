"""The client: its states and the messages that lead from one to the next (RFC 8446, appendix A.1)."""

from collections.abc import Callable, Mapping
from enum import Enum, auto
from functools import partial
from typing import Final

from impl.tls13.alerts import decode_error, illegal_parameter, unexpected_message
from impl.tls13.certificates import verify_server
from impl.tls13.client_offer import Offer, first_offer, host_name, second_offer
from impl.tls13.config import ClientConfig
from impl.tls13.connection import WrongMoment
from impl.tls13.events import EarlyDataRejected, EncryptedExtensionsReceived, Event, HandshakeCompleted, TicketReceived
from impl.tls13.extensions import (
    check_request,
    check_response,
    decode_max_early_data_size,
    decode_signature_algorithms,
)
from impl.tls13.handshake import Handshake, Step
from impl.tls13.handshake_messages import RawMessage
from impl.tls13.key_schedule import KeySchedule, resumption_psk
from impl.tls13.messages import (
    MAX_TICKET_LIFETIME,
    Certificate,
    CertificateRequest,
    EncryptedExtensions,
    EndOfEarlyData,
    Finished,
    NewSessionTicket,
    ServerHello,
)
from impl.tls13.registries import (
    LEGACY_INITIAL_VERSION,
    LEGACY_VERSION,
    ExtensionType,
    HandshakeType,
    NamedGroup,
)
from impl.tls13.server_answer import (
    check_certificate_request,
    check_server_hello,
    chosen_exchange,
    chosen_key,
    read_parameters,
    requested_change,
)
from impl.tls13.sessions import Session


class ClientState(Enum):
    """Where a client stands; the names are those of appendix A.1."""

    START = auto()
    WAIT_SH = auto()
    WAIT_EE = auto()
    WAIT_CERT_CR = auto()
    WAIT_CERT = auto()
    WAIT_CV = auto()
    WAIT_FINISHED = auto()
    CONNECTED = auto()


class Client(Handshake[ClientConfig]):
    """A client's end of a connection.

    Attributes:
        state: where the handshake stands.
        early_data_accepted: None until the server has said whether it takes the early data.

    """

    _write_label = "CLIENT"
    _read_label = "SERVER"

    def __init__(self, config: ClientConfig) -> None:
        super().__init__(config)
        self.state = ClientState.START
        self.early_data_accepted: bool | None = None
        self._offer: Offer | None = None
        self._retried = False
        self._group: NamedGroup | None = None
        self._resumed: Session | None = None
        self._with_psk = False
        self._alpn_protocol: bytes | None = None
        self._early_data_left = 0
        self._server_secret = b""
        self._client_secret = b""
        self._request: CertificateRequest | None = None
        self._server_chain: tuple[bytes, ...] = ()
        self._resumption_secret = b""

    # What the user calls

    def start(self, now: float) -> list[Event]:
        """Send the ClientHello; `now` in POSIX seconds.

        Raises:
            WrongMoment: the handshake has been started already.

        """
        if self.state is not ClientState.START:
            raise WrongMoment("the handshake has been started already")
        self._now = now
        self._offer = offer = first_offer(self.config, now)
        self._client_random = offer.hello.random
        self._out.writer.record_version = LEGACY_INITIAL_VERSION
        self._queue(offer.encoded)
        self._out.flush()
        self._out.writer.record_version = LEGACY_VERSION
        self._change_cipher_spec_allowed = True
        self.state = ClientState.WAIT_SH
        if offer.early_data:
            self._start_early_data(offer)
        return self._take_events()

    @property
    def early_data_left(self) -> int:
        """How many bytes of early data may still be sent: 0 if there is no session for it, or the time is over."""
        return self._early_data_left

    def send_early(self, data: bytes) -> int:
        """Send early data: before the server has answered, and before anybody knows whether they are a replay.

        Returns:
            How many bytes were taken: those that the ticket allows. Send the rest once the handshake is over; all of
            it, if ``EarlyDataRejected`` comes.

        """
        taken = data[: self._early_data_left]
        if taken and not self.closed:
            self._early_data_left -= len(taken)
            self._out.data(taken)
            return len(taken)
        return 0

    def proceed(self, now: float) -> list[Event]:
        """Go on after ``EncryptedExtensionsReceived``; ``abort`` refuses instead.

        Raises:
            WrongMoment: the handshake is not held.

        """
        self._go_on(now)
        self._guard(self._process)
        return self._take_events()

    # The handshake

    def _step(self, message: RawMessage) -> Step | None:
        step = _STEPS.get((self.state, message.type))
        return None if step is None else partial(step, self)

    @property
    def _state_name(self) -> str:
        return self.state.name

    def _server_hello(self, message: RawMessage) -> None:
        hello = ServerHello.decode(message.body)
        suite = check_server_hello(hello, self.config, self._sent, self.cipher_suite if self._retried else None)
        self._require_record_boundary()
        self.cipher_suite = suite
        if hello.is_hello_retry_request:
            self._retry(hello, message)
        else:
            self._agree_on_keys(hello, message)

    def _agree_on_keys(self, hello: ServerHello, message: RawMessage) -> None:
        key = chosen_key(hello, self._sent, self._suite)
        exchange, share = chosen_exchange(hello, self._sent)
        self._group = exchange.group
        self._with_psk = key is not None
        self._resumed = key.session if key is not None else None
        self._schedule = schedule = KeySchedule(self._suite, key.psk if key is not None else None)
        schedule.enter_handshake(exchange.shared_secret(share))
        self._transcript.choose(self._suite.hash)
        self._transcript.add(message.encoded)
        digest = self._transcript.digest()
        self._client_secret = schedule.client_handshake_traffic_secret(digest)
        self._server_secret = schedule.server_handshake_traffic_secret(digest)
        self._emit_secret("CLIENT_HANDSHAKE_TRAFFIC_SECRET", self._client_secret)
        self._emit_secret("SERVER_HANDSHAKE_TRAFFIC_SECRET", self._server_secret)
        self._change_read_keys(self._server_secret)
        if not self._out.protected:
            # Alerts must have the keys that the server reads with from here on. Early data keep theirs until their end.
            if self.config.compatibility_mode and not self._retried:
                self._out.change_cipher_spec()
            self._out.change_keys(self._suite, self._client_secret)
        self.state = ClientState.WAIT_EE

    def _retry(self, hello: ServerHello, message: RawMessage) -> None:
        """Answer a HelloRetryRequest (section 4.1.4)."""
        self._retried = True
        offer = self._sent
        group, cookie = requested_change(hello, self.config, offer)
        self._transcript.choose(self._suite.hash)
        self._transcript.replace_with_message_hash()
        self._transcript.add(message.encoded)
        if offer.early_data:
            # Early data are lost; what follows is not protected (section 4.2.10).
            self._reject_early_data()
            self._out.drop_keys()
        elif self.config.compatibility_mode:
            self._out.change_cipher_spec()
        self._offer = second_offer(
            self.config, offer, self._transcript, self._suite, self._now, group=group, cookie=cookie
        )
        self._queue(self._offer.encoded)
        self._out.flush()

    def _encrypted_extensions(self, message: RawMessage) -> None:
        extensions = EncryptedExtensions.decode(message.body).extensions
        parameters = read_parameters(extensions, self.config, self._sent)
        self._transcript.add(message.encoded)
        self._alpn_protocol = parameters.alpn_protocol
        if parameters.record_size_limit is not None:
            self._out.writer.max_content = parameters.record_size_limit - 1
            if self.config.record_size_limit is not None:
                self._reader.max_content = self.config.record_size_limit - 1
        self._take_early_data(accepted=parameters.early_data)
        self.state = ClientState.WAIT_FINISHED if self._with_psk else ClientState.WAIT_CERT_CR
        if self.config.hold:
            self._held = True
            self._emit(EncryptedExtensionsReceived(extensions=extensions))

    def _take_early_data(self, *, accepted: bool) -> None:
        session = self._resumed
        if accepted:
            if session is None or session is not self._sent.keys[0].session:
                raise illegal_parameter("the server takes early data and not the first pre-shared key (section 4.2.10)")
            if self._suite is not session.suite or self._alpn_protocol != session.alpn_protocol:
                raise illegal_parameter("the server takes early data with another suite or application protocol")
            self.early_data_accepted = True
        elif self._sent.early_data:
            self._reject_early_data()
            # Until the server's Finished nothing more is sent; what follows has the handshake's keys.
            self._out.change_keys(self._suite, self._client_secret)

    def _certificate_request(self, message: RawMessage) -> None:
        request = CertificateRequest.decode(message.body)
        check_certificate_request(request)
        self._transcript.add(message.encoded)
        self._request = request
        self.state = ClientState.WAIT_CERT

    def _certificate(self, message: RawMessage) -> None:
        certificate = Certificate.decode(message.body)
        if certificate.context:
            raise illegal_parameter("a certificate_request_context in a server's Certificate (section 4.4.2)")
        if not certificate.entries:
            raise decode_error("the server shows no certificate (section 4.4.2.4)")
        for entry in certificate.entries:
            check_response(HandshakeType.CERTIFICATE, entry.extensions, self._sent.hello.extensions)
        self._transcript.add(message.encoded)
        self._server_chain = tuple(entry.data for entry in certificate.entries)
        self.peer_chain = verify_server(
            self._server_chain,
            server_name=self.config.server_name,
            trust=self.config.trust if self.config.verify else None,
            now=self._now,
        )
        self.state = ClientState.WAIT_CV

    def _certificate_verify(self, message: RawMessage) -> None:
        self._verify_certificate(message, server=True)
        self.state = ClientState.WAIT_FINISHED

    def _finished(self, message: RawMessage) -> None:
        self._verify_finished(message, self._server_secret)
        self._require_record_boundary()
        schedule = self._key_schedule
        schedule.enter_application()
        digest = self._transcript.digest()
        client_secret = schedule.client_application_traffic_secret(digest)
        server_secret = schedule.server_application_traffic_secret(digest)
        self._exporter_secret = schedule.exporter_secret(digest)
        self._send_second_flight()
        self._resumption_secret = schedule.resumption_secret(self._transcript.digest())
        self._out.change_keys(self._suite, client_secret)
        self._change_read_keys(server_secret)
        self._emit_secret("CLIENT_TRAFFIC_SECRET_0", client_secret)
        self._emit_secret("SERVER_TRAFFIC_SECRET_0", server_secret)
        self._emit_secret("EXPORTER_SECRET", self._exporter_secret)
        self.state = ClientState.CONNECTED
        self._change_cipher_spec_allowed = False
        self.established = True
        self._writes_application_data = True
        self._emit(self._completed())

    def _send_second_flight(self) -> None:
        if self.early_data_accepted:
            self._early_data_left = 0
            self._queue(EndOfEarlyData().encode())
            self._out.change_keys(self._suite, self._client_secret)
        if self._request is not None:
            self._show_certificate(self._request)
        self._queue(Finished(self._finished_data(self._client_secret)).encode())
        self._out.flush()

    def _show_certificate(self, request: CertificateRequest) -> None:
        """Answer the server's request; without a certificate that fits, with an empty one (section 4.4.2)."""
        schemes = decode_signature_algorithms(request.extensions[ExtensionType.SIGNATURE_ALGORITHMS])
        credentials = self.config.credentials
        scheme = next((scheme for scheme in credentials.schemes if scheme in schemes), None) if credentials else None
        if credentials is None or scheme is None:
            self._queue(Certificate(request.context, ()).encode())
            return
        self._show(credentials, scheme, server=False, context=request.context)

    def _completed(self) -> HandshakeCompleted:
        if self._group is None:
            raise WrongMoment("no group has been chosen")
        return HandshakeCompleted(
            cipher_suite=self._suite.name,
            group=self._group,
            alpn_protocol=self._alpn_protocol,
            server_name=host_name(self.config),
            resumed=self._with_psk,
            early_data_accepted=bool(self.early_data_accepted),
            hello_retry_request=self._retried,
            peer_chain=self.peer_chain,
        )

    # Early data

    def _start_early_data(self, offer: Offer) -> None:
        key = offer.keys[0]
        session = key.session
        if session is None:
            raise WrongMoment("early data without a session")
        self.cipher_suite = key.suite
        schedule = KeySchedule(key.suite, key.psk)
        digest = self._transcript.digest_with(b"", key.suite.hash)
        secret = self._early_secret(schedule, digest)
        if self.config.compatibility_mode:
            self._out.change_cipher_spec()
        self._out.change_keys(self._suite, secret)
        self._early_data_left = session.max_early_data

    def _reject_early_data(self) -> None:
        self.early_data_accepted = False
        self._early_data_left = 0
        self._emit(EarlyDataRejected())

    # After the handshake

    def _take_post_handshake_message(self, message: RawMessage) -> None:
        if message.type != HandshakeType.NEW_SESSION_TICKET:
            # Among these is a CertificateRequest: post_handshake_auth is not offered (section 4.6.2).
            raise unexpected_message(f"{message.type.name.lower()} after the handshake")
        ticket = NewSessionTicket.decode(message.body)
        check_request(HandshakeType.NEW_SESSION_TICKET, ticket.extensions)
        body = ticket.extensions.get(ExtensionType.EARLY_DATA)
        max_early_data = 0 if body is None else decode_max_early_data_size(body)
        if ticket.lifetime == 0:
            return  # to be discarded at once (section 4.6.1)
        session = Session(
            ticket=ticket.ticket,
            psk=resumption_psk(self._suite, self._resumption_secret, ticket.nonce),
            suite=self._suite,
            received=self._now,
            lifetime=min(ticket.lifetime, MAX_TICKET_LIFETIME),
            age_add=ticket.age_add,
            max_early_data=max_early_data,
            server_name=self.config.server_name,
            alpn_protocol=self._alpn_protocol,
            verified=self._resumed.verified if self._resumed else self.config.verify and not self._with_psk,
            chain=self._resumed.chain if self._resumed else self._server_chain,
        )
        self._emit(TicketReceived(session=session))

    # What must be there by now

    @property
    def _sent(self) -> Offer:
        if self._offer is None:
            raise WrongMoment("the handshake has not been started")
        return self._offer


_Step = Callable[[Client, RawMessage], None]

_STEPS: Final[Mapping[tuple[ClientState, HandshakeType], _Step]] = {
    (ClientState.WAIT_SH, HandshakeType.SERVER_HELLO): Client._server_hello,
    (ClientState.WAIT_EE, HandshakeType.ENCRYPTED_EXTENSIONS): Client._encrypted_extensions,
    (ClientState.WAIT_CERT_CR, HandshakeType.CERTIFICATE_REQUEST): Client._certificate_request,
    (ClientState.WAIT_CERT_CR, HandshakeType.CERTIFICATE): Client._certificate,
    (ClientState.WAIT_CERT, HandshakeType.CERTIFICATE): Client._certificate,
    (ClientState.WAIT_CV, HandshakeType.CERTIFICATE_VERIFY): Client._certificate_verify,
    (ClientState.WAIT_FINISHED, HandshakeType.FINISHED): Client._finished,
}
