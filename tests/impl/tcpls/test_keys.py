"""The secrets of a session, and what its keys have protected."""

from impl.tcpls.keys import CLIENT, SERVER, SessionKeys


def session_keys() -> SessionKeys:
    found = SessionKeys()
    found.add(CLIENT, b"c" * 32)
    found.add(SERVER, b"s" * 32)
    return found


class TestSecrets:
    def test_of_both_ends(self) -> None:
        assert session_keys().secret(client=True) == b"c" * 32
        assert session_keys().secret(client=False) == b"s" * 32


class TestKeyLog:
    def test_of_a_join(self) -> None:
        random = bytes(range(32))
        assert session_keys().log_join(random, 0x1FF) == [
            f"CLIENT_TRAFFIC_SECRET_0 {random.hex()} {(b'c' * 32).hex()}",
            f"SERVER_TRAFFIC_SECRET_0 {random.hex()} {(b's' * 32).hex()}",
            f"TCPLS_CONNECTION {random.hex()} 000001ff",
        ]
