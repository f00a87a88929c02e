"""A server's choice among the pre-shared keys that a client offers (RFC 8446, section 4.2.11)."""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509

from impl.tls13.alerts import TLSError
from impl.tls13.certificates import verify_client
from impl.tls13.cipher_suites import CipherSuite
from impl.tls13.config import ClientAuthentication, ServerConfig
from impl.tls13.extensions import PskIdentity
from impl.tls13.key_schedule import psk_binder
from impl.tls13.negotiation import PeerOffer, choose_suite
from impl.tls13.registries import AlertDescription
from impl.tls13.tickets import TicketState
from impl.tls13.transcript import Transcript


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectedPsk:
    """A pre-shared key that both sides have.

    Attributes:
        index: among the client's identities.
        key: the key.
        suite: that the connection gets with it; its hash is the key's.
        ticket: the session that is resumed, or None for a key from elsewhere.
        binder: the client's proof that it has the key.
        age_by_client: how old the ticket is by the client's word, seconds.
        peer_chain: the client's certificates of the session's first handshake.

    """

    index: int
    key: bytes
    suite: CipherSuite
    ticket: TicketState | None
    binder: bytes
    age_by_client: float
    peer_chain: tuple[x509.Certificate, ...] = ()


def select_psk(
    config: ServerConfig, offer: PeerOffer, transcript: Transcript, chosen: CipherSuite | None, now: float
) -> SelectedPsk | None:
    """The first offered key that we have and may use; None for a handshake with certificates.

    Args:
        config: the server's settings.
        offer: the ClientHello.
        transcript: what came before it: nothing, or the first ClientHello and the HelloRetryRequest.
        chosen: the suite of the HelloRetryRequest, if there was one.
        now: POSIX seconds.

    Raises:
        TLSError: decrypt_error if the key's binder is wrong.

    """
    if offer.psks is None or not offer.psk_with_dhe:
        return None
    for index, identity in enumerate(offer.psks.identities):
        binder = offer.psks.binders[index]
        selected = _ticket(config, offer, identity, chosen, now, index=index, binder=binder) or _external(
            config, offer, identity, chosen, index=index, binder=binder
        )
        if selected is not None:
            _check_binder(selected, offer, transcript)
            return selected
    return None


def _ticket(
    config: ServerConfig,
    offer: PeerOffer,
    identity: PskIdentity,
    chosen: CipherSuite | None,
    now: float,
    *,
    index: int,
    binder: bytes,
) -> SelectedPsk | None:
    ticket = None if config.tickets is None else config.tickets.open(identity.identity, now)
    if ticket is None or ticket.server_name != offer.server_name:
        return None
    suite = _suite(config, offer, ticket.suite, chosen)
    if suite is None:
        return None
    try:
        peer_chain = _peer_chain(config, ticket.chain, now)
    except TLSError:
        return None
    return SelectedPsk(
        index=index,
        key=ticket.psk,
        suite=suite,
        ticket=ticket,
        binder=binder,
        age_by_client=((identity.obfuscated_ticket_age - ticket.age_add) % 2**32) / 1000,
        peer_chain=peer_chain,
    )


def _peer_chain(config: ServerConfig, chain: Sequence[bytes], now: float) -> tuple[x509.Certificate, ...]:
    """The client as the session knows it; TLSError if it is not, or no longer, who this server wants."""
    if config.client_authentication is ClientAuthentication.NONE:
        return ()
    if chain:
        return verify_client(chain, trust=config.trust, now=now)
    if config.client_authentication is ClientAuthentication.REQUIRED:
        raise TLSError(AlertDescription.CERTIFICATE_REQUIRED, "the session's client has shown no certificate")
    return ()


def _external(
    config: ServerConfig,
    offer: PeerOffer,
    identity: PskIdentity,
    chosen: CipherSuite | None,
    *,
    index: int,
    binder: bytes,
) -> SelectedPsk | None:
    psk = next((psk for psk in config.psks if psk.identity == identity.identity), None)
    if psk is None:
        return None
    suite = choose_suite(config, offer, psk.hash.name) if chosen is None else chosen
    if suite is None or suite.hash.name != psk.hash.name:
        return None
    return SelectedPsk(index=index, key=psk.key, suite=suite, ticket=None, binder=binder, age_by_client=0.0)


def _suite(
    config: ServerConfig, offer: PeerOffer, former: CipherSuite, chosen: CipherSuite | None
) -> CipherSuite | None:
    """The session's own suite where both still allow it (early data need it), else another one of its hash."""
    if chosen is not None:
        return chosen if chosen.hash.name == former.hash.name else None
    if former in config.cipher_suites and former.code in offer.hello.cipher_suites:
        return former
    return choose_suite(config, offer, former.hash.name)


def _check_binder(selected: SelectedPsk, offer: PeerOffer, transcript: Transcript) -> None:
    suite = selected.suite
    truncated = offer.hello.encode()[: offer.hello.binders_offset]
    digest = transcript.digest_with(truncated, suite.hash)
    expected = psk_binder(suite, selected.key, digest, external=selected.ticket is None)
    if not hmac.compare_digest(expected, selected.binder):
        raise TLSError(AlertDescription.DECRYPT_ERROR, "the binder of the pre-shared key is wrong")
