"""The client: its states and the messages that lead from one to the next (RFC 8446, appendix A.1)."""

from collections.abc import Callable, Mapping
from enum import Enum, auto
from typing import Final

from impl.tls13.alerts import TLSError, decode_error, illegal_parameter, unexpected_message
from impl.tls13.certificates import verify_server
from impl.tls13.cipher_suites import CIPHER_SUITES
from impl.tls13.client_offer import Offer, first_offer, host_name, second_offer
from impl.tls13.config import ClientConfig
from impl.tls13.connection import Connection, WrongMoment
from impl.tls13.events import EarlyDataRejected, EncryptedExtensionsReceived, Event, HandshakeCompleted, TicketReceived
from impl.tls13.extensions import (
    check_request,
    check_response,
    decode_certificate_authorities,
    decode_cookie,
    decode_indication,
    decode_max_early_data_size,
    decode_oid_filters,
    decode_record_size_limit,
    decode_selected_group,
    decode_selected_identity,
    decode_selected_protocol,
    decode_selected_version,
    decode_server_share,
    decode_signature_algorithms,
    decode_supported_groups,
)
from impl.tls13.handshake_messages import RawMessage
from impl.tls13.key_schedule import KeySchedule, resumption_psk
from impl.tls13.messages import (
    DOWNGRADE_TLS11,
    DOWNGRADE_TLS12,
    MAX_TICKET_LIFETIME,
    Certificate,
    CertificateEntry,
    CertificateRequest,
    CertificateVerify,
    EncryptedExtensions,
    EndOfEarlyData,
    Finished,
    NewSessionTicket,
    ServerHello,
)
from impl.tls13.records.format import MAX_PLAINTEXT
from impl.tls13.registries import (
    LEGACY_INITIAL_VERSION,
    LEGACY_VERSION,
    SSL3,
    TLS13,
    AlertDescription,
    ContentType,
    ExtensionType,
    HandshakeType,
    NamedGroup,
)
from impl.tls13.sessions import Session
from impl.tls13.signatures import certificate_verify_content


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


