"""What comes before the records of a joined connection."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impl.tcpls.joining import (
    JoinMode,
    PeerAlert,
    Preamble,
    client_flight,
    client_hello,
    mode_of,
    server_flight,
    token_of,
)
from impl.tls13.alerts import TLSError
from impl.tls13.cipher_suites import CIPHER_SUITES
from impl.tls13.messages import ClientHello, ServerHello
from impl.tls13.registries import AlertDescription, ContentType
from tests.support import tls

JOIN = 0xFF71
TOKEN = bytes(range(32))
SUITE = CIPHER_SUITES[0x1301]
CHANGE = b"\x14\x03\x03\x00\x01\x01"
DATA = b"\x17\x03\x03\x00\x13" + bytes(19)


def hello(mode: JoinMode) -> tuple[bytes, ClientHello]:
    record, random = client_hello(tls.client_config(), JOIN, TOKEN, mode, tls.NOW)
    message = ClientHello.decode(record[9:])
    assert message.random == random
    return record, message


class TestClientHello:
    @pytest.mark.parametrize("mode", list(JoinMode))
    def test_carries_the_token_and_says_the_mode(self, mode: JoinMode) -> None:
        _, message = hello(mode)
        assert token_of(message, JOIN) == TOKEN
        assert token_of(message, JOIN + 1) is None
        assert mode_of(message) is mode

    def test_leaves_out_what_belongs_to_the_first_connection(self) -> None:
        record, _ = client_hello(tls.client_config(extensions={0xFF70: b""}), JOIN, TOKEN, JoinMode.DIRECT, tls.NOW)
        assert 0xFF70 not in ClientHello.decode(record[9:]).extensions

    def test_is_made_afresh(self) -> None:
        one, other = hello(JoinMode.APPARENT)[1], hello(JoinMode.APPARENT)[1]
        assert one.random != other.random
        assert one.legacy_session_id != other.legacy_session_id
        assert one.extensions[51] != other.extensions[51]


class TestServerFlight:
    def test_answers_the_client_hello(self) -> None:
        _, message = hello(JoinMode.APPARENT)
        flight = server_flight(message, tls.server_config(), SUITE)
        size = int.from_bytes(flight[3:5], "big")
        answer = ServerHello.decode(flight[9 : 5 + size])
        assert answer.legacy_session_id_echo == message.legacy_session_id
        assert answer.cipher_suite == SUITE.code
        rest = flight[5 + size :]
        assert rest.startswith(CHANGE)
        assert rest[6] == ContentType.APPLICATION_DATA
        assert len(rest) == 6 + 5 + int.from_bytes(rest[9:11], "big")

    def test_takes_a_group_that_both_have(self) -> None:
        _, message = hello(JoinMode.APPARENT)
        without = replace(message, extensions={**message.extensions, 51: b"\0\0"})
        with pytest.raises(TLSError, match="no key share") as caught:
            server_flight(without, tls.server_config(), SUITE)
        assert caught.value.alert is AlertDescription.ILLEGAL_PARAMETER


def all_of(preamble: Preamble, data: bytes, step: int = 10**6) -> int:
    """Give bytes in pieces; how many the preamble has taken."""
    buffer, taken = bytearray(), 0
    for start in range(0, len(data), step):
        buffer += data[start : start + step]
        size = preamble.take(buffer, len(buffer))
        taken += size
        del buffer[:size]
    return taken


class TestPreamble:
    @given(st.integers(1, 50), st.binary(max_size=60))
    def test_of_an_apparent_join(self, step: int, behind: bytes) -> None:
        _, message = hello(JoinMode.APPARENT)
        flight = server_flight(message, tls.server_config(), SUITE)
        client, server = Preamble(client=True), Preamble(client=False)
        assert all_of(client, flight + behind, step) == len(flight)
        assert all_of(server, client_flight() + behind, step) == len(client_flight())
        for preamble in (client, server):
            assert preamble.over
            assert preamble.mode is JoinMode.APPARENT

    @pytest.mark.parametrize("client", [True, False])
    def test_of_a_direct_join_takes_nothing(self, client: bool) -> None:
        preamble = Preamble(client=client)
        assert all_of(preamble, DATA[:4]) == 0
        assert not preamble.over
        assert all_of(preamble, DATA) == 0
        assert preamble.over
        assert preamble.mode is JoinMode.DIRECT

    def test_refusal(self) -> None:
        with pytest.raises(PeerAlert, match="the peer refuses the join: illegal_parameter") as caught:
            all_of(Preamble(client=True), b"\x15\x03\x03\x00\x02\x02\x2f")
        assert caught.value.alert is AlertDescription.ILLEGAL_PARAMETER

    @pytest.mark.parametrize("alert", ["02", "02ff", "022f00"])
    def test_refusal_in_unknown_words(self, alert: str) -> None:
        content = bytes.fromhex(alert)
        with pytest.raises(PeerAlert, match=f"an alert with the bytes {alert}"):
            all_of(Preamble(client=True), b"\x15\x03\x03" + len(content).to_bytes(2, "big") + content)

    @pytest.mark.parametrize(
        ("client", "wire", "message"),
        [
            (True, CHANGE, "type 20 while a join waits for first"),
            (False, b"\x16\x03\x03\x00\x01\x01", "type 22 while a join waits for first"),
            (True, b"\x16\x03\x03\x00\x01\x02" + DATA, "type 23 while a join waits for change_cipher_spec"),
            (False, CHANGE + CHANGE, "type 20 while a join waits for opaque"),
            (True, b"HTTP/1.1 400", "limit is 16640"),
        ],
    )
    def test_anything_else(self, client: bool, wire: bytes, message: str) -> None:
        with pytest.raises(TLSError, match=message):
            all_of(Preamble(client=client), wire)

    @given(st.booleans(), st.binary(max_size=100), st.integers(1, 30))
    def test_any_bytes_are_taken_or_refused(self, client: bool, data: bytes, step: int) -> None:
        preamble = Preamble(client=client)
        refused = False
        taken = 0
        try:
            taken = all_of(preamble, data, step)
        except (TLSError, PeerAlert):
            refused = True
        assert refused or taken <= len(data)
