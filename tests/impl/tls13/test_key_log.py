"""Tests of impl.tls13.key_log: lines as Wireshark reads them."""

import pytest

from impl.tls13.key_log import key_log_line

RANDOM = bytes(range(32))


class TestLine:
    @pytest.mark.parametrize(
        "label",
        [
            "CLIENT_EARLY_TRAFFIC_SECRET",
            "EARLY_EXPORTER_SECRET",
            "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
            "SERVER_HANDSHAKE_TRAFFIC_SECRET",
            "CLIENT_TRAFFIC_SECRET_0",
            "SERVER_TRAFFIC_SECRET_0",
            "SERVER_TRAFFIC_SECRET_17",
            "EXPORTER_SECRET",
        ],
    )
    def test_of_each_secret(self, label: str) -> None:
        assert key_log_line(label, RANDOM, b"\xab" * 48) == (
            f"{label} 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f {'ab' * 48}"
        )

    @pytest.mark.parametrize(
        "label",
        ["", "CLIENT_RANDOM", "CLIENT_TRAFFIC_SECRET_", "CLIENT_TRAFFIC_SECRET_01", "EXPORTER_SECRET\n", "X Y"],
    )
    def test_other_labels_are_refused(self, label: str) -> None:
        with pytest.raises(ValueError, match="no secret of TLS"):
            key_log_line(label, RANDOM, bytes(32))

    @pytest.mark.parametrize("size", [0, 31, 33])
    def test_a_random_value_of_another_size_is_refused(self, size: int) -> None:
        with pytest.raises(ValueError, match=f"of {size} bytes"):
            key_log_line("EXPORTER_SECRET", bytes(size), bytes(32))
