"""Tests of impl.tls13.extensions.indication."""

import pytest

from impl.tls13.alerts import TLSError
from impl.tls13.extensions import INDICATION, decode_indication
from impl.tls13.registries import ExtensionType
from tests.support.tls13_codecs import DECODE_ERROR


class TestIndication:
    def test_it_is_empty(self) -> None:
        decode_indication(INDICATION, ExtensionType.EARLY_DATA)
        assert INDICATION == b""

    @pytest.mark.parametrize("data", [b"\x00", b"\x00\x00\x00\x00"])
    def test_data_is_a_decode_error_that_names_the_extension(self, data: bytes) -> None:
        with pytest.raises(TLSError, match="post_handshake_auth") as caught:
            decode_indication(data, ExtensionType.POST_HANDSHAKE_AUTH)
        assert caught.value.alert is DECODE_ERROR
