"""The certificate that a serving command makes for itself."""

from impl.tls13.cli.own_certificate import make_certificate


class TestNames:
    def test_this_machine_and_others(self) -> None:
        credentials, what = make_certificate(["other.test", "192.0.2.1", "0.0.0.0", "not a name"])
        for name in ("localhost", "127.0.0.1", "::1", "other.test", "192.0.2.1"):
            assert credentials.is_for(name), name
            assert name in what
        assert "0.0.0.0" not in what
        assert "not a name" not in what
        assert len(what.rpartition("SHA-256 fingerprint ")[2]) == 95