class Client(Connection[ClientConfig]):
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
        self._writer.record_version = LEGACY_INITIAL_VERSION
        self._queue(offer.encoded)
        self._flush()
        self._writer.record_version = LEGACY_VERSION
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
            self._outgoing.append(self._writer.write(ContentType.APPLICATION_DATA, taken))
            return len(taken)
        return 0

    def proceed(self, now: float) -> list[Event]:
        """Go on after ``EncryptedExtensionsReceived``; ``abort`` refuses instead.

        Raises:
            WrongMoment: the handshake is not held.

        """
        if not self._held:
            raise WrongMoment("the handshake is not held")
        self._now = now
        self._held = False
        self._guard(self._process)
        return self._take_events()

    # The handshake

    def _take_handshake_message(self, message: RawMessage) -> None:
        step = _STEPS.get((self.state, message.type))
        if step is None:
            raise unexpected_message(f"{message.type.name.lower()} in state {self.state.name}")
        step(self, message)

    def _server_hello(self, message: RawMessage) -> None:
        hello = ServerHello.decode(message.body)
        offer = self._sent
        if self._retried and ExtensionType.SUPPORTED_VERSIONS not in hello.extensions:
            raise illegal_parameter("ServerHello has another version than HelloRetryRequest (section 4.1.4)")
        _check_version(hello)
        check_response(hello.extension_row, hello.extensions, self._offered_extensions())
        if hello.legacy_session_id_echo != offer.hello.legacy_session_id:
            raise illegal_parameter("the server echoes another legacy_session_id")
        suite = CIPHER_SUITES.get(hello.cipher_suite)
        if suite is None or suite not in self.config.cipher_suites:
            raise illegal_parameter(f"the server chooses cipher suite {hello.cipher_suite:#06x}, which was not offered")
        self._require_record_boundary()
        if hello.is_hello_retry_request:
            self.cipher_suite = suite
            self._retry(hello, message)
            return
        if self._retried and suite is not self.cipher_suite:
            raise illegal_parameter("ServerHello has another cipher suite than HelloRetryRequest (section 4.1.4)")
        self.cipher_suite = suite
        self._agree_on_keys(hello, message)

    def _agree_on_keys(self, hello: ServerHello, message: RawMessage) -> None:
        offer = self._sent
        psk = self._choose_key(hello)
        if ExtensionType.KEY_SHARE not in hello.extensions:
            raise TLSError(AlertDescription.MISSING_EXTENSION, "ServerHello has no key_share")
        share = decode_server_share(hello.extensions[ExtensionType.KEY_SHARE])
        exchange = offer.key_exchanges.get(share.group)
        if exchange is None:
            raise illegal_parameter(f"the server chooses group {share.group:#06x}, for which no share was sent")
        self._group = exchange.group
        self._schedule = schedule = KeySchedule(self._suite, psk)
        schedule.enter_handshake(exchange.shared_secret(share.key_exchange))
        self._transcript.choose(self._suite.hash)
        self._transcript.add(message.encoded)
        digest = self._transcript.digest()
        self._client_secret = schedule.client_handshake_traffic_secret(digest)
        self._server_secret = schedule.server_handshake_traffic_secret(digest)
        self._emit_secret("CLIENT_HANDSHAKE_TRAFFIC_SECRET", self._client_secret)
        self._emit_secret("SERVER_HANDSHAKE_TRAFFIC_SECRET", self._server_secret)
        self._change_read_keys(self._server_secret)
        if self._writer.sealer is None:
            # Alerts must have the keys that the server reads with from here on. Early data keep theirs until their end.
            if self.config.compatibility_mode and not self._retried:
                self._send_change_cipher_spec()
            self._change_write_keys(self._client_secret)
        self.state = ClientState.WAIT_EE

    def _choose_key(self, hello: ServerHello) -> bytes | None:
        body = hello.extensions.get(ExtensionType.PRE_SHARED_KEY)
        if body is None:
            return None
        index = decode_selected_identity(body)
        keys = self._sent.keys
        if index >= len(keys):
            raise illegal_parameter(f"the server chooses pre-shared key {index} of {len(keys)}")
        key = keys[index]
        if key.suite.hash.name != self._suite.hash.name:
            raise illegal_parameter("the server chooses a pre-shared key and a suite of another hash (section 4.2.11)")
        self._with_psk = True
        self._resumed = key.session
        return key.psk

    def _retry(self, hello: ServerHello, message: RawMessage) -> None:
        """Answer a HelloRetryRequest (section 4.1.4)."""
        if self._retried:
            raise unexpected_message("a second HelloRetryRequest")
        self._retried = True
        offer = self._sent
        group = self._requested_group(hello)
        cookie_body = hello.extensions.get(ExtensionType.COOKIE)
        cookie = None if cookie_body is None else decode_cookie(cookie_body)
        if group is None and cookie is None:
            raise illegal_parameter("HelloRetryRequest asks for no change")
        self._transcript.choose(self._suite.hash)
        self._transcript.replace_with_message_hash()
        self._transcript.add(message.encoded)
        if offer.early_data:
            # Early data are lost; what follows is not protected (section 4.2.10).
            self._reject_early_data()
            self._writer.sealer = None
        elif self.config.compatibility_mode:
            self._send_change_cipher_spec()
        self._offer = second_offer(
            self.config, offer, self._transcript, self._suite, self._now, group=group, cookie=cookie
        )
        self._queue(self._offer.encoded)
        self._flush()

    def _requested_group(self, hello: ServerHello) -> NamedGroup | None:
        body = hello.extensions.get(ExtensionType.KEY_SHARE)
        if body is None:
            return None
        number = decode_selected_group(body)
        if number not in self.config.groups:
            raise illegal_parameter(f"HelloRetryRequest asks for group {number:#06x}, which was not offered")
        if number in self._sent.key_exchanges:
            raise illegal_parameter(f"HelloRetryRequest asks for group {number:#06x}, of which a share was sent")
        return NamedGroup(number)

    def _encrypted_extensions(self, message: RawMessage) -> None:
        extensions = EncryptedExtensions.decode(message.body).extensions
        check_response(HandshakeType.ENCRYPTED_EXTENSIONS, extensions, self._sent.hello.extensions)
        self._transcript.add(message.encoded)
        self._take_alpn(extensions)
        if ExtensionType.SERVER_NAME in extensions:
            decode_indication(extensions[ExtensionType.SERVER_NAME], ExtensionType.SERVER_NAME)
        if ExtensionType.SUPPORTED_GROUPS in extensions:
            decode_supported_groups(extensions[ExtensionType.SUPPORTED_GROUPS])
        self._take_record_size_limit(extensions)
        self._take_early_data(extensions)
        self.state = ClientState.WAIT_FINISHED if self._with_psk else ClientState.WAIT_CERT_CR
        if self.config.hold:
            self._held = True
            self._emit(EncryptedExtensionsReceived(extensions=extensions))

    def _take_alpn(self, extensions: Mapping[int, bytes]) -> None:
        body = extensions.get(ExtensionType.APPLICATION_LAYER_PROTOCOL_NEGOTIATION)
        if body is None:
            return
        protocol = decode_selected_protocol(body)
        if protocol not in self.config.alpn_protocols:
            raise illegal_parameter(f"the server chooses the application protocol {protocol!r}, which was not offered")
        self._alpn_protocol = protocol

    def _take_record_size_limit(self, extensions: Mapping[int, bytes]) -> None:
        body = extensions.get(ExtensionType.RECORD_SIZE_LIMIT)
        if body is None:
            return
        limit = decode_record_size_limit(body)
        if limit > MAX_PLAINTEXT + 1:
            raise illegal_parameter(f"record_size_limit is {limit}; more than 16385 is not allowed (RFC 8449)")
        if self.config.record_size_limit is not None:
            self._reader.max_content = self.config.record_size_limit - 1
        self._writer.max_content = limit - 1

    def _take_early_data(self, extensions: Mapping[int, bytes]) -> None:
        offered = self._sent.early_data
        if ExtensionType.EARLY_DATA in extensions:
            decode_indication(extensions[ExtensionType.EARLY_DATA], ExtensionType.EARLY_DATA)
            session = self._resumed
            if session is None or session is not self._sent.keys[0].session:
                raise illegal_parameter("the server takes early data and not the first pre-shared key (section 4.2.10)")
            if self._suite is not session.suite or self._alpn_protocol != session.alpn_protocol:
                raise illegal_parameter("the server takes early data with another suite or application protocol")
            self.early_data_accepted = True
        elif offered:
            self._reject_early_data()
            # Until the server's Finished nothing more is sent; what follows has the handshake's keys.
            self._change_write_keys(self._client_secret)

    def _certificate_request(self, message: RawMessage) -> None:
        request = CertificateRequest.decode(message.body)
        if request.context:
            raise illegal_parameter("a certificate_request_context during the handshake (section 4.3.2)")
        check_request(HandshakeType.CERTIFICATE_REQUEST, request.extensions)
        for number, decode in _REQUEST_DECODERS.items():
            if number in request.extensions:
                decode(request.extensions[number])
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
        self._change_write_keys(client_secret)
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
            self._change_write_keys(self._client_secret)
        if self._request is not None:
            self._show_certificate(self._request)
        self._queue(Finished(self._finished_data(self._client_secret)).encode())
        self._flush()

    def _show_certificate(self, request: CertificateRequest) -> None:
        """Answer the server's request; without a certificate that fits, with an empty one (section 4.4.2)."""
        schemes = decode_signature_algorithms(request.extensions[ExtensionType.SIGNATURE_ALGORITHMS])
        credentials = self.config.credentials
        scheme = next((scheme for scheme in credentials.schemes if scheme in schemes), None) if credentials else None
        if credentials is None or scheme is None:
            self._queue(Certificate(request.context, ()).encode())
            return
        entries = tuple(CertificateEntry(data, {}) for data in credentials.chain)
        self._queue(Certificate(request.context, entries).encode())
        content = certificate_verify_content(server=False, transcript_hash=self._transcript.digest())
        self._queue(CertificateVerify(scheme, credentials.sign(scheme, content)).encode())

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
        secret = schedule.client_early_traffic_secret(digest)
        self._early_exporter_secret = schedule.early_exporter_secret(digest)
        self._emit_secret("CLIENT_EARLY_TRAFFIC_SECRET", secret)
        self._emit_secret("EARLY_EXPORTER_SECRET", self._early_exporter_secret)
        if self.config.compatibility_mode:
            self._send_change_cipher_spec()
        self._change_write_keys(secret)
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

    @property
    def _key_schedule(self) -> KeySchedule:
        if self._schedule is None:
            raise WrongMoment("no keys have been agreed on")
        return self._schedule

    def _offered_extensions(self) -> Mapping[int, bytes]:
        return self._sent.hello.extensions


