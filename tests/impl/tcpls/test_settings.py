"""Settings that cannot work are refused at once."""

import pytest

from impl.tcpls.settings import Settings


class TestSettings:
    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            ({"record_size": 63}, "records of 63 bytes; allowed are 64 to 16384"),
            ({"record_size": 2**14 + 1}, "records of 16385 bytes"),
            ({"receive_limit": 10, "receive_buffer": 11}, "receive_limit 10 is less than receive_buffer 11"),
            ({"tcpls_extension": 0xFF71}, "both extensions have the type 0xff71"),
            ({"connections": 0}, "connections is 0; it must be 1 or more"),
            ({"max_streams": 0}, "max_streams is 0"),
            ({"ack_records": 0}, "ack_records is 0"),
        ],
    )
    def test_refused(self, wrong: dict[str, int], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            Settings(**wrong)  # type: ignore[arg-type]

    @pytest.mark.parametrize("size", [64, 2**14])
    def test_the_edges_are_allowed(self, size: int) -> None:
        assert Settings(record_size=size).record_size == size
