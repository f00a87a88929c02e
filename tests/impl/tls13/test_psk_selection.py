"""A server's choice among offered keys; the handshakes that follow are tested in test_server."""

from dataclasses import replace

import pytest

from impl.tls13 import (
    AlertDescription,
    Client,
    ExternalPsk,
    ServerConfig,
    Session,
    TicketProtection,
    TicketReceived,
    TLSError,
)
from impl.tls13.cipher_suites import suite_by_name
from impl.tls13.messages import ClientHello
from impl.tls13.negotiation import PeerOffer
from impl.tls13.psk_selection import SelectedPsk, select_psk
from impl.tls13.registries import ExtensionType
from impl.tls13.transcript import Transcript
from tests.support.puppet import messages_in
from tests.support.tls import NOW, client_config, connected, server_config

PSK = ExternalPsk(identity=b"friend", key=bytes(range(32)))


def session(config: ServerConfig) -> Session:
    both = connected(None, config)
    return next(event.session for event in both.client_events if isinstance(event, TicketReceived))


def select(config: ServerConfig, now: float = NOW, **settings: object) -> SelectedPsk | None:
    client = Client(client_config(**settings))
    client.start(now)
    offer = PeerOffer.of(ClientHello.decode(messages_in(client.data_to_send())[0].body))
    return select_psk(config, offer, Transcript(), None, now)


class TestTickets:
    def test_known_one(self) -> None:
        config = server_config(tickets=TicketProtection())
        kept = session(config)
        selected = select(config, NOW + 5, session=kept)
        assert selected is not None
        assert (selected.index, selected.key, selected.suite) == (0, kept.psk, kept.suite)
        assert selected.age_by_client == pytest.approx(5, abs=0.01)

    def test_expired_one(self) -> None:
        config = server_config(tickets=TicketProtection(lifetime=60))
        kept = replace(session(config), lifetime=1000)
        assert select(config, NOW + 61, session=kept) is None

    def test_none_without_ticket_keys(self) -> None:
        assert select(server_config(), session=session(server_config(tickets=TicketProtection()))) is None

    def test_none_for_clients_without_a_mode_that_has_a_key_exchange(self) -> None:
        config = server_config(tickets=TicketProtection())
        modes = {ExtensionType.PSK_KEY_EXCHANGE_MODES: b"\1\0"}
        assert select(config, session=session(config), extensions=modes) is None


class TestKeysFromElsewhere:
    def test_known_one(self) -> None:
        selected = select(server_config(psks=(PSK,)), psk=PSK)
        assert selected is not None
        assert selected.key == PSK.key
        assert selected.ticket is None

    def test_second_of_two(self) -> None:
        kept = session(server_config(tickets=TicketProtection()))
        selected = select(server_config(psks=(PSK,)), psk=PSK, session=kept)
        assert selected is not None
        assert selected.index == 1

    def test_unknown_one(self) -> None:
        assert select(server_config(), psk=PSK) is None

    def test_without_a_suite_of_its_hash(self) -> None:
        suites = (suite_by_name("TLS_AES_256_GCM_SHA384"),)
        assert select(server_config(psks=(PSK,), cipher_suites=suites), psk=PSK) is None

    def test_same_name_and_another_key(self) -> None:
        other = replace(PSK, key=bytes(32))
        with pytest.raises(TLSError) as error:
            select(server_config(psks=(other,)), psk=PSK)
        assert error.value.alert is AlertDescription.DECRYPT_ERROR