def _check_version(hello: ServerHello) -> None:
    """The server must have chosen TLS 1.3, in the one form that says so (sections 4.1.3 and 4.2.1)."""
    body = hello.extensions.get(ExtensionType.SUPPORTED_VERSIONS)
    if hello.legacy_version <= SSL3:
        raise TLSError(AlertDescription.PROTOCOL_VERSION, "the server speaks SSL 3.0 or older (appendix D.5)")
    if body is None:
        if hello.random[-8:] in (DOWNGRADE_TLS11, DOWNGRADE_TLS12):
            raise illegal_parameter("the server knows TLS 1.3, and somebody made it choose an older version")
        raise TLSError(AlertDescription.PROTOCOL_VERSION, "the server chooses an older version than TLS 1.3")
    version = decode_selected_version(body)
    if version != TLS13:
        raise illegal_parameter(f"the server chooses version {version:#06x} in supported_versions (section 4.2.1)")
    if hello.legacy_version != LEGACY_VERSION:
        raise illegal_parameter(f"ServerHello has legacy_version {hello.legacy_version:#06x}, not 0x0303")


_REQUEST_DECODERS: Final[Mapping[int, Callable[[bytes], object]]] = {
    # What a client may pass over must have the right form all the same.
    ExtensionType.SIGNATURE_ALGORITHMS: decode_signature_algorithms,
    ExtensionType.SIGNATURE_ALGORITHMS_CERT: decode_signature_algorithms,
    ExtensionType.CERTIFICATE_AUTHORITIES: decode_certificate_authorities,
    ExtensionType.OID_FILTERS: decode_oid_filters,
}

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
