"""The client's offer: the ClientHello with its key shares and pre-shared keys (RFC 8446, sections 4.1.2 and 4.2)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from impl.tls13.certificates.server_names import parse_server_name
from impl.tls13.cipher_suites import CIPHER_SUITES, CipherSuite
from impl.tls13.config import ClientConfig
from impl.tls13.extensions import (
    INDICATION,
    KeyShareEntry,
    OfferedPsks,
    PskIdentity,
    encode_cookie,
    encode_key_shares,
    encode_protocols,
    encode_psk_key_exchange_modes,
    encode_record_size_limit,
    encode_server_name,
    encode_signature_algorithms,
    encode_supported_groups,
    encode_supported_versions,
)
from impl.tls13.key_exchange import KeyExchange
from impl.tls13.key_schedule import psk_binder
from impl.tls13.messages import ClientHello
from impl.tls13.registries import TLS13, ExtensionType, NamedGroup, PskKeyExchangeMode
from impl.tls13.sessions import Session
from impl.tls13.transcript import Transcript

_RANDOM_SIZE: Final = 32


@dataclass(frozen=True, slots=True)
class OfferedKey:
    """A pre-shared key of an offer.

    Attributes:
        identity: the ticket, or the name of the external key.
        psk: the key.
        suite: one with the key's hash; for a session the very one that it had.
        session: where the key comes from, or None for one from elsewhere.

    """

    identity: bytes
    psk: bytes
    suite: CipherSuite
    session: Session | None


@dataclass(frozen=True, slots=True)
class Offer:
    """A ClientHello and what its sender must remember.

    Attributes:
        hello: the message.
        encoded: the message as it is sent.
        key_exchanges: the private halves of its key shares, by group.
        keys: its pre-shared keys, in order.
        early_data: early data is announced.

    """

    hello: ClientHello
    encoded: bytes
    key_exchanges: Mapping[int, KeyExchange]
    keys: Sequence[OfferedKey]
    early_data: bool


def first_offer(config: ClientConfig, now: float) -> Offer:
    """The ClientHello that opens a connection; `now` in POSIX seconds."""
    keys = _keys(config, now)
    key_exchanges: dict[int, KeyExchange] = {group: config.generate(group) for group in _first_shares(config)}
    early_data = bool(keys) and _early_data(config, keys[0])
    hello = ClientHello(
        random=config.random(_RANDOM_SIZE),
        # A session id that is not empty makes the server, too, look like TLS 1.2 (appendix D.4).
        legacy_session_id=config.random(_RANDOM_SIZE) if config.compatibility_mode else b"",
        cipher_suites=tuple(suite.code for suite in config.cipher_suites),
        extensions=config.arranged(
            _extensions(config, key_exchanges.values(), early_data=early_data), config.extensions
        ),
    )
    hello, encoded = _with_keys(hello, keys, Transcript(), now)
    return Offer(hello, encoded, key_exchanges, keys, early_data)


def second_offer(
    config: ClientConfig,
    first: Offer,
    transcript: Transcript,
    suite: CipherSuite,
    now: float,
    *,
    group: NamedGroup | None,
    cookie: bytes | None,
) -> Offer:
    """The ClientHello that answers a HelloRetryRequest: the first one but for what section 4.1.2 allows to change.

    Args:
        config: the settings of the first one.
        first: what was offered.
        transcript: of the first ClientHello and the HelloRetryRequest.
        suite: the suite of the HelloRetryRequest; pre-shared keys of other hashes are left out.
        now: POSIX seconds.
        group: the group that the server wants a share of; None to leave the shares as they are.
        cookie: to be sent back; None if there is none.

    """
    extensions = dict(first.hello.extensions)
    extensions.pop(ExtensionType.EARLY_DATA, None)
    extensions.pop(ExtensionType.PRE_SHARED_KEY, None)
    key_exchanges = first.key_exchanges
    if group is not None:
        key_exchanges = {group: config.generate(group)}
        extensions[ExtensionType.KEY_SHARE] = _key_shares(key_exchanges.values())
    if cookie is not None:
        extensions[ExtensionType.COOKIE] = encode_cookie(cookie)
    # What the first ClientHello had stays in its order: servers hold the two against each other (section 4.1.2).
    added = {number: body for number, body in config.extensions.items() if number not in extensions}
    hello = replace(first.hello, extensions=config.arranged(extensions, added))
    keys = [key for key in first.keys if key.suite.hash.name == suite.hash.name]
    hello, encoded = _with_keys(hello, keys, transcript, now)
    return Offer(hello, encoded, key_exchanges, keys, early_data=False)


def host_name(config: ClientConfig) -> str | None:
    """The name for the extension server_name; None for an IP address, which may not stand there (RFC 6066, 3)."""
    name = None if config.server_name is None else parse_server_name(config.server_name)
    return name.value if isinstance(name, x509.DNSName) else None


def _first_shares(config: ClientConfig) -> Sequence[NamedGroup]:
    if config.key_shares is not None:
        return config.key_shares
    # The hybrid's share costs 1.2 kB. An elliptic curve's beside it costs little and saves a round trip with servers
    # that do not know the hybrid.
    first = config.groups[0]
    if first is not NamedGroup.X25519MLKEM768:
        return (first,)
    return (first, *[group for group in config.groups if group is not first][:1])


def _keys(config: ClientConfig, now: float) -> list[OfferedKey]:
    hash_names = {suite.hash.name for suite in config.cipher_suites}
    keys = []
    session = config.session
    if (
        session is not None
        and session.usable(now)
        and session.suite.hash.name in hash_names
        and session.server_name == config.server_name
        # A session that nobody verified must not pass for one with a verified server.
        and (session.verified or not config.verify)
    ):
        keys.append(OfferedKey(session.ticket, session.psk, session.suite, session))
    if config.psk is not None and config.psk.hash.name in hash_names:
        keys.append(OfferedKey(config.psk.identity, config.psk.key, _suite_with(config.psk.hash), None))
    return keys


def _suite_with(algorithm: hashes.HashAlgorithm) -> CipherSuite:
    """A suite of this hash; ValueError if there is none."""
    for suite in CIPHER_SUITES.values():
        if suite.hash.name == algorithm.name:
            return suite
    raise ValueError(f"no cipher suite of TLS 1.3 has the hash {algorithm.name}")


def _early_data(config: ClientConfig, key: OfferedKey) -> bool:
    session = key.session
    return (
        config.early_data
        and session is not None
        and session.max_early_data > 0
        and session.suite in config.cipher_suites
        and (session.alpn_protocol is None or session.alpn_protocol in config.alpn_protocols)
    )


def _extensions(config: ClientConfig, shares: Iterable[KeyExchange], *, early_data: bool) -> dict[int, bytes]:
    extensions: dict[int, bytes] = {}
    name = host_name(config)
    if name is not None:
        extensions[ExtensionType.SERVER_NAME] = encode_server_name(name)
    extensions[ExtensionType.SUPPORTED_VERSIONS] = encode_supported_versions((TLS13,))
    extensions[ExtensionType.SUPPORTED_GROUPS] = encode_supported_groups(config.groups)
    extensions[ExtensionType.KEY_SHARE] = _key_shares(shares)
    extensions[ExtensionType.SIGNATURE_ALGORITHMS] = encode_signature_algorithms(config.signature_schemes)
    if config.certificate_signature_schemes is not None:
        extensions[ExtensionType.SIGNATURE_ALGORITHMS_CERT] = encode_signature_algorithms(
            config.certificate_signature_schemes
        )
    if config.alpn_protocols:
        extensions[ExtensionType.APPLICATION_LAYER_PROTOCOL_NEGOTIATION] = encode_protocols(config.alpn_protocols)
    if config.record_size_limit is not None:
        extensions[ExtensionType.RECORD_SIZE_LIMIT] = encode_record_size_limit(config.record_size_limit)
    extensions[ExtensionType.PSK_KEY_EXCHANGE_MODES] = encode_psk_key_exchange_modes((PskKeyExchangeMode.PSK_DHE_KE,))
    if early_data:
        extensions[ExtensionType.EARLY_DATA] = INDICATION
    return extensions


def _key_shares(exchanges: Iterable[KeyExchange]) -> bytes:
    return encode_key_shares([KeyShareEntry(exchange.group, exchange.share) for exchange in exchanges])


def _with_keys(
    hello: ClientHello, keys: Sequence[OfferedKey], transcript: Transcript, now: float
) -> tuple[ClientHello, bytes]:
    """Add pre_shared_key, whose binders cover all of the message before them (section 4.2.11.2)."""
    if not keys:
        return hello, hello.encode()
    identities = tuple(PskIdentity(key.identity, key.session.obfuscated_age(now) if key.session else 0) for key in keys)
    placeholders = OfferedPsks(identities, tuple(bytes(key.suite.hash_size) for key in keys))
    draft = _with_psks(hello, placeholders).encode()
    truncated = draft[: -placeholders.binders_size]
    binders = tuple(_binder(key, transcript, truncated) for key in keys)
    hello = _with_psks(hello, OfferedPsks(identities, binders))
    return hello, hello.encode()


def _binder(key: OfferedKey, transcript: Transcript, truncated: bytes) -> bytes:
    digest = transcript.digest_with(truncated, key.suite.hash)
    return psk_binder(key.suite, key.psk, digest, external=key.session is None)


def _with_psks(hello: ClientHello, psks: OfferedPsks) -> ClientHello:
    return replace(hello, extensions={**hello.extensions, ExtensionType.PRE_SHARED_KEY: psks.encode()})
