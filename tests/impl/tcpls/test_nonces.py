"""The nonces of figure 8, with the key material of RFC 8448, section 3."""

from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from impl.tcpls.frames import Ping
from impl.tcpls.nonces import connection_nonces
from impl.tls13.cipher_suites import CIPHER_SUITES
from impl.tls13.keyed import Keyed
from impl.tls13.records import per_record_nonces
from tests.support import tls

SECRET = bytes.fromhex("a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643")
IV = bytes.fromhex("cf782b88dd83549aadf1e984")


def nonce(connection_id: int, sequence: int, iv: bytes = IV) -> bytes:
    return next(connection_nonces(connection_id)(iv, sequence))


def keyed(connection_id: int) -> Keyed:
    return Keyed(
        tls.server_config(),
        CIPHER_SUITES[0x1301],
        write_secret=SECRET,
        read_secret=SECRET,
        client=False,
        nonces=connection_nonces(connection_id),
        max_content=2**14,
        max_received=2**14,
    )


class TestNonces:
    def test_known_values(self) -> None:
        assert nonce(1, 0) == bytes.fromhex("cf782b89dd83549aadf1e984")
        assert nonce(2, 5) == bytes.fromhex("cf782b8add83549aadf1e981")

    @given(st.binary(min_size=12, max_size=12), st.integers(0, 2**64 - 9))
    def test_connection_0_is_tls(self, iv: bytes, first: int) -> None:
        assert list(islice(connection_nonces(0)(iv, first), 5)) == list(islice(per_record_nonces(iv, first), 5))

    @given(st.binary(min_size=12, max_size=12), st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 2))
    def test_are_the_iv_with_both_numbers_in_it(self, iv: bytes, connection_id: int, first: int) -> None:
        numbers = connection_id.to_bytes(4, "big") + first.to_bytes(8, "big")
        assert nonce(connection_id, first, iv) == bytes(a ^ b for a, b in zip(iv, numbers, strict=True))

    @given(st.sets(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 2)), min_size=2, max_size=20))
    def test_no_two_records_of_a_session_share_one(self, records: set[tuple[int, int]]) -> None:
        assert len({nonce(*record) for record in records}) == len(records)


class TestRecords:
    def test_a_lone_ping_on_connection_1(self) -> None:
        sender = keyed(1)
        sender.send(Ping().encode())
        assert sender.data_to_send().hex() == "1703030012e916cdebf4f4c64607ac7f524f935d7ba8c0"

    def test_of_another_connection_cannot_be_opened(self) -> None:
        sender, receiver = keyed(1), keyed(2)
        sender.send(Ping().encode())
        receiver.receive(sender.data_to_send(), tls.NOW)
        assert receiver.failed is not None
        assert receiver.failed.alert is not None
        assert receiver.failed.alert.name == "BAD_RECORD_MAC"
