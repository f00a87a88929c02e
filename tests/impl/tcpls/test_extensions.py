"""The bodies of tcpls and tcpls_join."""

import pytest

from impl.tcpls.extensions import TCPLS, check_tcpls, decode_join, encode_join
from impl.tls13.alerts import TLSError
from impl.tls13.registries import AlertDescription


class TestTcpls:
    def test_has_no_value(self) -> None:
        check_tcpls(TCPLS)
        with pytest.raises(TLSError, match="has 1 bytes in it") as caught:
            check_tcpls(b"x")
        assert caught.value.alert is AlertDescription.DECODE_ERROR


class TestJoin:
    def test_is_the_token_without_a_length(self) -> None:
        token = bytes(range(32))
        assert encode_join(token) == decode_join(token) == token

    @pytest.mark.parametrize("size", [0, 31, 33])
    def test_other_sizes(self, size: int) -> None:
        with pytest.raises(ValueError, match=f"a token of {size} bytes"):
            encode_join(bytes(size))
        with pytest.raises(TLSError, match=f"tcpls_join has {size} bytes") as caught:
            decode_join(bytes(size))
        assert caught.value.alert is AlertDescription.ILLEGAL_PARAMETER
